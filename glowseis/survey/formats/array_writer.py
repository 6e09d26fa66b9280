"""NumPy files written gather by gather."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.survey.gather import Recording


def write_array(out: Path, recordings: Iterable[Recording], size: tuple[int, int]) -> int:
    """Write recordings as one array, whole or not at all, with memory for one.

    Args:
        out: The `.npy` file to make: float32 `[gather, time, trace]`, zero beyond a recording.
        recordings: What to write, one after another.
        size: Samples and traces that hold them all.

    Returns:
        The number of recordings.

    Raises:
        InputError: The output exists, there are no recordings, or one is larger.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    count = 0
    with whole_file(out) as temporary, temporary.open("wb") as file:
        _write_header(file, (count, *size))
        for recording in recordings:
            samples, traces = recording.amplitude.shape
            if samples > size[0] or traces > size[1]:
                raise InputError(
                    f"gather {recording.gather_id} has {samples} samples x {traces} traces, but the first ones have "
                    f"{size[0]}x{size[1]}, and an array needs gathers of one size; write HDF5"
                )
            amplitude = np.zeros(size, "<f4")
            amplitude[:samples, :traces] = recording.amplitude
            file.write(amplitude.tobytes())
            count += 1
        if not count:
            raise InputError(f"{out}: there are no gathers to write; check the sources")
        # NumPy leaves room in the header for the first side to grow.
        file.seek(0)
        _write_header(file, (count, *size))
    return count


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
