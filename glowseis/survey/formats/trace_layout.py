"""Where traces and samples lie in a file, and checks of a few of them before the rest is read."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.sample_plausibility import Reading, better_reading
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES
from glowseis.survey.formats.source import ReadOptions, Remark, open_file
from glowseis.survey.gather import source_text

ORDERS = {"big": ">", "little": "<"}

LOOKED_AT, SAMPLES_LOOKED_AT = 16, 512
"""Traces, spread over a file, and samples of each that are used to check a reading."""


@dataclass(frozen=True)
class Layout:
    """Where traces and samples lie in a file.

    Attributes:
        samples: Samples of each trace.
        traces: Number of traces.
        reading: Format and byte order of the samples.
        header_order: Byte order of the trace headers, `>` or `<`.
        start_bytes: Where the first trace header begins.
        header_bytes: Length of a trace's headers, several of 240 bytes in revision 2.
    """

    samples: int
    traces: int
    reading: Reading
    header_order: str
    start_bytes: int = 0
    header_bytes: int = TRACE_HEADER_BYTES

    @property
    def trace_bytes(self) -> int:
        """Length of a trace with its headers."""
        return self.header_bytes + self.samples * self.reading.form.size_bytes


@dataclass(frozen=True)
class FileFacts:
    """Properties of a file as a whole.

    Attributes:
        layout: Where its traces lie.
        interval_us: Time between two samples, in microseconds; 0 if it is not given.
        sail_line: Number of the sail line, 0 if it is not given.
        unit_m: Unit of lengths, in metres.
        is_own: Whether we wrote the file.
        scaled_times: Whether bytes 215-216 of trace headers scale times.
        is_named: Whether bytes 233-240 of trace headers are taken by the header's name, as in revision 2.
        sorting: How traces are sorted according to the file header (TraceSortingCode); 0 if it is not given.
        remarks: What the user should know about its length.
    """

    layout: Layout
    interval_us: float = 0.0
    sail_line: int = 0
    unit_m: float = 1.0
    is_own: bool = False
    scaled_times: bool = False
    is_named: bool = False
    sorting: int = 0
    remarks: tuple[Remark, ...] = ()


def read_some(path: Path, start_bytes: int, length_bytes: int) -> bytes:
    """Read a part of a file, or as much of it as exists.

    Args:
        path: The file.
        start_bytes: Where the part begins.
        length_bytes: How long it is.

    Returns:
        Its bytes.

    Raises:
        InputError: As `open_file`, or it cannot be read.
    """
    file = open_file(path)
    try:
        return os.pread(file, length_bytes, start_bytes)
    except OSError as wrong:
        raise InputError(f"{source_text(path)}: cannot be read ({wrong.strerror}); copy it again") from None
    finally:
        os.close(file)


def some_traces(path: Path, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Read headers and samples of a few traces that are spread over a file.

    Args:
        path: The file.
        layout: Where its traces lie.

    Returns:
        Trace headers, uint8 `[trace, 240]`, and bytes of samples about the middle of these traces, uint8
        `[trace, byte]`.
    """
    chosen = np.unique(np.linspace(0, layout.traces - 1, LOOKED_AT).astype(np.int64)).tolist()
    size = layout.reading.form.size_bytes
    count = min(layout.samples, SAMPLES_LOOKED_AT)
    skip_bytes = layout.header_bytes + (layout.samples - count) // 2 * size
    headers, samples = bytearray(), bytearray()
    file = open_file(path)
    try:
        for trace in chosen:
            start_bytes = layout.start_bytes + trace * layout.trace_bytes
            headers += os.pread(file, TRACE_HEADER_BYTES, start_bytes)
            samples += os.pread(file, count * size, start_bytes + skip_bytes)
        return (
            np.frombuffer(bytes(headers), np.uint8).reshape(len(chosen), TRACE_HEADER_BYTES),
            np.frombuffer(bytes(samples), np.uint8).reshape(len(chosen), count * size),
        )
    except (OSError, ValueError):
        raise InputError(f"{source_text(path)}: cannot be read to its end; copy it again") from None
    finally:
        os.close(file)


def check_reading(path: Path, samples: np.ndarray, declared: Reading, options: ReadOptions) -> None:
    """Refuse samples that make no sense as declared by the file, unless the user declares the same.

    Args:
        path: The file.
        samples: Bytes of some traces, as `some_traces` returns them.
        declared: The declared reading.
        options: What the user states; a given format or byte order is not doubted.

    Raises:
        InputError: Another reading makes sense.
    """
    better = better_reading(
        samples, declared, other_formats=not options.sample_format, other_orders=not options.byte_order
    )
    if better is None:
        return
    passed, kept = [], []
    if better.form != declared.form:
        passed.append(f"--sample-format {better.form.name}")
        kept.append(f"--sample-format {declared.form.name}")
    if better.order != declared.order:
        passed.append(f"--byte-order {order_name(better.order)}")
        kept.append(f"--byte-order {order_name(declared.order)}")
    raise InputError(
        f"{source_text(path)}: its samples make no sense as {declared}, as its headers declare, but do as {better}; "
        f"pass {' and '.join(passed)} (or {' and '.join(kept)}, if the headers are right)"
    )


def byte_order(options: ReadOptions) -> str | None:
    """The byte order that the user gives.

    Args:
        options: What the user states.

    Returns:
        `>`, `<` or None.

    Raises:
        InputError: It is neither big nor little.
    """
    if options.byte_order is None:
        return None
    if options.byte_order not in ORDERS:
        raise InputError(f"byte order {options.byte_order!r} is unknown; choose big or little")
    return ORDERS[options.byte_order]


def order_name(order: str) -> str:
    """The name of a byte order.

    Args:
        order: `>` or `<`.

    Returns:
        `big` or `little`.
    """
    return next(name for name, value in ORDERS.items() if value == order)
