"""Seismic Unix files: traces of 240-byte headers and native float32, without a file header.

The headers' first 180 bytes are SEG-Y's (J. W. Stockwell and J. K. Cohen, "The New SU User's Manual", Center for Wave
Phenomena, Colorado School of Mines, 2008).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.sample_plausibility import Reading
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES, values
from glowseis.survey.formats.segy_samples import IEEE, sample_format
from glowseis.survey.formats.source import ReadOptions, Remark
from glowseis.survey.formats.trace_layout import (
    FileFacts,
    Layout,
    byte_order,
    check_reading,
    read_some,
    some_traces,
)
from glowseis.survey.formats.trace_lengths import after_the_last, check_one_length, lies_so, padding_traces
from glowseis.survey.formats.trace_source import TraceSource
from glowseis.survey.gather import source_text


class SeismicUnixSource(TraceSource):
    """A Seismic Unix file, shot by shot; TraceSource explains how gathers are separated and named.

    The byte order is the one in which the first trace's number of samples (`ns`) fits the file's length.

    Args:
        path: The file.
        options: What the user states about it.

    Raises:
        InputError: The file is missing, empty, cut short or not Seismic Unix, or its samples are not what they should
            be.
    """

    def __init__(self, path: Path, options: ReadOptions):
        path = Path(path)
        layout, remarks = _layout(path, options)
        super().__init__(path, options, FileFacts(layout, remarks=tuple(remarks)))


def _layout(path: Path, options: ReadOptions) -> tuple[Layout, list[Remark]]:
    """Where the traces lie, and what is left after them."""
    name, said = source_text(path), byte_order(options)
    form = sample_format(options.sample_format) if options.sample_format else IEEE
    head = read_some(path, 0, TRACE_HEADER_BYTES)
    size_bytes = path.stat().st_size
    if len(head) < TRACE_HEADER_BYTES:
        raise InputError(
            f"{name}: has {size_bytes} bytes, but a Seismic Unix trace header has {TRACE_HEADER_BYTES}; copy it again"
        )
    first = np.frombuffer(head, np.uint8)[None]
    fitting: list[Layout] = []
    ending: list[Layout] = []
    for order in [said] if said else ["<", ">"]:
        count = options.samples or int(values(first, TraceField.TRACE_SAMPLE_COUNT, order)[0])
        traces, left = divmod(size_bytes, TRACE_HEADER_BYTES + count * form.size_bytes)
        if count and traces:
            layout = Layout(count, traces, Reading(form, order), order)
            layout = replace(layout, traces=traces - padding_traces(path, layout))
            (ending if left else fitting).append(layout)
    if not fitting:
        # A single trace is no evidence, and a wrong order hardly fits several.
        fitting = [each for each in ending if options.samples or (each.traces > 1 and lies_so(path, each))]
    for layout in [] if fitting else ending:
        # Traces of several lengths, or other bytes after traces of one.
        count = check_one_length(path, layout)
        if count > 1 and 2 * count > layout.traces:
            fitting.append(replace(layout, traces=count))
    if not fitting:
        raise InputError(_why_not(path, first, size_bytes, said))
    looks = [some_traces(path, layout) for layout in fitting]
    right = [
        layout
        for layout, (headers, _) in zip(fitting, looks, strict=True)
        if np.isin(values(headers, TraceField.TRACE_SAMPLE_COUNT, layout.header_order), (0, layout.samples)).all()
    ]
    layout = (right or fitting)[0]
    if len(right) > 1:
        # The number of samples is the same in both orders or fits by chance; the interval is small in the right order.
        right.sort(key=lambda each: values(first, TraceField.TRACE_SAMPLE_INTERVAL, each.header_order)[0] or 2**16)
        layout = right[0]
    after = after_the_last(path, layout, size_bytes - layout.traces * layout.trace_bytes)
    check_reading(path, some_traces(path, layout)[1], layout.reading, options)
    return layout, [after] if after else []


def _why_not(path: Path, first: np.ndarray, size_bytes: int, said: str | None) -> str:
    """The reason why a file's length fits its first trace in no byte order."""
    name = source_text(path)
    told = {order: int(values(first, TraceField.TRACE_SAMPLE_COUNT, order)[0]) for order in ("<", ">")}
    if not any(told.values()):
        return f"{name}: not Seismic Unix, or its first trace says 0 samples (ns, bytes 115-116); pass --samples"
    most = " or ".join(dict.fromkeys(str(told[order]) for order in ([said] if said else ["<", ">"])))
    return (
        f"{name}: cut short or not Seismic Unix: {size_bytes} bytes are not a whole number of traces of {most} "
        "samples; copy it again, or give SEG-Y files the extension .segy"
    )
