"""What was trained is asked about pictures, which it sees as its run saw its own."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml
from made import made
from PIL import Image
from program import environment

from runner import cli
from runner.config import ConfigError
from runner.data.ahead import CHUNK, FEW, MANY, read_ahead, read_by_threads
from runner.data.named import Named, named
from runner.data.shape import Shape
from runner.interface import FILES
from runner.losses import probabilities
from runner.trained import Trained, load

KINDS = ("RGB", "RGB", "L", "RGBA", "P", "CMYK", "I;16")
"""How the pixels of a picture file may be kept."""


def picture(number: int, generator: np.random.Generator) -> Image.Image:
    """One of many sizes and kinds."""
    height, width = generator.integers(9, 30, 2)
    kind = KINDS[number % len(KINDS)]
    if kind == "I;16":
        return Image.fromarray(generator.integers(0, 65536, (height, width), dtype=np.uint16))
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(kind)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of pictures; every other JPEG was taken with the camera held some other way."""
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(63):
        place = folder / f"class {number % 3}"
        place.mkdir(exist_ok=True)
        image = picture(number, generator)
        exif = Image.Exif()
        exif[0x0112] = number % 9
        if image.mode in ("RGB", "L", "CMYK"):
            image.save(place / f"{number}.jpg", exif=exif, quality=95)
        else:
            image.save(place / f"{number}.png")
    return folder


def words(pictures: Path, *more: str) -> tuple[str, ...]:
    own = (f"data.path={pictures}", "data.size=10", "train.steps=4", "train.batch=8", f"out={pictures.parent}/out")
    return ("data=folder", "data.test=0.4", *own, *more)


MLP = ("model=mlp", "model.widths=[16]")

RUNS = {
    "as it is": MLP,
    "standard scale, padded": (*MLP, "data.scale=standard", "data.resize=pad"),
    "grey, stretched, raw": (
        *MLP,
        "data.channels=1",
        "data.resize=stretch",
        "data.scale=raw",
        "init=xavier_normal",
    ),
    "mirrored, averaged": ("train.test_flip=true", "train.ema=0.5", "model=convnet", "model.width=4"),
    "one neuron": ("model=logistic", "data.classes=[2,0]"),
}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.usefixtures("alone")
def test_the_files_of_the_test_split_are_seen_as_the_run_saw_them(
    kind: str, pictures: Path, tmp_path: Path
) -> None:
    logits = made(tmp_path, *words(pictures, *RUNS[kind]))
    trained = load(tmp_path, device="cpu")
    with (tmp_path / "data" / "files.csv").open() as file:
        files = [Named(str(pictures / row["path"])) for row in csv.DictReader(file) if row["side"] == "test"]
    read = list(read_by_threads(files, trained.shape, threads=2, ahead=CHUNK))
    assert [one.name for one in read] == [one.name for one in files]
    found = trained.probabilities(np.stack([one.pixels for one in read if one.pixels is not None]))
    expected = probabilities(logits).numpy()
    assert len(found) == len(expected) > 10
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.fixture(scope="module")
def folder(pictures: Path, tmp_path_factory: pytest.TempPathFactory, alone: None) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    made(folder, *words(pictures, *MLP))
    return folder


@pytest.fixture
def trained(folder: Path) -> Trained:
    return load(folder, device="cpu")


@pytest.fixture
def mixed(pictures: Path, tmp_path: Path) -> Path:
    """A folder of 21 pictures, of which one is none, and other files."""
    for number, file in enumerate(sorted((pictures / "class 1").iterdir())):
        place = tmp_path / "mixed" / f"{number % 2}"
        place.mkdir(exist_ok=True, parents=True)
        (place / file.name).write_bytes(file.read_bytes())
    (tmp_path / "mixed" / "0" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "mixed" / "notes.txt").write_text("no picture")
    (tmp_path / "mixed" / ".hidden.jpg").write_bytes(b"")
    return tmp_path / "mixed"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str, status: int | None = None) -> tuple[str, str]:
    """What `predict` prints on both ways out."""
    try:
        cli.main(["predict", *arguments])
    except SystemExit as end:
        assert end.code == status
    else:
        assert status is None
    return capsys.readouterr()


def test_every_format_tells_the_same_in_the_order_of_the_files_and_skips_what_is_not_readable(
    folder: Path, mixed: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(str(file) for file in mixed.rglob("*.*g") if file.name[0] not in "b.")
    assert len(files) == 21
    answers = {}
    for form in ("json", "csv", "table"):
        answers[form], problems = asked(
            capsys, str(folder), str(mixed), "--format", form, "--top", "2", "--batch", "4", status=1
        )
        assert problems.count("\n") == 1 and "0/bad.jpg is not a readable picture" in problems
    found = json.loads(answers["json"])
    assert [one["picture"] for one in found] == files
    rows = list(csv.DictReader(io.StringIO(answers["csv"])))
    for index, one in enumerate(found):
        for rank, prediction in enumerate(one["predictions"], 1):
            row = rows[2 * index + rank - 1]
            assert (row["picture"], row["rank"], row["class"]) == (one["picture"], str(rank), prediction["class"])
            assert float(row["probability"]) == prediction["probability"]
        first, second = one["predictions"]
        assert 1 > first["probability"] >= second["probability"] > 0
        line = answers["table"].splitlines()[1 + index]
        assert line.endswith(one["picture"]) and f"{first['class']}  {first['probability']:6.1%}" in line
    pixels = next(read_by_threads([Named(files[3])], trained.shape, threads=1, ahead=1)).pixels
    assert pixels is not None
    [expected] = trained.probabilities(pixels[None])
    assert found[3]["predictions"][0]["probability"] == pytest.approx(expected.max(), abs=1e-6)


def test_predictions_in_a_file_are_those_on_the_screen(
    folder: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (str(folder), f"{pictures}/*/1?.*", "--format", "json")
    shown, _ = asked(capsys, *arguments)
    printed, _ = asked(capsys, *arguments, "--out", str(tmp_path / "answers.json"))
    assert printed == "" and (tmp_path / "answers.json").read_text() == shown
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]
    assert len(json.loads(shown)) == 10
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    asked(capsys, *arguments, "--out", str(tmp_path / "pipe"))
    assert os.read(reader, 1 << 16).decode() == shown and (tmp_path / "pipe").is_fifo()
    os.close(reader)
    (tmp_path / "link").symlink_to("answers.json")
    asked(capsys, str(folder), f"{pictures}/class 0", "--out", str(tmp_path / "link"))
    assert "picture" in (tmp_path / "answers.json").read_text() != shown and (tmp_path / "link").is_symlink()


def test_a_place_where_no_file_can_be_is_refused_before_anything_else(tmp_path: Path) -> None:
    for out, told in ((tmp_path, "is a folder"), (tmp_path / "no" / "a", "there is no folder")):
        with pytest.raises(ConfigError, match=told):
            cli.main(["predict", "nothing", "nothing.jpg", "--out", str(out)])


def test_a_device_that_no_run_would_have_is_refused_alike(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = asked(capsys, "nothing", "nothing.jpg", "--device", "gpu", status=2)
    assert "'gpu' is not one of auto, cpu, cuda, cuda:N" in told


def test_a_name_that_is_no_text_is_written_as_it_is(
    folder: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(next(pictures.rglob("*.jpg")).read_bytes())
    asked(capsys, str(folder), os.fsdecode(name), "--out", str(tmp_path / "answers"))
    assert (tmp_path / "answers").read_bytes().endswith(name + b"\n")


def test_what_holds_no_picture_is_said_and_counted_and_a_folder_is_entered_once(
    folder: Path, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mixed / "0" / "bad.jpg").unlink()
    (mixed / "0" / "up").symlink_to(mixed)
    (mixed / "2").symlink_to(mixed / "1")
    (tmp_path / "empty").mkdir()
    printed, told = asked(capsys, str(folder), str(mixed), str(tmp_path / "empty"), status=1)
    assert printed.count("\n") == 1 + 21
    assert told == f"runner: there are no pictures in {tmp_path}/empty\n"
    found = named([str(mixed)], io.BytesIO())
    next(found)
    shutil.rmtree(mixed / "1")
    assert [one.problem for one in found if one.problem] == [
        f"the folder {mixed}/{name} cannot be read: No such file or directory" for name in ("1", "2")
    ]


def test_what_pillow_warns_of_is_said_of_its_picture(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    for name, side in (("a", 5), ("b", 20), ("c", 20), ("d", 40)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    (tmp_path / "e.png").write_bytes(b"nothing")
    printed, told = asked(capsys, str(folder), str(tmp_path), status=1)
    assert printed.count("\n") == 1 + 3
    b, c, d, e = sorted(told.splitlines())
    assert f"{tmp_path}/b.png: Image size (400 pixels) exceeds" in b and "/c.png: Image size" in c
    assert "d.png is not a readable picture: Image size (1600 pixels)" in d
    assert e == f"runner: {tmp_path}/e.png is not a readable picture: cannot identify image file"


def test_pictures_are_decoded_before_they_are_asked_for_and_never_all_of_them(pictures: Path) -> None:
    files, taken = sorted(pictures.rglob("*.jpg")) * 20, 0

    def counted() -> Iterator[Named]:
        nonlocal taken
        for file in files:
            taken += 1
            yield Named(str(file))

    read = read_by_threads(counted(), Shape(10), threads=2, ahead=64)
    for done in range(1, 200):
        next(read)
        assert taken <= done + 64 + CHUNK
    read.close()


@pytest.mark.parametrize("batch", ["5", "4096"])
def test_many_pictures_are_read_by_processes_to_the_answers_of_a_few(
    batch: str, folder: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(map(str, pictures.rglob("*.*g")))
    few, _ = asked(capsys, str(folder), *files, "--format", "json")
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    drawn = Image.new("P", (12, 12))
    drawn.putpalette([0, 0, 0, 255, 255, 255])
    drawn.save(tmp_path / "clear.png", transparency=bytes([0, 128]))
    times = FEW // len(files) + 2
    late = [str(tmp_path / "bad.jpg"), str(tmp_path / "clear.png")]
    many, told = asked(capsys, str(folder), *files * times, *late, "--format", "json", "--batch", batch, status=1)
    found = json.loads(many)
    assert [one["picture"] for one in found] == [*files * times, late[1]]
    for one, expected in zip(found, json.loads(few) * times, strict=False):
        probabilities = (
            {each["class"]: each["probability"] for each in by["predictions"]} for by in (one, expected)
        )
        assert next(probabilities) == pytest.approx(next(probabilities), abs=1e-6)
    unreadable, warning = sorted(told.splitlines())
    assert unreadable.endswith("bad.jpg is not a readable picture: cannot identify image file")
    assert "clear.png: Palette images with Transparency" in warning


def test_a_process_that_reads_and_dies_is_told_of(pictures: Path) -> None:
    def readers() -> set[psutil.Process]:
        return {*psutil.Process().children()} - others

    def killing() -> Iterator[Named]:
        """Ends one of the processes when many pictures have been given to them."""
        yield from [Named(str(next(pictures.rglob("*.jpg"))))] * (FEW + MANY)
        victim, _ = readers()
        victim.kill()
        yield from [Named(str(next(pictures.rglob("*.jpg"))))] * 400

    others = {*psutil.Process().children()}
    read = read_ahead(killing(), Shape(10), workers=2, say=print)
    with pytest.raises(ConfigError, match="a process that decodes pictures died"):
        list(read)
    assert not readers()


def test_names_on_standard_input_are_a_line_each_and_a_picture_is_told_by_its_bytes(pictures: Path) -> None:
    files = [str(file) for file in sorted((pictures / "class 0").iterdir())]
    lines = io.BytesIO("\n".join([*files, "", "BMW.jpg", str(pictures / "class 2")]).encode())
    found = [one.name for one in named(["-"], lines)]
    assert found == [*files, "BMW.jpg", *map(str, sorted((pictures / "class 2").iterdir()))]
    nul = io.BytesIO("\0".join([*files, "a\nb.jpg", ""]).encode())
    assert [one.name for one in named(["-"], nul)] == [*files, "a\nb.jpg"]
    odd = list(named(["-"], io.BytesIO(f"{files[0]}\nb\0c*.jpg\n".encode())))
    assert [one.pixels is None for one in read_by_threads(odd, Shape(10), threads=1, ahead=1)] == [False, True]
    for content in (b"\0\0\0\x1cftypavif\0\0\0\0mif1", b"\x7fELF\2\1\1"):
        assert list(named(["-"], io.BytesIO(content))) == [Named("-", content)]
    for form in ("jpeg", "png", "gif", "bmp", "webp", "tiff", "ppm"):
        content = io.BytesIO()
        Image.new("RGB", (300, 4)).save(content, form)
        content.seek(0)
        assert list(named(["-"], content)) == [Named("-", content.getvalue())]


REFUSED = {
    "nothing.jpg": "nothing.jpg: there is no such file or folder",
    "*.nothing": r"\*.nothing: no file is called so",
    "empty": "there are no pictures in empty",
}


@pytest.mark.parametrize("path", REFUSED)
def test_paths_that_name_no_picture_are_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=REFUSED[path]):
        named([path], io.BytesIO())


def test_a_run_that_says_more_or_less_than_runs_do_today_is_still_asked(folder: Path, tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["train"]["clip"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "of_another_day": 1}))
    image = np.zeros((1, 10, 10, 3), dtype=np.uint8)
    found = [load(place, device="cpu").probabilities(image) for place in (folder, tmp_path)]
    np.testing.assert_array_equal(*found)


DAMAGE = {
    "weights.pt": (b"nothing", "no whole file of weights"),
    "model.json": (b"{}", "says of no network what it takes"),
    "config.yaml": (b"model: [", "config.yaml is none that this code knows"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_of_a_run_are_refused(name: str, folder: Path, tmp_path: Path) -> None:
    content, told = DAMAGE[name]
    for file in FILES:
        (tmp_path / file).write_bytes(content if file == name else (folder / file).read_bytes())
    with pytest.raises(ConfigError, match=told):
        load(tmp_path, device="cpu")


def test_a_run_that_diverged_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    name, values = next(iter(weights.items()))
    torch.save({**weights, name: values / 0}, tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match=f"the values of {name} in weights.pt are not finite: the run diverged"):
        load(tmp_path, device="cpu")


def test_the_weights_of_the_best_evaluation_are_asked_where_they_were_kept(
    folder: Path, pictures: Path, tmp_path: Path, alone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, *words(pictures, *MLP, "train.keep_best=true", "train.eval_every=1", "optim.lr=0.1"))
    capsys.readouterr()
    last, best = (load(tmp_path, device="cpu", weights=name) for name in ("weights.pt", "best.pt"))
    file = sorted(pictures.rglob("*.jpg"))[0]
    pixels = next(read_by_threads([Named(str(file))], last.shape, threads=1, ahead=1)).pixels
    assert pixels is not None
    tops = [float(one.probabilities(pixels[None]).max()) for one in (last, best)]
    assert tops[0] != tops[1]
    for more, top in (((), tops[0]), (("--best",), tops[1])):
        found = json.loads(asked(capsys, str(tmp_path), str(file), "--format", "json", *more)[0])
        assert found[0]["predictions"][0]["probability"] == pytest.approx(top, abs=1e-6)
    with pytest.raises(ConfigError, match=r"has no best\.pt, which is kept where .* train\.keep_best=true"):
        cli.main(["predict", str(folder), str(file), "--best"])


def test_weights_of_another_network_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in ("model.json", "config.yaml"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    torch.save({"dense1.weight": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match="not of config.yaml's network"):
        load(tmp_path, device="cpu")


def test_a_picture_on_standard_input_is_predicted_by_the_command(folder: Path, pictures: Path) -> None:
    command = [sys.executable, "-m", "runner", "predict", str(folder), "-", "--format", "csv"]
    file = sorted(pictures.rglob("*.jpg"))[0]
    done = subprocess.run(command, input=file.read_bytes(), env=environment(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["picture"] for row in rows] == ["-"] * 3
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1, abs=1e-5)


LEFT = [("--help",), pytest.param(("predict", "{folder}", "{pictures}"), marks=pytest.mark.slow)]


@pytest.mark.parametrize("arguments", LEFT, ids=["help", "predict"])
def test_a_command_whose_reader_is_gone_ends_without_a_word(
    arguments: tuple[str, ...], folder: Path, pictures: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [word.format(folder=folder, pictures=pictures) for word in arguments]
    with os.fdopen(writer, "wb") as left:
        command = [sys.executable, "-m", "runner", *words]
        done = subprocess.run(command, stdout=left, stderr=subprocess.PIPE, env=environment(), timeout=120)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
