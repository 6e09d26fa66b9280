"""Resident memory of this process, and the highest since it was last asked to begin anew; Linux alone."""

from pathlib import Path


def resident_mb() -> float:
    """Resident memory, without what the operating system keeps of the files that are read."""
    return _status_mb("VmRSS")


def highest_resident_mb() -> float:
    """The highest since the process began or since `reset_highest`."""
    return _status_mb("VmHWM")


def reset_highest() -> None:
    """Let the highest be the present one."""
    # proc(5): 5 sets the peak of resident memory to what is resident.
    Path("/proc/self/clear_refs").write_text("5")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024 / 1e6
