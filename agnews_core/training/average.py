"""The mean of the trained weights over the last steps (Izmailov et al. 2018, arXiv:1803.05407): often better than any of them.

What is averaged so far is in each checkpoint, so that a resumed run has the same mean.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerCallback

from agnews_core.runs import Run
from agnews_core.training.records import note

AVERAGE = "average.safetensors"


class WeightAverage(TrainerCallback):
    """Averages the trained weights of a model over the last steps.

    Args:
        model: The model, where it is trained.
        share: Of all steps.
    """

    def __init__(self, model: torch.nn.Module, share: float) -> None:
        self._share = share
        self._weights = torch.nn.ParameterList(weight for weight in model.parameters() if weight.requires_grad)
        self._average = AveragedModel(self._weights)  # copies these, and none of the frozen ones

    @property
    def n_steps(self) -> int:
        """How many steps it is of so far."""
        return int(self._average.n_averaged)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add the weights of a step that is one of the last."""
        if state.global_step > state.max_steps * (1 - self._share):
            self._average.update_parameters(self._weights)

    def save(self, checkpoint: Path) -> None:
        """Write what is averaged so far, if anything is."""
        if self.n_steps:
            save_file(self._average.state_dict(), checkpoint / AVERAGE)

    def load(self, checkpoint: Path) -> None:
        """Go on from what a checkpoint has."""
        if (checkpoint / AVERAGE).exists():
            self._average.load_state_dict(load_file(checkpoint / AVERAGE))

    @torch.no_grad()
    def swap(self) -> None:
        """Put the average in the place of the model's weights, and these in its place."""
        for weight, average in zip(self._weights, self._average.parameters(), strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)


def take_better(trainer: Any, run: Run, texts: str) -> int:
    """Leave the average in the place of a trainer's best model where it is better, and note which of the two is the model.

    Args:
        trainer: A `NewsTrainer` at its end.
        run: Where it is noted.
        texts: What the two were evaluated on, in words.

    Returns:
        How many steps the model is an average of; 0 where it is the best checkpoint, or nothing was averaged.
    """
    average: WeightAverage | None = trainer.average
    if average is None or not average.n_steps:
        return 0
    state = trainer.state
    best = trainer.measure() if state.best_metric is None else state.best_metric
    average.swap()
    figure = trainer.measure()
    is_better = figure > best
    if is_better:
        state.best_metric = figure
    else:
        average.swap()
    note(
        run,
        f"On {texts}, the average of the last {average.n_steps:,} steps classified {figure:.2%} correctly, the best checkpoint "
        f"(step {state.best_global_step or state.global_step:,}) {best:.2%}; the {'average' if is_better else 'checkpoint'} "
        "is the model.",
    )
    return average.n_steps if is_better else 0
