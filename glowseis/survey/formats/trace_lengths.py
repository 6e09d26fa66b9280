"""How many whole traces a file holds, and what follows them.

A file whose length is not a whole number of traces was cut short, or has something after its last trace, such as the
zeros that pad tapes. Its whole traces are read if their headers are where they should be: a wrong number of samples
would shift every trace but the first.
"""

from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES, values
from glowseis.survey.formats.source import Remark
from glowseis.survey.formats.trace_layout import Layout, read_some, some_traces
from glowseis.survey.gather import source_text
from glowseis.survey.wording import number_of

PIECE_BYTES = 1 << 20

FEWEST = 2
"""Traces of one length that are enough to establish it."""


def lies_so(path: Path, layout: Layout) -> bool:
    """Whether trace headers lie where a layout says: all those checked give its number of samples.

    Args:
        path: The file.
        layout: Where its traces may lie; at least one.
    """
    headers, _ = some_traces(path, layout)
    return any((values(headers, TraceField.TRACE_SAMPLE_COUNT, order) == layout.samples).all() for order in "<>")


def samples_told(path: Path, layout: Layout) -> tuple[int, int]:
    """Follow traces from the first as long as their headers give a layout's number of samples.

    Args:
        path: The file.
        layout: Where its traces may lie.

    Returns:
        How many do, and the number that the next one gives instead; 0 if it has no whole header.
    """
    count = 0
    while True:
        start_bytes = layout.start_bytes + count * layout.trace_bytes
        header = np.frombuffer(read_some(path, start_bytes, TRACE_HEADER_BYTES), np.uint8)[None]
        if header.size < TRACE_HEADER_BYTES:
            return count, 0
        told = int(values(header, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0])
        if told != layout.samples:
            return count, told
        count += 1


def check_one_length(path: Path, layout: Layout) -> int:
    """Count the traces from the first that fit a layout, and refuse a file in which one of another length follows.

    Args:
        path: The file.
        layout: Where its traces may lie.

    Returns:
        How many traces give its number of samples.

    Raises:
        InputError: Two or more of these are followed by one of another length, with another trace where that ends.
    """
    count, other = samples_told(path, layout)
    if count < FEWEST or not other:
        return count
    size_bytes = layout.reading.form.size_bytes
    end_bytes = layout.start_bytes + count * layout.trace_bytes + layout.header_bytes + other * size_bytes
    after = np.frombuffer(read_some(path, end_bytes, TRACE_HEADER_BYTES), np.uint8)[None]
    told = 0
    if after.size == TRACE_HEADER_BYTES:
        told = int(values(after, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0])
    if told in (other, layout.samples) or end_bytes == path.stat().st_size:
        raise InputError(
            f"{source_text(path)}: trace {count + 1} has {other} samples (bytes 115-116), the first one "
            f"{layout.samples}; all traces must have one length: copy the file again, or write it with one"
        )
    return count


class OtherLengths:
    """Traces whose headers give another number of samples than the first, which the file's length proves.

    The number may be wrong, such as that of a dead trace or of shots that were filled up to one length; or traces have
    several lengths. Then the headers after the first of another length are not where they should be, which the sample
    interval shows.

    Args:
        path: The file.
        layout: Where its traces lie.
        is_stated: Whether the user states the number of samples.

    Attributes:
        count: How many there are.
    """

    def __init__(self, path: Path, layout: Layout, is_stated: bool):
        self._path, self._layout, self._is_stated = path, layout, is_stated
        self.count = 0
        self._first = self._told = self._interval = 0
        self._is_asked = True
        self._after = self._is_lost = False

    def look(self, headers: np.ndarray, first: int) -> None:
        """Look at the next headers.

        Args:
            headers: Their bytes, uint8 `[trace, 240]`.
            first: Number of the first trace in the file.

        Raises:
            InputError: Traces have several lengths.
        """
        order, samples = self._layout.header_order, self._layout.samples
        told = values(headers, TraceField.TRACE_SAMPLE_COUNT, order)
        intervals = values(headers, TraceField.TRACE_SAMPLE_INTERVAL, order)
        if first == 0:
            self._is_asked, self._interval = bool(told[0] == samples), int(intervals[0])
        wrong = (told != samples) & (told != 0)
        if not self._is_asked or not (wrong.any() or self._after):
            return
        follows = np.append(self._after, wrong[:-1])
        lost = (wrong | follows) & (told != samples) & ((intervals != self._interval) | (self._interval == 0))
        # A single wrong header, between others that are where they should be, may hold anything.
        lost &= follows | ~np.append(told[1:] == samples, True)
        if not self.count and wrong.any():
            self._first = first + int(np.argmax(wrong))
            self._told = int(told[self._first - first])
        self._is_lost |= bool(lost.any())
        if self._is_lost and not self._is_stated:
            raise InputError(
                f"{source_text(self._path)}: trace {self._first + 1} has {self._told} samples, the first one "
                f"{samples}; all traces must have one length: copy the file again, or write it with one"
            )
        self.count += int(np.count_nonzero(wrong))
        self._after = bool(wrong[-1])

    def remarks(self) -> list[Remark]:
        """What the user should know about it."""
        if not self.count:
            return []
        text = (
            f"the headers of {number_of(self.count, 'trace')} give another number of samples (trace {self._first + 1}: "
            f"{self._told}; bytes 115-116); all traces are read with {self._layout.samples} "
            "samples"
        )
        return [Remark("other samples", text, is_warning=self._is_lost)]


def padding_traces(path: Path, layout: Layout) -> int:
    """Count the traces at the end that are all zeros, headers included, if the first header is not.

    Args:
        path: The file.
        layout: Where its traces lie.
    """
    if not any(read_some(path, layout.start_bytes, TRACE_HEADER_BYTES)):
        return 0
    count = 0
    while count < layout.traces:
        start_bytes = layout.start_bytes + (layout.traces - 1 - count) * layout.trace_bytes
        if any(read_some(path, start_bytes, TRACE_HEADER_BYTES)) or not _are_zeros(
            path, start_bytes, layout.trace_bytes
        ):
            break
        count += 1
    return count


def after_the_last(path: Path, layout: Layout, left_bytes: int) -> Remark | None:
    """Describe what follows the last trace.

    Args:
        path: The file.
        layout: Where its traces lie.
        left_bytes: Bytes from their end to the end of the file.

    Returns:
        A remark; None if nothing is left.
    """
    if not left_bytes:
        return None
    start_bytes = layout.start_bytes + layout.traces * layout.trace_bytes
    after = f"after its last whole trace, number {layout.traces},"
    if _are_zeros(path, start_bytes, left_bytes):
        text = f"{left_bytes} bytes of zeros {after} are not read; tapes are padded like this"
        return Remark("padding", text, is_warning=False)
    if TRACE_HEADER_BYTES <= left_bytes < layout.trace_bytes:
        headers = np.frombuffer(read_some(path, start_bytes, TRACE_HEADER_BYTES), np.uint8)[None]
        told = int(values(headers, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)[0])
        if told == layout.samples:
            return Remark(
                "cut",
                f"cut short: trace {layout.traces + 1} has only {left_bytes} of its {layout.trace_bytes} bytes and is "
                "not read; copy the file again",
            )
    if left_bytes >= layout.trace_bytes:
        return Remark(
            "cut",
            f"{left_bytes} bytes {after} are not read, as no trace header begins there; copy the file again if traces "
            "are missing",
        )
    return Remark(
        "cut",
        f"{left_bytes} bytes {after} are less than a trace and not read; copy the file again if it was cut short",
    )


def _are_zeros(path: Path, start_bytes: int, length_bytes: int) -> bool:
    """Whether a part of a file is all zeros."""
    for start in range(start_bytes, start_bytes + length_bytes, PIECE_BYTES):
        if any(read_some(path, start, min(PIECE_BYTES, start_bytes + length_bytes - start))):
            return False
    return True
