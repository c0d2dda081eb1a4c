"""Many jobs in one process, trained as stacks: as many at once as the device is good for.

Jobs whose runs can be trained together are a family. The process works on one family after another: a stack of its
runs goes on as long as there are any, and a run that ends gives its place to the next at once. What a run leaves
behind is written by a thread, so that the others need not wait for it.
"""

import contextlib
import gc
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from runner.config import RunConfig
from runner.job import BUSY, PATIENCE, Busy, Done, Job, Order
from runner.machine import cores
from runner.probe import out_of_memory, places
from runner.run import Running, opened, train_alone
from runner.stack import Member, Stack
from runner.stop import Stop
from runner.train import Record, train
from runner.worker import ProgressFile, begun, failed


def work(inbox: Connection, outbox: Connection, gpu: str | None, slots: int | None, log: Path) -> None:
    """Runs the jobs whose folders come through `inbox` until it is closed.

    Args:
        outbox: gets (folder, exit status) of each job that has ended.
        gpu: the only CUDA device that the process sees; None where jobs run where they say.
        slots: runs in a stack; None for as many as the device is good for.
        log: where the process's output goes.
    """
    with begun(log, gpu) as stop, ThreadPoolExecutor(1, thread_name_prefix="office") as office:
        torch.set_num_threads(cores())
        crew = Crew(inbox, outbox, None if gpu is None else "cuda", slots, stop, office)
        while crew.receive(wait=True) and not stop():
            crew.train_a_family()


QUIET = 0.1
"""Seconds without another job before a stack is made of those that came."""


@dataclass
class Crew:
    """The jobs of such a process: those that wait, first come first, and those that are trained."""

    inbox: Connection
    outbox: Connection
    device: str | None
    slots: int | None
    stop: Stop
    office: ThreadPoolExecutor
    _waiting: "list[Waiting]" = field(default_factory=list)
    _running: dict[Member, "Seat"] = field(default_factory=dict)
    _most: dict[str, int] = field(default_factory=dict)  # of a family that did not fit the memory

    def receive(self, *, wait: bool = False, quiet: float = 0.0) -> bool:
        """Takes the jobs that have come; whether any is waiting then.

        Args:
            wait: for the first job, where none is waiting.
            quiet: seconds without another one before it returns.
        """
        while (wait and not self._waiting and not self.stop()) or self.inbox.poll(quiet):
            if not self.inbox.poll(0.2):  # so that a signal is noticed
                continue
            try:
                job = Job(Path(self.inbox.recv()))
            except EOFError:
                break
            self._waiting.append(Waiting(job, job.order()))
        return bool(self._waiting)

    def train_a_family(self) -> None:
        """Trains the job that waits longest, and with it all that can be trained together with it."""
        self.receive(quiet=QUIET)
        first = self._next(lambda order: True)
        if first is None:
            return
        own = first.running.config
        if own.finetune.unfreeze_every is not None:  # it is another stack from time to time
            return self._train_alone(first)
        configs = [own, *(config for one in self._waiting if (config := one.order.config).family == own.family)]
        size = 1
        try:
            most = self._most.get(own.family) or self.slots or places(first.running.parts, configs)
            size = min(len(configs), most)
            self._train(first, configs, size)
        except Exception as problem:
            if not out_of_memory(problem):
                raise
            self._again(list(self._running.values()) or [first], size, problem)
            self._most[own.family] = max(1, size // 2)
        del first
        self._clear()

    def _train(self, first: "Seat", configs: Sequence[RunConfig], size: int) -> None:
        stack = Stack(first.running.parts, configs, size)
        self._seat(first, stack)
        self._fill(stack)
        for member, records in train(stack, stop=self.stop):
            self._listen(member, records, stack)
            self._fill(stack)
        for member in list(self._running):
            self._end(member)

    def _train_alone(self, seat: "Seat") -> None:
        try:
            train_alone(seat.running, self.stop)
        except Exception as problem:  # a failed trial is a result
            self._close(seat, problem)
        else:
            self.office.submit(self._finish, seat)
        self._clear()

    def _clear(self) -> None:
        """Lets go of the stack that was: the next one is of another shape, and its speed may be measured."""
        self.office.submit(lambda: None).result()  # until everything that was left behind is written
        gc.collect()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()

    def _fill(self, stack: Stack) -> None:
        """Gives the free places to jobs that wait."""
        self.receive()
        while stack.free and not self.stop():
            seat = self._next(lambda order: stack.fits(order.config))
            if seat is None:
                return
            self._seat(seat, stack)

    def _seat(self, seat: "Seat", stack: Stack) -> None:
        try:
            self._running[seat.running.join(stack)] = seat
        except Exception as problem:  # a failed trial is a result
            self._close(seat, problem)

    def _next(self, wanted: Callable[[Order], bool]) -> "Seat | None":
        """The first waiting job that is wanted and can be opened; those that cannot are told of.

        Beside others that are trained, one that somebody else is running waits on.
        """
        patience = 0.0 if self._running else PATIENCE
        for one in (one for one in list(self._waiting) if wanted(one.order)):
            self._waiting.remove(one)
            with contextlib.ExitStack() as held:
                try:
                    watch = ProgressFile(one.job)
                    run = opened(one.job, one.order, watch=watch, patience=patience, device=self.device, anew=False)
                    return Seat(held.enter_context(run), held.pop_all())
                except Done:
                    self._tell(one.job, 0)
                except Busy:
                    if self._running:
                        self._waiting.append(one)
                    else:
                        self._tell(one.job, BUSY)
                except Exception as problem:  # a failed trial is a result
                    if self._running and out_of_memory(problem):  # there is room when another one has ended
                        self._waiting.append(one)
                        return None
                    failed(one.job, problem)
                    self._tell(one.job, 1)
        return None

    def _listen(self, member: Member, records: Sequence[Record], stack: Stack) -> None:
        """Tells a run what was measured of it; one that cannot take it has failed, and leaves the others alone."""
        seat = self._running[member]
        try:
            seat.running.tell(records)
            if member.done or member.paused:
                self._end(member)
        except Exception as problem:  # a failed trial is a result
            if out_of_memory(problem):
                raise
            del self._running[member]
            stack.take(member)
            self._close(seat, problem)

    def _end(self, member: Member) -> None:
        """Frees the run's place, and lets the thread write what it leaves behind."""
        self._running[member].running.leave()
        self.office.submit(self._finish, self._running.pop(member))

    def _finish(self, seat: "Seat") -> None:
        try:
            seat.running.finish()
        except Exception as problem:
            self._close(seat, problem)
        else:
            self._close(seat)

    def _again(self, seats: "Sequence[Seat]", size: int, problem: Exception) -> None:
        """Runs that were too many for the memory wait for another turn; one that does not fit alone has failed."""
        self._running.clear()
        if size == 1:
            for seat in seats:
                self._close(seat, problem)
            return
        print(f"{size} runs at once do not fit the memory; trying half as many")
        for seat in reversed(seats):  # so that the first is the first again
            with contextlib.suppress(Exception):  # what its tracker could not write it cannot write later either
                seat.running.tracker.finish("KILLED")
            seat.held.close()
            self._waiting.insert(0, Waiting(seat.running.job, seat.running.order))

    def _close(self, seat: "Seat", problem: Exception | None = None) -> None:
        """Lets go of a run, whose result is written if it has one, and tells of it whatever happens."""
        job = seat.running.job
        try:
            with seat.held:
                if problem is not None:
                    failed(job, problem)
        except Exception:  # its tracker fails again at its end
            traceback.print_exc()
        finally:
            self._tell(job, 0 if problem is None else 1)

    def _tell(self, job: Job, code: int) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self.outbox.send((str(job.folder), code))


@dataclass(frozen=True, eq=False)
class Waiting:
    """A job that came, and what was ordered."""

    job: Job
    order: Order


@dataclass(frozen=True, eq=False)
class Seat:
    """A run, and what is held for it: the lock on its folder, its page."""

    running: Running
    held: contextlib.ExitStack
