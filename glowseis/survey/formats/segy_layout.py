"""Where the traces of a SEG-Y file lie, by its binary header and its length.

The header may be wrong: text headers that it does not count, another number of samples than the traces have, bytes at
the end that are no trace.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from segyio import BinField, TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.sample_plausibility import Reading
from glowseis.survey.formats.segy_binary import HEAD_BYTES, BinaryHeader
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES, values
from glowseis.survey.formats.segy_writer import TEXT_BYTES
from glowseis.survey.formats.source import Remark
from glowseis.survey.formats.trace_layout import Layout, read_some
from glowseis.survey.formats.trace_lengths import after_the_last, check_one_length, lies_so, padding_traces
from glowseis.survey.gather import source_text

LAST_STANZA = re.compile(r"\(\(\s*SEG:\s*EndText\s*\)\)", re.IGNORECASE)

MOST_STANZAS = 4096
"""Most text headers of 3200 bytes that are searched for the last one."""


def find_traces(path: Path, binary: BinaryHeader, reading: Reading, samples: int | None) -> tuple[Layout, list[Remark]]:
    """Where the traces lie, by the file header and the file's length, with remarks.

    Args:
        path: The file.
        binary: Its header.
        reading: What its samples are.
        samples: Samples of a trace, if the user gives them.

    Raises:
        InputError: They do not fit the file.
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
    path: Path, binary: BinaryHeader, reading: Reading, starts: Sequence[int]
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


def _traces(path: Path, binary: BinaryHeader, reading: Reading, samples: int, start_bytes: int) -> _Traces:
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


def _starts(path: Path, binary: BinaryHeader) -> Iterator[int]:
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


def _check_text(path: Path, binary: BinaryHeader, layout: Layout) -> None:
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
