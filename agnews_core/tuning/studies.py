"""The studies that a page carries out, each in a thread of its own; their trials take turns in the page's queue.

All that is known of a study is in its folder: a study whose program ended reads as interrupted, and can be resumed. Who may do
what is refused here, whichever way the question came.
"""

import logging
import shutil
import threading
import time
from dataclasses import replace

from agnews_core.config import TrainConfig
from agnews_core.errors import AgNewsError, RunError
from agnews_core.jobs.queue import JobQueue
from agnews_core.jobs.visitors import Visitor
from agnews_core.libraries import import_libraries
from agnews_core.runs.presets import describe_differences
from agnews_core.tuning.study import Study, find_study, list_studies

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 10.0  # until a thread holds its study


class Studies:
    """Starts, stops, resumes and deletes studies for visitors.

    Args:
        queue: Trains their trials.
    """

    def __init__(self, queue: JobQueue) -> None:
        self.queue = queue
        self._lock = threading.Lock()  # between asking whether there is room and taking it

    def describe(self, config: TrainConfig, *, minutes: float, by: Visitor) -> str:
        """Describe what a budget of time buys.

        Raises:
            ConfigError: It is too short, or the visitor may not train with these settings.
        """
        import_libraries()
        from agnews_core.tuning.offer import describe_offer
        from agnews_core.tuning.start import Wanted

        return describe_offer(Wanted(config, (), minutes=minutes), by=by)

    def start(self, config: TrainConfig, *, minutes: float, by: Visitor) -> Study:
        """Make a study that begins with these settings, and carry it out.

        Raises:
            ConfigError: Its time is too short, or the visitor may not train with these settings.
            RunError: Another study of this visitor is carried out.
        """
        import_libraries()
        from agnews_core.tuning.start import Wanted, begin_study

        preset, _ = describe_differences(config)
        with self._lock:
            self._check_room(by)
            study = begin_study(Wanted(config, (), preset, minutes), self.queue.runs_dir, by=by)
            self._carry_out(study, by)
        return study

    def resume(self, name: str, *, by: Visitor) -> Study:
        """Go on with a study that was interrupted or stopped, or failed.

        Raises:
            RunError: There is no such study, it is another's or not in such a state.
        """
        import_libraries()
        from agnews_core.tuning.start import resume_study

        with self._lock:
            self._find(name, by, action="resume")
            self._check_room(by)
            study = resume_study(self.queue.runs_dir, name)
            self._carry_out(study, by)
        return study

    def stop(self, name: str, *, by: Visitor) -> None:
        """Ask a study to stop; what there is of it is kept.

        Raises:
            RunError: There is no such study, or it is another's.
        """
        self._find(name, by, action="stop").request_stop()

    def delete(self, name: str, *, by: Visitor) -> None:
        """Delete a study and the runs that were its trials.

        Raises:
            RunError: There is no such study, it is another's, or it is carried out.
        """
        study = self._find(name, by, action="delete")
        if study.is_owned():
            raise RunError(f"The study {name} is being carried out; stop it first.")
        for run in list_trial_runs(study):
            self.queue.delete(run, by=by)
        shutil.rmtree(study.path, ignore_errors=True)

    def _find(self, name: str, by: Visitor, *, action: str) -> Study:
        study = find_study(self.queue.runs_dir, name)
        if not by.owns(study.read()):
            raise RunError(f"The study {name} was not started in this browser; only who started it can {action} it.")
        return study

    def _check_room(self, by: Visitor) -> None:
        if by.is_host:
            return
        own = (study for study in list_studies(self.queue.runs_dir) if study.is_owned() and by.owns(study.read()))
        if study := next(own, None):
            raise RunError(f"Your study {study.name} is still carried out; stop it first.")

    def _carry_out(self, study: Study, by: Visitor) -> None:
        """Begin to carry a study out, for whoever started it."""
        owner = replace(by, key=study.read().owner)
        thread = threading.Thread(target=self._work, args=(study, owner), daemon=True, name=f"study-{study.name}")
        thread.start()
        deadline = time.monotonic() + BEGIN_SECONDS
        while thread.is_alive() and not study.is_owned() and time.monotonic() < deadline:
            time.sleep(0.02)  # until then it reads as interrupted

    def _work(self, study: Study, by: Visitor) -> None:
        from agnews_core.tuning.search import run_study

        try:
            run_study(study, self.queue, by=by)
        except AgNewsError as error:  # recorded
            logger.warning("The study %s failed: %s", study.name, error)
        except Exception as error:  # the thread's top
            logger.exception("The study %s could not be carried out.", study.name)
            study.write(
                study.read().model_copy(update={"state": "failed", "reason": f"Unexpected error: {error!r:.300}"})
            )


def list_trial_runs(study: Study) -> list[str]:
    """Return the names of the runs that are trials of a study and are still there."""
    try:
        names = [trial.run for trial in study.read().trials]
    except RunError:  # damaged
        return []
    return [name for name in names if (study.runs_dir / name / "status.json").is_file()]
