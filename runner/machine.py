"""What this machine gives."""

import ctypes
import os

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
MIB = 2**20


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_memory() -> None:
    """Lets malloc keep what was freed, where it is glibc's.

    It would give a batch's tensors back to the system at every step, to get them anew, page by page: a fifth of a
    short trial's time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 * MIB)  # the largest that it takes
        mallopt(M_TRIM_THRESHOLD, 1024 * MIB)
        mallopt(M_TOP_PAD, 16 * MIB)
