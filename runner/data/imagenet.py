"""ImageNet as the challenge has it: a folder of pictures a class (Russakovsky et al. 2015), larger than memory."""

import re
from pathlib import Path

from runner.config import ConfigError
from runner.data.decode import from_tree
from runner.data.members import stamp
from runner.data.published import NotHere
from runner.data.shape import Shape
from runner.data.source import Source
from runner.data.split import Side
from runner.data.tree import Tree, survey

FOLDERS = ("imagenet", "ImageNet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC")
SIDES = ("train", "val")
WNID = re.compile(r"n\d{8}")
"""WordNet's number of a noun, which is what a class is called."""


def imagenet(root: Path, shape: Shape) -> Source:
    """ImageNet or classes of it: `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG`, below `root` or a folder
    `imagenet/` there. Nothing else that stands beside them is read.

    Args:
        root: the folder to look in, or itself the one with train/ and val/.

    Raises:
        NotHere: there is no such folder.
    """
    shape = shape.sized("imagenet")
    found = next((folder for folder in (root, *(root / name for name in FOLDERS)) if _is_whole(folder)), None)
    if found is None:
        raise NotHere(
            f"ImageNet is not under {root}/: train/<wnid>/*.JPEG and val/<wnid>/*.JPEG are looked for there and in "
            f"{', '.join(f'{name}/' for name in FOLDERS)}"
        )
    if not any(path.is_dir() for path in (found / "val").iterdir()):
        raise ConfigError(
            f"{found / 'val'} has no class folders: each of its pictures must stand in the folder of its class, as "
            "val/n01440764/ILSVRC2012_val_00000293.JPEG; LOC_val_solution.csv (of Kaggle) or "
            "ILSVRC2012_validation_ground_truth.txt (of the challenge's development kit) says which it is of"
        )
    own = {side: stamp(found / side) for side in SIDES}
    return from_tree("imagenet", found, own, _sides, shape)


def _is_whole(folder: Path) -> bool:
    return all((folder / side).is_dir() for side in SIDES)


def _sides(path: Path) -> tuple[Tree, Side, Side]:
    tree = survey(path, only=SIDES)
    strange = next((label for label in tree.classes if not WNID.fullmatch(label)), None)
    if strange is not None or "all" in tree.sides:
        raise ConfigError(
            f"{path} is not ImageNet: class folders such as n01440764 must stand in train/ and val/, and there is "
            f"{strange or 'only one of the two'}; data=folder data.path={path} takes any class folders"
        )
    return tree, tree.sides["train"], tree.sides["test"]
