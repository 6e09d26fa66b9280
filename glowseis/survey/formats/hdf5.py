"""HDF5 files as sources: our own layout, and arrays that others wrote."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.errors import InputError, reason_of
from glowseis.survey.formats.axes import Axes, amplitude_kind, array_axes, array_recordings
from glowseis.survey.formats.hdf5_layout import (
    ARRAY_NAMES,
    FORMAT,
    check_layout,
    layout_intervals_s,
    layout_shapes,
    read_layout,
)
from glowseis.survey.formats.plausible import LARGEST_GATHER, check_expansion
from glowseis.survey.formats.probe import survives
from glowseis.survey.formats.source import ReadOptions, Remark, check_file, one_line_errors, overridden_interval
from glowseis.survey.gather import Recording, source_text

CACHE_BYTES = 64_000_000
"""Memory for unpacked chunks: enough for the gathers that share one, little compared with TensorFlow."""

INTERVALS = {"sample_interval_s": 1.0, "sample_interval_ms": 1e-3}
"""Attributes that hold a sample interval, and their unit in seconds."""

SHOWN = 12
"""Most arrays that a message lists."""

MOST_LINKS = 64
"""Most names and links that one name may lead through."""


class Hdf5Source:
    """An opened HDF5 file: in our own layout, or with one array `[gather, trace, time]` in any order, or one gather.

    Attributes:
        path: The file.

    Args:
        path: The file.
        options: For files that others wrote, the array's path in the file, unless it is the only one, and its axes; and
            a sample interval, unless an attribute `sample_interval_s` or `sample_interval_ms` of the array, or of a
            group that it is in, gives it.

    Raises:
        InputError: It is not such a file, is damaged, does not hold real numbers, or keeps its data in other files, or
            the options do not fit it.
    """

    def __init__(self, path: Path, options: ReadOptions):
        check_file(path)
        self.path = path
        self._options = options
        self._name: str | None = options.dataset
        self._axes: Axes | None = None
        self._intervals_s: list[float] = []
        # On some damaged files the library crashes or hangs.
        if not survives(self._try):
            raise InputError(
                f"{source_text(path)}: so damaged that the HDF5 library crashes or hangs on it; copy it again"
            )
        self._look()

    def _look(self) -> None:
        """Find out what the file contains."""
        with self._open() as file:
            # Read as a plain array, its gathers would lose their origin.
            if _is_own(file) and _is_amplitude(self.path, file, self._options.dataset):
                for name in ARRAY_NAMES:
                    _check_array(self.path, _found(self.path, file, name))
                check_layout(self.path, file)
                self._intervals_s = layout_intervals_s(file)
                return
            self._name = self._options.dataset or _only_array(self.path, file)
            array = _array(self.path, file, self._name)
            self._axes = array_axes(self.path, array.shape, self._options.axes, f"array {self._name!r}")
            self._intervals_s = _intervals_s(self.path, array)

    def _try(self) -> None:
        """Open the file, find every chunk and read a gather."""
        self._look()
        with self._open() as file:
            for name in [self._name] if self._axes else ARRAY_NAMES:
                if file[name].chunks:
                    file[name].id.chunk_iter(lambda _: None)
        next(self.gathers())

    @property
    def interval_s(self) -> float | None:
        """Time between two samples, in seconds; None if our own layout says that it is unknown.

        Raises:
            InputError: The file gives several, or a file that others wrote gives none.
        """
        if self._options.sample_interval_s is not None:
            return self._options.sample_interval_s
        if len(self._intervals_s) > 1:
            several = " and ".join(f"{value * 1e3:g}" for value in self._intervals_s[:2])
            raise InputError(f"{source_text(self.path)}: has sample intervals of {several} ms; pass --sample-interval")
        if not self._intervals_s and self._axes:
            raise InputError(
                f"{source_text(self.path)}: no attribute sample_interval_s gives its sample interval; pass "
                "--sample-interval in milliseconds"
            )
        return self._intervals_s[0] if self._intervals_s else None

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather."""
        if self._axes:
            for _ in range(self._axes.gathers):
                yield self._axes.samples_and_traces
        else:
            with self._open() as file:
                shapes = layout_shapes(file)
            yield from shapes

    def remarks(self) -> list[Remark]:
        """A sample interval that the user's overrides; other problems are reported for the gathers."""
        return overridden_interval(self._intervals_s, self._options)

    def gathers(self) -> Iterator[Recording]:
        """One gather after another, with memory for one.

        Raises:
            InputError: An array cannot be read or its checksum is wrong.
        """
        with self._open() as file:
            if self._axes is None:
                yield from read_layout(self.path, file, self._options)
                return
            axes, array, interval_s = self._axes, _array(self.path, file, str(self._name)), self.interval_s
            assert interval_s is not None

            def read(number: int) -> np.ndarray:
                return axes.read(array, number)

            yield from array_recordings(self.path, axes, interval_s, self._options, read)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        import h5py

        with one_line_errors(self.path, _told):
            if not h5py.is_hdf5(self.path):
                raise InputError(f"{source_text(self.path)}: not an HDF5 file, or its beginning is lost; copy it again")
            with h5py.File(self.path, "r", rdcc_nbytes=CACHE_BYTES, locking="best-effort") as file:
                yield file


def _is_own(file: Any) -> bool:
    found = _attribute(file, "format", "S")
    return isinstance(found, bytes) and found.decode("utf-8", "replace") == FORMAT


def _is_amplitude(path: Path, file: Any, name: str | None) -> bool:
    """Whether a name, however it is written, leads to the amplitudes of a file of our layout; no name does."""
    return name is None or _found(path, file, name) == _found(path, file, "amplitude")


def _attribute(place: Any, name: str, kinds: str) -> Any:
    """An attribute's single value, if it has a fixed length and one of the given types.

    Attributes of variable length are not read: in a damaged file the library may hang on them.
    """
    if name not in place.attrs:
        return None
    attribute = place.attrs.get_id(name)
    if attribute.dtype.kind not in kinds or math.prod(attribute.shape) != 1:
        return None
    return np.asarray(place.attrs[name]).item()


def _only_array(path: Path, file: Any) -> str:
    """Name of the file's only array that may hold gathers."""
    import h5py

    found: dict[str, str] = {}

    def look(name: str, item: Any) -> None:
        # Types that NumPy does not know cannot be amplitudes.
        with contextlib.suppress(TypeError):
            if isinstance(item, h5py.Dataset) and _axis_count(item) in (2, 3) and amplitude_kind(item.dtype):
                found[f"/{name}"] = "in other files" if _is_elsewhere(item) else "x".join(map(str, item.shape))

    file.visititems(look)
    if len(found) == 1:
        return next(iter(found))
    there = [f"{name} ({shape})" for name, shape in found.items()]
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    raise InputError(
        f"{source_text(path)}: choose an array with --dataset; those with two or three axes are "
        f"{', '.join(there[:SHOWN]) or 'none'}{more}"
    )


def _is_elsewhere(array: Any) -> bool:
    """Whether an array is stored in other files."""
    return bool(array.is_virtual or array.external)


def _axis_count(array: Any) -> int:
    """How many axes an array has; the shape of a virtual one may be in its other files, which are not to be opened."""
    plan = array.id.get_create_plist()
    if array.is_virtual and plan.get_virtual_count():
        return int(plan.get_virtual_vspace(0).get_simple_extent_ndims())
    return int(array.ndim)


def _array(path: Path, file: Any, name: str) -> Any:
    """An array of a file that others wrote, after checking its type and where it is stored."""
    import h5py

    what = f"{source_text(path)}: {name!r}"
    array = _found(path, file, name)
    if array is None:
        raise InputError(f"{what} is not in the file; leave --dataset out to see what is there")
    if not isinstance(array, h5py.Dataset):
        raise InputError(f"{what} is not an array; leave --dataset out to see the arrays of the file")
    _check_array(path, array)
    if not amplitude_kind(array.dtype):
        raise InputError(f"{what} holds {array.dtype}, not integers or real numbers; choose another --dataset")
    return array


def _found(path: Path, file: Any, name: str) -> Any:
    """What a name leads to within a file; None if it leads nowhere. Other files are never opened."""
    import h5py

    place, ahead = file, name.split("/")[::-1]
    for _ in range(MOST_LINKS):
        if not ahead:
            return place
        part = ahead.pop()
        if part in ("", "."):
            continue
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            other = source_text(Path(link.filename))
            raise InputError(f"{source_text(path)}: {name!r} is in another file, {other}; read that one")
        if isinstance(link, h5py.SoftLink):
            place = file if link.path.startswith("/") else place
            ahead += link.path.split("/")[::-1]
        elif link is None:
            return None
        else:
            place = place[part]
    raise InputError(f"{source_text(path)}: {name!r} leads into a loop of links; write the file again")


def _check_array(path: Path, array: Any) -> None:
    """Refuse arrays stored in other files, or larger in memory than the file's size can account for."""
    import h5py

    if not isinstance(array, h5py.Dataset):
        return
    name = f"array {array.name!r}"
    if _is_elsewhere(array):
        raise InputError(f"{source_text(path)}: {name} is stored in other files; copy it into one file with h5repack")
    if array.shape is None:
        raise InputError(f"{source_text(path)}: {name} is empty; choose another --dataset")
    size = array.dtype.itemsize
    chunk = math.prod(map(int, array.chunks or ()))
    for numbers in (math.prod(map(int, array.shape)), chunk):
        check_expansion(path, size * numbers, name)
    # A chunk is unpacked as a whole.
    if chunk > LARGEST_GATHER:
        raise InputError(
            f"{source_text(path)}: {name} is stored in chunks of {chunk:,} numbers, but at most {LARGEST_GATHER:,} are "
            "read; write it in smaller chunks, for example with h5repack"
        )


def _intervals_s(path: Path, array: Any) -> list[float]:
    """The sample interval in the attributes of an array, or of a group that it is in."""
    place = array
    while True:
        for name, unit_s in INTERVALS.items():
            if name in place.attrs:
                value = _attribute(place, name, "iuf")
                if value is None or not 0 < float(value) * unit_s < np.inf:
                    raise InputError(
                        f"{source_text(path)}: attribute {name} of {place.name!r} is not a sample interval; pass "
                        "--sample-interval"
                    )
                return [float(value) * unit_s]
        if place.name == "/":
            return []
        place = place.parent


def _told(wrong: Exception) -> str:
    """What is wrong with a file that the HDF5 library cannot read."""
    return f"damaged; HDF5 cannot read it ({reason_of(wrong)}); copy it again"
