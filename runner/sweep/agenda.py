"""What a sweep has still to do, from what the job folders and the studies say.

Cells come from the grid or from a sampler. The runs of a cell come to one stage after the other (see `pruners`);
then it is decided whether the cell goes on. All of it is on disk, so that several controllers share a sweep, and
one that starts where another was killed goes on with it.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from runner.config import ConfigError
from runner.job import Busy, Job, Result, held
from runner.origin import origin
from runner.sweep.confirm import chosen
from runner.sweep.objectives import values
from runner.sweep.plan import Cell, Plan, Trial
from runner.sweep.stage import give_up, mean_at, reached
from runner.sweep.study import Study


@dataclass(eq=False)
class Task:
    """A run, and how far it is to go.

    Attributes:
        until: the step to stop at for now; None for its end.
        lock: held while this controller has it run.
    """

    trial: Trial
    until: int | None
    lock: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


@dataclass(eq=False)
class Course:
    """A cell that is being run.

    Attributes:
        stage: counted from 0.
        missing: seeds that have not reached it.
    """

    cell: Cell
    study: Study
    stage: int = 0
    missing: set[int] = field(default_factory=set)


class Agenda:
    """Gives one task after the other; is told what became of each."""

    def __init__(self, plan: Plan, done: Collection[Path], ended: Callable[[Trial, Result], None]) -> None:
        """
        Args:
            done: the folders of the jobs that had ended before.
            ended: is told of each run that has ended since, here or elsewhere.
        """
        self._plan, self._ended = plan, ended
        self._ready: deque[Task] = deque()
        self._elsewhere: deque[Task] = deque()
        self._there: set[Path] = set()  # jobs whose weights others can start from
        self._waiting: dict[Path, list[Task]] = {}  # for the end of the job that they start from
        self._courses: dict[str, Course] = {}
        self._undecided: set[str] = set()
        self._since = time.time()
        self._confirming = False
        self._told = set(done)
        with self._alone():
            self._studies = [Study(plan, search) for search in plan.searches] or [Study(plan, None)]
            for study in self._studies:
                study.forget_unfinished_questions()
            if plan.searches:  # a cell that was written down by a controller which died before the study knew of it
                plan.refresh()
                plan.drop([cell for cell in plan.cells if not self._study_of(cell).has(cell)])
        self._sparse = {study for study in self._studies if study.search}
        self._take_up()

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Nobody else asks or decides meanwhile."""
        return held(self._plan.folder, "a decision about this sweep", patience=60.0, lock="study.lock")

    def _take_up(self) -> None:
        """Takes notice of all cells there are: a grid's own, or those that were asked for here and elsewhere."""
        if self._plan.searches:
            self._plan.refresh()
            for study in self._studies:
                study.sync()
        for cell in self._plan.cells:
            study = self._study_of(cell)
            if cell.name not in self._courses and (study.search is None or study.has(cell)):
                self._course(cell, study)
        if not self._plan.page.prunes:  # the first seed of every cell before the second of any
            self._ready = deque(sorted(self._ready, key=self._place))

    def _place(self, task: Task) -> tuple[int, bool, int]:
        """Of runs on the same seed the longest come first, so that no slot is idle while one is left over."""
        seeds = (*self._plan.seeds, *self._plan.confirm_seeds)
        return seeds.index(task.trial.seed), task.trial.cell.start is not None, -task.trial.cell.steps

    def _course(self, cell: Cell, study: Study) -> None:
        """A cell is there."""
        self._courses[cell.name] = course = Course(cell, study)
        self._undecided.add(cell.name)
        self._enter(course)

    def _study_of(self, cell: Cell) -> Study:
        return next(study for study in self._studies if study.search is None or study.search.name == cell.search)

    # What comes next.

    def next(self, *, ask: bool = True) -> Task | None:
        """A task for this controller, which holds its lock; None where there is none now.

        Args:
            ask: whether a sampler may be asked for one cell more.
        """
        while True:
            while self._ready:
                task = self._ready.popleft()
                if not self._waits(task) and self._reserved(task):
                    if not (self._met(task) or self._cannot_start(task)):
                        self._begin(task.trial.cell)
                        return task
                    self.done(task)
            if not ((ask and self._asked()) or self._confirmations()):
                return None

    def _begin(self, cell: Cell) -> None:
        """The study knows of a cell from its first run on."""
        study = self._courses[cell.name].study
        if not study.has(cell):
            with self._alone():
                study.sync()
                study.begin(cell)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do, once those have ended that are running."""
        return self._confirming and not (self._ready or self._elsewhere or self._waiting)

    def look_elsewhere(self) -> None:
        """Sees to what other controllers have: takes note of its end, or takes it where they let go of it."""
        self._ready.extend(self._elsewhere)
        self._elsewhere.clear()
        for folder in [folder for folder in self._waiting if Job(folder).result()]:
            self._release(folder)
        if self._plan.searches:
            self._take_up()

    def _reserved(self, task: Task) -> bool:
        try:
            task.lock.enter_context(task.trial.job.reserved())
        except Busy:
            self._elsewhere.append(task)
            return False
        return True

    def _waits(self, task: Task) -> bool:
        """Whether the run starts from one that has not ended; then it is put aside."""
        start = self._plan.before(task.trial)
        if start is None or task.trial.job.settled or start.job.finished or self._failed(start.job):
            return False
        self._waiting.setdefault(start.job.folder, []).append(task)
        return True

    def _release(self, folder: Path) -> None:
        """The runs that start from a job need wait no longer."""
        self._ready.extendleft(reversed(self._waiting.pop(folder, [])))

    def _cannot_start(self, task: Task) -> bool:
        """Whether what the run starts from has failed, or its weights are gone.

        Then it has failed too, and nothing of it is begun.
        """
        start = self._plan.before(task.trial)
        if start is None or start.job.folder in self._there:
            return False
        why = self._gone(task.trial) if start.job.finished else _failure(start)
        if not why:
            self._there.add(start.job.folder)
            return False
        task.trial.job.give(task.trial.order)
        task.trial.job.end(Result(status="failed", error=f"it starts from {start.order.name}, {why}"))
        return True

    def _gone(self, trial: Trial) -> str:
        """Why the weights are not there that a run starts from, whose own run is finished; nothing if they are."""
        try:
            origin(trial.order.config)
        except ConfigError as problem:
            reason = str(problem).removeprefix("weights.from: ").partition("; ")[0]
            return f"which is finished, but its weights are gone ({reason}); fresh=true runs all again"
        return ""

    def _met(self, task: Task) -> bool:
        job = task.trial.job
        if job.settled or self._failed(job):
            return True
        return task.until is not None and reached(task.trial) >= task.until

    def _failed(self, job: Job) -> bool:
        """Whether it failed in this sweep, here or elsewhere; one that failed before is tried again."""
        result = job.result()
        return result is not None and result.status == "failed" and job.ended_after(self._since)

    def _left_to_ask(self) -> bool:
        return any(len(study.cells()) < self._plan.page.trials for study in self._sparse)

    def _asked(self) -> bool:
        """Lets the search that has asked least ask for one cell more; whether there is one."""
        while self._left_to_ask():
            study = min(self._sparse, key=lambda study: len(study.cells()))
            with self._alone():
                study.sync()
                full = len(study.cells()) >= self._plan.page.trials
                cell = None if full else self._asked_of(study)
            if full:
                return self._taken_up()
            if cell is not None:
                self._course(cell, study)
                return True
            self._sparse.discard(study)
        return False

    def _asked_of(self, study: Study) -> Cell | None:
        """A cell more of a search; None where it finds none. The study knows of it."""
        point = study.ask()
        if point is None:
            return None
        assert study.search is not None
        cell = self._plan.make(study.search, point)
        self._plan.add(cell)
        study.begin(cell)
        return cell

    def _taken_up(self) -> bool:
        before = len(self._courses)
        self._take_up()
        return len(self._courses) > before

    def _confirmations(self) -> bool:
        """The runs that confirm what was chosen, once everything is decided; whether there are any."""
        if self._confirming or self._undecided or self._left_to_ask():
            return False
        if self._plan.searches and self._taken_up():  # another controller's
            return True
        self._confirming = True
        cells = chosen(self._plan)
        trials = [trial for cell in cells for trial in self._plan.confirmations(cell)]
        self._ready.extend(Task(trial, None) for trial in trials)
        return bool(trials)

    # What became of it.

    def reached(self, task: Task) -> bool:
        """Whether the run has come as far as it was to go."""
        return self._met(task)

    def done(self, task: Task) -> None:
        """The run has come as far as it was to go, or has ended: failed, perhaps."""
        task.lock.close()
        self._release(task.trial.job.folder)
        self._tell(task.trial)
        course = self._courses.get(task.trial.cell.name)
        if course is None or task.trial.confirms:
            return
        course.missing.discard(task.trial.seed)
        if not course.missing and self._decide(course):
            self._enter(course)

    def again(self, task: Task, *, last: bool = False) -> None:
        """The run is to be begun again, as the next one or as the last."""
        task.lock.close()
        again = Task(task.trial, task.until)
        if last:
            self._ready.append(again)
        else:
            self._ready.appendleft(again)

    def drop(self, task: Task) -> None:
        """The run is left to whoever goes on with the sweep."""
        task.lock.close()

    def _tell(self, trial: Trial) -> None:
        if trial.job.folder in self._told:
            return
        result = trial.job.result()
        if result is not None and (result.status != "failed" or self._failed(trial.job)):
            self._told.add(trial.job.folder)
            self._ended(trial, result)

    def _enter(self, course: Course) -> None:
        """Puts what the course's stage asks for on the list, and goes on to the next where nothing is missing."""
        if self._plan.page.prunes and course.study.pruned(course.cell):
            self._give_up(course)
            return
        while not self._listed(course) and self._decide(course):
            pass

    def _listed(self, course: Course) -> bool:
        """Puts what the course's stage asks for on the list; whether there is anything."""
        goals = self._plan.stages(course.cell)[course.stage]
        tasks = [Task(self._plan.trial(course.cell, goal.seed), goal.until) for goal in goals]
        for task in tasks:
            self._tell(task.trial)
        open_tasks = [task for task in tasks if not self._met(task)]
        course.missing = {task.trial.seed for task in open_tasks}
        if course.stage:
            self._ready.extendleft(reversed(open_tasks))
        else:
            self._ready.extend(open_tasks)
        return bool(open_tasks)

    def _decide(self, course: Course) -> bool:
        """Whether the course, all of whose runs have reached its stage, goes on to the next."""
        stages = self._plan.stages(course.cell)
        trials = self._plan.of(course.cell)
        self._begin(course.cell)
        if course.stage + 1 == len(stages) or all(trial.job.result() for trial in trials):
            self._complete(course)
            return False
        mean = mean_at(self._plan, course.cell, stages[course.stage])
        with self._alone():
            course.study.sync()
            if mean is not None and not course.study.looked_at(course.cell, course.stage + 1):
                course.study.look(course.cell, course.stage + 1, mean)
            pruned = course.study.pruned(course.cell)
        if pruned:
            self._give_up(course)
            return False
        course.stage += 1
        return True

    def _give_up(self, course: Course) -> None:
        """None of the cell's runs is run any further."""
        self._undecided.discard(course.cell.name)
        course.missing.clear()
        for trial in self._plan.of(course.cell):
            with self._alone():
                given_up = give_up(trial)
            if given_up:
                self._tell(trial)

    def _complete(self, course: Course) -> None:
        self._undecided.discard(course.cell.name)
        results = [trial.job.result() for trial in self._plan.of(course.cell)]
        finished = [result for result in results if result and result.status == "finished"]
        given_up = any(result and result.status == "pruned" for result in results)
        with self._alone():
            course.study.sync()
            if self._plan.page.prunes:
                self._note(course)
            course.study.tell(course.cell, values(self._plan.page.objectives, finished), pruned=given_up)

    def _note(self, course: Course) -> None:
        """What others are compared with, of a cell that was run before the study began."""
        for number, stage in enumerate(self._plan.stages(course.cell), start=1):
            if course.study.looked_at(course.cell, number):
                continue
            mean = mean_at(self._plan, course.cell, stage)
            if mean is not None:
                course.study.note(course.cell, number, mean)


def _failure(of: Trial) -> str:
    result = of.job.result()
    return f"which failed: {result.error if result else '?'}"
