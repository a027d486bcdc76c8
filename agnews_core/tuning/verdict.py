"""The honest end of a study: which trial wins, and whether it is better than the preset on texts that chose nothing.

The winner is chosen by the validation texts that the runs saw. What is said of it is measured on those held out from all of them.
"""

import numpy as np
from numpy.typing import NDArray

from agnews_core.errors import RunError
from agnews_core.evaluation.comparison import compute_p_value, compute_standard_error
from agnews_core.evaluation.compute import compute_interval
from agnews_core.evaluation.files import read_evaluated
from agnews_core.inference.classifier import Classifier
from agnews_core.news.splits import load_news
from agnews_core.runs import find_run
from agnews_core.settings_files import write_settings
from agnews_core.tuning.space import apply
from agnews_core.tuning.study import Study, StudyStatus, Trial, Verdict, find_best

Rights = NDArray[np.bool_]


def find_preset(status: StudyStatus) -> Trial | None:
    """Return the preset's trial, where it came to its end."""
    return next((trial for trial in status.candidates if trial.stage == "preset"), None)


def reach_verdict(study: Study, status: StudyStatus) -> Verdict | None:
    """Choose the winner, compare it with the preset, and write its settings; None without the preset's trial and one beside it.

    Raises:
        RunError: A run that it needs is gone, or the news has changed.
        CheckpointError, DataError: A model or the news cannot be read.
    """
    preset = find_preset(status)
    if preset is None or not any(trial.state in ("finished", "pruned") and trial.curve for trial in status.trials[1:]):
        return None
    winner = choose_winner(study, status, preset)
    config = apply(status.config, winner.params) if winner != preset else status.config
    write_settings(config.model_copy(update={"holdout_share": 0.0}), study.winner_path)
    rights = {
        trial.number: _compute_rights(study, trial) for trial in {preset.number: preset, winner.number: winner}.values()
    }
    return build_verdict(status, winner, preset, rights)


def choose_winner(study: Study, status: StudyStatus, preset: Trial) -> Trial:
    """Return the best candidate, or the preset where that is within one standard error of it on the texts to choose on.

    The one-standard-error rule (Breiman et al. 1984, "Classification and Regression Trees"): of settings that cannot be told
    apart, those that everybody has.
    """
    best = find_best(status.candidates)
    if best is None or best == preset:
        return preset
    own, others = (_read_rights(study, trial) for trial in (best, preset))
    n_own, n_others = int((own & ~others).sum()), int((others & ~own).sum())
    ahead = (best.score or 0.0) - (preset.score or 0.0)
    return best if ahead > compute_standard_error(n_own, n_others, len(own)) else preset


def build_verdict(status: StudyStatus, winner: Trial, preset: Trial, rights: dict[int, Rights]) -> Verdict:
    """Build the verdict from which of the texts held out each of the two has right."""
    own, others = rights[winner.number], rights[preset.number]
    n_own, n_others = int((own & ~others).sum()), int((others & ~own).sum())
    found = Verdict(
        winner=winner.number,
        preset=preset.number,
        n=len(own),
        winner_accuracy=_measure(own),
        preset_accuracy=_measure(others),
        n_only_winner=n_own,
        n_only_preset=n_others,
        p_value=compute_p_value(n_own, n_others),
        sentences=(),
    )
    return found.model_copy(update={"sentences": _describe(found, status)})


def _measure(rights: Rights) -> tuple[float, float, float]:
    return float(rights.mean()), *compute_interval(int(rights.sum()), len(rights))


def _describe(found: Verdict, status: StudyStatus) -> tuple[str, ...]:
    on = f"On {found.n:,} validation texts that no trial was chosen by"
    preset = f"the preset {status.preset}"
    if found.winner == found.preset:
        tried = len(status.trials) - 1
        return (
            f"No better than {preset}: of {tried} trials none did better than it by more than chance on the texts to choose on.",
            f"{on}, {preset} classifies {_format(found.preset_accuracy)} correctly.",
        )
    shares = (
        f"{on}, it classifies {_format(found.winner_accuracy)} correctly, {preset} {_format(found.preset_accuracy)}"
    )
    apart = f"{found.n_only_winner:,} texts it alone has right, {found.n_only_preset:,} {preset} alone (p = {found.p_value:.2g})"
    begins = f"Trial {found.winner} is better than" if found.is_better else f"Trial {found.winner} is no better than"
    why = "." if found.is_better else ", as far as these texts can tell: chance alone often makes such a difference."
    if found.n_only_winner < found.n_only_preset and found.p_value < 0.05:
        begins, why = f"Trial {found.winner} is worse than", "; keep the preset."
    return f"{begins} {preset}{why}", f"{shares}; {apart}."


def _format(accuracy: tuple[float, float, float]) -> str:
    share, low, high = accuracy
    return f"{share:.1%} (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def _read_rights(study: Study, trial: Trial) -> Rights:
    """Read which of the texts to choose on a trial's model has right, as its run's evaluation has it."""
    evaluated = read_evaluated(find_run(study.runs_dir, trial.run).path, "validation")
    if evaluated is None:
        raise RunError(
            f"The run {trial.run} no longer has its evaluation, so that the study {study.name} has no winner."
        )
    rights: Rights = (evaluated.table["predicted"] == evaluated.table["label"]).to_numpy()
    return rights


def _compute_rights(study: Study, trial: Trial) -> Rights:
    """Compute which of the texts held out a trial's model has right."""
    run = find_run(study.runs_dir, trial.run)
    resolved = run.read_status().resolved
    news = load_news(run.read_resolved_config())
    if resolved is None or news.holdout is None or news.digest != resolved.data_digest:
        raise RunError(
            f"The news has changed since the run {run.name} began, so that the study has no texts to compare on."
        )
    classifier = Classifier.load(run.adapter_dir, backbone_name=resolved.backbone)
    rights: Rights = classifier.compute_logits(list(news.holdout["text"])).argmax(-1) == np.asarray(
        news.holdout["label"]
    )
    return rights
