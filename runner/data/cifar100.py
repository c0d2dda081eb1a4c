"""CIFAR-100: 50,000 + 10,000 colour images of 32x32 pixels in a hundred classes (Krizhevsky 2009)."""

from collections.abc import Mapping
from pathlib import Path

from runner.data.batches import batch
from runner.data.published import Content, Published
from runner.data.shape import Shape
from runner.data.source import Decoded, Source

FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CLASSES = tuple(FINE.split())
"""In the author's order."""


def cifar100(root: Path, shape: Shape, *, download: bool) -> Source:
    """CIFAR-100 with its fine labels, in the same forms as CIFAR-10: `cifar-100-python/`, the author's archive of
    it, or pictures in `cifar100/{train,test}/<class>/`.

    Args:
        root: the folder to look in, or itself one of these.
        download: fetch the author's archive (169 MB) where there is none of them.

    Raises:
        NotHere: there is none of them.
    """
    return CIFAR100.source(root, shape, download=download)


def _read(files: Mapping[str, Content]) -> Decoded:
    train, test = (batch(files[name], CIFAR100.title, b"fine_labels", len(CLASSES)) for name in ("train", "test"))
    return Decoded(CLASSES, train, test)


CIFAR100 = Published(
    name="cifar100",
    title="CIFAR-100",
    urls=("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz#md5=eb9058c3a382ffc7106e4002c42a8d85",),
    holds=("train", "test"),
    folders=("cifar-100-python",),
    into="",
    classes=CLASSES,
    size=32,
    channels=3,
    read=_read,
    pictures="cifar100",
)
