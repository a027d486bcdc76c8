"""Fine-tune BERT-family models with LoRA on AG News, evaluate them, and classify text with them."""

import os

__version__ = "0.1.0"

# Before torch is loaded: threads that wait for each other give the core away instead of spinning. On a machine that others
# use too, spinning made a training step of two threads on two cores take ten times as long. `devices.expect_own_cores` says
# otherwise where nobody else is expected.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
