"""Backbones, the LoRA that is built on them, and the adapters that are saved."""
