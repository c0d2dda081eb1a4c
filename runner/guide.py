"""What the program says of itself where nothing is asked of it: what it is, and what to type."""

import textwrap
from collections.abc import Sequence

from runner.compose import pages

WIDTH = 80
"""Columns of a screen."""

PROGRAM = (
    ("Train a small network for some seconds:", "train=smoke data=digits"),
    ("Compare optimizers, each on three seeds:", "-m optim=adam,sgd train=smoke data=digits"),
    (
        "Run an ablation from a page (with --plan only say what, and how long):",
        "-m sweep=init_ablation train=smoke",
    ),
    ("List the pages of sweeps, and how far the sweeps are that were begun:", "sweeps"),
    ("Browse all runs in MLflow:", "ui"),
    ("List what can be chosen and set, and all other commands:", "--help"),
)
"""What can be done, with the words to type."""

SWEEPS = (
    ("Compare anything, each on three seeds:", "-m optim=adam,sgd train=smoke data=digits"),
    ("Run a page of those below, or with --plan only say how long it takes:", "-m sweep=init_ablation --plan"),
    ("Search a space:", "-m sweep.sampler=tpe 'optim.lr=interval(1e-3,.1)'"),
    ("List the pages with their questions, and the sweeps that were begun:", "sweeps"),
)
"""The same of sweeps."""


def explain_program() -> str:
    """What the program is and the first commands to try, on one screen."""
    head = "runner: experiments and ablations on image classifiers, driven by configuration."
    whole = "The whole default run, 10,000 steps of the small VGG:"
    return "\n".join([head, "", *_commands(PROGRAM), "", *_commands([(whole, "train=protocol")])])


def explain_sweeps() -> str:
    """What `-m` needs, and the pages that there are, on one screen."""
    names = textwrap.fill(
        " ".join(sorted(pages())), WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    head = "runner: -m runs a sweep, and needs to know over what."
    return "\n".join([head, "", *_commands(SWEEPS), "", "Pages:", names])


def _commands(told: Sequence[tuple[str, str]]) -> list[str]:
    return [line for what, words in told for line in (what, f"    python -m runner {words}")]
