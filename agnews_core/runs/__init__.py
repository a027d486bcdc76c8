"""A run is a directory, and the only channel between training and those who watch it.

    config.json      the settings, as `TrainConfig`
    status.json      state, phase, progress, backbone, data, notes; replaced whole
    metrics.jsonl    a line for every recorded step and every evaluation, as they happen
    report.json      the evaluation on the validation split
    adapter/         the best model
    checkpoints/     what --resume goes on from
    stop             there while somebody wants the run to stop; holds "keep" or "discard"
    owner.lock       locked by the process that trains; freed by the system when that process dies, however it dies
    queue.lock       locked by the process in whose queue the run waits; freed likewise

Nothing here trains, or imports torch or transformers.
"""

from agnews_core.runs.folder import check_name, create_run, find_newest_run, find_run, find_runs_dir, list_runs
from agnews_core.runs.run import ADAPTER_INFO, Run
from agnews_core.runs.status import ACTIVE, RESUMABLE, Phase, RunStatus, State, now

__all__ = [
    "ACTIVE",
    "ADAPTER_INFO",
    "RESUMABLE",
    "Phase",
    "Run",
    "RunStatus",
    "State",
    "check_name",
    "create_run",
    "find_newest_run",
    "find_run",
    "find_runs_dir",
    "list_runs",
    "now",
]
