"""Fine-tune BERT-family models with LoRA on AG News, evaluate them, and classify text with them."""

import os

__version__ = "0.1.0"

# Before torch is loaded: threads that wait for each other give the core away instead of spinning. On a machine that others
# use too, spinning made a training step of two threads on two cores take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# oneDNN keeps what it compiled for each shape, 1,024 of them by default, and every batch has a shape of its own: a training of
# the bundled backbone grew by a GiB in 100 steps. With 64 it stays where it begins, and is no slower.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
