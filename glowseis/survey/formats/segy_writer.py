"""Recordings as SEG-Y files, revision 1 (SEG Technical Standards Committee, "SEG-Y_r1.0", 2002)."""

import math
import struct
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import segyio
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.survey.formats.segy_headers import CABLE, MARK, SAIL_LINE, TIME_SCALARS, TRACE_HEADER_BYTES, field_name
from glowseis.survey.gather import Recording

TEXT_BYTES, BINARY_BYTES = 3200, 400

COORDINATE_SCALAR = -100
"""Coordinates are written in centimetres."""

ROUNDED = 0.01
"""Largest part of a sample by which rounding for a header may shift a gather in time."""


def write_segy(
    path: Path, recordings: Iterable[Recording], text_lines: Sequence[str] = (), *, numbered: bool = False
) -> int:
    """Write recordings as SEG-Y revision 1, IEEE float, whole or not at all, with memory for one recording.

    Offsets are whole metres, as in the standard; coordinates are kept to the centimetre. If no coordinate is known (all
    are NaN), they are 0 and their unit is 0, which our reader takes as unknown in our own files. Bytes 215-216 divide a
    first sample's time that is not a whole number of milliseconds; it is rounded by at most a hundredth of a sample.
    Unknown offsets are 0.

    Args:
        path: The file to make.
        recordings: What to write, one after another; all with as many samples and the same sample interval.
        text_lines: Lines of the text header, at most 36; long ones are broken.
        numbered: Whether FieldRecord counts the recordings from 1, so that several of one shot stay separate, and
            EnergySourcePoint holds the shot; otherwise both hold the shot.

    Returns:
        The number of recordings.

    Raises:
        InputError: The output exists, there are no recordings, they differ in samples or sample interval, or a value
            does not fit into SEG-Y.
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
    """Write recordings one by one to an open file, as `write_segy` does.

    Args:
        file: The file to write to: empty, or at the end of similar gathers that were written before.
        text_lines: Lines of the text header.
        numbered: As in `write_segy`.

    Returns:
        A function that writes a recording. It raises InputError and OSError as `write_segy` does.
    """
    count = traces = 0
    first: Recording | None = None

    def write(recording: Recording) -> None:
        nonlocal count, traces, first
        if first is None:
            first = recording
            if file.tell():
                trace_bytes = TRACE_HEADER_BYTES + 4 * recording.amplitude.shape[0]
                traces = (file.tell() - TEXT_BYTES - BINARY_BYTES) // trace_bytes
            else:
                file.write(_text_header(text_lines) + _binary_header(recording))
        _check_alike(recording, first)
        count += 1
        file.write(_traces(recording, traces, count if numbered else recording.geometry.shot))
        traces += recording.amplitude.shape[1]

    return write


def _text_header(lines: Sequence[str]) -> bytes:
    broken = [part for line in lines for part in textwrap.wrap(line, 76)]
    if len(broken) > 36:
        raise ValueError(f"the text header would have {len(broken)} lines; it holds at most 36")
    numbered = dict(enumerate(broken, start=1)) | {38: MARK, 39: "SEG Y REV1", 40: "END TEXTUAL HEADER"}
    return segyio.tools.create_text_header(numbered).encode("cp037", "replace")


def _binary_header(recording: Recording) -> bytes:
    samples, traces = recording.amplitude.shape
    interval_us = recording.geometry.sample_interval_s * 1e6
    if not 1 <= samples <= 2**15 - 1:
        raise InputError(f"gather {recording.gather_id} has {samples} samples, but SEG-Y holds 1 to 32767; cut it")
    if math.isnan(interval_us):
        raise InputError(
            f"gather {recording.gather_id}: its sample interval is unknown, but SEG-Y needs one; ingest it with "
            "--sample-interval, or write HDF5"
        )
    if not 1 <= round(interval_us) <= 2**15 - 1 or abs(interval_us - round(interval_us)) > 1e-3:
        raise InputError(
            f"gather {recording.gather_id}: a sample interval of {interval_us:g} microseconds does not fit into SEG-Y, "
            "which holds whole ones up to 32767; resample it"
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
            f"{wanted[0]} of {wanted[1] * 1e3:g} ms; a SEG-Y file cannot mix them: write HDF5, or one file for each"
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
    TraceField.DelayRecordingTime: ">i2",
    TraceField.TRACE_SAMPLE_COUNT: ">i2",
    TraceField.TRACE_SAMPLE_INTERVAL: ">i2",
    TraceField.ScalarTraceHeader: ">i2",
    CABLE: ">i4",
    SAIL_LINE: ">i4",
}
"""Trace header words that are written."""


def _traces(recording: Recording, before: int, field_record: int) -> bytes:
    """A recording's traces with their headers; `before` is the number of traces before them in the file."""
    geometry = recording.geometry
    samples, traces = recording.amplitude.shape
    number = np.arange(1, traces + 1) + before
    places = ("source_x_m", "source_y_m", "receiver_x_m", "receiver_y_m")
    coordinates = {name: np.rint(np.asarray(getattr(geometry, name)) * -COORDINATE_SCALAR) for name in places}
    unknown = {name for name, value in coordinates.items() if np.isnan(value).all()}
    known = len(unknown) < len(places)
    for pair in (places[:2], places[2:]):
        # Writers leave unknown positions at 0.
        if unknown.issuperset(pair):
            coordinates |= dict.fromkeys(pair, np.zeros(()))
    delay, time_scalar = _delay(recording)
    values: dict[int, Any] = {
        TraceField.TRACE_SEQUENCE_LINE: number,
        TraceField.TRACE_SEQUENCE_FILE: number,
        TraceField.FieldRecord: field_record,
        TraceField.TraceNumber: geometry.channel,
        TraceField.EnergySourcePoint: geometry.shot,
        TraceField.TraceIdentificationCode: 1,
        TraceField.offset: np.rint(np.nan_to_num(geometry.offset_m, posinf=np.inf, neginf=-np.inf)),
        TraceField.SourceGroupScalar: COORDINATE_SCALAR,
        TraceField.SourceX: coordinates["source_x_m"],
        TraceField.SourceY: coordinates["source_y_m"],
        TraceField.GroupX: coordinates["receiver_x_m"],
        TraceField.GroupY: coordinates["receiver_y_m"],
        TraceField.CoordinateUnits: int(known),
        TraceField.DelayRecordingTime: delay,
        TraceField.TRACE_SAMPLE_COUNT: samples,
        TraceField.TRACE_SAMPLE_INTERVAL: round(geometry.sample_interval_s * 1e6),
        TraceField.ScalarTraceHeader: time_scalar,
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
                f"gather {recording.gather_id}: its {field_name(field)} does not fit into a SEG-Y header; check it"
            )
        block[str(field)] = values[field]
    block["amplitude"] = recording.amplitude.T
    return block.tobytes()


def _delay(recording: Recording) -> tuple[int, int]:
    """DelayRecordingTime and its divisor: milliseconds, or a fraction of them if they are not whole.

    A time that no fraction holds is rounded, if that shifts it by less than a hundredth of a sample.
    """
    start_ms, interval_ms = recording.geometry.start_s * 1e3, recording.geometry.sample_interval_s * 1e3
    best: tuple[float, int, int] | None = None
    for scalar in TIME_SCALARS:
        delay = round(start_ms * scalar) if np.isfinite(start_ms) else 2**15
        if abs(delay) < 2**15:
            off_ms = abs(delay / scalar - start_ms)
            if off_ms <= 1e-6:
                return delay, -scalar if scalar > 1 else 1
            best = min(best or (off_ms, delay, scalar), (off_ms, delay, scalar))
    if best and best[0] <= ROUNDED * interval_ms:
        return best[1], -best[2] if best[2] > 1 else 1
    raise InputError(
        f"gather {recording.gather_id}: a first sample at {start_ms:g} ms does not fit into a SEG-Y header; cut it at "
        "a whole millisecond below 32768"
    )
