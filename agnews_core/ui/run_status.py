"""A run's state in words, put together of components. Pure functions."""

from markupsafe import Markup

from agnews_core.runs import ACTIVE, RunStatus
from agnews_core.runs.resolved import count_of, format_bytes
from agnews_core.runs.snapshot import Snapshot
from agnews_core.ui.components import (
    build_bar,
    build_card,
    build_empty,
    build_facts,
    build_hints,
    build_notice,
    build_pill,
)

NOTHING = build_card(build_empty('There are no runs yet. Press "Start training" and watch the first one here.'))
NOT_KNOWN = "–"
STATE_WORDS = {
    "queued": "Queued",
    "running": "Running",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


def format_status(snapshot: Snapshot, *, ahead: int) -> Markup:
    """Format how a run is doing: state and phase, why it ended as it did, how far it is, what it uses.

    Args:
        snapshot: The run.
        ahead: How many runs are ahead of it, if it is queued.
    """
    status = snapshot.status
    head = format_head(status.state, STATE_WORDS[status.state], snapshot.run.name, _describe_state(snapshot, ahead))
    bar = _format_bar(snapshot) if status.state in ACTIVE or status.step else ""
    return build_card(head, _format_reason(status), bar, build_facts(_list_facts(snapshot)), build_hints(status.notes))


def format_head(state: str, word: str, name: str, phase: str) -> Markup:
    """Format the first line on a run or a study: its state, its name, and what it is doing."""
    doing = Markup('<span class="status-phase">{}</span>').format(phase) if phase else ""
    return Markup('<div class="status-head">{}<span class="status-run">{}</span>{}</div>').format(
        build_pill(word, kind=state), name, doing
    )


def _describe_state(snapshot: Snapshot, ahead: int) -> str:
    status = snapshot.status
    if status.state in ACTIVE and snapshot.stop:
        what = "its model is kept" if snapshot.stop == "keep" else "its model is discarded"
        return f"stopping after this step; {what}"
    if status.state == "running":
        return _describe_phase(status)
    return format_place(ahead) if status.state == "queued" else ""


def _describe_phase(status: RunStatus) -> str:
    done = status.phase_progress
    if done is None:
        return status.phase
    left = "" if done.eta_seconds is None else f", {format_seconds(done.eta_seconds)} left"
    return f"{status.phase}: {count_of(done.n_done, done.n_total)} texts{left}"


def format_place(ahead: int) -> str:
    """Format a queued run's place.

    >>> format_place(2)
    'position 3 in the queue (2 runs ahead)'
    """
    if not ahead:
        return "next in the queue, about to start"
    return f"position {ahead + 1} in the queue ({ahead} run{'' if ahead == 1 else 's'} ahead)"


def _format_reason(status: RunStatus) -> str:
    if not status.reason:
        return ""
    hint = ' Press "Resume" to go on from the last checkpoint.' if status.state == "interrupted" else ""
    already = "" if "Resume" in status.reason else hint
    return build_notice(f"{status.reason}{already}", kind="bad" if status.state == "failed" else "warn")


def _format_bar(snapshot: Snapshot) -> str:
    status = snapshot.status
    if status.phase_progress and status.state == "running":
        done = status.phase_progress
        return build_bar(done.n_done / max(done.n_total, 1), label="Progress of this phase")
    share = 1.0 if status.state == "finished" else snapshot.progress.share
    return build_bar(share, label="Training progress", moving=status.state == "running" and not status.step)


def _list_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    status, progress = snapshot.status, snapshot.progress
    best, plain = snapshot.metrics.best_accuracy, _find_plain_accuracy(snapshot)
    running, newest = status.state == "running", snapshot.metrics.newest_loss
    facts = [
        ("Step", f"{status.step:,} of {status.max_steps:,}" if status.max_steps else NOT_KNOWN),
        ("Epoch", NOT_KNOWN if newest.epoch is None else f"{newest.epoch:.2f}"),
        ("Speed", NOT_KNOWN if progress.samples_per_second is None else f"{progress.samples_per_second:.1f} samples/s"),
        ("Time left", format_seconds(progress.eta_seconds) if running else NOT_KNOWN),
        ("Best accuracy", NOT_KNOWN if best is None else f"{best:.1%}"),
        *([] if plain is None else [("On plain texts", f"{plain:.1%}")]),
        ("Validation texts", snapshot.evaluations.counts if snapshot.evaluations else NOT_KNOWN),
        ("Frozen layers", _format_replay(status)),
        ("Computes on", _format_device(status)),
        ("Evaluated with", status.result.engine if status.result and status.result.engine else NOT_KNOWN),
        ("Memory", NOT_KNOWN if newest.memory_mib is None else _format_mib(newest.memory_mib)),
    ]
    if status.study:
        facts.append(("Trial of study", status.study))
    if newest.gpu_memory_mib is not None:
        busy = "" if newest.gpu_percent is None else f", {newest.gpu_percent} % busy"
        facts.append(("GPU", _format_mib(newest.gpu_memory_mib) + busy))
    # While a run goes on, what is not known yet keeps its place; later it would only be noise.
    return [(label, value) for label, value in facts if running or value != NOT_KNOWN]


def _find_plain_accuracy(snapshot: Snapshot) -> float | None:
    """Return the best model's accuracy on plain validation texts, where the run has such."""
    result = snapshot.status.result
    return result.eval_plain_accuracy if result else snapshot.metrics.best.eval_plain_accuracy


def _format_device(status: RunStatus) -> str:
    if status.resolved is None:
        return NOT_KNOWN
    return f"{'GPU' if status.resolved.device == 'cuda' else 'CPU'}, {status.resolved.precision}"


def _format_replay(status: RunStatus) -> str:
    replay = status.resolved.replay if status.resolved else None
    if replay is None or not replay.n_layers:
        return NOT_KNOWN
    if not replay.used:
        return "computed in each pass"
    took = f" in {format_seconds(replay.fill_seconds)}" if replay.fill_seconds else ""
    how = "from an earlier run" if replay.found else f"computed once{took}"
    return f"{how}, {format_bytes(replay.n_bytes)}"


def _format_mib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"


def format_seconds(seconds: float | None) -> str:
    """Format a duration as people say it.

    >>> format_seconds(3700)
    '1 h 1 min'
    """
    if seconds is None:
        return NOT_KNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_rest} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
