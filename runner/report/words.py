"""Who puts the findings of a page into words, by its `answer`."""

from collections.abc import Callable, Mapping

from runner.report.transfer import Runs, transfer

ANSWERS: Mapping[str, Callable[[Mapping[str, Mapping[str, Runs]], Runs, float], list[str]]] = {
    "transfer": transfer,
}
"""Each is told the runs of the figure's lines by the value of the swept key, those of its reference, and the
smallest difference that a run can show; it answers in a text a question."""
