"""What a finished run leaves on its page beside its curves: predictions, pictures and weights."""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runner import checkpoint, draws, inside, pictures
from runner.augment import AUGMENTATIONS, Blend
from runner.build import Parts
from runner.choose import choose
from runner.config import RunConfig
from runner.course import Course
from runner.interface import WEIGHTS, Interface
from runner.losses import probabilities
from runner.track import Tracker

SHOWN = 32
"""Mistakes in a grid."""

AUGMENTED = 16
"""Images beside what the augmentation makes of them, evenly spread over the training set."""

LOOKED_INTO = 4
"""Images that are right, and as many that are wrong, of which Grad-CAM is asked."""


def leave_artifacts(
    tracker: Tracker, folder: Path, config: RunConfig, parts: Parts, course: Course, logits: Tensor
) -> None:
    """Writes weights, figures and pictures into `folder`, and all that is there then onto the run's page.

    Args:
        logits: the network's outputs for the test images, [n, outputs].
    """
    weights = {name: tensor.cpu() for name, tensor in parts.network.state_dict().items()}
    checkpoint.save(weights, folder / WEIGHTS)
    interface(config, parts).write(folder / "model.json")
    _numbers(parts, course, logits, folder)
    if config.track.pictures:
        _of_training(config, parts, course, folder)
        _of_predictions(parts, logits, folder)
        _of_the_network(parts, logits, folder)
    for file in sorted(folder.iterdir()):
        tracker.artifact(file, "pictures" if file.suffix == ".svg" else "")


def interface(config: RunConfig, parts: Parts) -> Interface:
    """What its network takes and gives."""
    height, width, channels = parts.test.images.shape[1:]
    return Interface(
        classes=parts.classes,
        channels=channels,
        height=height,
        width=width,
        resize=config.data.resize,
        scale=config.data.scale,
        mean=tuple(parts.scale.mean.flatten().tolist()),
        deviation=tuple(parts.scale.deviation.flatten().tolist()),
    )


def confusion(parts: Parts, logits: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """How often an image of class i was taken for class j, at [i, j]."""
    truth = parts.test.labels.cpu().numpy()
    taken = probabilities(logits).argmax(dim=1).cpu().numpy()
    matrix = np.zeros((len(parts.classes),) * 2, dtype=np.int64)
    np.add.at(matrix, (truth, taken), 1)
    return matrix


def _numbers(parts: Parts, course: Course, logits: Tensor, folder: Path) -> None:
    matrix = confusion(parts, logits)
    counts = matrix.sum(axis=1)
    found = {
        "classes": parts.classes,
        "confusion": matrix.tolist(),
        "accuracy_by_class": (matrix.diagonal() / np.maximum(counts, 1)).tolist(),
        "images_by_class": counts.tolist(),
    }
    (folder / "test.json").write_text(json.dumps(found, indent=1))
    _write_curves(course.history, folder / "curves.csv")
    if course.layers:
        (folder / "layers.json").write_text(json.dumps(course.layers))


def _write_curves(history: Sequence[tuple[int, Mapping[str, float]]], path: Path) -> None:
    """Every record, a line each: a store may keep fewer points. What a record did not measure stays empty."""
    metrics = list(dict.fromkeys(metric for _, values in history for metric in values))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", *metrics])
        writer.writerows([step, *(values.get(metric, "") for metric in metrics)] for step, values in history)


def _of_training(config: RunConfig, parts: Parts, course: Course, folder: Path) -> None:
    curves = defaultdict(list)
    for step, metrics in course.history:
        for metric, value in metrics.items():
            curves[metric].append((step, value))
    pictures.curves(curves, folder / "curves.svg")
    for side in ("train", "test") if course.layers else ():
        history = [(step, layers[side]) for step, layers in course.layers]
        pictures.layers(history, folder / f"layers_{side}.svg")
    which = parts.training.which[:: max(1, len(parts.training) // AUGMENTED)][:AUGMENTED]
    images = parts.training.gathered(which)
    key = torch.tensor([draws.key(config.seed, "augment")], device=parts.device)
    augment = choose(AUGMENTATIONS, config.augment)
    made = augment(parts.as_float(images)[None], draws.Draws(draws.fold(key, 0), len(images)))
    [versions] = made.images if isinstance(made, Blend) else made
    pictures.augmented(_shown(images), _shown(versions.permute(0, 2, 3, 1)), folder / "augmented.svg")


def _of_predictions(parts: Parts, logits: Tensor, folder: Path) -> None:
    matrix = confusion(parts, logits)
    counts = matrix.sum(axis=1)
    pictures.confusion(matrix, parts.classes, folder / "confusion.svg")
    accuracy = matrix.diagonal() / np.maximum(counts, 1)
    pictures.per_class(accuracy, counts, parts.classes, folder / "per_class.svg")
    sure, taken = probabilities(logits).max(dim=1)
    wrong = (taken != parts.test.labels).nonzero()[:, 0]
    wrong = wrong[sure[wrong].argsort(descending=True)][:SHOWN]  # the surest mistakes tell most
    pictures.misclassified(
        _shown(parts.test.gathered(wrong)),
        _shown(parts.test.labels[wrong]),
        _shown(taken[wrong]),
        _shown(sure[wrong]),
        parts.classes,
        folder / "misclassified.svg",
    )


def _of_the_network(parts: Parts, logits: Tensor, folder: Path) -> None:
    taken = probabilities(logits).argmax(dim=1)
    which = _right_and_wrong(parts, logits, taken)
    images = parts.test.gathered(which)
    scaled = parts.scale(parts.as_float(images))
    seen = inside.seen(parts.network, scaled[:1])
    if seen.first is not None and (weights := inside.first_filters(seen.first, scaled.shape[1:])) is not None:
        pictures.filters(_shown(weights), folder / "filters.svg")
    if not seen.stages:
        return
    maps = [(stage.name, _shown(stage.maps[0])) for stage in seen.stages]
    pictures.feature_maps(_shown(images[0]), maps, folder / "feature_maps.svg")
    truth, last = parts.test.labels[which], seen.stages[-1]
    places = inside.grad_cam(parts.network, scaled, last, (taken[which], truth))
    names = (parts.classes, last.name)
    shown = (_shown(images), _shown(truth), _shown(taken[which]), [_shown(place) for place in places])
    pictures.grad_cam(*shown, *names, folder / "grad_cam.svg")


def _right_and_wrong(parts: Parts, logits: Tensor, taken: Tensor) -> Tensor:
    """The numbers of a few test images: the first that is right of some classes, and the surest mistakes."""
    truth, sure = parts.test.labels.cpu().numpy(), probabilities(logits).amax(dim=1).cpu().numpy()
    right = taken.cpu().numpy() == truth
    numbers = right.nonzero()[0]
    first = numbers[np.unique(truth[numbers], return_index=True)[1]][:LOOKED_INTO]
    mistakes = (~right).nonzero()[0]
    mistakes = mistakes[np.argsort(-sure[mistakes], kind="stable")][:LOOKED_INTO]
    return torch.from_numpy(np.concatenate([first, mistakes])).to(parts.device)


def _shown(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = tensor.detach().cpu().numpy()
    return array
