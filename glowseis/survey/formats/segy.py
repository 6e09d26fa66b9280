"""SEG-Y files, revisions 0, 1 and 2, gather by gather.

Byte positions count from 1, as in the standard (SEG Technical Standards Committee, "SEG-Y_r1.0", 2002; "SEG-Y_r2.0",
2017). segyio names the words and converts IBM floats. Blocks of whole traces are read here, so that headers and samples
of a shot take one read, and because segyio does not support revision 2's longer traces and additional headers.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.sample_plausibility import Reading
from glowseis.survey.formats.segy_headers import FEET_M, MARK, TRACE_HEADER_BYTES, values
from glowseis.survey.formats.segy_origin import origin_of
from glowseis.survey.formats.segy_samples import BY_CODE, SampleFormat, sample_format
from glowseis.survey.formats.segy_writer import BINARY_BYTES, TEXT_BYTES, segy_writer, write_segy
from glowseis.survey.formats.source import ReadOptions, Remark
from glowseis.survey.formats.trace_layout import (
    FileFacts,
    Layout,
    byte_order,
    check_reading,
    order_name,
    read_some,
    some_traces,
)
from glowseis.survey.formats.trace_lengths import after_the_last, check_one_length, lies_so, padding_traces
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import source_text

__all__ = ["SegySource", "segy_writer", "write_segy"]

HEAD_BYTES = TEXT_BYTES + BINARY_BYTES

BYTE_ORDERS = {b"\1\2\3\4": ">", b"\4\3\2\1": "<"}
"""Bytes 3297-3300 in revision 2: 16909060."""

FIRST_EXTENSION_COUNT = 157
"""Where the first additional trace header says how many there are."""

LAST_STANZA = re.compile(r"\(\(\s*SEG:\s*EndText\s*\)\)", re.IGNORECASE)

MOST_STANZAS = 4096
"""Most text headers of 3200 bytes that are searched for the last one."""


class SegySource(TraceSource):
    """A SEG-Y file, shot by shot; TraceSource explains how gathers are separated and named.

    Revision 2's additional trace headers, extended text headers, long traces and trailers are taken from the file
    header. Traces must agree on their number of samples and lie where the file header says; bytes left over at the end
    are reported (`trace_lengths`). Samples must make sense as what the header says they are (`sample_plausibility`),
    unless `ReadOptions` says what they are.

    Args:
        path: The file.
        options: What the user states about it.

    Raises:
        InputError: The file is missing, empty, cut short or not SEG-Y, or its samples are not what its header says.
    """

    def __init__(self, path: Path, options: ReadOptions):
        path = Path(path)
        super().__init__(path, options, _facts(path, options))
        self._origin = origin_of(path, read_some(path, 0, TEXT_BYTES))


class _BinaryHeader:
    """Words of the binary header in one byte order."""

    def __init__(self, head: bytes, order: str):
        self.head, self.order = head, order
        major, minor = head[BinField.SEGYRevision - 1 : BinField.SEGYRevision + 1]
        # Little-endian writers of revision 1 swap its two bytes.
        if order == "<" and not major:
            major, minor = minor, 0
        self.revision = major if major in (1, 2) else 0
        self.minor = minor

    def word(self, byte: int, kind: str) -> int:
        """An integer that begins at a byte, as `struct` calls its type."""
        return int(struct.unpack_from(self.order + kind, self.head, int(byte) - 1)[0])

    @property
    def samples(self) -> int:
        """Samples of a trace."""
        extended = self.word(BinField.ExtSamples, "I") if self.revision == 2 else 0
        return extended or self.word(BinField.Samples, "H")

    @property
    def interval_us(self) -> float:
        """Time between two samples, 0 if it is not given."""
        if self.revision == 2:
            extended = float(struct.unpack_from(f"{self.order}d", self.head, 3272)[0])
            if math.isfinite(extended) and 1e-3 <= extended <= 1e9:
                return extended
        return float(self.word(BinField.Interval, "H"))

    @property
    def further_headers(self) -> int:
        """240-byte headers of a trace after the first."""
        if self.revision < 2:
            return 0
        # Revision 2.1 uses half of the word for the type of survey.
        return self.word(3507, "H") if self.minor else self.word(3507, "I")


def _facts(path: Path, options: ReadOptions) -> FileFacts:
    """Find out what kind of SEG-Y a file is."""
    said = byte_order(options)
    form = sample_format(options.sample_format) if options.sample_format else None
    head = read_some(path, 0, HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        raise InputError(
            f"{source_text(path)}: has {len(head)} bytes, but SEG-Y begins with {HEAD_BYTES} bytes of headers; "
            "copy it again"
        )
    wrong: InputError | None = None
    for order in _orders(path, head, form, said):
        binary = _BinaryHeader(head, order)
        stated = form or BY_CODE[binary.word(BinField.Format, "h")]
        try:
            layout, remarks = _layout(path, binary, Reading(stated, said or order), options.samples)
        except InputError as this:
            wrong = wrong or this
            continue
        return _checked(path, binary, layout, options, remarks)
    assert wrong
    raise wrong


def _orders(path: Path, head: bytes, form: SampleFormat | None, said: str | None) -> list[str]:
    """Byte orders that the file header may have, the likeliest first."""
    constant = BYTE_ORDERS.get(head[3296:3300])
    orders = dict.fromkeys(order for order in (constant, said, ">", "<") if order)
    known = [order for order in orders if _BinaryHeader(head, order).word(BinField.Format, "h") in BY_CODE]
    if form:
        return list(dict.fromkeys([*known, *orders]))
    if not known:
        code = _BinaryHeader(head, ">").word(BinField.Format, "h")
        raise InputError(
            f"{source_text(path)}: not SEG-Y, or its sample format code {code} is unknown; pass --sample-format if you "
            "know what its samples are, else convert it to IEEE floats (code 5)"
        )
    return known


def _layout(path: Path, binary: _BinaryHeader, reading: Reading, samples: int | None) -> tuple[Layout, list[Remark]]:
    """Where the traces lie, by the file header and the file's length, with remarks.

    Args:
        path: The file.
        binary: Its header.
        reading: What its samples are.
        samples: Samples of a trace, if the user gives them.
    """
    stated = samples or binary.samples
    starts = list(_starts(path, binary))
    found = [_traces(path, binary, reading, stated, start_bytes) for start_bytes in starts] if stated else []
    right = [each for each in found if each.fits]
    right = right or [each for each in found if each.layout.traces > 0 and (samples or lies_so(path, each.layout))]
    if right:
        if samples and not right[0].fits:
            _check_said(path, right[0].layout)
        _check_text(path, binary, right[0].layout)
        return right[0].layout, right[0].remarks
    if not samples and (by_traces := _by_traces(path, binary, reading, starts)):
        return by_traces
    for each in found:
        count = check_one_length(path, each.layout)
        if 1 < count < each.layout.traces < 2 * count:
            layout = replace(each.layout, traces=count)
            left_bytes = path.stat().st_size - layout.start_bytes - count * layout.trace_bytes
            after = after_the_last(path, layout, left_bytes)
            return layout, [after] if after else []
    if not stated:
        raise InputError(
            f"{source_text(path)}: not SEG-Y, or its headers say 0 samples per trace; pass --samples if you know "
            "the number"
        )
    raise InputError(found[0].wrong)


def _by_traces(
    path: Path, binary: _BinaryHeader, reading: Reading, starts: Sequence[int]
) -> tuple[Layout, list[Remark]] | None:
    """Where the traces lie by their own number of samples, if the file header gives none; None if they do not fit."""
    for start_bytes in starts:
        here = np.frombuffer(read_some(path, start_bytes, TRACE_HEADER_BYTES), np.uint8)[None]
        if here.size < TRACE_HEADER_BYTES:
            continue
        other = int(values(here, TraceField.TRACE_SAMPLE_COUNT, binary.order)[0])
        if not other:
            continue
        found = _traces(path, binary, reading, other, start_bytes)
        if not found.layout.traces or not lies_so(path, found.layout):
            continue
        if not binary.samples:
            text = f"its file header says 0 samples per trace, its trace headers {other}, which is used"
            return found.layout, [*found.remarks, Remark("no samples", text, is_warning=False)]
        raise InputError(
            f"{source_text(path)}: its file header says {binary.samples} samples per trace, its trace headers {other}, "
            f"and only {other} fits the file; pass --samples {other} (or --samples {binary.samples}, if the trace "
            "headers are wrong)"
        )
    return None


def _check_said(path: Path, layout: Layout) -> None:
    """Refuse a number of samples that fits neither the file nor its trace headers, if theirs fits both."""
    header = np.frombuffer(read_some(path, layout.start_bytes, TRACE_HEADER_BYTES), np.uint8)[None]
    stated = int(values(header, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0])
    other = replace(layout, samples=stated)
    other = replace(other, traces=(path.stat().st_size - layout.start_bytes) // other.trace_bytes)
    if stated not in (0, layout.samples) and other.traces > 1 and lies_so(path, other):
        raise InputError(
            f"{source_text(path)}: --samples {layout.samples} does not fit the file: its trace headers say {stated} "
            f"and are that far apart; pass --samples {stated}"
        )


class _Traces(NamedTuple):
    """Traces from some place on: whether they fill the file as its header says, and what is odd or wrong."""

    layout: Layout
    fits: bool
    remarks: list[Remark]
    wrong: str


def _traces(path: Path, binary: _BinaryHeader, reading: Reading, samples: int, start_bytes: int) -> _Traces:
    """Count the traces that begin at some place."""
    name, room_bytes = source_text(path), path.stat().st_size - start_bytes
    header_bytes = TRACE_HEADER_BYTES * (1 + binary.further_headers)
    layout = Layout(samples, 0, reading, binary.order, start_bytes, header_bytes)
    stated = trailers = 0
    if binary.revision == 2:
        stated, trailers = binary.word(3513, "Q"), binary.word(3529, "i")
    if stated:
        left = room_bytes - stated * layout.trace_bytes
        fits = left >= 0 and (left == trailers * TEXT_BYTES or (trailers < 0 and left % TEXT_BYTES == 0))
        layout = replace(layout, traces=stated if fits else max(room_bytes // layout.trace_bytes, 0))
        wrong = (
            f"{name}: cut short or not SEG-Y: {stated} traces of {samples} samples and {trailers} trailers are not "
            f"{room_bytes} bytes; copy it again"
        )
    elif trailers < 0:
        raise InputError(
            f"{name}: its header gives neither the number of traces nor that of trailers; write it without trailers"
        )
    else:
        traces, left = divmod(room_bytes - trailers * TEXT_BYTES, layout.trace_bytes)
        fits = left == 0 and traces > 0
        # If a trace is broken, the number of trailers is doubted first.
        layout = replace(layout, traces=traces if fits else max(room_bytes // layout.trace_bytes, 0))
        wrong = f"{name}: cut short or not SEG-Y: "
        if layout.traces:
            wrong += f"{max(traces, 0)} whole traces of {samples} samples, then {left} bytes; copy it again, or pass "
            wrong += f"--samples {samples} to read what is whole, or another number if this is wrong"
        else:
            wrong += f"a trace of {samples} samples takes {layout.trace_bytes} bytes, and after its headers come "
            wrong += f"{max(room_bytes, 0)}; copy it again, or pass --samples if {samples} is wrong"
    return _Traces(*_ended(path, layout, room_bytes, stated, fits), wrong)


def _ended(path: Path, layout: Layout, room_bytes: int, stated: int, fits: bool) -> tuple[Layout, bool, list[Remark]]:
    """Leave out bytes at the end that are not a trace, and report them."""
    if not layout.traces:
        return layout, fits, []
    if stated and not fits:
        text = f"its header says {stated} traces, but it has {layout.traces} whole ones; copy it again if some are lost"
        return layout, fits, [Remark("cut", text)]
    padding = 0 if stated else padding_traces(path, layout)
    layout = replace(layout, traces=layout.traces - padding)
    if fits and not padding:
        return layout, fits, []
    after = after_the_last(path, layout, room_bytes - layout.traces * layout.trace_bytes)
    return layout, fits, [after] if after else []


def _starts(path: Path, binary: _BinaryHeader) -> Iterator[int]:
    """Where the first trace may begin, in bytes; the likeliest first."""
    count = binary.word(BinField.ExtendedHeaders, "h")
    if binary.revision == 2 and (start_bytes := binary.word(3521, "Q")) >= HEAD_BYTES:
        yield start_bytes
        return
    if not binary.revision:
        # These bytes are unassigned in revision 0.
        yield HEAD_BYTES
    if count >= 0:
        yield HEAD_BYTES + count * TEXT_BYTES
    elif count == -1 and binary.revision:
        yield _after_last_stanza(path)
    elif binary.revision:
        raise InputError(
            f"{source_text(path)}: cut short or not SEG-Y: its header says {count} extended text headers; "
            "write it again"
        )


def _after_last_stanza(path: Path) -> int:
    """Where a variable number of extended text headers ends."""
    for number in range(MOST_STANZAS):
        start_bytes = HEAD_BYTES + number * TEXT_BYTES
        block = read_some(path, start_bytes, TEXT_BYTES)
        if len(block) < TEXT_BYTES:
            break
        if any(LAST_STANZA.search(block.decode(code, "replace")) for code in ("ascii", "cp037")):
            return start_bytes + TEXT_BYTES
    raise InputError(
        f"{source_text(path)}: cut short or not SEG-Y: no EndText stanza ends its extended text headers; write it again"
    )


def _check_text(path: Path, binary: _BinaryHeader, layout: Layout) -> None:
    """Refuse a file whose header declares text headers where traces are."""
    if layout.start_bytes == HEAD_BYTES:
        return
    there = np.frombuffer(read_some(path, HEAD_BYTES, TRACE_HEADER_BYTES), np.uint8)[None]
    samples = values(there, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0]
    interval_us = values(there, TraceField.TRACE_SAMPLE_INTERVAL, layout.header_order)[0]
    if samples == layout.samples and interval_us == round(binary.interval_us):
        raise InputError(
            f"{source_text(path)}: its header declares extended text headers where traces are; write it again without"
        )


def _checked(
    path: Path, binary: _BinaryHeader, layout: Layout, options: ReadOptions, remarks: list[Remark]
) -> FileFacts:
    """Compare the file header with trace headers and samples."""
    headers, samples = some_traces(path, layout)
    order = _trace_header_order(path, layout, headers, options)
    if order != layout.header_order:
        layout = replace(layout, header_order=order)
    if not options.samples:
        _check_lengths(path, layout, headers)
        remarks = remarks + _other_lengths(layout, headers)
    if layout.header_bytes > TRACE_HEADER_BYTES:
        further = layout.header_bytes // TRACE_HEADER_BYTES - 1
        at = layout.start_bytes + TRACE_HEADER_BYTES + FIRST_EXTENSION_COUNT - 1
        stated = struct.unpack(f"{order}H", read_some(path, at, 2))[0]
        if stated not in (0, further):
            raise InputError(
                f"{source_text(path)}: trace 1 has {stated} additional headers, but the file header says {further}; "
                "all traces must have as many: write it again"
            )
    check_reading(path, samples, layout.reading, options)
    text = binary.head[:TEXT_BYTES]
    return FileFacts(
        layout=layout,
        interval_us=binary.interval_us,
        sail_line=binary.word(BinField.LineNumber, "i"),
        unit_m=FEET_M if binary.word(BinField.MeasurementSystem, "h") == 2 else 1.0,
        is_own=any(MARK in text.decode(code, "replace").upper() for code in ("cp037", "ascii")),
        scaled_times=binary.revision >= 1,
        sorting=binary.word(BinField.SortingCode, "h"),
        remarks=tuple(remarks),
    )


def _trace_header_order(path: Path, layout: Layout, headers: np.ndarray, options: ReadOptions) -> str:
    """Byte order of the trace headers: the file header's, unless their numbers of samples are right in the other."""
    here = layout.header_order
    other = "<" if here == ">" else ">"
    stated = {order: values(headers, TraceField.TRACE_SAMPLE_COUNT, order) for order in (here, other)}
    if not (stated[other] == layout.samples).all() or (stated[here] == layout.samples).any():
        return here
    if options.byte_order is None:
        raise InputError(
            f"{source_text(path)}: its file header is {order_name(here)}-endian, its trace headers are "
            f"{order_name(other)}-endian; pass --byte-order {order_name(other)}, or {order_name(here)} "
            "if its samples are"
        )
    return other


def _other_lengths(layout: Layout, headers: np.ndarray) -> list[Remark]:
    """Remarks on trace headers that contradict the number of samples proven by the file's length."""
    stated = values(headers, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)
    # If the first trace agrees, another number is an error.
    if layout.samples >= 2**16 or stated[0] in (0, layout.samples):
        return []
    return [
        Remark(
            "samples",
            f"its first trace says {stated[0]} samples (bytes 115-116), its file header {layout.samples}, which fits "
            f"the file's length and is used; pass --samples {stated[0]} if that is wrong",
            is_warning=False,
        )
    ]


def _check_lengths(path: Path, layout: Layout, headers: np.ndarray) -> None:
    """Refuse a number of samples that fits the file by chance, if the traces give another that fits as well."""
    stated = int(values(headers[:1], TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0])
    if stated in (0, layout.samples) or layout.samples >= 2**16:
        return
    trace_bytes = layout.header_bytes + stated * layout.reading.form.size_bytes
    if layout.traces * layout.trace_bytes % trace_bytes:
        return
    raise InputError(
        f"{source_text(path)}: its file header says {layout.samples} samples per trace, its first trace {stated}, and "
        f"the file's length fits both; pass --samples {stated} or --samples {layout.samples}"
    )
