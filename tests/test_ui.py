"""The command `ui` serves what was tracked, and leaves nothing behind."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from test_track import facts

from runner import cli, track
from runner.config import ConfigError, Track

MAIN = "import sys; from runner.cli import main; main(sys.argv[1:])"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_run(uri: str) -> tuple[str, str]:
    """Tracks a run; returns its id and its page."""
    with track.open_tracker(Track("mlflow", uri, "trials", 500, 1000, 0, True, False, None)) as tracker:
        run_id = tracker.start(facts("the run"), run_id=None)
        tracker.log(1, {"train/loss": 0.25})
        tracker.finish("FINISHED")
    assert run_id is not None
    return run_id, tracker.page


def ask(address: str, body: dict[str, object] | None = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server in a process of its own, its address, and the id of the run in its store."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    run_id, _ = one_run(uri)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "ui", "--port", str(port), "--uri", uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}", run_id
    finally:
        process.kill()
        process.communicate()


def test_ui_serves_the_tracked_run_and_ctrl_c_ends_all_of_it(
    served: tuple[subprocess.Popen[str], str, str],
) -> None:
    process, address, run_id = served
    assert process.stdout is not None
    assert address in process.stdout.readline()  # appears when the server answers

    api = f"{address}/api/2.0/mlflow"
    experiment = ask(f"{api}/experiments/get-by-name?experiment_name=trials")["experiment"]["experiment_id"]
    (run,) = ask(f"{api}/runs/search", {"experiment_ids": [experiment]})["runs"]
    assert run["info"]["run_id"] == run_id
    config = f"{address}/get-artifact?path=config.yaml&run_id={run_id}"
    with urllib.request.urlopen(config, timeout=30) as answer:
        assert answer.read() == b"seed: 0\n"

    remote, page = one_run(address)
    assert page == f"{address}/#/experiments/{experiment}/runs/{remote}"
    assert ask(f"{api}/runs/get?run_id={remote}")["run"]["info"]["status"] == "FINISHED"

    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == ""
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_ui_says_what_to_run_when_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.db does not exist yet: start a run first"):
        cli.ui(["--uri", f"sqlite:///{tmp_path}/nothing.db"])


def test_ui_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port} cannot be used"):
            cli.ui(["--uri", f"sqlite:///{tmp_path}/mlflow.db", "--port", str(port)])


def test_ui_names_a_server_instead_of_starting_one(capsys: pytest.CaptureFixture[str]) -> None:
    cli.ui(["--uri", "https://elsewhere:5000"])
    assert "https://elsewhere:5000" in capsys.readouterr().out


def test_an_unknown_verb_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'iu' is not one of ui"):
        cli.main(["iu"])


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_that_answers_without_heavy_imports(verb: str) -> None:
    code = (
        "import sys; from runner.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: sys.exit(bool({'mlflow', 'torch'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, verb, "--help"]
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
