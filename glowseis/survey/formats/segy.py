"""SEG-Y files, revisions 0, 1 and 2, gather by gather.

Byte positions count from 1, as in the standard (SEG Technical Standards Committee, "SEG-Y_r1.0", 2002; "SEG-Y_r2.0",
2017). segyio names the words and converts IBM floats. Blocks of whole traces are read here, so that headers and samples
of a shot take one read, and because segyio does not support revision 2's longer traces and additional headers.
"""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.sample_plausibility import Reading
from glowseis.survey.formats.segy_binary import HEAD_BYTES, BinaryHeader
from glowseis.survey.formats.segy_headers import FEET_M, MARK, TRACE_HEADER_BYTES, values
from glowseis.survey.formats.segy_layout import find_traces
from glowseis.survey.formats.segy_origin import origin_of
from glowseis.survey.formats.segy_samples import BY_CODE, SampleFormat, sample_format
from glowseis.survey.formats.segy_writer import TEXT_BYTES, segy_writer, write_segy
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
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import source_text

__all__ = ["SegySource", "segy_writer", "write_segy"]

BYTE_ORDERS = {b"\1\2\3\4": ">", b"\4\3\2\1": "<"}
"""Bytes 3297-3300 in revision 2: 16909060."""

FIRST_EXTENSION_COUNT = 157
"""Where the first additional trace header says how many there are."""


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
        binary = BinaryHeader(head, order)
        stated = form or BY_CODE[binary.word(BinField.Format, "h")]
        try:
            layout, remarks = find_traces(path, binary, Reading(stated, said or order), options.samples)
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
    known = [order for order in orders if BinaryHeader(head, order).word(BinField.Format, "h") in BY_CODE]
    if form:
        return list(dict.fromkeys([*known, *orders]))
    if not known:
        if all(32 <= byte < 127 or byte in b"\t\n\r\f" for byte in head[3200:3600]):
            raise InputError(f"{source_text(path)}: not SEG-Y but text; give the file of traces")
        code = BinaryHeader(head, ">").word(BinField.Format, "h")
        raise InputError(
            f"{source_text(path)}: not SEG-Y, or its sample format code {code} is unknown; pass --sample-format if you "
            "know what its samples are, else convert it to IEEE floats (code 5)"
        )
    return known


def _checked(
    path: Path, binary: BinaryHeader, layout: Layout, options: ReadOptions, remarks: list[Remark]
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
        is_named=binary.revision >= 2,
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
