"""What a file can plausibly hold: a damaged or malicious header must not decide how much memory is used."""

from pathlib import Path

from glowseis.errors import InputError
from glowseis.survey.gather import source_text
from glowseis.survey.size import LARGEST

ALWAYS_BYTES = 16_000_000
"""This many bytes are always acceptable, whatever the file's size."""

EXPANSION = 100
"""Amplitudes compress two- or threefold, half-empty ones somewhat more; data that unpack to more are not gathers."""


LARGEST_GATHER = 1 << 27
"""Most samples of a gather in all its traces, 512 MiB as float32; with more, a header does not separate gathers."""

MOST_GATHERS = 1 << 22
"""Most gathers of a file; what is read of each before its amplitudes must fit in memory."""


def check_expansion(path: Path, held_bytes: int, what: str) -> None:
    """Refuse data that would unpack to far more than the file's size.

    Args:
        path: The file.
        held_bytes: Bytes that it claims to hold.
        what: The part in question, for the message.

    Raises:
        InputError: It is not plausible.
    """
    size = path.stat().st_size
    if held_bytes > max(ALWAYS_BYTES, EXPANSION * size):
        raise InputError(
            f"{source_text(path)}: {what} would take {held_bytes / 1e6:,.0f} MB, but the file has {size / 1e6:,.1f} "
            "MB; it is damaged or mostly empty: copy it again or write only its gathers"
        )


def check_sides(path: Path, samples: int, traces: int) -> None:
    """Refuse a gather with an impossible side, or one too large for memory.

    Args:
        path: The file.
        samples: Samples of a gather.
        traces: Its traces.

    Raises:
        InputError: A side is 0 or longer than 32768, or the gather has too many samples.
    """
    if not (1 <= samples <= LARGEST and 1 <= traces <= LARGEST):
        raise InputError(
            f"{source_text(path)}: a gather would have {samples} samples and {traces} traces; each must be between 1 "
            f"and {LARGEST}; check --axes and --dataset"
        )
    if samples * traces > LARGEST_GATHER:
        raise InputError(
            f"{source_text(path)}: a gather would have {samples} samples and {traces} traces, {samples * traces:,} in "
            f"all; at most {LARGEST_GATHER:,} are read; check --axes and --dataset or cut the gather"
        )


def check_gathers(path: Path, gathers: int) -> None:
    """Refuse a file with an implausible number of gathers.

    Args:
        path: The file.
        gathers: How many it claims to hold.

    Raises:
        InputError: There are too many.
    """
    if gathers > MOST_GATHERS:
        raise InputError(
            f"{source_text(path)}: would have {gathers:,} gathers; at most {MOST_GATHERS:,} are read; check --axes and "
            "--dataset, or write several files"
        )
