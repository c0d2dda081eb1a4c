"""Shares of whole counts, exact for the numbers that people type."""

import math

ROUNDING = 1e-12
"""Relative: 0.55 of 100 is 55.00000000000001 in floating-point numbers."""


def round_up_share(share: float, count: int) -> int:
    """Returns the first whole number that reaches a share of a count: 55 for 0.55 of 100, 56 for 0.551 of it."""
    exact = share * count
    nearest = round(exact)
    return nearest if math.isclose(exact, nearest, rel_tol=ROUNDING) else math.ceil(exact)
