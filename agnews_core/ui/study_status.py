"""A study in words, put together of components: how it is doing, its verdict, its trials. Pure functions."""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from agnews_core.runs.overview import Overview
from agnews_core.tuning.sentences import describe_params
from agnews_core.tuning.study import Study, StudyStatus, Trial, TrialState
from agnews_core.ui.components import (
    Kind,
    build_bar,
    build_card,
    build_empty,
    build_facts,
    build_hints,
    build_notice,
    build_pill,
    build_table,
    join,
)
from agnews_core.ui.run_status import NOT_KNOWN, STATE_WORDS, format_head, format_place, format_seconds
from agnews_core.ui.runs_table import build_run_button

NOTHING = build_card(
    build_empty(
        "No study yet. It trains one short run after the other with other settings, keeps those that do well, and compares the "
        "best with what you have set under Configure."
    )
)
TRIAL_WORDS = {
    "waiting": "Waiting",
    "running": "Running",
    "finished": "Finished",
    "pruned": "Given up",
    "failed": "Failed",
}
TRIAL_STATES = {"waiting": "queued", "pruned": "stopped"}  # else a run's state of the same name, for its colour


def format_study(study: Study, status: StudyStatus, overview: Overview) -> Markup:
    """Format how a study is doing: state and phase, why it ended as it did, its time, its best trial so far, its verdict."""
    phase = _describe_phase(study, status, overview) if status.state == "running" else ""
    head = format_head(status.state, STATE_WORDS[status.state], study.name, phase)
    share = min(status.spent_seconds / (60 * status.minutes), 1.0)
    bar = build_bar(share, label="Time spent") if status.state != "finished" else ""
    facts, notes = build_facts(_list_facts(status)), build_hints(status.notes)
    return build_card(head, _format_reason(status), _format_verdict(status), bar, facts, notes)


def _describe_phase(study: Study, status: StudyStatus, overview: Overview) -> str:
    trial = find_current(status)
    if study.read_stop():
        return "stopping after this step; what there is is kept"
    if trial is None:
        return "comparing the best with the preset" if status.trials else "about to begin"
    run = overview.find(trial.run)
    if run is None or run.status.state == "queued":
        return f"trial {trial.number}: {format_place(overview.count_ahead(trial.run))}"
    step = f", step {run.status.step:,} of {run.status.max_steps:,}" if run.status.max_steps else ""
    return f"trial {trial.number}: {run.status.phase}{step}"


def find_current(status: StudyStatus) -> Trial | None:
    """Return the trial that is under way, if one is."""
    return next((trial for trial in status.trials if not trial.has_ended), None)


def find_winner(status: StudyStatus) -> Trial | None:
    """Return the trial whose settings a study has to offer: the winner, or the best so far; None where that is the preset's."""
    trial = status.find(status.verdict.winner) if status.verdict else status.best
    return trial if trial and trial.stage != "preset" else None


def _format_reason(status: StudyStatus) -> str:
    if not status.reason:
        return ""
    hint = ' Press "Resume" to go on with it.' if status.state in ("interrupted", "stopped") else ""
    return build_notice(f"{status.reason}{hint}", kind="bad" if status.state == "failed" else "warn")


def _format_verdict(status: StudyStatus) -> Markup:
    """Format what came of it: the verdict, whose first sentence counts, and what mattered."""
    parts = []
    if status.verdict:
        first, *rest = status.verdict.sentences or ("",)
        kind: Kind = "plain" if status.verdict.is_better else "warn"
        parts.append(build_notice(" ".join(rest), title=first, kind=kind, elem_id="verdict"))
    if status.findings:
        found = join(Markup("<li>{}</li>").format(sentence) for sentence in status.findings)
        parts.append(Markup('<div id="findings"><b>What mattered</b><ul>{}</ul></div>').format(found))
    return join(parts)


def _list_facts(status: StudyStatus) -> list[tuple[str, str]]:
    best, best_title = status.best, "Best so far" if status.state == "running" else "Best"
    preset = next((trial for trial in status.trials if trial.stage == "preset"), None)
    return [
        ("Trials", _count_trials(status.trials)),
        (best_title, NOT_KNOWN if best is None else f"{format_score(best)}, trial {best.number}"),
        ("The preset", NOT_KNOWN if preset is None else format_score(preset)),
        ("Time", f"{status.spent_seconds / 60:.0f} of {status.minutes:g} min"),
    ]


def _count_trials(trials: Sequence[Trial]) -> str:
    """Return how many trials there are, and of those that are not simply finished, how many are what.

    >>> _count_trials(())
    'none yet'
    """
    counts = Counter(trial.state for trial in trials)
    states: tuple[TrialState, ...] = ("pruned", "failed", "running", "waiting")
    rest = ", ".join(f"{counts[state]} {TRIAL_WORDS[state].lower()}" for state in states if counts[state])
    return f"{len(trials)}{f' ({rest})' if rest else ''}" if trials else "none yet"


def format_score(trial: Trial) -> str:
    """Format what a trial is judged by, on the texts to choose on: of its end, else the last that was measured."""
    if trial.score is not None:
        return f"{trial.score:.1%}"
    return f"{trial.curve[-1][1]:.1%} at {trial.curve[-1][0]} %" if trial.curve else NOT_KNOWN


def format_trials(status: StudyStatus) -> str:
    """Format the trials as a table: those under way first, then from the best down, then those that came to no end."""
    best = status.best
    order = {"running": 0, "waiting": 0, "finished": 1, "pruned": 2, "failed": 3}
    trials = sorted(status.trials, key=lambda trial: (order[trial.state], -(trial.score or 0.0), trial.number))
    headers = ("Run", "Status", status.judged_by.capitalize(), "Texts", "Time", "Settings")
    return build_table(headers, (_list_cells(status, trial, is_best=trial == best) for trial in trials), label="Trials")


def _list_cells(status: StudyStatus, trial: Trial, *, is_best: bool) -> tuple[str, ...]:
    state = TRIAL_STATES.get(trial.state, trial.state)
    score = format_score(trial)
    texts = f"{trial.max_train_samples:,}" if trial.max_train_samples else "all"
    reason = f". {trial.reason}" if trial.reason else ""
    again = f"trial {trial.repeats} again: " if trial.repeats else ""
    return (
        build_run_button(trial.run, is_shown=False),
        build_pill(TRIAL_WORDS[trial.state], kind=state),
        Markup("<b>{}</b>").format(score) if is_best else score,
        texts,
        format_seconds(trial.seconds) if trial.has_ended else NOT_KNOWN,
        f"{again}{describe_params(status, trial)}{reason}",
    )
