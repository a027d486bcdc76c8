"""Fine-tune BERT-family models with LoRA on AG News, evaluate them, and classify text with them."""

__version__ = "0.1.0"
