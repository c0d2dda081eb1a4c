"""`python -m runner`: composes one run or a sweep and hands it over; verbs such as `ui` go to `cli`."""

import os
import re
import select
import shlex
import signal
import sys
import traceback
from argparse import Namespace
from contextlib import nullcontext, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import IO

from runner.invocation import GENERIC, ROOT, check_python, find_program, localize, refuse_missing

check_python()
try:
    import hydra
    from hydra._internal.utils import get_args_parser
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from runner import cli, places
    from runner.config import ConfigError, RunConfig
    from runner.credentials import hide_in_output, take_arguments
    from runner.explain import as_typed, explain, for_cells, lists, refuse_nameless
    from runner.guide import explain_program, explain_sweeps
    from runner.reading import from_hydra
except ModuleNotFoundError as problem:
    refuse_missing(problem)

SWEEP = ("-m", "--multirun")


RUN_ID = re.compile(r"^(weights\.from=)([0-9a-f]{8,32})$")
"""What Hydra may take for a number, such as 12345678 or 5e354567."""


def main() -> None:
    """Runs the command line. Exits with 2, and one message, where it asks for what cannot be done.

    As other commands it ends without a word where nobody reads on, as in `... | head`.
    """
    take_arguments()
    with hide_in_output():
        try:
            try:
                _main()
            finally:
                print(end="", flush=True)
        except BrokenPipeError:
            if not _is_left(sys.stdout):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)


def _is_left(file: IO[str]) -> bool:
    """Whether a pipe has no reader any more."""
    poll = select.poll()
    poll.register(file, 0)
    return bool(poll.poll(0))


def _main() -> None:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions come to us instead of to the screen
    arguments = sorted(sys.argv[1:], key=lambda word: word not in SWEEP)  # Hydra wants it before the overrides
    if not set(arguments) - set(SWEEP):
        return _explain(sweeping=bool(arguments))
    if set(SWEEP) & set(arguments):
        arguments = for_cells(arguments)
    arguments = ["plan=true" if word == "--plan" else word for word in arguments]
    arguments = [RUN_ID.sub(r"\1'\2'", word) for word in arguments]
    sys.argv = ["runner", *arguments]
    overrides = [word for word in arguments if "=" in word and not word.startswith("-")]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        if arguments and arguments[0].isidentifier():
            return cli.main(arguments)
        flags = _flags(arguments)
        _refuse_words(arguments, overrides)
        composed: list[DictConfig] = []
        _hydra(composed, flags)
        for cfg in composed:
            _run(_one(cfg))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except ConfigError as problem:
        _refuse(str(problem))
    except (HydraException, OmegaConfBaseException) as problem:
        of_all = [word for word in overrides if word not in lists(overrides)]
        _refuse(explain(problem, of_all, _option(arguments, "--config-dir", "-cd")))
    except ModuleNotFoundError as problem:
        refuse_missing(problem)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own end need not be told of as an error


def _explain(*, sweeping: bool) -> None:
    """What to type; exits with 2 where a sweep was asked for, for it was not said over what."""
    if sweeping:
        print(localize(explain_sweeps()), file=sys.stderr)
        sys.exit(2)
    print(localize(explain_program()))


def _flags(arguments: list[str]) -> Namespace:
    """Hydra's flags, which may stand anywhere among the overrides; `sys.argv` has them in front then.

    Of a sweep that is only asked for its configuration, what all its runs share is shown.

    Raises:
        ConfigError: a flag that Hydra would pass over without a word, or does not do here.
    """
    parser = get_args_parser()
    parser.prog = find_program()
    found = parser.parse_intermixed_args(arguments)
    words = list(arguments)
    for word in found.overrides:
        words.remove(word)
    if found.multirun and (found.cfg or found.info):
        words = [word for word in words if word not in SWEEP]
        swept = lists(found.overrides)
        found.overrides = [word for word in found.overrides if word not in swept]
        left_out = f", without {' '.join(map(as_typed, swept))}" if swept else ""
        print(f"What all runs of the sweep share{left_out}; --plan lists what differs:", file=sys.stderr)
    if found.experimental_rerun:
        raise ConfigError(f"--experimental-rerun: a run is repeated from its page: {GENERIC} rerun RUN_ID")
    for flag, given in (("--resolve", found.resolve), ("--package", found.package)):
        if given and not (found.cfg or found.help):
            raise ConfigError(f"{flag} is for showing a configuration: {GENERIC} --cfg job {flag} ...")
    sys.argv = ["runner", *words, *found.overrides]
    return found


def _interrupted(number: int, frame: FrameType | None) -> None:
    """A second Ctrl-C must not fall into what the first one began."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    raise KeyboardInterrupt


def _refuse_words(arguments: list[str], overrides: list[str]) -> None:
    """Says what to type where several values are given to one run, or a group is given none of its names."""
    refuse_nameless(overrides)
    sweeping = set(SWEEP) & set(arguments) or any(word.startswith("hydra.mode=") for word in overrides)
    if not sweeping and (several := lists(overrides)):
        typed = shlex.join(["python", "-m", "runner", "-m", *arguments])
        raise ConfigError(f"{several[0]} is a list of values; to run all of them: {typed}")


def _refuse(message: str) -> None:
    lines = localize(message).splitlines()
    print("\n  ".join(["runner:", *lines]) if len(lines) != 1 else f"runner: {lines[0]}", file=sys.stderr)
    sys.exit(2)


def _option(arguments: list[str], *names: str) -> str | None:
    """The value that follows one of the flags."""
    places_of = [index for index, word in enumerate(arguments[:-1]) if word in names]
    joined = [word.partition("=")[2] for word in arguments if word.startswith(f"{names[0]}=")]
    return arguments[places_of[0] + 1] if places_of else (joined[0] if joined else None)


def _hydra(composed: list[DictConfig], flags: Namespace) -> None:
    """Lets Hydra do what the command line asks of it: help, a sweep, or one run, whose configuration is `composed`.

    (It runs nothing itself: whatever fails inside its job is announced by it too.)

    Raises:
        ConfigError: Hydra refused its flags.
    """
    run = hydra.main(version_base="1.3", config_path=str(places.conf()), config_name="config")(composed.append)
    told = StringIO()
    try:
        with redirect_stdout(told) if flags.help or flags.hydra_help else nullcontext():
            run()
    except (HydraException, OmegaConfBaseException):
        raise
    except Exception as problem:
        if _is_ours(problem):
            raise
        raise ConfigError(f"{_first_line(problem)}; its flags are listed by: {GENERIC} --hydra-help") from problem
    finally:
        print(localize(told.getvalue()), end="")


def _is_ours(problem: Exception) -> bool:
    """Whether it was raised where Hydra had called this program back."""
    ours = (str(ROOT / "runner"), str(ROOT / "hydra_plugins"))
    frames = traceback.extract_tb(problem.__traceback__)
    return any(frame.filename.startswith(ours) for frame in frames[1:])


def _first_line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".partition("\n")[0].removeprefix("ValueError: ")


def _one(cfg: DictConfig) -> RunConfig:
    page = OmegaConf.select(cfg, "sweep.name")
    for_sweeps = [word for word in sys.argv[1:] if word.startswith(("sweep.", "executor.", "executor=", "plan="))]
    if page is None and for_sweeps:
        raise ConfigError(f"{for_sweeps[0]} is for sweeps, and this is one run: python -m runner -m ...")
    if page is not None:
        raise ConfigError(f"sweep={page} is a list of runs, not one: python -m runner -m sweep={page}")
    return from_hydra(cfg)


def _run(config: RunConfig) -> None:
    """One run on this terminal."""
    from runner.alone import run_alone
    from runner.data import load_for
    from runner.describe import run_name
    from runner.job import Job, Order, job_name
    from runner.screen import Screen, command_line
    from runner.settle import settled

    with Screen() as screen:
        [config] = settled([config], screen.say)
        data = load_for(config, partial(_fit, config)).digest  # wrong data is refused before torch is imported
        job = Job(Path(config.out) / "runs" / f"{config.model.name}-{job_name(config, data)}")
        run_alone(job, Order(config, name=run_name(config), command=command_line()), screen)


def _fit(config: RunConfig, shape: tuple[int, int, int], classes: int) -> None:
    """Refuses a network that does not take such images."""
    import torch

    from runner.build import bare

    bare(config, shape, classes, torch.device("meta"))


if __name__ == "__main__":
    main()
