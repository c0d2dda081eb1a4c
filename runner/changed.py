"""What is not as it was when a run was made: code, data, libraries, machine."""

from collections.abc import Iterator
from pathlib import Path

from runner.config import RunConfig
from runner.data import Dataset
from runner.track import Page, difference, environment

SHOWN = 40
"""Lines of a difference of code that are shown."""

SURROUNDINGS = {"version.python": "Python", "version.torch": "torch", "hardware.cpu": "processor"}
"""The tags of a page that may change the numbers, and what they tell of; `hardware.gpu` is for runs on one."""


def changed(page: Page, config: RunConfig, dataset: Dataset) -> Iterator[str]:
    """A line for each thing that may change the numbers of a run that is repeated; more for its code."""
    if page.status != "FINISHED":
        yield f"The run did not finish (it is {page.status}): it cannot be compared beyond its last step."
    yield from _of_code(page)
    there, here = page.tags.get("data.digest", "?"), dataset.digest
    if there != here:
        yield f"The data are others (digest {there} then, {here} now): the numbers will differ."
    yield from _of_surroundings(page, config)


def _of_surroundings(page: Page, config: RunConfig) -> Iterator[str]:
    gpu = {"hardware.gpu": "GPU"} if page.params.get("runs_on", "").startswith("cuda") else {}
    for tag, what in {**SURROUNDINGS, **gpu}.items():
        then, now = page.tags.get(tag, "not known"), environment().tags.get(tag, "none")
        if then != now:
            yield f"{what}: {then} then, {now} now; the numbers may differ."
    yield from _of_threads(page, config)
    from runner.build import find_device  # imports torch, which is needed from here on

    device, here = page.params.get("runs_on", "not known"), str(find_device(config.device))
    if device.partition(":")[0] != here.partition(":")[0]:
        yield f"device: {device} then, {here} now; the numbers will differ in rounding."


def _of_threads(page: Page, config: RunConfig) -> Iterator[str]:
    then, asked = threads_of(page), page.params.get("threads", "None")
    if asked != "None" and then is not None and asked != str(then):
        yield "It was trained as one program with others (executor=fused), whose sums have another order."
    elif then is None or then != config.threads:
        yield f"threads: {then or 'not known'} then, {config.threads or 'every core'} now; rounding may differ."


def _of_code(page: Page) -> Iterator[str]:
    if resumed := page.tags.get("resumed.commit"):
        yield f"The run was stopped, and gone on with at commit {resumed[:12]}."
    here = environment()
    commit, changes = here.tags.get("mlflow.source.git.commit", ""), here.texts.get("git.diff", "")
    if page.commit and (commit, changes) == (page.commit, page.changes):
        return
    if not page.commit:
        yield "The run's page has no commit: whether the code is the same cannot be told."
        return
    with_changes = " with changes (git.diff on its page)" if page.changes else ""
    made = f"The run was made at commit {page.commit[:12]}{with_changes}"
    shown = difference(Path(__file__).parents[1], page.commit, page.changes, changes) if commit else None
    if shown is None:
        yield f"{made}; how the code here differs from it cannot be shown: git or that commit is not at hand."
    elif not shown:
        yield f"{made}; the code of runs is the same now."
    else:
        yield f"{made}; the code has changed since, and the numbers may differ:"
        yield from _bounded(shown, page)


def _bounded(shown: str, page: Page) -> Iterator[str]:
    lines = shown.splitlines()
    yield from (f"  {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        beside = ", beside the page's git.diff" if page.changes else ""
        yield f"  ... {len(lines) - SHOWN} lines more: git diff {page.commit[:12]} -- runner{beside}"


def threads_of(page: Page) -> int | None:
    """On how many threads the run of a page was computed, if the page says so."""
    found = page.params.get("runs_on_threads", "")
    return int(found) if found.isdecimal() else None
