"""What a person is told to type works as it is printed, where they stand."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from program import ROOT, TINY, environment, runner

from runner import invocation
from runner.guide import explain_program, explain_sweeps

SCRIPT = "import sys\nfrom runner.__main__ import main\nsys.exit(main())\n"
"""What pip makes the command `runner` of."""

SCREEN = (24, 80)
"""Lines and columns."""


NO_PYTHON = "/usr/bin:/bin"
"""A PATH without the environment that the program is installed in."""


def shell(folder: Path, line: str, path: str = NO_PYTHON) -> "subprocess.CompletedProcess[str]":
    """What a shell in that folder makes of a line."""
    own = environment(PATH=path)
    return subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=own, capture_output=True, text=True)


@pytest.fixture(scope="module", params=["here", "with a space"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment in which the program is installed; its libraries are borrowed from this one."""
    folder = tmp_path_factory.mktemp("project") / request.param
    venv.create(folder / ".venv", symlinks=True)
    (site,) = folder.glob(".venv/lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    script = folder / ".venv" / "bin" / "runner"
    script.write_text(f"#!/bin/sh\n'''exec' '{folder}/.venv/bin/python' \"$0\" \"$@\"\n' '''\n{SCRIPT}")
    script.chmod(0o755)
    (folder / "photos").mkdir()
    return folder


@pytest.mark.parametrize(
    ("typed", "below", "activated", "expected"),
    [
        (".venv/bin/python -m runner", "", False, ".venv/bin/python -m runner"),
        ("../.venv/bin/python -m runner", "photos", False, "../.venv/bin/python -m runner"),
        ("python -m runner", "", True, "python -m runner"),
        ("runner", "photos", True, "runner"),
        (".venv/bin/runner", "", False, ".venv/bin/python -m runner"),
    ],
)
def test_a_hint_is_called_as_it_can_be_from_there(
    project: Path, typed: str, below: str, activated: bool, expected: str
) -> None:
    path = f"{project}/.venv/bin:{NO_PYTHON}" if activated else NO_PYTHON
    told = shell(project / below, typed, path)
    assert told.returncode == 0, told.stderr
    [hint] = [line.strip() for line in told.stdout.splitlines() if line.endswith(" --help")]
    called = hint.removesuffix(" --help")
    assert called.replace("'", "") == expected
    assert shell(project / below, f"{called} --version", path).returncode == 0


@pytest.mark.parametrize(
    "words", ["", "-m", "--help", "ui --help", "sweeps", "--plan", "--foo", "ui", "optim=adam,sgd", "optim=null"]
)
def test_no_screen_calls_the_program_by_a_name_that_does_not_work(tmp_path: Path, words: str) -> None:
    told = shell(tmp_path, f"{sys.executable} -m runner {words}")
    printed = told.stdout + told.stderr
    assert "Traceback" not in printed
    assert f"{sys.executable} -m runner" in printed
    assert "python -m runner" not in printed.replace(f"{sys.executable} -m runner", "")


def test_a_sweep_shows_what_works_here_and_keeps_what_works_anywhere(tmp_path: Path) -> None:
    shown = runner(tmp_path, "-m", "optim=adam,sgd", "sweep.seeds=1", "train.steps=2", *TINY, PATH=NO_PYTHON)
    assert f"{sys.executable} -m runner ui" in shown
    kept = [file.read_text() for file in tmp_path.glob("outputs/**/*.json")]
    kept += [file.read_text() for file in tmp_path.glob("outputs/**/report.[hm]*")]
    assert sum("python -m runner" in text for text in kept) > 2
    assert not any(f"{sys.executable} -m runner" in text for text in kept)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of a checkout is read before any library is."""
    (tmp_path / "Makefile").touch()
    (tmp_path / "runner").mkdir()
    for name in ("__init__", "__main__", "invocation"):
        shutil.copy(ROOT / "runner" / f"{name}.py", tmp_path / "runner")
    return tmp_path


def refused_by(python: Path, folder: Path, *words: str) -> list[str]:
    """The lines in which a Python without libraries refuses to run the program of that folder."""
    command = [python, "-m", "runner", *words]
    done = subprocess.run(command, cwd=folder, env={"PATH": NO_PYTHON}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


def test_a_python_without_the_libraries_says_what_to_type(checkout: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    bare = tmp_path / "bare" / "bin" / "python"
    what, install, then = refused_by(bare, checkout, "train=smoke")
    assert "hydra" in what
    assert install == "Type: make install"
    assert then == "and then: .venv/bin/python -m runner train=smoke"
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "ready").touch()
    _, at_once = refused_by(bare, checkout, "-m", "optim=adam,sgd")
    assert at_once == "Type: .venv/bin/python -m runner -m optim=adam,sgd"
    venv.create(checkout / ".venv", symlinks=True)
    _, missing = refused_by(checkout / ".venv" / "bin" / "python", checkout, "ui")
    assert missing == "Install it there: .venv/bin/python -m pip install hydra"


def test_a_python_that_is_too_old_says_so(checkout: Path, tmp_path: Path) -> None:
    code = "import sys; sys.version_info = (3, 9, 0); import runpy; runpy.run_module('runner', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 2
    assert "3.11" in done.stderr and "3.9" in done.stderr and "Traceback" not in done.stderr


def test_bare_it_explains_itself_on_one_screen_and_does_nothing(tmp_path: Path) -> None:
    told = shell(tmp_path, f"{sys.executable} -m runner")
    assert (told.returncode, told.stderr) == (0, "")
    assert_one_screen(told.stdout)
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_nothing_is_refused_on_one_screen_with_the_pages(tmp_path: Path) -> None:
    told = shell(tmp_path, f"{sys.executable} -m runner -m")
    assert (told.returncode, told.stdout) == (2, "")
    assert_one_screen(told.stderr)
    assert all(page.stem in told.stderr for page in (ROOT / "sweeps").glob("*.yaml"))
    assert not list(tmp_path.iterdir())


def assert_one_screen(text: str) -> None:
    """As it is printed in the folder of a checkout."""
    lines = text.replace(f"{sys.executable} -m runner", ".venv/bin/python -m runner").splitlines()
    assert len(lines) <= SCREEN[0] and max(map(len, lines)) <= SCREEN[1]


EACH = """
import io, json, shlex, sys
from contextlib import redirect_stderr, redirect_stdout
from hydra.core.global_hydra import GlobalHydra
from runner.__main__ import main
found = {}
for line in json.load(sys.stdin):
    GlobalHydra.instance().clear()
    sys.argv = ["runner", *shlex.split(line)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException as problem:
        code = repr(problem)
    found[line] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(found))
"""
"""The program for one command line after the other, in one process."""


def each(folder: Path, lines: list[str]) -> dict[str, tuple[int | str, str, str]]:
    """Exit status, output and messages of each of the command lines; one that ends in a traceback has its text."""
    variables = environment(RUNNER_CACHE=str(folder / "cache"))
    variables.pop("COMP_LINE", None)
    command = [sys.executable, "-c", EACH]
    done = subprocess.run(
        command, cwd=folder, env=variables, input=json.dumps(lines), capture_output=True, text=True, check=True
    )
    return {line: tuple(found) for line, found in json.loads(done.stdout).items()}


FLAGS = (
    *("--cfg job", "--cfg hydra", "--cfg all", "--cfg nope", "--cfg", "-c job"),
    *(
        "--cfg job --resolve",
        "--cfg job --package optim",
        "--cfg job --package nope",
        "--resolve",
        "--package optim",
    ),
    *("--info", "--info config", "--info defaults", "--info searchpath", "--info nope", "-i"),
    *("--help", "-h", "--hydra-help", "--version", "--foo", "--foo=bar", "-q"),
    *("--shell-completion", "-sc install=bash", "-sc install=tcsh", "-sc query=bash"),
    *("--config-dir nope", "--config-name nope", "--config-path nope", "--experimental-rerun nope"),
    *("--run --cfg job", "--cfg job --info"),
)
BEFORE = ("", "-m ", "-m sweep=init_ablation optim=adam,sgd ")


def test_no_flag_ends_in_a_traceback_or_starts_a_run(tmp_path: Path) -> None:
    lines = [f"{before}{flag}" for before in BEFORE for flag in FLAGS]
    for line, (code, out, err) in each(tmp_path, lines).items():
        assert code in (0, 1, 2), f"{line}: {code}"
        assert out if code == 0 else err, line
        assert "Traceback" not in out + err, line
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])


def test_of_a_sweep_the_configuration_that_all_runs_share_is_shown(tmp_path: Path) -> None:
    import yaml

    alone, typed, page = (
        "--cfg job train=smoke",
        "-m optim=adam,sgd --cfg job train=smoke optim.lr=range(1,3)",
        "-m sweep=init_ablation --cfg job",
    )
    found = each(tmp_path, [alone, typed, page])
    assert found[typed][1] == found[alone][1]
    assert "optim=adam,sgd optim.lr=range(1,3)" in found[typed][2]
    assert yaml.safe_load(found[page][1])["sweep"]["name"] == "init_ablation"


def test_all_that_is_suggested_is_a_command_of_this_program(tmp_path: Path) -> None:
    told = f"{explain_program()}\n{explain_sweeps()}"
    hints = [line.split(invocation.GENERIC)[1] for line in told.splitlines() if invocation.GENERIC in line]
    questions = [hint.replace("--plan", "") + (" --cfg job" if "=" in hint else "") for hint in hints]
    for line, (code, _, err) in each(tmp_path, [line for line in questions if line.strip() != "ui"]).items():
        assert code == 0, f"{line}: {err}"
