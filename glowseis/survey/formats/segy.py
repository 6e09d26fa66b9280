"""SEG-Y files: recordings shot by shot, both ways.

Byte positions are segyio's `TraceField` and `BinField`, which count from 1 as the standard does (SEG Technical
Standards Committee, "SEG-Y_r1.0", 2002).
"""

import contextlib
import re
import struct
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import segyio
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.survey.gather import Geometry, Recording, source_text
from glowseis.survey.output import whole_file
from glowseis.survey.size import LARGEST

TEXT_BYTES, BINARY_BYTES, TRACE_HEADER_BYTES = 3200, 400, 240

SAMPLE_BYTES = {1: 4, 2: 4, 3: 2, 5: 4, 6: 8, 8: 1, 10: 4, 11: 2, 12: 8, 16: 1}
"""Bytes a sample of the formats that segyio decodes; 1 is IBM float, 5 IEEE float."""

FEET_M = 0.3048

CABLE, SAIL_LINE = TraceField.UnassignedInt1, TraceField.UnassignedInt2
"""Where our own files keep what the standard has no place for; the text header says so."""

MARK = "GLOWSEIS: CABLE IN BYTES 233-236, SAIL LINE IN BYTES 237-240"

COORDINATE_SCALAR = -100
"""Coordinates are written in centimetres."""

ANGLES = {2: 1_296_000, 3: 360, 4: 3_600_000}
"""CoordinateUnits that are no lengths, with their full circle: seconds of arc, degrees, degrees minutes seconds.
Field files say so of metres too, such as the Viking Graben's: what goes beyond the circle is a length."""

HEADERS_AT_ONCE = 1 << 16
"""Traces whose shot numbers are read in one go: little memory, and few turns of the loop."""


def read_segy(
    path: Path,
    shot_header: str = "FieldRecord",
    trace_header: str = "TraceNumber",
    label: str = "",
    sample_interval_s: float | None = None,
    cable_header: str | None = None,
) -> Iterator[Recording]:
    """Read a SEG-Y file shot by shot, with memory for one shot.

    Neighbouring traces of one shot number are one gather, in the order of the file; in files of our own making, of
    one sail line, shot and cable. Its id is `STEM-shotNUMBER`, with `-cableNUMBER` after it where cables are told
    apart; an id that comes back later in the file gets `-2`, `-3` and so on after it. Coordinates that are angles
    become NaN: nothing here can use them.

    Args:
        path: The file; revision 0 or 1, either byte order.
        shot_header: What tells shots apart: segyio's name of a trace header word, or its byte number.
        trace_header: Where the channel is, named likewise.
        label: Label of every gather, or `""`.
        sample_interval_s: Time between two samples, in seconds, instead of what the headers say.
        cable_header: What tells the cables of a shot apart, named likewise; all traces of a shot are one gather when
            None.

    Yields:
        Recordings with their geometry; feet become metres.

    Raises:
        InputError: The file is missing, empty, cut short, not SEG-Y, has too many traces in a shot, or gives no sample
            interval or several.
    """
    path = Path(path)
    shot_field, trace_field = _trace_field(shot_header), _trace_field(trace_header)
    with _open(path) as file:
        interval_s = sample_interval_s or _sample_interval_s(path, file)
        keys = _keys(file, shot_header, cable_header)
        seen: Counter[str] = Counter()
        for first, last, key in _shots(path, file, keys, shot_header):
            if _is_own(file):
                line, shot, cable = key
                # FieldRecord may count the gathers of our own files; the shot itself is here.
                if shot_field == TraceField.FieldRecord:
                    shot = int(file.header[first][TraceField.EnergySourcePoint])
                name = f"line{line}-shot{shot}-cable{cable}"
            else:
                line, shot, cable = int(file.bin[BinField.LineNumber]), key[0], key[-1] if cable_header else 1
                name = f"shot{shot}-cable{cable}" if cable_header else f"shot{shot}"
            seen[name] += 1
            again = f"-{seen[name]}" if seen[name] > 1 else ""
            # A number too large for 32 bits becomes infinite; whoever cannot use it names gather and trace.
            with _told(path, first, last), np.errstate(over="ignore"):
                amplitude = np.ascontiguousarray(file.trace.raw[first:last].T, dtype=np.float32)
                places = _places(file, first, last)
                channel = file.attributes(trace_field)[first:last].astype(np.int32)
            geometry = Geometry(line, shot, cable, interval_s, channel, **places)
            yield Recording(f"{_stem(path)}-{name}{again}", amplitude, label, geometry, source_text(path))


def segy_shapes(
    path: Path, shot_header: str = "FieldRecord", cable_header: str | None = None
) -> Iterator[tuple[int, int]]:
    """Look how large the gathers of a SEG-Y file are, without their amplitudes.

    Args:
        path: The file.
        shot_header: What tells shots apart, as for `read_segy`.
        cable_header: What tells cables apart, as for `read_segy`.

    Yields:
        Samples and traces of each gather that `read_segy` would give.

    Raises:
        InputError: As `read_segy`.
    """
    path = Path(path)
    with _open(path) as file:
        for first, last, _ in _shots(path, file, _keys(file, shot_header, cable_header), shot_header):
            yield len(file.samples), last - first


def segy_interval_s(path: Path) -> float:
    """Look what sample interval the headers of a SEG-Y file give.

    Args:
        path: The file.

    Returns:
        Time between two samples, in seconds.

    Raises:
        InputError: As `read_segy`.
    """
    with _open(Path(path)) as file:
        return _sample_interval_s(Path(path), file)


def write_segy(
    path: Path, recordings: Iterable[Recording], text_lines: Sequence[str] = (), *, numbered: bool = False
) -> int:
    """Write recordings as SEG-Y revision 1, IEEE float, whole or not at all, with memory for one recording.

    Offsets are whole metres, as the standard has them; coordinates are kept to the centimetre. Where none is known
    (all are NaN) they are 0 and their unit is 0, which `read_segy` takes for unknown in our own files.

    Args:
        path: The file to be made.
        recordings: What to write, one after another; all with as many samples and the same sample interval.
        text_lines: What the text header says, 36 lines at most; long ones are broken.
        numbered: FieldRecord counts the recordings from 1, so that several of one shot stay apart, and
            EnergySourcePoint keeps the shot; otherwise both are the shot.

    Returns:
        The number of recordings.

    Raises:
        InputError: The output exists, there are no recordings, they differ in samples or sample interval, or a value
            has no place in SEG-Y.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    count = 0
    with whole_file(Path(path)) as temporary, temporary.open("wb") as file:
        write = segy_writer(file, text_lines, numbered=numbered)
        for recording in recordings:
            write(recording)
            count += 1
        if not count:
            raise InputError(f"{path}: there are no gathers to write; check the sources")
    return count


def segy_writer(
    file: BinaryIO, text_lines: Sequence[str] = (), *, numbered: bool = False
) -> Callable[[Recording], None]:
    """Write recordings one by one to a file that is open, as `write_segy` does.

    Args:
        file: Where to write; it must be empty.
        text_lines: What the text header says.
        numbered: What FieldRecord is.

    Returns:
        A function that writes a recording. It raises InputError and OSError as `write_segy` does.
    """
    count = traces = 0
    first: Recording | None = None

    def write(recording: Recording) -> None:
        nonlocal count, traces, first
        if first is None:
            first = recording
            file.write(_text_header(text_lines) + _binary_header(recording))
        _check_alike(recording, first)
        count += 1
        file.write(_traces(recording, traces, count if numbered else recording.geometry.shot))
        traces += recording.amplitude.shape[1]

    return write


def _open(path: Path) -> Any:
    """Open a file after a look at what segyio would stumble over."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give SEG-Y files")
    if not path.exists():
        raise InputError(f"{path}: no such file; check its name")
    # segyio takes names as UTF-8.
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        raise InputError(f"{source_text(path)}: its name is not UTF-8; give it another name")
    size = path.stat().st_size
    start = TEXT_BYTES + BINARY_BYTES
    with path.open("rb") as file:
        head = file.read(start)
    if len(head) < start:
        raise InputError(f"{path}: has {size} bytes, SEG-Y begins with {start} bytes of headers; copy it again")
    endian = next((order for order in ("big", "little") if _word(head, BinField.Format, order) in SAMPLE_BYTES), None)
    if endian is None:
        code = _word(head, BinField.Format, "big")
        raise InputError(f"{path}: not SEG-Y, its sample format code is {code}; convert it to IEEE float (code 5)")
    samples = _word(head, BinField.Samples, endian) % 2**16
    if not samples:
        raise InputError(f"{path}: not SEG-Y, its header says 0 samples a trace; write the file again with headers")
    extended = max(_word(head, BinField.ExtendedHeaders, endian), 0)
    trace_bytes = TRACE_HEADER_BYTES + samples * SAMPLE_BYTES[_word(head, BinField.Format, endian)]
    traces, left = divmod(size - start - extended * TEXT_BYTES, trace_bytes)
    if traces < 1 or left:
        raise InputError(
            f"{path}: cut short or not SEG-Y: {max(traces, 0)} whole traces of {samples} samples, then {left} bytes; "
            "copy it again"
        )
    try:
        return segyio.open(str(path), ignore_geometry=True, endian=endian)
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as wrong:
        raise InputError(f"{path}: cannot be read as SEG-Y ({wrong}); write the file again with headers") from None


@contextlib.contextmanager
def _told(path: Path, first: int, last: int) -> Iterator[None]:
    """Say in one line what segyio says about traces that it cannot read."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, IndexError) as wrong:
        raise InputError(f"{path}: traces {first + 1} to {last} cannot be read ({wrong}); copy it again") from None


def _word(head: bytes, position: int, endian: str) -> int:
    """A 16-bit word of the binary header."""
    start = int(position) - 1
    return struct.unpack(">h" if endian == "big" else "<h", head[start : start + 2])[0]


def _trace_field(name: str) -> int:
    """Byte number of a trace header word that is given by name or by number."""
    known = {word: int(value) for word, value in vars(TraceField).items() if isinstance(value, int)}
    number = int(name) if name.isdecimal() else known.get(name, 0)
    if number in known.values():
        return number
    raise InputError(f"trace header {name!r} is unknown; give a name such as FieldRecord or a byte number such as 9")


def _is_own(file: Any) -> bool:
    """Whether we wrote the file."""
    return MARK in file.text[0].decode("ascii", "replace")


def _field_name(field: int) -> str:
    """What segyio and the standard's readers call a trace header word."""
    ours = {CABLE: "cable", SAIL_LINE: "sail line"}
    return ours.get(field) or next(word for word, value in vars(TraceField).items() if value == field)


def _keys(file: Any, shot_header: str, cable_header: str | None) -> tuple[int, ...]:
    """The header words that tell a file's gathers apart."""
    shot_field = _trace_field(shot_header)
    cable_field = _trace_field(cable_header) if cable_header else None
    if _is_own(file):
        return SAIL_LINE, shot_field, cable_field or CABLE
    return (shot_field, cable_field) if cable_field else (shot_field,)


def _sample_interval_s(path: Path, file: Any) -> float:
    """The sample interval of a file, on which its headers must agree."""
    words = file.attributes(TraceField.TRACE_SAMPLE_INTERVAL)
    found = {int(file.bin[BinField.Interval]): "the file"}
    for first in range(0, file.tracecount, HEADERS_AT_ONCE):
        last = min(first + HEADERS_AT_ONCE, file.tracecount)
        with _told(path, first, last):
            values, places = np.unique(words[first:last], return_index=True)
        for value, place in zip(values.tolist(), places.tolist(), strict=True):
            found.setdefault(value, f"trace {first + place + 1}")
    given = [(value, where) for value, where in found.items() if value > 0]
    if not given:
        raise InputError(f"{path}: its headers give no sample interval; pass --sample-interval in milliseconds")
    if len(given) > 1:
        (one, here), (other, there) = given[:2]
        raise InputError(
            f"{path}: the header of {here} gives a sample interval of {one / 1e3:g} ms, that of {there} "
            f"{other / 1e3:g} ms; pass --sample-interval in milliseconds"
        )
    return given[0][0] / 1e6


def _shots(
    path: Path, file: Any, keys: tuple[int, ...], shot_header: str
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """First trace, one past the last, and key of each run of traces that share their key."""

    def check(last: int) -> None:
        if last - start > LARGEST:
            raise InputError(
                f"{path}: more than {LARGEST} traces in a row have {shot_header} {' '.join(map(str, current))}; "
                "pass --shot-header with the header word that tells shots apart"
            )

    start, current = 0, tuple(int(file.header[0][key]) for key in keys)
    for first in range(0, file.tracecount, HEADERS_AT_ONCE):
        last = min(first + HEADERS_AT_ONCE, file.tracecount)
        with _told(path, first, last):
            words = np.stack([file.attributes(key)[first:last] for key in keys], axis=1)
        changes = np.flatnonzero((words[1:] != words[:-1]).any(axis=1)) + 1
        for position in (0, *changes.tolist()):
            key = tuple(words[position].tolist())
            if key != current:
                check(first + position)
                yield start, first + position, current
                start, current = first + position, key
        check(last)
    yield start, file.tracecount, current


def _places(file: Any, first: int, last: int) -> dict[str, Any]:
    """Offsets and coordinates of a shot's traces, in metres."""

    def words(field: int) -> np.ndarray:
        return file.attributes(field)[first:last].astype(np.float64)

    scalar = words(TraceField.SourceGroupScalar)
    unit_m = FEET_M if file.bin[BinField.MeasurementSystem] == 2 else 1.0
    # SEG-Y: a negative scalar divides, a positive one multiplies, 0 means 1.
    scale_m = unit_m * np.where(scalar < 0, 1 / np.where(scalar < 0, -scalar, 1), np.where(scalar > 0, scalar, 1))
    unit = int(file.header[first][TraceField.CoordinateUnits])
    fields = (TraceField.SourceX, TraceField.SourceY, TraceField.GroupX, TraceField.GroupY)
    largest = max(np.abs(words(field) * scale_m / unit_m).max() for field in fields)
    if (unit in ANGLES and largest <= ANGLES[unit]) or (unit == 0 and _is_own(file)):
        scale_m = np.full_like(scale_m, np.nan)
    return {
        "offset_m": (words(TraceField.offset) * unit_m).astype(np.float32),
        "source_x_m": float(words(TraceField.SourceX)[0] * scale_m[0]),
        "source_y_m": float(words(TraceField.SourceY)[0] * scale_m[0]),
        "receiver_x_m": words(TraceField.GroupX) * scale_m,
        "receiver_y_m": words(TraceField.GroupY) * scale_m,
    }


def _stem(path: Path) -> str:
    """A file's name without its ending, as part of gather ids."""
    return re.sub(r"[^\w.-]+", "-", path.stem).lstrip(".-")[:100] or "file"


def _text_header(lines: Sequence[str]) -> bytes:
    broken = [part for line in lines for part in textwrap.wrap(line, 76)]
    if len(broken) > 36:
        raise ValueError(f"the text header would have {len(broken)} lines; 36 at most have a place in it")
    numbered = dict(enumerate(broken, start=1)) | {38: MARK, 39: "SEG Y REV1", 40: "END TEXTUAL HEADER"}
    return segyio.tools.create_text_header(numbered).encode("cp037", "replace")


def _binary_header(recording: Recording) -> bytes:
    samples, traces = recording.amplitude.shape
    interval_us = recording.geometry.sample_interval_s * 1e6
    if not 1 <= samples <= 2**15 - 1:
        raise InputError(f"gather {recording.gather_id} has {samples} samples, SEG-Y holds 1 to 32767; cut it")
    if not 1 <= round(interval_us) <= 2**15 - 1 or abs(interval_us - round(interval_us)) > 1e-3:
        raise InputError(
            f"gather {recording.gather_id}: a sample interval of {interval_us:g} microseconds has no place in SEG-Y, "
            "which takes whole ones up to 32767; resample it"
        )
    header = np.zeros(BINARY_BYTES, np.uint8)
    words = {
        BinField.Traces: min(traces, 2**15 - 1),
        BinField.Interval: round(interval_us),
        BinField.IntervalOriginal: round(interval_us),
        BinField.Samples: samples,
        BinField.SamplesOriginal: samples,
        BinField.Format: 5,
        BinField.EnsembleFold: 1,
        BinField.SortingCode: 1,
        BinField.MeasurementSystem: 1,
        BinField.SEGYRevision: 0x0100,
        BinField.TraceFlag: 1,
    }
    for position, value in words.items():
        start = int(position) - 1 - TEXT_BYTES
        header[start : start + 2] = np.frombuffer(struct.pack(">H", value), np.uint8)
    return header.tobytes()


def _check_alike(recording: Recording, first: Recording) -> None:
    found = (recording.amplitude.shape[0], recording.geometry.sample_interval_s)
    wanted = (first.amplitude.shape[0], first.geometry.sample_interval_s)
    if found != wanted:
        raise InputError(
            f"gather {recording.gather_id} has {found[0]} samples of {found[1] * 1e3:g} ms, the ones before it "
            f"{wanted[0]} of {wanted[1] * 1e3:g} ms; a SEG-Y file holds one kind, write them to separate files"
        )


WORDS = {
    TraceField.TRACE_SEQUENCE_LINE: ">i4",
    TraceField.TRACE_SEQUENCE_FILE: ">i4",
    TraceField.FieldRecord: ">i4",
    TraceField.TraceNumber: ">i4",
    TraceField.EnergySourcePoint: ">i4",
    TraceField.TraceIdentificationCode: ">i2",
    TraceField.offset: ">i4",
    TraceField.SourceGroupScalar: ">i2",
    TraceField.SourceX: ">i4",
    TraceField.SourceY: ">i4",
    TraceField.GroupX: ">i4",
    TraceField.GroupY: ">i4",
    TraceField.CoordinateUnits: ">i2",
    TraceField.TRACE_SAMPLE_COUNT: ">i2",
    TraceField.TRACE_SAMPLE_INTERVAL: ">i2",
    CABLE: ">i4",
    SAIL_LINE: ">i4",
}
"""Trace header words that we write."""


def _traces(recording: Recording, before: int, field_record: int) -> bytes:
    """A recording's traces with their headers; `before` traces precede them in the file."""
    geometry = recording.geometry
    samples, traces = recording.amplitude.shape
    number = np.arange(1, traces + 1) + before
    places = ("source_x_m", "source_y_m", "receiver_x_m", "receiver_y_m")
    coordinates = {name: np.rint(np.asarray(getattr(geometry, name)) * -COORDINATE_SCALAR) for name in places}
    known = not all(np.isnan(value).all() for value in coordinates.values())
    if not known:
        coordinates = dict.fromkeys(places, np.zeros(()))
    values: dict[int, Any] = {
        TraceField.TRACE_SEQUENCE_LINE: number,
        TraceField.TRACE_SEQUENCE_FILE: number,
        TraceField.FieldRecord: field_record,
        TraceField.TraceNumber: geometry.channel,
        TraceField.EnergySourcePoint: geometry.shot,
        TraceField.TraceIdentificationCode: 1,
        TraceField.offset: np.rint(geometry.offset_m),
        TraceField.SourceGroupScalar: COORDINATE_SCALAR,
        TraceField.SourceX: coordinates["source_x_m"],
        TraceField.SourceY: coordinates["source_y_m"],
        TraceField.GroupX: coordinates["receiver_x_m"],
        TraceField.GroupY: coordinates["receiver_y_m"],
        TraceField.CoordinateUnits: int(known),
        TraceField.TRACE_SAMPLE_COUNT: samples,
        TraceField.TRACE_SAMPLE_INTERVAL: round(geometry.sample_interval_s * 1e6),
        CABLE: geometry.cable,
        SAIL_LINE: geometry.sail_line,
    }
    layout = np.dtype(
        {
            "names": [*map(str, WORDS), "amplitude"],
            "formats": [*WORDS.values(), (">f4", samples)],
            "offsets": [*(int(field) - 1 for field in WORDS), TRACE_HEADER_BYTES],
            "itemsize": TRACE_HEADER_BYTES + 4 * samples,
        }
    )
    block = np.zeros(traces, layout)
    for field, kind in WORDS.items():
        limits = np.iinfo(kind)
        if not np.all((np.asarray(values[field]) >= limits.min) & (np.asarray(values[field]) <= limits.max)):
            raise InputError(
                f"gather {recording.gather_id}: its {_field_name(field)} has no place in a SEG-Y header; check it"
            )
        block[str(field)] = values[field]
    block["amplitude"] = recording.amplitude.T
    return block.tobytes()
