"""A search, or a grid, as an Optuna study: a trial of it is a cell, its value the mean over the cell's runs.

The job folders are the truth about what is finished. The study has what was tried and what was decided: it says
which cell comes next and which is given up. It lives in Optuna's storage, a journal file in the sweep's folder,
where other controllers and dashboards look; whoever changes it holds the sweep's lock.
"""

import math
import warnings
from collections.abc import Iterable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from runner.sweep.journal import CELL, journal, study_name
from runner.sweep.objectives import directions
from runner.sweep.plan import Cell, Plan, Search
from runner.sweep.pruners import pruner
from runner.sweep.samplers import sampler
from runner.sweep.space import Dimension, Domain, Point, Values, drawn, points


class Study:
    """The study of a search; of the grid, where `search` is None: a changed one is another study in that file."""

    def __init__(self, plan: Plan, search: Search | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._plan, self.search = plan, search
        self._distributions = {} if search else _grid(plan.cells)
        last = max((len(plan.stages(cell)) for cell in plan.corners or plan.cells), default=1)
        self._storage = journal(plan.folder)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=study_name(plan, search),
            directions=directions(plan.page.objectives),
            pruner=pruner(plan.page.pruner, last),
            load_if_exists=True,
        )
        self._numbers: dict[str, list[int]] = {}
        self._nameless: list[int] = []
        self._known = 0
        self.sync()

    def sync(self) -> None:
        """Takes notice of what other controllers did."""
        trials = self._study.get_trials(deepcopy=False)
        new = [*self._nameless, *range(self._known, len(trials))]
        self._known, self._nameless = len(trials), []
        for number in new:
            name = trials[number].user_attrs.get(CELL)
            if name is None:
                self._nameless.append(number)
            else:
                self._numbers.setdefault(name, []).append(number)

    def cells(self) -> list[str]:
        """The names of the cells that were begun."""
        return list(self._numbers)

    def has(self, cell: Cell) -> bool:
        """Whether it was begun."""
        return cell.name in self._numbers

    def ask(self) -> Point | None:
        """What the sampler tries next, or where it only repeats itself, what is left of a space; None where that is
        nothing."""
        assert self.search is not None
        left = self._left()
        if left is not None and not left:
            return None
        for _ in range(TIRED):
            asked = sum(map(len, self._numbers.values()))  # a question that was forgotten is asked again
            chooser = sampler(self._plan.page.sampler, self._plan.base.seed, asked)
            self._study.sampler = chooser
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a sampler says of its own methods
                self._asked = self._study.ask()
                point = drawn(self.search.space, self._draw)
            self._known += 1
            name = self._name(point)
            if name not in self._numbers:
                return point
            self._again(name)
        if left:
            self._add(left[0])
            return left[0]
        return None

    def _name(self, point: Point) -> str:
        """Of the cell there."""
        assert self.search is not None
        return ", ".join((*self.search.overrides, *(f"{key}={value}" for key, value in point.items())))

    def _left(self) -> list[Point] | None:
        """What was not tried of a space that ends; None of one that is endless, or too large to list."""
        assert self.search is not None
        if math.prod(one.domain.count for one in self.search.space) > LISTED:
            return None
        return [point for point in points(self.search.space) if self._name(point) not in self._numbers]

    def _add(self, point: Point) -> None:
        """Asks for a point that the sampler does not come to."""
        assert self.search is not None
        of = {one.key: one.domain for one in self.search.space if one.key in point}
        begun = create_trial(
            state=TrialState.RUNNING,
            params={key: domain.number(point[key]) for key, domain in of.items()},
            distributions={key: _distribution(domain) for key, domain in of.items()},
        )
        self._study.add_trial(begun)
        self._asked = optuna.trial.Trial(self._study, self._at(self._known)._trial_id)
        self._known += 1

    def _draw(self, one: Dimension) -> str:
        domain, trial = one.domain, self._asked
        if isinstance(domain, Values):
            return str(trial.suggest_categorical(one.key, domain.choices))
        if domain.whole:
            step = int(domain.step or 1)
            return domain.typed(
                trial.suggest_int(one.key, int(domain.low), int(domain.high), log=domain.log, step=step)
            )
        return domain.typed(trial.suggest_float(one.key, domain.low, domain.high, log=domain.log, step=domain.step))

    def _again(self, name: str) -> None:
        """The sampler has asked for a cell that is there: it gets the same answer, now or with that."""
        self._asked.set_user_attr(CELL, name)
        first, number = self._trial(name), self._asked.number
        self._numbers[name].append(number)
        if first.state == TrialState.COMPLETE:
            self._study.tell(number, first.values)
        elif first.state.is_finished():
            self._study.tell(number, state=TrialState.FAIL)

    def begin(self, cell: Cell) -> None:
        """A cell is begun: the one that was asked for, or one of the grid.

        (A grid's is added in one piece, as running: a controller killed between `enqueue_trial` and `ask` would
        leave one waiting, which the next would mistake for its own.)
        """
        if cell.name in self._numbers:
            return
        if self.search is not None:
            self._asked.set_user_attr(CELL, cell.name)
            self._numbers[cell.name] = [self._asked.number]
            return
        params = _params(cell, self._distributions)
        own = {key: self._distributions[key] for key in params}
        begun = create_trial(
            state=TrialState.RUNNING, params=params, distributions=own, user_attrs={CELL: cell.name}
        )
        self._study.add_trial(begun)
        self._numbers[cell.name] = [self._known]
        self._known += 1

    def forget_unfinished_questions(self) -> None:
        """Ends trials that were asked for by a controller which died before it knew their cell."""
        for number in self._nameless:
            if not self._at(number).state.is_finished():
                self._study.tell(number, state=TrialState.FAIL)

    def looked_at(self, cell: Cell, stage: int) -> bool:
        """Whether it was decided already that the cell goes on after a stage, or not."""
        trial = self._trial(cell.name)
        return stage in trial.intermediate_values or trial.state.is_finished()

    def note(self, cell: Cell, stage: int, value: float) -> None:
        """What a cell that was not given up had reached at a stage."""
        self._running(cell).report(value, stage)

    def look(self, cell: Cell, stage: int, value: float) -> None:
        """Lets the pruner look at a cell; `pruned` says what came of it."""
        trial = self._running(cell)
        trial.report(value, stage)
        if trial.should_prune():
            self.tell(cell, None, pruned=True)

    def _running(self, cell: Cell) -> optuna.trial.Trial:
        return optuna.trial.Trial(self._study, self._trial(cell.name)._trial_id)

    def pruned(self, cell: Cell) -> bool:
        return self.has(cell) and self._trial(cell.name).state == TrialState.PRUNED

    def tell(self, cell: Cell, values: list[float] | None, *, pruned: bool = False) -> None:
        """How a cell ended; told again where failed runs were run again, or seeds added, it is corrected."""
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE if values else TrialState.FAIL
        known = self._trial(cell.name)
        if state == TrialState.COMPLETE and known.state.is_finished() and known.values != values:
            corrected = create_trial(
                state=state,
                values=values,
                params=known.params,
                distributions=known.distributions,
                user_attrs={CELL: cell.name},
            )
            self._study.add_trial(corrected)
            self._numbers[cell.name].append(self._known)
            self._known += 1
        for number in self._numbers[cell.name]:
            if not self._at(number).state.is_finished():
                self._study.tell(number, values if state == TrialState.COMPLETE else None, state=state)

    def _trial(self, name: str) -> FrozenTrial:
        """The newest of a cell that is complete, or its first."""
        trials = [self._at(number) for number in self._numbers[name]]
        return next((trial for trial in reversed(trials) if trial.state == TrialState.COMPLETE), trials[0])

    def _at(self, number: int) -> FrozenTrial:
        study = self._study._study_id
        return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(study, number))


TIRED = 50
"""How often in a row a sampler may ask for what is there already."""

LISTED = 1_000
"""Points of a space that are listed to see which are left."""

FEW = 32
"""Categories that every trial of a grid's study may name; more of them, if they are numbers, are a range."""


def _grid(cells: Iterable[Cell]) -> dict[str, BaseDistribution]:
    """A distribution a key, of all values that it has; one of names where cells have names of their own."""
    named = any(cell.name != ", ".join(cell.overrides) for cell in cells)
    choices: dict[str, dict[str, None]] = {}
    for cell in cells:
        for key, value in ({CELL: cell.name} if named else cell.point).items():
            choices.setdefault(key, {})[value] = None
    return {key: _of_values(tuple(values)) for key, values in choices.items()}


def _of_values(values: tuple[str, ...]) -> BaseDistribution:
    if len(values) > FEW:
        try:
            numbers = [float(value) for value in values]
        except ValueError:
            return CategoricalDistribution(values)
        return FloatDistribution(min(numbers), max(numbers))
    return CategoricalDistribution(values)


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Values):
        return CategoricalDistribution(domain.choices)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


def _params(cell: Cell, distributions: dict[str, BaseDistribution]) -> dict[str, str | float]:
    if CELL in distributions:
        return {CELL: cell.name}
    ranges = {key for key, of in distributions.items() if isinstance(of, FloatDistribution)}
    return {key: float(value) if key in ranges else value for key, value in cell.point.items()}
