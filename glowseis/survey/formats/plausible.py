"""What a file can plausibly hold: a damaged or malicious header must not decide how much memory is taken."""

from pathlib import Path

from glowseis.errors import InputError
from glowseis.survey.gather import source_text
from glowseis.survey.size import LARGEST

ALWAYS_BYTES = 16_000_000
"""So much is no matter, whatever the file's size."""

EXPANSION = 100
"""Amplitudes are packed two- or threefold, half empty ones somewhat more; what unpacks to more is no gathers."""


def check_expansion(path: Path, held_bytes: int, what: str) -> None:
    """Refuse what would unpack to far more than the file's size.

    Args:
        path: The file.
        held_bytes: Bytes that it says it holds.
        what: What of it, for the message.

    Raises:
        InputError: It is not plausible.
    """
    size = path.stat().st_size
    if held_bytes > max(ALWAYS_BYTES, EXPANSION * size):
        raise InputError(
            f"{source_text(path)}: {what} would take {held_bytes / 1e6:,.0f} MB, the file has {size / 1e6:,.1f} MB; it "
            "is damaged or mostly empty, copy it again or write its gathers alone"
        )


def check_sides(path: Path, samples: int, traces: int) -> None:
    """Refuse a gather with a side that is no gather's.

    Args:
        path: The file.
        samples: Samples of a gather.
        traces: Its traces.

    Raises:
        InputError: A side is 0 or longer than 32768.
    """
    if not (1 <= samples <= LARGEST and 1 <= traces <= LARGEST):
        raise InputError(
            f"{source_text(path)}: a gather would have {samples} samples and {traces} traces; each must be between 1 "
            f"and {LARGEST}, check --axes and --dataset"
        )
