"""Resident memory of this process, and its peak since it was last reset; Linux only."""

from pathlib import Path


def resident_mb() -> float:
    """Resident memory, without the operating system's cache of the files that are read."""
    return _status_mb("VmRSS")


def highest_resident_mb() -> float:
    """The peak since the process began or since `reset_highest`."""
    return _status_mb("VmHWM")


def reset_highest() -> None:
    """Reset the peak to the present memory."""
    # proc(5): 5 resets the peak resident memory to the current one.
    Path("/proc/self/clear_refs").write_text("5")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024 / 1e6
