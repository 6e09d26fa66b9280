"""The bytes of a file of traces of one length, block after block."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES
from glowseis.survey.formats.source import open_file
from glowseis.survey.formats.trace_layout import Layout
from glowseis.survey.gather import source_text

BLOCK_BYTES = 1 << 20
"""Bytes of a block of traces, which stays in the processor's cache until it is decoded."""


class TraceBytes:
    """Reads traces, or their headers alone, with memory for one block.

    Args:
        path: The file.
        layout: Where its traces lie.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, layout: Layout):
        self.path = path
        self._layout = layout

    def headers(self) -> Iterator[tuple[int, np.ndarray]]:
        """First trace and headers `[trace, byte]`, block after block."""
        layout = self._layout
        at_once = max(1, BLOCK_BYTES // TRACE_HEADER_BYTES)
        with self.opened() as file:
            for first in range(0, layout.traces, at_once):
                last = min(first + at_once, layout.traces)
                headers = np.empty((last - first, TRACE_HEADER_BYTES), np.uint8)
                if layout.trace_bytes > BLOCK_BYTES // 32:
                    for row, trace in enumerate(range(first, last)):
                        self.begin(file, trace, headers[row])
                else:
                    for begin, end, block in self.blocks(file, first, last):
                        headers[begin - first : end - first] = block[:, :TRACE_HEADER_BYTES]
                yield first, headers

    def blocks(self, file: int, first: int, last: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """First trace, one past the last, and bytes `[trace, byte]`, block after block."""
        layout = self._layout
        at_once = max(1, BLOCK_BYTES // layout.trace_bytes)
        memory = np.empty((min(at_once, last - first), layout.trace_bytes), np.uint8)
        for begin in range(first, last, at_once):
            end = min(begin + at_once, last)
            block = memory[: end - begin]
            self._read(file, block.reshape(-1), layout.start_bytes + begin * layout.trace_bytes)
            yield begin, end, block

    def begin(self, file: int, trace: int, memory: np.ndarray) -> None:
        """Fill memory, uint8 `[byte]`, with what a trace begins with."""
        self._read(file, memory, self._layout.start_bytes + trace * self._layout.trace_bytes)

    def _read(self, file: int, memory: np.ndarray, start_bytes: int) -> None:
        try:
            done = 0
            while done < len(memory):
                count = os.preadv(file, [memory[done:].data], start_bytes + done)
                if not count:
                    raise InputError(f"{source_text(self.path)}: shrank while it was read; copy it again")
                done += count
        except OSError as wrong:
            raise InputError(
                f"{source_text(self.path)}: cannot be read at byte {start_bytes} ({wrong.strerror}); copy it again"
            ) from None

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """The file while a block runs, as a descriptor."""
        file = open_file(self.path)
        try:
            yield file
        finally:
            os.close(file)

    def holds_data(self, traces: Sequence[int]) -> bool:
        """Whether some trace has a sample other than zero."""
        layout = self._layout
        memory = np.empty(layout.trace_bytes, np.uint8)
        with self.opened() as file:
            for trace in traces:
                self.begin(file, trace, memory)
                if memory[layout.header_bytes :].any():
                    return True
        return False
