"""The sweep as an Optuna study: what was asked, what was told.

The job folders are the truth about what is finished. The study mirrors them in Optuna's storage, a journal file in
the sweep's folder, where samplers, dashboards and other controllers look.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from runner.config import digest
from runner.job import Result
from runner.sweep.plan import Plan, Trial


class Study:
    """The study of a plan. A changed list of cells or seeds is another study in the same file.

    One controller at a time tells it (it holds the sweep's lock), so a trial's number is how many were before it.
    """

    def __init__(self, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        cells = [cell.name for cell in plan.cells]
        self._distributions: dict[str, BaseDistribution] = {
            "cell": CategoricalDistribution(cells),
            "seed": IntDistribution(min(plan.seeds), max(plan.seeds)),
        }
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._study = optuna.create_study(
            storage=_journal(plan.folder / "study.log"),
            study_name=f"{plan.title}-{digest([cells, plan.seeds])}",
            direction="maximize",
            load_if_exists=True,
        )
        known = self._study.get_trials(deepcopy=False)
        self._count = len(known)
        self._numbers = {trial.user_attrs["job"]: trial.number for trial in known}
        self._ended = {trial.user_attrs["job"]: trial.state.is_finished() for trial in known}

    def ask(self, trial: Trial) -> int:
        """Optuna's number for a trial that begins, or begins again.

        (The trial is added in one piece, as running: a controller killed between `enqueue_trial` and `ask` would
        leave one waiting, which the next would mistake for its own.)
        """
        job = trial.job.folder.name
        if self._ended.get(job, True):
            params = {"cell": trial.cell.name, "seed": trial.seed}
            begun = create_trial(
                state=TrialState.RUNNING, params=params, distributions=self._distributions, user_attrs={"job": job}
            )
            self._study.add_trial(begun)
            self._numbers[job], self._ended[job] = self._count, False
            self._count += 1
        return self._numbers[job]

    def tell(self, trial: Trial, result: Result) -> None:
        """How a trial ended; told once."""
        job = trial.job.folder.name
        if self._ended.get(job, False):
            return
        self.ask(trial)
        failed = result.status == "failed" or result.accuracy is None
        self._study.tell(
            self._numbers[job],
            None if failed else result.accuracy,
            state=TrialState.FAIL if failed else TrialState.COMPLETE,
        )
        self._ended[job] = True

    def catch_up(self, ended: Iterable[tuple[Trial, Result]]) -> None:
        """Tells what ended while nobody listened."""
        for trial, result in ended:
            self.tell(trial, result)


def _journal(path: Path) -> JournalStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(path)))
