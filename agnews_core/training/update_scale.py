"""How much of LoRA's update the model that is kept has.

Weights between the base model's and the trained ones are often as good on texts like those that were trained on, and better on
others (Wortsman et al. 2022, arXiv 2109.01903, who call it WiSE-FT). With LoRA they are the base model's and a share of what was
added.
"""

import time

from peft.helpers import rescale_adapter_scale

from agnews_core.models.adapters import UpdateScale
from agnews_core.processes import share, share_flag
from agnews_core.runs import PhaseProgress, Run
from agnews_core.training.parts import Parts
from agnews_core.training.records import enter, note
from agnews_core.training.trainer import NewsTrainer

SCALES = tuple(round(1 - 0.05 * number, 2) for number in range(11))  # 1, 0.95, ... 0.5


def choose_update_scale(run: Run, parts: Parts, trainer: NewsTrainer) -> UpdateScale:
    """Return the scale that is set, or else the one that is best on the texts that checkpoints are evaluated on.

    That is measured as checkpoints are, once for each scale, by all processes together; of equally good ones the largest is
    taken. Who stops the run does not wait for it.
    """
    wanted = parts.config.lora_update_scale
    if wanted != "fit":
        return UpdateScale(value=wanted)
    share(lambda: enter(run, "scaling the update"))
    began, n_texts, scores = time.monotonic(), len(trainer.eval_dataset), dict[float, float]()
    for scale in SCALES:
        if share_flag(bool(run.read_stop())):
            share(lambda: note(run, "LoRA's update is kept whole: the run was stopped before a scale was fitted."))
            return UpdateScale()
        with rescale_adapter_scale(trainer.model, scale):
            scores[scale] = trainer.measure()
        share(lambda: _tell(run, len(scores) * n_texts, time.monotonic() - began, n_total=len(SCALES) * n_texts))
    best = UpdateScale(value=max(scores, key=scores.__getitem__), is_fitted=True)
    share(lambda: note(run, _describe(best.value, scores, parts.evaluated_texts, time.monotonic() - began)))
    return best


def _tell(run: Run, n_done: int, seconds: float, *, n_total: int) -> None:
    progress = PhaseProgress(n_done=n_done, n_total=n_total, eta_seconds=seconds / n_done * (n_total - n_done))
    run.update_status(phase_progress=progress)


def _describe(best: float, scores: dict[float, float], texts: str, seconds: float) -> str:
    fitted = f"found among {len(scores)} scales in {seconds:.0f} seconds"
    if best == 1:
        return (
            f"LoRA's update is kept whole: with no smaller scale are more of {texts} classified correctly than {scores[1]:.2%} "
            f"({fitted})."
        )
    return (
        f"LoRA's update counts {best:g} times: of {texts}, {scores[best]:.2%} are classified correctly instead of "
        f"{scores[1]:.2%} ({fitted})."
    )
