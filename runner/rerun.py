"""`python -m runner rerun RUN_ID`: repeats a run from its page alone, and says whether the metrics match."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from runner.alone import run_alone
from runner.changed import changed, threads_of
from runner.compare import Comparison, Curves, compare
from runner.config import ConfigError, RunConfig
from runner.data import Dataset, load_for
from runner.job import Job, Order, Result, job_name
from runner.reading import from_plain
from runner.schema import nearest
from runner.screen import Screen, command_line
from runner.track import Page, Pages, tracking_uri
from runner.yaml_limits import load_yaml_section

ELSEWHERE = (
    *("data.download", "data.path", "data.root", "data.workers"),
    *("device", "fresh", "out", "threads", "weights.from"),
)
"""What may be typed behind the run's id: where it is repeated and where its things lie, not what it is."""


def repeat(run_id: str, *, uri: str | None, words: Sequence[str]) -> bool:
    """Repeats a run as a new run of the same store; whether the metrics match, to the bit or within rounding.

    Args:
        run_id: its id, or a beginning that is no other's.
        uri: the store.
        words: `key=value` for some of `ELSEWHERE`.

    Raises:
        ConfigError: there is no such run, or it cannot be repeated here.
    """
    typed = _typed(words)
    pages = Pages(uri)
    page = pages.find(run_id)
    _refuse_sweep(page)
    config = _config(page, typed, pages.uri)
    dataset = _dataset(page, config)
    with Screen() as screen:
        for line in changed(page, config, dataset):
            screen.say(line)
        result = run_alone(*_ordered(page, config, dataset), screen)
        assert result.run_id is not None  # its page is in the same store
        then, now = pages.curves(page.run_id), pages.curves(result.run_id)
        found = _compared(page, config, result, then, now)
        pages.tag(result.run_id, "rerun.match", found.match)
        screen.say("\n" + "\n".join([found.verdict(), *_ends(page, then, now)]))
    return found.match in ("exact", "close")


def _typed(words: Sequence[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        key, mark, value = word.partition("=")
        if key not in ELSEWHERE or not mark:
            known = ", ".join(f"{key}=..." for key in ELSEWHERE)
            raise ConfigError(
                f"{word}: a run is repeated as it was; what may be another is {known}{nearest(key, ELSEWHERE)}"
            )
        try:
            found[key] = value if key == "weights.from" else yaml.safe_load(value)  # an id may look like a number
        except yaml.YAMLError as problem:
            raise ConfigError(f"{word}: {value!r} is no value") from problem
    return found


def _refuse_sweep(page: Page) -> None:
    if "sweep" in page.tags and "sweep.cell" not in page.tags:
        raise ConfigError(
            f"{page.run_id} is the page of a whole sweep; a run below it can be repeated, and all of it by:"
            f"\n{page.command or 'its command, which is not on its page'}"
        )


def _config(page: Page, typed: Mapping[str, Any], uri: str) -> RunConfig:
    """The page's configuration, on as many threads as the run had, and logged beside it."""
    try:
        plain = dict(load_yaml_section(page.config))
        config = from_plain(plain)
    except ConfigError as problem:
        raise ConfigError(
            f"run {page.run_id}, made at commit {page.commit[:12] or '?'}, is none that this code knows:\n{problem}"
        ) from problem
    plain |= {"fresh": False, "threads": config.threads or threads_of(page)}
    if page.params.get("runs_on") == "cpu":
        plain["device"] = "cpu"
    for key, value in typed.items():
        group, _, option = key.rpartition(".")
        place = plain[group] if group else plain
        (place["options"] if option in ("download", "path") else place)[option] = value
    config = from_plain(plain)
    track = replace(config.track, experiment=page.experiment)
    return replace(config, track=track if tracking_uri(track) == uri else replace(track, uri=uri))


def _dataset(page: Page, config: RunConfig) -> Dataset:
    try:
        return load_for(config)
    except ConfigError as problem:
        raise ConfigError(f"the data of run {page.run_id} cannot be had: {problem}") from problem


def _ordered(page: Page, config: RunConfig, dataset: Dataset) -> tuple[Job, Order]:
    job = Job(Path(config.out) / "reruns" / f"{page.run_id}-{job_name(config, dataset.digest)}")
    name, tags = f"{page.name} again", {"rerun.of": page.run_id}
    return job, Order(config, name=name, command=command_line(), tags=tags)


def _compared(page: Page, config: RunConfig, result: Result, then: Curves, now: Curves) -> Comparison:
    images = {"train": config.train.batch, "test": result.images}
    return compare(then, now, images=images, ended=page.status == "FINISHED")


def _ends(page: Page, then: Curves, now: Curves) -> Iterator[str]:
    """How both ended."""
    first, second = (_last(curves.get("test/accuracy", {})) for curves in (then, now))
    yield f"Test accuracy: {first} then, {second} now."
    if page.status != "FINISHED":
        step = max((step for curve in then.values() for step in curve), default=0)
        yield f"The run ended at step {step}; what came after it has nothing to be compared with."


def _last(curve: Mapping[int, float]) -> str:
    return f"{100 * curve[max(curve)]:.2f}% at step {max(curve)}" if curve else "none"
