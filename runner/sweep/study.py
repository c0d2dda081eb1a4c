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
    """The study of a plan. A changed list of cells or seeds is another study in the same file."""

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
        self._numbers = self._by_job()

    def ask(self, trial: Trial) -> int:
        """Optuna's number for a trial that begins, or begins again.

        (The trial is added in one piece, as running: a controller killed between `enqueue_trial` and `ask` would
        leave one waiting, which the next would mistake for its own.)
        """
        job = trial.job.folder.name
        state = self._state(job)
        if state is None or state.is_finished():
            params = {"cell": trial.cell.name, "seed": trial.seed}
            begun = create_trial(
                state=TrialState.RUNNING, params=params, distributions=self._distributions, user_attrs={"job": job}
            )
            self._study.add_trial(begun)
            self._numbers = self._by_job()
        return self._numbers[job]

    def _by_job(self) -> dict[str, int]:
        return {trial.user_attrs["job"]: trial.number for trial in self._study.get_trials(deepcopy=False)}

    def tell(self, trial: Trial, result: Result) -> None:
        """How a trial ended; told once."""
        job = trial.job.folder.name
        state = self._state(job)
        if state is None:
            self.ask(trial)
        elif state.is_finished():
            return
        failed = result.status == "failed" or result.accuracy is None
        self._study.tell(
            self._numbers[job],
            None if failed else result.accuracy,
            state=TrialState.FAIL if failed else TrialState.COMPLETE,
        )

    def catch_up(self, ended: Iterable[tuple[Trial, Result]]) -> None:
        """Tells what ended while nobody listened."""
        for trial, result in ended:
            self.tell(trial, result)

    def _state(self, job: str) -> TrialState | None:
        number = self._numbers.get(job)
        return None if number is None else self._study.get_trials(deepcopy=False)[number].state


def _journal(path: Path) -> JournalStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(path)))
