"""The command `ui` serves what was tracked, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from browser import browser
from program import PATIENCE, environment, eventually, free_port
from tracks import facts

from runner import cli, track
from runner.config import ConfigError, Track


def one_run(uri: str, experiment: str = "trials") -> tuple[str, str]:
    """Tracks a run; returns its id and its page."""
    with track.open_tracker(Track("mlflow", uri, experiment, 500, 1000, 0, True, False, None)) as tracker:
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


@dataclass(frozen=True)
class Served:
    """The store that `ui` shows.

    Attributes:
        page: the address that it printed.
        run_id: of the newest run.
    """

    process: "subprocess.Popen[str]"
    page: str
    run_id: str

    @property
    def address(self) -> str:
        return self.page.partition("/#/")[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server in a process of its own, with two experiments in its store."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    one_run(uri, "old trials")
    run_id, _ = one_run(uri)
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "ui", "--port", str(free_port()), "--uri", uri],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()  # appears when the server answers
        assert "http" in said, said + process.communicate()[0]
        yield Served(process, next(word for word in said.split() if word.startswith("http")), run_id)
    finally:
        process.terminate()  # not killed, for it has MLflow's server to end
        process.communicate(timeout=PATIENCE)


def test_the_printed_page_shows_the_runs_of_the_experiment_used_last(served: Served, tmp_path: Path) -> None:
    with browser() as window:
        window.open(served.page)
        try:
            eventually(lambda: "the run" in window.links(f"/runs/{served.run_id}"), "the run in the table of runs")
        finally:
            window.picture(Path(os.environ.get("PICTURES", tmp_path), "ui.png"))
        text = window.text()
        assert "1 matching run" in text
        assert "trials" in text and "old trials" not in text


def test_ui_serves_the_tracked_run_and_ctrl_c_ends_all_of_it(served: Served) -> None:
    process, address, run_id = served.process, served.address, served.run_id
    api = f"{address}/api/2.0/mlflow"
    experiment = ask(f"{api}/experiments/get-by-name?experiment_name=trials")["experiment"]["experiment_id"]
    (run,) = ask(f"{api}/runs/search", {"experiment_ids": [experiment]})["runs"]
    assert run["info"]["run_id"] == run_id
    config = f"{address}/get-artifact?path=config.yaml&run_id={run_id}"
    with urllib.request.urlopen(config, timeout=30) as answer:
        assert answer.read() == b"seed: 0\n"

    remote, page = one_run(address)
    assert page == f"{address}/#/experiments/{experiment}/runs/{remote}"
    assert served.page == f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning"
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
    cli.ui(["--uri", "http://me:s3cret@127.0.0.1:9/mlflow"])
    said = capsys.readouterr().out
    assert "http://127.0.0.1:9/mlflow/#/experiments?workflowType=machine_learning" in said
    assert "s3cret" not in said


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
