"""The verbs of the command line beside training: `python -m runner ui`."""

import argparse
import sys
from collections.abc import Callable, Mapping

from runner.config import ConfigError
from runner.schema import nearest
from runner.track.server import serve
from runner.track.store import is_server, resolve


def ui(argv: list[str]) -> None:
    """Browse the runs in MLflow."""
    parser = _parser(ui)
    parser.add_argument("--port", type=int, default=5000, help="where to serve it (default: %(default)s)")
    parser.add_argument("--uri", help="the store (default: $MLFLOW_TRACKING_URI, else ./mlflow.db)")
    arguments = parser.parse_args(argv)
    uri = resolve(arguments.uri)
    if is_server(uri):
        print(f"The runs are at {uri}")
    else:
        serve(uri, port=arguments.port)


def rerun(argv: list[str]) -> None:
    """Repeat a run from its page in MLflow alone, and say whether the metrics match; if not, exits with 1."""
    from runner.rerun import ELSEWHERE, repeat

    parser = _parser(rerun)
    parser.add_argument("run_id", metavar="RUN_ID", help="its id on the page, or the first 8 or more digits of it")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help=f"another place: {', '.join(ELSEWHERE)}")
    parser.add_argument("--uri", help="the store (default: $MLFLOW_TRACKING_URI, else ./mlflow.db)")
    arguments = parser.parse_intermixed_args(argv)
    if not repeat(arguments.run_id, uri=arguments.uri, words=arguments.words):
        sys.exit(1)


VERBS: Mapping[str, Callable[[list[str]], None]] = {"ui": ui, "rerun": rerun}
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


def _parser(verb: Callable[[list[str]], None]) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"python -m runner {verb.__name__}", description=verb.__doc__)
