"""What Optuna's storage has of a sweep's searches, read and never written."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from runner.sweep.journal import CELL, journal, journal_file, study_name
from runner.sweep.plan import Plan

State = Literal["complete", "pruned", "running", "failed"]

STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
"""What is none of these is running."""

FEWEST_CELLS = 5
"""From which on something is said of what matters."""

MOST_CELLS = 200
"""The last so many are looked at for it: a forest of more takes seconds."""


@dataclass(frozen=True)
class Point:
    """A cell that a search tried.

    Attributes:
        params: what the sampler chose, by key.
        values: its objectives; of one that was given up, what the pruner saw last; empty before that,
            and where one is not a number.
    """

    cell: str
    params: Mapping[str, Any]
    values: tuple[float, ...]
    state: State


@dataclass(frozen=True)
class Axis:
    """The values that a key may take: names of choices, or numbers, perhaps on a logarithmic scale."""

    key: str
    choices: tuple[str, ...] | None
    log: bool


class Studied:
    """A search, as Optuna remembers it."""

    def __init__(self, name: str, study: optuna.Study) -> None:
        self.name, self._study = name, study

    @property
    def points(self) -> list[Point]:
        """In the order in which they were tried, each cell once, as it was corrected last."""
        return list({trial.user_attrs[CELL]: _point(trial) for trial in self._newest}.values())

    @property
    def _newest(self) -> list[FrozenTrial]:
        """The trials that count: of each cell the newest complete one, or its first."""
        found: dict[str, FrozenTrial] = {}
        for trial in self._trials:
            name = trial.user_attrs.get(CELL)
            if name is not None and (name not in found or trial.state == TrialState.COMPLETE):
                found[name] = trial
        return list(found.values())

    @property
    def axes(self) -> list[Axis]:
        """Of each key that was chosen in some cell."""
        found: dict[str, BaseDistribution] = {}
        for trial in self._trials:
            found |= trial.distributions
        return [_axis(key, distribution) for key, distribution in found.items()]

    def importances(self, objective: int) -> dict[str, float] | str:
        """The share of each key in how much the objective varies (fANOVA), or why there is none.

        Only keys that are set in every cell, and vary, are weighed (Hutter et al. 2014, "An efficient approach
        for assessing hyperparameter importance").
        """
        complete = [trial for trial in self._newest if trial.state == TrialState.COMPLETE]
        if len(complete) < FEWEST_CELLS:
            return f"nothing is said of fewer than {FEWEST_CELLS} complete cells, and there are {len(complete)}"
        keys = set.intersection(*(set(trial.params) for trial in complete))
        varying = [key for key in keys if len({repr(trial.params[key]) for trial in complete}) > 1]
        if len(varying) < 2:
            return "it takes two keys that are set in every complete cell and vary"
        if len({trial.values[objective] for trial in complete}) < 2:
            return "all complete cells are equally good"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Optuna says of its own methods
            return optuna.importance.get_param_importances(
                _of(self._study, complete[-MOST_CELLS:]),
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                params=sorted(varying),
                target=lambda trial: float(trial.values[objective]),
            )

    @property
    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


def studies(plan: Plan) -> list[Studied]:
    """The searches of a plan that were begun."""
    if not journal_file(plan.folder).exists():
        return []
    storage, found = journal(plan.folder), []
    with _silent():
        for search in plan.searches:
            with contextlib.suppress(KeyError):  # not begun yet
                study = optuna.load_study(study_name=study_name(plan, search), storage=storage)
                found.append(Studied(search.name, study))
    return found


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _of(study: optuna.Study, trials: Sequence[FrozenTrial]) -> optuna.Study:
    """A study in memory of some trials of another."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = optuna.create_study(directions=study.directions)
    optuna.logging.set_verbosity(verbosity)
    found.add_trials(trials)
    return found


def _point(trial: FrozenTrial) -> Point:
    seen = trial.intermediate_values
    values = tuple(trial.values) if trial.values else (seen[max(seen)],) if seen else ()
    values = values if all(map(math.isfinite, values)) else ()
    return Point(trial.user_attrs.get(CELL, ""), trial.params, values, STATES.get(trial.state, "running"))


def _axis(key: str, of: BaseDistribution) -> Axis:
    if isinstance(of, CategoricalDistribution):
        return Axis(key, tuple(map(str, of.choices)), log=False)
    return Axis(key, None, log=bool(getattr(of, "log", False)))
