"""A share of the training images: the same one for every seed, and a part of every larger one."""

import numpy as np
from numpy.typing import NDArray


def share_of(labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Which images are used: of each class the share, rounded, but one at least.

    Args:
        labels: of all, [n].
        share: above 0, up to 1.

    Returns:
        Their places in ascending order, [m].
    """
    order = np.argsort(np.random.PCG64(0).random_raw(len(labels)), kind="stable")
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.unique(labels, return_counts=True)[1]
    firsts = np.cumsum(counts) - counts
    kept = [
        by_class[first : first + max(1, round(share * count))]
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True)
    ]
    return np.sort(np.concatenate(kept))
