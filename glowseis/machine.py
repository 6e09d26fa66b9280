"""What the machine offers."""

import os


def cores() -> int:
    """Number of processor cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    # macOS and Windows do not say which ones.
    return os.cpu_count() or 1
