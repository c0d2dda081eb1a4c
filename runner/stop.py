"""Ctrl-C, and what a scheduler sends instead of it."""

import os
import signal
from types import FrameType
from typing import Self


class Stop:
    """Whether the run has been asked to stop. The first signal asks; the second one ends the process at once.

    Attributes:
        asked: the signal that asked, or 0.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.asked = 0
        self._signals = signals or (signal.SIGINT, signal.SIGTERM)
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        return self.asked != 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in self._signals}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def ask(self) -> None:
        """Asks without a signal."""
        self.asked = self.asked or signal.SIGTERM

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = number

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that this signal ended."""
        return 128 + self.asked
