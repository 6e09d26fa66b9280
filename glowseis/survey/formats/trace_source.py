"""Gathers from files that are traces of one length, one behind another: what SEG-Y and Seismic Unix have in common."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.segy_headers import (
    CABLE,
    SAIL_LINE,
    TRACE_HEADER_BYTES,
    Word,
    delays_ms,
    header_word,
    places,
    values,
)
from glowseis.survey.formats.segy_origin import SegyOrigin
from glowseis.survey.formats.segy_samples import decode
from glowseis.survey.formats.source import ReadOptions, file_stem
from glowseis.survey.formats.trace_layout import FileFacts, open_file
from glowseis.survey.gather import Geometry, Recording, source_text
from glowseis.survey.size import LARGEST

BLOCK_BYTES = 1 << 20
"""Traces are read in blocks that stay in the processor's cache until they are decoded."""

LARGEST_GATHER = 1 << 27
"""Samples of a gather, 512 MiB as float32; more is a header word that does not tell shots apart."""


@dataclass(frozen=True)
class _Runs:
    """Gathers of a file: their first traces and, last, the number of traces; line, shot and cable of each."""

    edges: np.ndarray
    numbers: np.ndarray


class TraceSource:
    """A file of traces, gather by gather.

    Neighbouring traces of one shot number are one gather, in the order of the file, as are those of one sail line or
    cable where `ReadOptions` says where these stand; in files of our own making, of one sail line, shot and cable. Its
    id is `STEM-shotNUMBER`, with `-cableNUMBER` after it where cables are told apart; an id that comes back later in
    the file gets `-2`, `-3` and so on after it.

    Attributes:
        path: The file.
        facts: What holds for it as a whole.
    """

    def __init__(self, path: Path, options: ReadOptions, facts: FileFacts):
        self.path = path
        self.facts = facts
        self._options = options
        own = facts.is_own
        self._shot = header_word(options.shot_header)
        self._channel = header_word(options.trace_header)
        self._cable = header_word(options.cable_header or CABLE) if own or options.cable_header else None
        self._line = header_word(options.line_header or SAIL_LINE) if own or options.line_header else None
        self._intervals_us: dict[int, int] = {}
        self._origin: SegyOrigin | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether its gathers were made of others."""
        return self._origin is not None and self._origin.is_synthetic

    @property
    def missing_table(self) -> str:
        """Name of the table of parents that synthetic gathers lack; nothing where it is there, or none is needed."""
        return self._origin.missing_table if self._origin else ""

    def numbers(self) -> np.ndarray:
        """Line, shot and cable of each gather, from the headers alone, int64 `[gather, 3]`."""
        return self._runs.numbers

    def word_values(self, name: str) -> np.ndarray:
        """What a word of the trace headers holds.

        Args:
            name: Its name or byte number.

        Returns:
            Each of its values once, in order, int64 `[value]`.
        """
        word, order = header_word(name), self.facts.layout.header_order
        return np.unique(np.concatenate([np.unique(values(headers, word, order)) for _, headers in self._headers()]))

    @property
    def interval_s(self) -> float:
        """Time between two samples, in seconds.

        Raises:
            InputError: The headers give none, or several.
        """
        if self._options.sample_interval_s:
            return self._options.sample_interval_s
        _ = self._runs
        in_file_us = self.facts.interval_us
        given = [(float(value), f"trace {trace + 1}") for value, trace in self._intervals_us.items() if value > 0]
        if in_file_us > 0:
            # Trace headers hold whole microseconds.
            given = [each for each in given if abs(each[0] - in_file_us) >= 1]
            given.insert(0, (in_file_us, "the file"))
        if not given:
            raise InputError(
                f"{self._name}: its headers give no sample interval; pass --sample-interval in milliseconds"
            )
        if len(given) > 1:
            (one, here), (other, there) = given[:2]
            raise InputError(
                f"{self._name}: the header of {here} gives a sample interval of {one / 1e3:g} ms, that of {there} "
                f"{other / 1e3:g} ms; pass --sample-interval in milliseconds"
            )
        return given[0][0] / 1e6

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather, from the headers alone.

        Yields:
            Samples, traces.

        Raises:
            InputError: The file cannot be read, or too many traces in a row have one shot number.
        """
        for traces in np.diff(self._runs.edges).tolist():
            yield self.facts.layout.samples, traces

    def gathers(self) -> Iterator[Recording]:
        """One gather after another, with memory for one.

        Yields:
            Recordings with their geometry; feet become metres. Amplitudes lie trace by trace in memory.

        Raises:
            InputError: As `shapes`; the headers give no sample interval or several; the traces of a gather do not begin
                at one time.
        """
        interval_s = self.interval_s
        runs = self._runs
        stem, source = file_stem(self.path), source_text(self.path)
        layout, order = self.facts.layout, self.facts.layout.header_order
        with self._opened() as file:
            pairs = itertools.pairwise(runs.edges.tolist())
            named = runs.numbers if self.facts.is_own else runs.numbers[:, 1:]
            for (first, last), numbers, again in zip(pairs, runs.numbers, _occurrence(named), strict=True):
                line, shot, cable = numbers.tolist()
                headers = np.empty((last - first, TRACE_HEADER_BYTES), np.uint8)
                amplitude = np.empty((last - first, layout.samples), np.float32)
                for begin, end, block in self._blocks(file, first, last):
                    headers[begin - first : end - first] = block[:, :TRACE_HEADER_BYTES]
                    rows = amplitude[begin - first : end - first]
                    decode(block[:, layout.header_bytes :], layout.reading.form, layout.reading.order, rows)
                geometry = Geometry(
                    sail_line=line,
                    shot=shot,
                    cable=cable,
                    sample_interval_s=interval_s,
                    channel=values(headers, self._channel, order).astype(np.int32),
                    start_s=self._start_s(headers, first),
                    **places(headers, order, self.facts.unit_m, self.facts.is_own),
                )
                name = f"{stem}-{self._gather_name(line, shot, cable)}{f'-{again}' if again > 1 else ''}"
                recording = Recording(name, amplitude.T, self._options.label, geometry, source)
                yield self._origin.told(recording, headers, order) if self._origin else recording

    @property
    def _name(self) -> str:
        return source_text(self.path)

    def _gather_name(self, line: int, shot: int, cable: int) -> str:
        if self.facts.is_own:
            return f"line{line}-shot{shot}-cable{cable}"
        return f"shot{shot}-cable{cable}" if self._cable else f"shot{shot}"

    def _start_s(self, headers: np.ndarray, first: int) -> float:
        found_ms = delays_ms(headers, self.facts.layout.header_order, self.facts.scaled_times)
        if found_ms.min() != found_ms.max():
            raise InputError(
                f"{self._name}: traces {first + 1} to {first + len(headers)}, one gather, begin between "
                f"{found_ms.min():g} and {found_ms.max():g} ms (DelayRecordingTime); give them one start and write the "
                "file again"
            )
        return float(found_ms[0]) / 1e3

    @cached_property
    def _runs(self) -> _Runs:
        """Look at every trace header once."""
        told = [word for word in (self._line, self._shot, self._cable) if word]
        # FieldRecord may count the gathers of our own files; the shot itself is in EnergySourcePoint.
        shot = self._shot
        if self.facts.is_own and shot.byte == TraceField.FieldRecord:
            shot = header_word("EnergySourcePoint")
        words: list[Word | None] = [self._line, shot, self._cable]
        edges: list[np.ndarray] = []
        numbers: list[np.ndarray] = []
        before, start = np.empty((1, len(told)), np.int64), 0
        for first, headers in self._headers():
            last = first + len(headers)
            self._check_samples(headers, first)
            order = self.facts.layout.header_order
            keys = np.stack([values(headers, word, order) for word in told], axis=1)
            changed = (keys != np.concatenate([before, keys[:-1]])).any(axis=1)
            changed[0] |= first == 0
            at = np.flatnonzero(changed)
            longest = max(itertools.pairwise([start, *(at + first).tolist(), last]), key=lambda pair: pair[1] - pair[0])
            self._check_length(*longest, headers, first)
            edges.append(at + first)
            missing = (self.facts.sail_line, 0, 1)
            numbers.append(
                np.stack(
                    [
                        values(headers[at], word, order) if word else np.full(len(at), other)
                        for word, other in zip(words, missing, strict=True)
                    ],
                    axis=1,
                )
            )
            before = keys[-1:]
            start = int(at[-1] + first) if at.size else start
            found, traces = np.unique(values(headers, TraceField.TRACE_SAMPLE_INTERVAL, order), return_index=True)
            for trace, value in sorted(zip(traces.tolist(), found.tolist(), strict=True)):
                self._intervals_us.setdefault(value, first + trace)
        return _Runs(np.concatenate([*edges, [self.facts.layout.traces]]), np.concatenate(numbers))

    def _check_length(self, start: int, last: int, headers: np.ndarray, first: int) -> None:
        traces, samples = last - start, self.facts.layout.samples
        if traces <= LARGEST and traces * samples <= LARGEST_GATHER:
            return
        most = min(LARGEST, LARGEST_GATHER // samples)
        number = values(headers[max(start - first, 0) :][:1], self._shot, self.facts.layout.header_order)[0]
        raise InputError(
            f"{self._name}: more than {most} traces in a row have {self._options.shot_header} {number}; "
            "pass --shot-header with the header word that tells shots apart"
        )

    def _check_samples(self, headers: np.ndarray, first: int) -> None:
        """Headers that tell the number of samples must all tell the same: else the file is damaged or not as read."""
        layout = self.facts.layout
        told = values(headers, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)
        if first == 0:
            self._tells_samples = told[0] == layout.samples
        wrong = (told != layout.samples) & (told != 0)
        if self._tells_samples and wrong.any():
            trace = int(np.argmax(wrong))
            raise InputError(
                f"{self._name}: trace {first + trace + 1} has {told[trace]} samples, the first one {layout.samples}; "
                "traces must have one length: copy the file again, or write it with one"
            )

    def _headers(self) -> Iterator[tuple[int, np.ndarray]]:
        """First trace and headers of block after block."""
        layout = self.facts.layout
        at_once = max(1, BLOCK_BYTES // TRACE_HEADER_BYTES)
        with self._opened() as file:
            for first in range(0, layout.traces, at_once):
                last = min(first + at_once, layout.traces)
                headers = np.empty((last - first, TRACE_HEADER_BYTES), np.uint8)
                if layout.trace_bytes > BLOCK_BYTES // 32:
                    for row, trace in enumerate(range(first, last)):
                        self._read(file, headers[row], layout.start_bytes + trace * layout.trace_bytes)
                else:
                    for begin, end, block in self._blocks(file, first, last):
                        headers[begin - first : end - first] = block[:, :TRACE_HEADER_BYTES]
                yield first, headers

    def _blocks(self, file: int, first: int, last: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """First trace, one past the last, and bytes `[trace, byte]` of some traces after another."""
        layout = self.facts.layout
        at_once = max(1, BLOCK_BYTES // layout.trace_bytes)
        memory = np.empty((min(at_once, last - first), layout.trace_bytes), np.uint8)
        for begin in range(first, last, at_once):
            end = min(begin + at_once, last)
            block = memory[: end - begin]
            self._read(file, block.reshape(-1), layout.start_bytes + begin * layout.trace_bytes)
            yield begin, end, block

    def _read(self, file: int, memory: np.ndarray, start_bytes: int) -> None:
        try:
            done = 0
            while done < len(memory):
                count = os.preadv(file, [memory[done:].data], start_bytes + done)
                if not count:
                    raise InputError(f"{self._name}: became shorter while it was read; copy it again")
                done += count
        except OSError as wrong:
            raise InputError(
                f"{self._name}: cannot be read at byte {start_bytes} ({wrong.strerror}); copy it again"
            ) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        file = open_file(self.path)
        try:
            yield file
        finally:
            os.close(file)


def _occurrence(numbers: np.ndarray) -> list[int]:
    """How often each row has occurred up to and with itself."""
    _, which, counts = np.unique(numbers, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    first = np.repeat(np.cumsum(counts) - counts, counts)
    occurrence = np.empty(len(numbers), np.int64)
    occurrence[order] = np.arange(len(numbers)) - first + 1
    return occurrence.tolist()
