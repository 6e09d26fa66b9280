"""Our own layout of gathers in HDF5, read and written: arrays with a row per gather, padded to the largest one.

```
/                 attributes: format "glowseis gathers", version, maker
/amplitude        float32 [gather, time, trace], zero beyond a gather's samples and traces
/samples /traces  int32 [gather], how much of /amplitude is the gather's
/channel /offset_m /receiver_x_m /receiver_y_m                      [gather, trace]
/sail_line /shot /cable /sample_interval_s /start_s /source_x_m /source_y_m /alpha /seed   [gather]
/gather_id /label /source /parents /model /path                     UTF-8 text [gather]
```

The attribute `units` of an array holds its unit, if it has one. Every chunk has a checksum. Text has a fixed length, in
attributes too: HDF5 keeps no checksums of data of variable length, and if that is damaged the library may hang.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.survey.formats.plausible import check_gathers, check_sides
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.gather import Geometry, Origin, Recording, source_text
from glowseis.survey.store.example import ARRAYS
from glowseis.survey.store.index import check_words

FORMAT, VERSION = "glowseis gathers", 1

TEXTS = {"gather_id": 800, "label": 400, "source": 8192, "parents": 1624, "model": 1024, "path": 16}
"""Bytes of UTF-8 that each text may take."""

COUNTS = {"samples": "<i4", "traces": "<i4"}

PLACES = {
    "sail_line": "<i8",
    "shot": "<i8",
    "cable": "<i8",
    "sample_interval_s": "<f8",
    "start_s": "<f8",
    "source_x_m": "<f8",
    "source_y_m": "<f8",
}

MAKING = {"alpha": "<f8", "seed": "<i8"}

NUMBERS = COUNTS | PLACES | MAKING

ARRAY_NAMES = ("amplitude", *NUMBERS, *ARRAYS, *TEXTS)

PADDING = {"channel": 0, "offset_m": np.nan, "receiver_x_m": np.nan, "receiver_y_m": np.nan}
"""Fill values beyond a gather's traces."""

ROWS = 64
"""Rows of a chunk of the small arrays."""

LONGEST_CHUNK = 1024
"""Longest side of a chunk of amplitudes."""


def write_hdf5(path: Path, recordings: Iterable[Recording], maker: str = "") -> int:
    """Write recordings, whole or not at all, with memory for one.

    Args:
        path: The file to make.
        recordings: What to write, one after another, of any shapes.
        maker: What made them, for the file's attributes.

    Returns:
        The number of recordings.

    Raises:
        InputError: The output exists, there are no recordings, or one has a bad or repeated id, a bad label or a text
            that is too long.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    seen: set[str] = set()
    with whole_file(Path(path)) as temporary, contextlib.closing(_FullDisk(temporary)) as disk:
        with _new_file(disk) as file:
            file.attrs["version"] = VERSION
            _put_text(file, {"format": FORMAT, "maker": maker})
            write = None
            for recording in recordings:
                check_words(recording, seen)
                seen.add(recording.gather_id)
                write = write or _writer(file, recording.amplitude.shape)
                write(recording)
                disk.check()
        disk.check()
        if not seen:
            raise InputError(f"{path}: there are no gathers to write; check the sources")
    return len(seen)


def check_layout(path: Path, file: Any) -> None:
    """Make sure that a file marked as having our layout is complete.

    Args:
        path: The file.
        file: The opened file.

    Raises:
        InputError: An array is missing or of the wrong type or length, or a gather does not fit into it.
    """
    version = file.attrs.get("version")
    if not isinstance(version, np.integer) or version != VERSION:
        raise InputError(f"{source_text(path)}: has version {version} of our layout, but this glowseis reads {VERSION}")
    kinds = {"amplitude": "<f4"} | NUMBERS | ARRAYS | {name: f"|S{size}" for name, size in TEXTS.items()}
    shape = np.shape(file["amplitude"])
    for name, kind in kinds.items():
        wanted = shape if name == "amplitude" else (shape[0], shape[2]) if name in ARRAYS else (shape[0],)
        found = file.get(name)
        if len(shape) != 3 or found is None or found.dtype != np.dtype(kind) or found.shape != wanted:
            raise InputError(f"{source_text(path)}: its array {name} is missing or of the wrong type; write it again")
    if not shape[0]:
        raise InputError(f"{source_text(path)}: it has no gathers; leave it out")
    check_gathers(path, shape[0])
    samples, traces = file["samples"][:].astype(np.int64), file["traces"][:].astype(np.int64)
    if np.any(samples > shape[1]) or np.any(traces > shape[2]):
        raise InputError(f"{source_text(path)}: has gathers larger than its array amplitude; write it again")
    check_sides(path, int(samples.min()), int(traces.min()))
    largest = int(np.argmax(samples * traces))
    for longest in (largest, int(np.argmax(samples)), int(np.argmax(traces))):
        check_sides(path, int(samples[longest]), int(traces[longest]))


def layout_shapes(file: Any) -> list[tuple[int, int]]:
    """Samples and traces of each gather of a file in our layout.

    Args:
        file: The opened and checked file.
    """
    return list(zip(file["samples"][:].tolist(), file["traces"][:].tolist(), strict=True))


def layout_intervals_s(file: Any) -> list[float]:
    """The different sample intervals of a file in our layout, in seconds; unknown ones are left out.

    Args:
        file: The opened and checked file.
    """
    found = np.unique(file["sample_interval_s"][:])
    return [float(value) for value in found[~np.isnan(found)]]


def read_layout(path: Path, file: Any, options: ReadOptions) -> Iterator[Recording]:
    """Read the recordings of a file in our layout with everything that was written.

    Args:
        path: The file.
        file: The opened and checked file.
        options: A label or sample interval to use instead of the file's.

    Yields:
        One recording after another.
    """
    for row, (samples, traces) in enumerate(layout_shapes(file)):
        places = {name: file[name][row].item() for name in PLACES}
        if options.sample_interval_s is not None:
            places["sample_interval_s"] = options.sample_interval_s
        arrays = {name: file[name][row, :traces].astype(kind.replace("<", "=")) for name, kind in ARRAYS.items()}
        text = {name: bytes(file[name][row]).decode() for name in TEXTS}
        origin = Origin(
            parents=tuple(text["parents"].split(";")) if text["parents"] else (),
            alpha=file["alpha"][row].item(),
            seed=file["seed"][row].item(),
            model=text["model"],
            path=text["path"],
        )
        recording = Recording(
            gather_id=text["gather_id"],
            amplitude=file["amplitude"][row, :samples, :traces].astype("=f4"),
            label=options.label or text["label"],
            geometry=Geometry(**places, **arrays),
            source=source_text(path),
            origin=origin,
        )
        check_words(recording, ())
        yield recording


class _FullDisk(io.FileIO):
    """A file that accepts all writes even when the disk fails, and reports the failure afterwards.

    A library that cannot write its buffers cannot close its file either, and keeps raising errors until the end of the
    process.
    """

    def __init__(self, path: Path):
        super().__init__(path, "w+")
        self._wrong: OSError | None = None

    def write(self, content: Any) -> int:
        """Write all of some bytes, or pretend to."""
        view = memoryview(content).cast("B")
        done = 0
        while done < len(view) and self._wrong is None:
            try:
                done += super().write(view[done:])
            except OSError as wrong:
                self._wrong = wrong
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file, or pretend to."""
        try:
            return super().truncate(size) if self._wrong is None else size or 0
        except OSError as wrong:
            self._wrong = wrong
            return size or 0

    def flush(self) -> None:
        """Do nothing: written data is with the operating system already."""

    def check(self) -> None:
        """Raise the error that occurred, if any.

        Raises:
            OSError: Writing failed.
        """
        if self._wrong:
            raise self._wrong


def _new_file(disk: _FullDisk) -> Any:
    """An empty HDF5 file without a time stamp, which h5py's `File` would give the root."""
    import h5py

    making = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    making.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, disk)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    # The format of version 1.10 has checksums of all metadata of the arrays.
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    return h5py.File(h5py.h5f.create(b"gathers", h5py.h5f.ACC_TRUNC, fcpl=making, fapl=access))


def _writer(file: Any, first: tuple[int, ...]) -> Callable[[Recording], None]:
    """Make the arrays, and a function that appends a recording to them."""
    samples, traces = first
    packed = {"compression": "gzip", "shuffle": True, "fletcher32": True}

    def array(name: str, kind: Any, sides: tuple[int, ...], chunk: tuple[int, ...], fill: float | None) -> None:
        limits = (None,) * (1 + len(sides))
        made = file.create_dataset(name, (0, *sides), kind, maxshape=limits, chunks=chunk, fillvalue=fill, **packed)
        axes = ("gather", "time", "trace") if name == "amplitude" else ("gather", "trace")[: made.ndim]
        unit = "as in the source" if name == "amplitude" else {"s": "s", "m": "m"}.get(name.rpartition("_")[2], "")
        _put_text(made, {"axes": ",".join(axes), "units": unit})

    chunk = (1, min(samples, LONGEST_CHUNK), min(traces, LONGEST_CHUNK))
    array("amplitude", "<f4", (samples, traces), chunk, 0)
    for name, kind in ARRAYS.items():
        array(name, kind, (traces,), (ROWS, min(traces, LONGEST_CHUNK)), PADDING[name])
    for name, kind in NUMBERS.items():
        array(name, kind, (), (ROWS,), 0)
    for name, size in TEXTS.items():
        array(name, _text_kind(size), (), (ROWS,), None)

    def write(recording: Recording) -> None:
        row = len(file["amplitude"])
        for name, value in _values(recording).items():
            sides = np.maximum(file[name].shape, (row + 1, *np.shape(value)))
            file[name].resize(tuple(map(int, sides)))
            file[name][(row, *map(slice, np.shape(value)))] = value

    return write


def _values(recording: Recording) -> dict[str, Any]:
    """A recording's row in each array."""
    geometry, origin = recording.geometry, recording.origin
    values: dict[str, Any] = {"amplitude": recording.amplitude}
    values |= dict(zip(COUNTS, recording.amplitude.shape, strict=True))
    values |= {name: getattr(geometry, name) for name in (*PLACES, *ARRAYS)}
    values |= {name: getattr(origin, name) for name in MAKING}
    texts = {"gather_id": recording.gather_id, "label": recording.label, "source": recording.source}
    texts |= {"parents": ";".join(origin.parents), "model": origin.model, "path": origin.path}
    for name, text in texts.items():
        values[name] = text.encode()
        if len(values[name]) > TEXTS[name]:
            raise InputError(
                f"gather {recording.gather_id}: its {name} has {len(values[name])} bytes, but our HDF5 files hold "
                f"{TEXTS[name]}; give it a shorter one"
            )
    return values


def _text_kind(size: int) -> Any:
    import h5py

    return h5py.string_dtype("utf-8", size)


def _put_text(place: Any, texts: dict[str, str]) -> None:
    """Give a file or array attributes of fixed length; empty ones are left out."""
    for name, text in texts.items():
        if text:
            place.attrs.create(name, text.encode(), dtype=_text_kind(len(text.encode())))
