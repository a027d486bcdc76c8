"""A run is a directory, and the only channel between training and those who watch it.

    config.json                    the settings, as `TrainConfig`
    status.json                    state, phase, progress, backbone, data, notes; replaced whole
    metrics.jsonl                  a line for every recorded step and every evaluation, as they happen
    log.txt                        what was logged while it trained
    output.txt                     what a training in the background printed
    traceback.txt                  where it failed, if the last training did for a reason that nobody foresaw
    adapter/                       the best model, whole; a newer one takes its place when it is evaluated
    adapter.new/                   that newer one until then
    checkpoints/                   what a resumed run goes on from; what it learns of each text, where that is not the label alone
    report.json                    the evaluation on the validation split
    predictions-<split>.parquet    an evaluation with what the model said of every text; see `evaluation_files`
    baseline-<split>.json          what a plain model reaches on the same texts; see `baseline`
    tensorboard/                   its log for TensorBoard, where that was asked for
    reserve                        room on the disk, for recording how a training ended though the disk is full
    stop                           there while somebody wants the run to stop; holds "keep" or "discard"
    owner.lock                     locked by the process that trains; freed by the system when that dies, however it dies
    queue.lock                     locked by the process in whose queue the run waits; freed likewise

Nothing here trains, or imports torch or transformers.
"""

from agnews_core.folders import check_name, find_runs_dir, is_name
from agnews_core.runs.folder import create_run, find_run, find_unfinished_run, list_runs
from agnews_core.runs.followed import share_run
from agnews_core.runs.resolved import Replay, Resolved
from agnews_core.runs.run import Run
from agnews_core.runs.status import ACTIVE, Phase, PhaseProgress, RunResult, RunStatus, State, now

__all__ = [
    "ACTIVE",
    "Phase",
    "PhaseProgress",
    "Replay",
    "Resolved",
    "Run",
    "RunResult",
    "RunStatus",
    "State",
    "check_name",
    "create_run",
    "find_run",
    "find_runs_dir",
    "find_unfinished_run",
    "is_name",
    "list_runs",
    "now",
    "share_run",
]
