"""The honest end of a study: which trial wins, and whether it is better than the preset on texts that chose nothing.

The winner is chosen by the validation texts that the runs saw. What is said of it is measured on those held out from all of them.
Where plain texts count (`plain_weight`), both are so of plain validation texts, too.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnews_core.errors import RunError
from agnews_core.evaluation.comparison import Apart, Rights, compute_joint_p_value, compute_p_value, count_apart
from agnews_core.evaluation.compute import compute_interval
from agnews_core.evaluation.files import read_evaluated
from agnews_core.inference.classifier import Classifier
from agnews_core.news.splits import load_news
from agnews_core.runs import Run, find_run
from agnews_core.settings_files import write_settings
from agnews_core.tuning.space import apply
from agnews_core.tuning.study import Accuracy, Compared, Study, StudyStatus, Trial, Verdict, find_best


@dataclass(frozen=True)
class Answers:
    """Which validation texts a trial's model has right: those to choose on, and those held out. Plain ones where they count."""

    seen: Rights
    held_out: Rights
    plain_seen: Rights | None = None
    plain_held_out: Rights | None = None


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
    best = find_best(status.candidates) or preset
    answers = {
        trial.number: _read_answers(study, trial) for trial in {preset.number: preset, best.number: best}.values()
    }
    winner = choose_winner(status, best, preset, answers)
    config = apply(status.config, winner.params) if winner != preset else status.config
    write_settings(config.model_copy(update={"holdout_share": 0.0}), study.winner_path)
    return build_verdict(status, winner, preset, answers)


def choose_winner(status: StudyStatus, best: Trial, preset: Trial, answers: dict[int, Answers]) -> Trial:
    """Return the best candidate, or the preset where that is within one standard error of it on the texts to choose on.

    The one-standard-error rule (Breiman et al. 1984, "Classification and Regression Trees"): of settings that cannot be told
    apart, those that everybody has.
    """
    own, others, weight = answers[best.number], answers[preset.number], status.config.plain_weight
    apart = [count_apart(own.seen, others.seen, weight=1 - weight)]
    if own.plain_seen is not None and others.plain_seen is not None:
        apart.append(count_apart(own.plain_seen, others.plain_seen, weight=weight))
    return best if sum(it.lead for it in apart) > math.hypot(*(it.error for it in apart)) else preset


def build_verdict(status: StudyStatus, winner: Trial, preset: Trial, answers: dict[int, Answers]) -> Verdict:
    """Build the verdict from which of the texts held out each of the two has right."""
    own, others, weight = answers[winner.number], answers[preset.number], status.config.plain_weight
    apart, plain = count_apart(own.held_out, others.held_out, weight=1 - weight), None
    p_value = compute_p_value(apart.n_only_first, apart.n_only_second)
    if own.plain_held_out is not None and others.plain_held_out is not None:
        plain_apart = count_apart(own.plain_held_out, others.plain_held_out, weight=weight)
        plain = Compared(**_compare(own.plain_held_out, others.plain_held_out, plain_apart))
        p_value = compute_joint_p_value(apart, plain_apart)
    found = Verdict(
        winner=winner.number,
        preset=preset.number,
        **_compare(own.held_out, others.held_out, apart),
        plain=plain,
        plain_weight=weight,
        p_value=p_value,
        sentences=(),
    )
    return found.model_copy(update={"sentences": _describe(found, status)})


def _compare(own: Rights, others: Rights, apart: Apart) -> dict[str, Any]:
    return {
        "n": apart.n,
        "winner_accuracy": _measure(own),
        "preset_accuracy": _measure(others),
        "n_only_winner": apart.n_only_first,
        "n_only_preset": apart.n_only_second,
    }


def _measure(rights: Rights) -> Accuracy:
    return float(rights.mean()), *compute_interval(int(rights.sum()), len(rights))


def _describe(found: Verdict, status: StudyStatus) -> tuple[str, ...]:
    preset, is_same = f"the preset {status.preset}", found.winner == found.preset
    shares = [_describe_shares(found, "validation texts", preset, is_same=is_same)]
    if found.plain:
        shares.append(_describe_shares(found.plain, "plain ones", preset, is_same=is_same))
    p_value = f"p = {found.p_value:.2g}"
    if found.plain:
        p_value += f", where the plain ones count {found.plain_weight:g} and the others {1 - found.plain_weight:g}"
    said = f"On {'; on '.join(shares)}{'' if is_same else f' ({p_value})'}."
    if is_same:
        tried = len(status.trials) - 1
        none = f"of {tried} trials none did better than it by more than chance on the texts to choose on"
        return f"No better than {preset}: {none}.", said
    begins = f"Trial {found.winner} is better than" if found.is_better else f"Trial {found.winner} is no better than"
    why = "." if found.is_better else ", as far as these texts can tell: chance alone often makes such a difference."
    if found.is_worse:
        begins, why = f"Trial {found.winner} is worse than", "; keep the preset."
    return f"{begins} {preset}{why}", said


def _describe_shares(found: Compared, texts: str, preset: str, *, is_same: bool) -> str:
    on = f"{found.n:,} {texts} that no trial was chosen by"
    if is_same:
        return f"{on}, {preset} classifies {_format(found.preset_accuracy)} correctly"
    return (
        f"{on}, it classifies {_format(found.winner_accuracy)} correctly, {preset} {_format(found.preset_accuracy)}; "
        f"{found.n_only_winner:,} texts it alone has right, {found.n_only_preset:,} {preset} alone"
    )


def _format(accuracy: Accuracy) -> str:
    share, low, high = accuracy
    return f"{share:.1%} (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def _read_answers(study: Study, trial: Trial) -> Answers:
    """Return what a trial's model has right: of the news to choose on as its run's evaluation has it, of all else computed."""
    run = find_run(study.runs_dir, trial.run)
    evaluated = read_evaluated(run.path, "validation")
    if evaluated is None:
        raise RunError(
            f"The run {trial.run} no longer has its evaluation, so that the study {study.name} has no winner."
        )
    seen: Rights = (evaluated.table["predicted"] == evaluated.table["label"]).to_numpy()
    return Answers(seen, *_compute_rights(run))


def _compute_rights(run: Run) -> list[Rights]:
    """Compute which texts held out a run's model has right, and which plain ones, seen and held out, where these count."""
    config, resolved = run.read_resolved_config(), run.read_status().resolved
    news = load_news(config)
    texts = [news.holdout, *((news.plain_validation, news.plain_holdout) if config.plain_weight else ())]
    found = [rows for rows in texts if rows is not None]
    if resolved is None or len(found) < len(texts) or news.digest != resolved.data_digest:
        raise RunError(
            f"The news has changed since the run {run.name} began, so that the study has no texts to compare on."
        )
    classifier = Classifier.load(run.adapter_dir, backbone_name=resolved.backbone)
    predicted = classifier.compute_logits([text for rows in found for text in rows["text"]]).argmax(-1)
    rights = predicted == np.concatenate([np.asarray(rows["label"]) for rows in found])
    return np.split(rights, np.cumsum([len(rows) for rows in found[:-1]]))
