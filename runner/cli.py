"""The verbs of the command line beside training: `python -m runner ui`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runner.config import ConfigError
from runner.explain import composed
from runner.interface import BEST, WEIGHTS, files
from runner.invocation import GENERIC, find_program
from runner.schema import DEVICES, MOST_PIXELS_A_SIDE, Device, checked, nearest
from runner.track.address import is_server, resolve
from runner.track.server import runs_page, serve


def ui(argv: list[str]) -> None:
    """Browse the runs in MLflow."""
    parser = _parser(ui)
    parser.add_argument("--port", type=int, default=5000, help="where to serve it (default: %(default)s)")
    parser.add_argument("--uri", help=URI)
    arguments = parser.parse_args(argv)
    uri = resolve(arguments.uri)
    if is_server(uri):
        print(f"The runs are at {runs_page(uri)}")
    else:
        serve(uri, port=arguments.port)


def rerun(argv: list[str]) -> None:
    """Repeat a run from its page in MLflow alone, and say whether the metrics match; if not, exits with 1."""
    from runner.rerun import ELSEWHERE, repeat

    parser = _parser(rerun)
    parser.add_argument("run_id", metavar="RUN_ID", help="its id on the page, or the first 8 or more digits of it")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help=f"another place: {', '.join(ELSEWHERE)}")
    parser.add_argument("--uri", help=URI)
    arguments = parser.parse_intermixed_args(argv)
    if not repeat(arguments.run_id, uri=arguments.uri, words=arguments.words):
        sys.exit(1)


def report(argv: list[str]) -> None:
    """Write the report of a sweep from its folder alone, finished or not: report.html, .md, .csv and .png."""
    from runner.report.files import write
    from runner.report.findings import Findings
    from runner.report.kept import find
    from runner.report.table import REST, answers, answers_layout
    from runner.screen import say, show, terminal

    parser = _parser(report)
    parser.add_argument("name", metavar="NAME", help="the sweep's title, such as init_ablation, or its folder")
    parser.add_argument("--out", type=Path, help="the folder to write to (default: the sweep's own)")
    _add_sweeps(parser)
    arguments = parser.parse_args(argv)
    plan, others = find(arguments.name, arguments.sweeps)
    findings, out, console = Findings(plan), arguments.out or plan.folder, terminal()
    if len(answers(findings)) > 1:
        show(console, answers(findings), answers_layout(findings), rest=REST)
    say(console, findings.answer())
    write(findings, out)
    if others:
        names = ", ".join(folder.name for folder in others)
        say(console, f"This is {plan.folder.name}; of the same title are {names}")
    say(console, str(out / "report.html"))


def sweeps(argv: list[str]) -> None:
    """List the pages of sweeps, and how far the sweeps are that were begun."""
    from runner.report.overview import BEGUN, PAGES, begun, pages_there
    from runner.screen import say, show, terminal

    parser = _parser(sweeps)
    _add_sweeps(parser)
    arguments = parser.parse_args(argv)
    console = terminal()
    show(console, pages_there(), PAGES)
    say(console, f"{GENERIC} -m sweep=PAGE runs one, or with --plan says how long that takes")
    rows = begun(arguments.sweeps)
    if len(rows) > 1:
        show(console, rows, BEGUN)
        say(console, f"{GENERIC} report NAME writes and shows the report of one")
    else:
        say(console, f"No sweep is kept in {arguments.sweeps}")


def describe(argv: list[str]) -> None:
    """Print the layers of a run's network, what they hold and compute, and the memory of a training step."""
    parser = _parser(describe)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="the run, as it would be typed to train it")
    parser.add_argument("--size", type=_side, help="height and width of the images, instead of the data set's")
    parser.add_argument("--channels", type=_count, help="their channels (with --size; default: 3)")
    parser.add_argument("--classes", type=_classes, help="how many classes (with --size; default: 1000)")
    arguments = parser.parse_intermixed_args(argv)
    if arguments.size is None and (arguments.channels or arguments.classes):
        raise ConfigError("--channels and --classes describe images without a data set: give --size too")
    config = composed(arguments.words)

    from runner.anatomy import LAYERS, Input, anatomy  # which takes seconds, as torch does
    from runner.screen import say, show, terminal

    channels, classes = arguments.channels or 3, arguments.classes or 1000
    given = Input((channels, arguments.size, arguments.size), classes) if arguments.size else None
    console = terminal()
    layers, told = anatomy(config, given, lambda line: say(console, line))
    show(console, layers, LAYERS)
    for line in told:
        say(console, line)


def predict(argv: list[str]) -> None:
    """Say which classes pictures are of; exits with 1 where some are not readable."""
    from runner.data.named import named
    from runner.out import check_out
    from runner.predict import Wanted
    from runner.predict import predict as predicted
    from runner.predictions import FORMATS
    from runner.track import fetch

    parser = _parser(predict)
    _add_source(parser, "RUN_OR_MODEL")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="pictures, folders, 'patterns*', or - for stdin")
    parser.add_argument("--top", type=_count, default=3, help="classes a picture (default: %(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the screen")
    parser.add_argument("--batch", type=_count, default=64, help="pictures at once (default: %(default)s)")
    parser.add_argument("--device", type=_device, default="auto", help=f"{DEVICES} (default: %(default)s)")
    arguments = parser.parse_intermixed_args(argv)
    if arguments.out is not None:
        check_out(arguments.out, replaces=False)
    pictures = named(arguments.paths, sys.stdin.buffer)
    folder = fetch(arguments.source, uri=arguments.uri, files=files(arguments.weights))

    from runner.trained import load  # which imports torch

    wanted = Wanted(arguments.top, arguments.batch, arguments.format, arguments.out)
    trained = load(folder, device=arguments.device, weights=arguments.weights)
    if predicted(trained, pictures, wanted, lambda problem: print(f"runner: {problem}", file=sys.stderr)):
        sys.exit(1)


def export(argv: list[str]) -> None:
    """Write a trained network as a file of another format, checked: 0..255 images in, probabilities out."""
    from runner.export import TOLERANCE, check_installed
    from runner.export import export as exported
    from runner.formats import FORMATS
    from runner.out import check_out
    from runner.track import fetch

    parser = _parser(export)
    _add_source(parser, "RUN_OR_MODEL")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: called as the network)")
    arguments = parser.parse_args(argv)
    check_installed(arguments.format)
    if arguments.out is not None:
        check_out(arguments.out, replaces=True)
    folder = fetch(arguments.source, uri=arguments.uri, files=files(arguments.weights))

    from runner.trained import load  # which imports torch

    trained = load(folder, device="cpu", weights=arguments.weights)
    made = exported(trained, arguments.format, arguments.out)
    print(
        f"{made.path}: loaded back, its probabilities on {made.images} are within {made.difference:.1e} of the "
        f"network's own ({TOLERANCE:g} is allowed)"
    )


def register(argv: list[str]) -> None:
    """Make a finished run a version of a model in MLflow's registry, for mlflow.pyfunc and mlflow models serve."""
    from runner.register import register as registered

    parser = _parser(register)
    parser.add_argument("run_id", metavar="RUN", help="its id on the page, or the first 8 or more digits of it")
    parser.add_argument("name", metavar="NAME", help="of the model; made where it is not there")
    parser.add_argument("--alias", help="what the version is called from now on, such as champion")
    _add_place(parser)
    arguments = parser.parse_args(argv)
    version = registered(
        arguments.run_id,
        arguments.name,
        alias=arguments.alias,
        uri=arguments.uri,
        weights=arguments.weights,
    )
    print(f"models:/{arguments.name}/{version}", end="")
    print(f"   models:/{arguments.name}@{arguments.alias}" if arguments.alias else "")


URI = "the store (default: $MLFLOW_TRACKING_URI, else ./mlflow.db)"


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number above 0")
    return int(text)


def _up_to(most: int, text: str) -> int:
    if (number := _count(text)) > most:
        raise argparse.ArgumentTypeError(f"{text} must be at most {most}")
    return number


_side = partial(_up_to, MOST_PIXELS_A_SIDE)
_classes = partial(_up_to, 1_000_000)


def _device(text: str) -> str:
    try:
        return str(checked(text, Device))
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


VERBS: Mapping[str, Callable[[list[str]], None]] = {
    function.__name__: function for function in (ui, rerun, report, sweeps, describe, predict, export, register)
}
"""The first word of the command line and the function that gets the rest."""


def main(argv: list[str]) -> None:
    """Does what the first word says.

    Raises:
        ConfigError: it cannot be done, or there is no such word.
    """
    verb, *rest = argv
    if verb not in VERBS:
        raise ConfigError(f"{verb!r} is not one of {', '.join(VERBS)}{nearest(verb, VERBS)}")
    VERBS[verb](rest)


def _add_sweeps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sweeps",
        type=Path,
        default=Path("outputs/sweeps"),
        metavar="FOLDER",
        help="where the sweeps are kept (default: %(default)s)",
    )


def _add_source(parser: argparse.ArgumentParser, name: str) -> None:
    what = "a run's id or its beginning, its folder, models:/NAME/VERSION or models:/NAME@ALIAS"
    parser.add_argument("source", metavar=name, help=what)
    _add_place(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where what was trained is, and which of its weights."""
    parser.add_argument("--uri", help=URI)
    parser.add_argument(
        "--best",
        dest="weights",
        action="store_const",
        const=BEST,
        default=WEIGHTS,
        help="the weights of its best evaluation, which train.keep_best=true keeps, not the last ones",
    )


def _parser(verb: Callable[[list[str]], None]) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"{find_program()} {verb.__name__}", description=verb.__doc__)
