"""The images that all peers train on: a Dataset of PIL images in memory, as torchvision.datasets.CIFAR10 is one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

NORMALIZE = [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
CROP_FLIP = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
TEST_BATCH = 1000


class Images(Dataset):
    """`side`.npy, uint8 [n, height, width, channels], and `side`_labels.npy of a folder."""

    def __init__(self, folder: str, side: str, transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.data = np.load(Path(folder, f"{side}.npy"))
        self.targets = np.load(Path(folder, f"{side}_labels.npy")).tolist()
        self.transform = transform

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]

    def __len__(self) -> int:
        return len(self.data)


def training(folder: str, batch: int, workers: int | None, at_once: int) -> DataLoader:
    """Shuffled batches, cropped and flipped."""
    images = Images(folder, "train", transforms.Compose([*CROP_FLIP, *NORMALIZE]))
    return DataLoader(images, batch, shuffle=True, **_loading(workers, at_once))


def test(folder: str, workers: int | None, at_once: int) -> DataLoader:
    """The test images as they are."""
    images = Images(folder, "test", transforms.Compose(NORMALIZE))
    return DataLoader(images, TEST_BATCH, **_loading(workers, at_once))


def forever(loader: DataLoader) -> Iterator[Any]:
    """One pass after the other."""
    while True:
        yield from loader


def _loading(workers: int | None, at_once: int) -> dict[str, Any]:
    """What the performance guide of torch says of loaders.

    Without a choice, a worker a core (8 at most), shared by the trials at once; but none where two cores or fewer
    train the network too, since workers only take them from it.
    """
    if workers is None:
        cores = len(os.sched_getaffinity(0))
        workers = min(cores, 8) // at_once if cores > 2 or torch.cuda.is_available() else 0
    loading: dict[str, Any] = {"num_workers": workers, "pin_memory": torch.cuda.is_available()}
    if workers:
        loading["persistent_workers"] = True
        loading["multiprocessing_context"] = "fork"  # Linux's own; in joblib's processes another is, and fails
    return loading
