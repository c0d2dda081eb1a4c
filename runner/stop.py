"""Ctrl-C, and what a scheduler sends instead of it."""

import os
import signal
from types import FrameType
from typing import Self

SHOW_CURSOR = b"\x1b[?25h"
"""What a progress bar may have hidden, in a terminal's words."""


class Stop:
    """Whether the run has been asked to stop. The first signal asks; the second one ends the process at once.

    Attributes:
        asked: the signal that asked, or 0.
    """

    def __init__(self, answer: str = "", *, patient: bool = False) -> None:
        """
        Args:
            answer: what is said to the first signal.
            patient: further signals only ask again, and Ctrl-C is left alone.
        """
        self.asked = 0
        self._answer = answer
        self._patient = patient
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        return self.asked != 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in self._signals()}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _signals(self) -> list[signal.Signals]:
        return [signal.SIGTERM] if self._patient else [signal.SIGINT, signal.SIGTERM]

    def ask(self) -> None:
        """Asks without a signal."""
        self.asked = self.asked or signal.SIGTERM

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._patient:
            self.ask()
        elif self.asked:
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)
            os._exit(128 + number)
        else:
            self.asked = number
            os.write(2, f"\n{self._answer}\n".encode() if self._answer else b"")  # safe in a handler, unlike print

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that this signal ended."""
        return 128 + self.asked
