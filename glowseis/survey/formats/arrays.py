"""NumPy files as sources: `.npy`, mapped into memory, and `.npz`, unpacked to a temporary file first."""

import contextlib
import errno
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from glowseis.errors import InputError, reason_of
from glowseis.survey.formats.axes import Axes, amplitude_kind, array_axes, array_recordings
from glowseis.survey.formats.parent_table import told_by_table
from glowseis.survey.formats.plausible import check_expansion
from glowseis.survey.formats.source import ReadOptions, Remark, check_file, one_line_errors
from glowseis.survey.gather import Recording, source_text

SHOWN = 12
"""Most names that a message lists."""


class ArraySource:
    """An opened NumPy file: one array `[gather, trace, time]` in any order, or one gather.

    Attributes:
        path: The file.

    Args:
        path: The file, `.npy` or `.npz`.
        options: Axes and sample interval, which these files do not record, and for `.npz` the array's name.

    Raises:
        InputError: It is not such a file, is damaged or does not hold real numbers, or the options do not fit it.
    """

    def __init__(self, path: Path, options: ReadOptions):
        check_file(path)
        self.path = path
        self._options = options
        self._member = _member(path, options.dataset) if zipfile.is_zipfile(path) else None
        if self._member is None and options.dataset:
            raise InputError(f"{source_text(path)}: its only array has no name; leave --dataset out")
        with self._stream() as stream:
            self._header = _Header(path, stream)
            held = self._header.start + self._header.bytes
            there = path.stat().st_size if self._member is None else self._member.file_size
            if held != there:
                raise InputError(f"{source_text(path)}: has {there} bytes, but its header says {held}; copy it again")
        what = "the array" if self._member is None else f"array {self._member.filename.removesuffix('.npy')!r}"
        check_expansion(path, held, what)
        self._axes: Axes = array_axes(path, self._header.shape, options.axes, what)

    @property
    def interval_s(self) -> float:
        """Time between two samples, in seconds, as the user gave it.

        Raises:
            InputError: The user did not give it.
        """
        if self._options.sample_interval_s is None:
            raise InputError(
                f"{source_text(self.path)}: NumPy files have no sample interval; pass --sample-interval in milliseconds"
            )
        return self._options.sample_interval_s

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather."""
        for _ in range(self._axes.gathers):
            yield self._axes.samples_and_traces

    def remarks(self) -> list[Remark]:
        """None: problems in such a file are reported for its gathers."""
        return []

    def gathers(self) -> Iterator[Recording]:
        """One gather after another, with memory for one.

        Raises:
            InputError: The file changed after it was opened, or the array's checksum in a .npz file is wrong.
        """
        interval_s = self.interval_s
        with contextlib.ExitStack() as stack:
            file: Any = self.path
            if self._member is not None:
                file = stack.enter_context(tempfile.TemporaryFile())
                with self._stream() as stream:
                    shutil.copyfileobj(stream, file, 1 << 20)
                file.flush()
            header = self._header
            order: Literal["F", "C"] = "F" if header.fortran else "C"
            with one_line_errors(self.path, _told):
                array = np.memmap(file, header.dtype, "r", header.start, header.shape, order)

            def read(number: int) -> np.ndarray:
                return self._axes.read(array, number)

            found = array_recordings(self.path, self._axes, interval_s, self._options, read)
            yield from told_by_table(self.path, self._axes.gathers, found)

    @contextlib.contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        """The array's bytes with their header."""
        with one_line_errors(self.path, _told), contextlib.ExitStack() as stack:
            if self._member is None:
                yield stack.enter_context(self.path.open("rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                yield stack.enter_context(archive.open(self._member))


class _Header:
    """The header of a .npy file."""

    def __init__(self, path: Path, stream: IO[bytes]):
        magic = stream.read(len(np.lib.format.MAGIC_PREFIX))
        stream.seek(0)
        if magic.startswith(b"PK"):
            raise InputError(f"{source_text(path)}: the end of this .npz file is missing; copy it again")
        version = np.lib.format.read_magic(stream)
        if version not in READERS:
            raise ValueError(f"version {version} of the format is unknown")
        self.shape, self.fortran, self.dtype = READERS[version](stream)
        self.start = stream.tell()
        if not amplitude_kind(self.dtype):
            raise InputError(
                f"{source_text(path)}: holds {_kind(self.dtype)}, but amplitudes are integers or real numbers; choose "
                "another array"
            )
        if any(side < 0 for side in self.shape):
            raise ValueError("a side is negative")
        self.bytes = math.prod(self.shape) * self.dtype.itemsize


READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _kind(dtype: np.dtype) -> str:
    names = {
        "O": "Python objects",
        "c": "complex numbers",
        "b": "truth values",
        "V": "records",
        "U": "text",
        "S": "text",
    }
    return names.get(dtype.kind, f"numbers of kind {dtype}")


def _member(path: Path, name: str | None) -> zipfile.ZipInfo:
    """The selected array of a .npz file."""
    with one_line_errors(path, _told), zipfile.ZipFile(path) as archive:
        there = {
            info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")
        }
    names = ", ".join(sorted(map(repr, there))[:SHOWN]) or "none"
    if name is None:
        if len(there) != 1:
            raise InputError(f"{source_text(path)}: choose one of its arrays with --dataset: {names}")
        (member,) = there.values()
        return member
    if name not in there:
        raise InputError(f"{source_text(path)}: has no array {name!r}; choose one with --dataset: {names}")
    return there[name]


def _told(wrong: Exception) -> str:
    """What is wrong with a file that NumPy or zipfile cannot read."""
    if not isinstance(wrong, OSError):
        return f"cannot be read as a NumPy file ({reason_of(wrong)}); write it again"
    # A full disk, without room for the temporary file, is not this file's fault.
    if wrong.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise wrong
    return f"cannot be read ({wrong.strerror or wrong}); copy it again"
