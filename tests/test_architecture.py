"""The layers of the program: imports point down only, and what is slow to import stays where it is needed."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "runner"

LAYERS = (
    ("__main__",),
    ("cli", "sweep.controller"),
    ("sweep.agenda", "sweep.forecast"),
    ("execute", "export", "predict", "register", "report", "rerun", "sweep.board", "sweep.study"),
    ("alone", "anatomy", "fused", "sweep.confirm", "sweep.journal", "sweep.planner", "sweep.stage"),
    ("sweep.curve",),
    ("sweep.plan",),
    ("sweep.baseline",),
    ("screen", "sweep.compose", "sweep.page", "sweep.pruners", "sweep.request", "warm", "worker"),
    ("probe", "run", "sweep.objectives", "sweep.samplers", "sweep.space", "sweep.starts", "sweep.statistics"),
    ("artifacts", "changed", "describe", "footprint", "layers"),
    ("examples", "formats", "inside", "served"),
    ("trained",),
    ("course", "train"),
    ("stack",),
    ("build", "outline", "settle"),
    ("weights",),
    ("depth", "origin"),
    (
        "activations",
        "augment",
        "checkpoint",
        "cost",
        "data",
        "explain",
        "guide",
        "initializers",
        "losses",
        "models",
        "optim",
        "scale",
    ),
    ("choose", "compare", "compose", "draws", "flat", "job", "pictures", "predictions", "schedules", "track"),
    ("interface", "out", "page_contents", "words"),
    ("reading", "sweep.sweep_size", "yaml_limits"),
    ("config", "places", "stop"),
    ("checkpoints", "credentials", "files", "machine", "schema", "shares"),
    ("architectures", "columns", "invocation"),
)
"""Modules and whole packages: each may import what stands in a line below its own. A new one must be placed."""

ONLY_IN = {
    "hydra": ("__main__", "compose", "explain", "sweep"),
    "matplotlib": ("report",),
    "mlflow": ("report", "track"),
    "optuna": ("report", "sweep"),
    "sklearn": ("data",),
    "torchvision": ("data", "models"),
}
"""The only places that import a library."""

LAZY = ("matplotlib", "mlflow", "sklearn", "torchvision")
"""Imported where they are used, and never with a module."""

WITHOUT_TORCH = (
    "__main__",
    "alone",
    "changed",
    "cli",
    "compare",
    "compose",
    "config",
    "reading",
    "describe",
    "explain",
    "export",
    "formats",
    "guide",
    "invocation",
    "job",
    "page_contents",
    "predict",
    "predictions",
    "register",
    "report",
    "rerun",
    "schema",
    "screen",
    "settle",
    "sweep",
    "words",
    "yaml_limits",
)
"""What the command line and a sweep's own process import."""


def modules() -> dict[str, Path]:
    """Every module of the package by its name in it, such as `sweep.plan`; a package's own is called `sweep`."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = file
    return found


def is_in(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def layer(module: str) -> int | None:
    """The line that a module stands in, 0 for the top; None where it has no place."""
    lines = [n for n, places in enumerate(LAYERS) if any(is_in(module, place) for place in places)]
    assert len(lines) <= 1, f"{module} stands in several layers"
    return lines[0] if lines else None


@cache
def imports(file: Path) -> tuple[tuple[str, bool], ...]:
    """What a file imports, as full names, and whether it does so when it is imported itself."""
    return tuple(_imports(ast.parse(file.read_text()), top=True))


def _imports(node: ast.AST, *, top: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute here"
            yield from ((f"{child.module}.{alias.name}", top) for alias in child.names)
        else:
            for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from _imports(child, top=top and not for_types and not isinstance(child, ast.FunctionDef))


def imported(module: str) -> set[str]:
    """The modules of this package that a module imports, at any time."""
    known = modules()
    found = set()
    for name, _ in imports(known[module]):
        inner = name.removeprefix("runner.") if name.startswith("runner.") else ""
        while inner and inner not in known:
            inner = inner.rpartition(".")[0]
        found |= {inner} - {""}
    return found


def is_package_of_others(module: str) -> bool:
    return modules()[module].name == "__init__.py" and not modules()[module].read_text().strip()


@pytest.mark.parametrize("module", modules())
def test_a_module_has_its_place(module: str) -> None:
    assert layer(module) is not None or is_package_of_others(module), f"place {module} in LAYERS"


@pytest.mark.parametrize("place", [place for places in LAYERS for place in places])
def test_a_place_has_its_module(place: str) -> None:
    assert place in modules()


@pytest.mark.parametrize("module", [module for module in modules() if not is_package_of_others(module)])
def test_imports_point_down(module: str) -> None:
    ours = layer(module)
    assert ours is not None
    package = next(place for place in LAYERS[ours] if is_in(module, place))
    for other in imported(module):
        theirs = layer(other)
        assert theirs is not None
        assert is_in(other, package) or theirs > ours, f"{module} imports {other}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_in_its_places_only(library: str) -> None:
    users = {name for name, file in modules().items() for found, _ in imports(file) if is_in(found, library)}
    strangers = {user for user in users if not any(is_in(user, place) for place in ONLY_IN[library])}
    assert not strangers


@pytest.mark.parametrize("library", LAZY)
def test_a_slow_library_is_imported_where_it_is_used(library: str) -> None:
    early = {
        name for name, file in modules().items() for found, top in imports(file) if top and is_in(found, library)
    }
    assert not early


LOOK = """
import importlib, json, sys
slow = ("matplotlib", "mlflow", "pandas", "scipy.stats", "sklearn", "torch", "torchvision")
found = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    found[name] = [library for library in slow if library in sys.modules]
print(json.dumps(found))
"""


def test_the_command_line_and_a_sweep_import_no_torch() -> None:
    light = [name for name in modules() if any(is_in(name, place) for place in WITHOUT_TORCH)]
    command = [sys.executable, "-W", "error", "-c", LOOK, *(f"runner.{name}" for name in light)]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {name: slow for name, slow in json.loads(done.stdout).items() if slow} == {}


def test_looking_for_torch_finds_it_where_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, "runner.draws"], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"runner.draws": ["torch"]}


RUN = """
import json, sys
from runner.__main__ import main
main()
slow = ("matplotlib", "mlflow", "optuna", "pandas", "scipy", "sklearn", "sympy", "torch._dynamo", "torchvision")
print(json.dumps([library for library in slow if library in sys.modules]))
"""


def test_a_run_to_its_end_imports_nothing_slow_but_torch(tmp_path: Path) -> None:
    words = ["model=mlp", "data=synthetic", "data.train=100", "data.test=20", "train.steps=2", "track=memory"]
    command = [sys.executable, "-c", RUN, *words]
    environment = {**os.environ, "RUNNER_CACHE": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
