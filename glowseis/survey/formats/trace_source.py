"""Gathers from files of traces of one length, one after another: the common part of SEG-Y and Seismic Unix."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.plausible import LARGEST_GATHER
from glowseis.survey.formats.segy_headers import (
    CABLE,
    SAIL_LINE,
    TRACE_HEADER_BYTES,
    Word,
    header_word,
    places,
    values,
)
from glowseis.survey.formats.segy_origin import SegyOrigin
from glowseis.survey.formats.segy_samples import decode
from glowseis.survey.formats.shots_again import LOOKED_AT, advice, occurrences
from glowseis.survey.formats.source import ReadOptions, Remark, file_stem, overridden_interval
from glowseis.survey.formats.trace_bytes import TraceBytes
from glowseis.survey.formats.trace_layout import FileFacts
from glowseis.survey.formats.trace_looks import TraceLooks
from glowseis.survey.formats.trace_mending import aligned, follows_weights, shifts, weigh
from glowseis.survey.gather import Geometry, Recording, source_text
from glowseis.survey.size import LARGEST
from glowseis.survey.wording import NAMED, first_names, number_of

ENOUGH = 4
"""Fewest gathers of a file in which one that is shorter than all others stands out."""


@dataclass(frozen=True)
class _Runs:
    """Runs of traces that are gathers.

    Attributes:
        edges: First trace of each and one past its last, int64 `[gather, 2]`.
        numbers: Line, shot and cable, int64 `[gather, 3]`.
        traces: Traces that are read, without auxiliary ones, int64 `[gather]`.
        delays_ms: Earliest and latest first sample of these, ignoring dead and blank ones, float64 `[gather, 2]`.
        all_delays_ms: The same including those declared dead.
    """

    edges: np.ndarray
    numbers: np.ndarray
    traces: np.ndarray
    delays_ms: np.ndarray
    all_delays_ms: np.ndarray


class TraceSource:
    """A file of traces, gather by gather.

    Consecutive traces with one shot number form a gather, in the order of the file. If `ReadOptions` names words for
    sail line or cable, these must agree too; in our own files, sail line, shot and cable always must. The gather's id
    is `STEM-shotNUMBER`, followed by `-cableNUMBER` if cables are separated; an id that repeats later in the file gets
    `-2`, `-3` and so on.

    Attributes:
        path: The file.
        facts: Its properties as a whole.
    """

    def __init__(self, path: Path, options: ReadOptions, facts: FileFacts):
        self.path = path
        self.facts = facts
        self._bytes = TraceBytes(path, facts.layout)
        self._options = options
        own = facts.is_own
        self._shot = header_word(options.shot_header)
        self._channel = header_word(options.trace_header)
        self._cable = header_word(options.cable_header or CABLE) if own or options.cable_header else None
        self._line = header_word(options.line_header or SAIL_LINE) if own or options.line_header else None
        self._intervals_us: dict[int, int] = {}
        self._unweighted: list[str] = []
        self._keys = [word for word in (self._shot_of_gathers, self._line, self._cable) if word]
        self._looks = TraceLooks(facts, self._keys, self._channel, options.keep_auxiliary)
        self._origin: SegyOrigin | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether its gathers were made from others."""
        return self._origin is not None and self._origin.is_synthetic

    @property
    def missing_table(self) -> str:
        """Name of the table of parents that synthetic gathers lack; empty if it exists, or none is needed."""
        return self._origin.missing_table if self._origin else ""

    def numbers(self) -> np.ndarray:
        """Line, shot and cable of each gather, from the headers alone, int64 `[gather, 3]`."""
        return self._runs.numbers

    def word_values(self, name: str) -> np.ndarray:
        """The values of a word of the trace headers.

        Args:
            name: Its name or byte number.

        Returns:
            Its distinct values, in order, int64 `[value]`.
        """
        word, order = header_word(name), self.facts.layout.header_order
        return np.unique(
            np.concatenate([np.unique(values(headers, word, order)) for _, headers in self._bytes.headers()])
        )

    @property
    def interval_s(self) -> float:
        """Time between two samples, in seconds.

        Raises:
            InputError: The headers give none or several.
        """
        if self._options.sample_interval_s:
            return self._options.sample_interval_s
        given = self._given_intervals()
        if not given:
            raise InputError(
                f"{self._name}: its headers give no sample interval; pass --sample-interval in milliseconds"
            )
        if len(given) > 1:
            (one, here), (other, there) = given[:2]
            raise InputError(
                f"{self._name}: the header of {here} gives a sample interval of {one / 1e3:g} ms, but that of {there} "
                f"{other / 1e3:g} ms; pass --sample-interval in milliseconds"
            )
        return given[0][0] / 1e6

    def _given_intervals(self) -> list[tuple[float, str]]:
        """Different sample intervals in headers, in microseconds, each with the header's owner."""
        _ = self._runs
        in_file_us = self.facts.interval_us
        given = [(float(value), f"trace {trace + 1}") for value, trace in self._intervals_us.items() if value > 0]
        if in_file_us > 0:
            # Trace headers hold whole microseconds.
            given = [each for each in given if abs(each[0] - in_file_us) >= 1]
            given.insert(0, (in_file_us, "the file"))
        return given

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather, from the headers alone.

        Yields:
            Samples, traces.

        Raises:
            InputError: The file cannot be read, or too many consecutive traces have one shot number.
        """
        runs = self._runs
        for traces, longer in zip(runs.traces.tolist(), self._longer.tolist(), strict=True):
            yield self.facts.layout.samples + longer, traces

    def remarks(self) -> list[Remark]:
        """Contradictions within the headers of the file and its traces."""
        _ = self._runs
        own_s = [value / 1e6 for value, _ in self._given_intervals()]
        found = overridden_interval(own_s, self._options)
        found += [*self.facts.remarks, *self._looks.remarks(self._ids.__getitem__)]
        if self._unweighted:
            named = f"{number_of(len(self._unweighted), 'gather')} ({first_names(self._unweighted)})"
            found.append(
                Remark(
                    "weights",
                    f"traces of {named} have weighting factors (bytes 169-170) that do not match their "
                    "amplitudes; they are not applied",
                )
            )
        return found + self._shorter_ends() + self._shots_again()

    def _shorter_ends(self) -> list[Remark]:
        """A first or last gather with fewer traces than all others, which agree: the file may be a piece of another."""
        traces = self._runs.traces
        if len(traces) < ENOUGH or (traces[1:-1] != traces[1]).any():
            return []
        ends = [
            f"the {place} gather ({self._ids[number]}) has {traces[number]}"
            for place, number in (("first", 0), ("last", len(traces) - 1))
            if traces[number] < traces[1]
        ]
        if not ends:
            return []
        text = f"{' and '.join(ends)} of the {traces[1]} traces that the others have; the file may have been cut there"
        return [Remark("shorter", text)]

    def _shots_again(self) -> list[Remark]:
        """Gathers of a shot that came earlier; synthetic ones are skipped: they have the shots of parents."""
        numbers = self._runs.numbers
        again = np.flatnonzero(occurrences(numbers) > 1)
        if not len(again) or self.is_synthetic:
            return []
        layout = self.facts.layout
        ends = np.empty((2, min(len(numbers), LOOKED_AT), TRACE_HEADER_BYTES), np.uint8)
        with self._bytes.opened() as file:
            for number, (first, last) in enumerate(self._runs.edges[:LOOKED_AT].tolist()):
                for place, trace in enumerate((first, last - 1)):
                    self._bytes.begin(file, trace, ends[place, number])
        why = advice(numbers[:LOOKED_AT], ends[0], ends[1], layout.header_order, self._keys, self._channel)
        named = first_names([self._ids[run] for run in again[:NAMED].tolist()], len(again))
        text = f"{number_of(len(again), 'gather')} of a shot that came before in the file, with others between: {named}"
        return [Remark("again", f"{text}; {why}")]

    def gathers(self) -> Iterator[Recording]:
        """One gather after another, with memory for one.

        Yields:
            Recordings with their geometry; feet are converted to metres. Amplitudes lie trace by trace in memory.

        Raises:
            InputError: As `shapes`, or the headers give no sample interval or several.
        """
        interval_s = self.interval_s
        runs = self._runs
        self._unweighted.clear()
        source = source_text(self.path)
        samples, order = self.facts.layout.samples, self.facts.layout.header_order
        _ = self._longer
        with self._bytes.opened() as file:
            for number, (first, last) in enumerate(runs.edges.tolist()):
                line, shot, cable = runs.numbers[number].tolist()
                traces = int(runs.traces[number])
                headers = np.empty((traces, TRACE_HEADER_BYTES), np.uint8)
                amplitude = np.empty((traces, samples), np.float32)
                self._read_gather(file, first, last, headers, amplitude)
                mended = {"auxiliary": last - first - traces}
                amplitude, changed = self._mended(amplitude, headers, number, interval_s)
                geometry = Geometry(
                    sail_line=line,
                    shot=shot,
                    cable=cable,
                    sample_interval_s=interval_s,
                    channel=values(headers, self._channel, order).astype(np.int32),
                    start_s=float(runs.delays_ms[number, 0]) / 1e3,
                    **places(headers, order, self.facts.unit_m, self.facts.is_own),
                )
                mended = {name: count for name, count in (mended | changed).items() if count}
                label, name = self._options.label, self._ids[number]
                recording = Recording(name, amplitude.T, label, geometry, source, mended=mended)
                yield self._origin.told(recording, headers, order) if self._origin else recording

    def _read_gather(self, file: int, first: int, last: int, headers: np.ndarray, amplitude: np.ndarray) -> None:
        """Read the traces of a gather, without auxiliary ones."""
        layout = self.facts.layout
        whole = len(headers) == last - first
        row = 0
        for _, _, block in self._bytes.blocks(file, first, last):
            kept = block if whole else block[~self._looks.left_out(block)]
            here = slice(row, row + len(kept))
            headers[here] = kept[:, :TRACE_HEADER_BYTES]
            decode(kept[:, layout.header_bytes :], layout.reading.form, layout.reading.order, amplitude[here])
            row += len(kept)

    def _mended(
        self, amplitude: np.ndarray, headers: np.ndarray, number: int, interval_s: float
    ) -> tuple[np.ndarray, dict[str, int]]:
        """Apply to amplitudes `[trace, time]` what their headers ask for; the counts are named as in `MENDINGS`."""
        changed = {}
        if self._looks.has_dead:
            dead = self._looks.declared_dead(headers)
            amplitude[dead] = 0
            changed["declared_dead"] = int(dead.sum())
        if self._looks.has_weights:
            weights = self._looks.weights(headers)
            if follows_weights(amplitude, weights):
                changed["weighted"] = weigh(amplitude, weights)
            else:
                self._unweighted.append(self._ids[number])
        if self._longer[number]:
            shift = shifts(self._looks.delays_ms(headers), interval_s)
            changed["delayed"] = int(np.count_nonzero(shift))
            amplitude = aligned(amplitude, shift)
        return amplitude, changed

    @cached_property
    def _ids(self) -> list[str]:
        """Ids of the gathers."""
        stem, numbers = file_stem(self.path), self._runs.numbers
        again = occurrences(numbers if self.facts.is_own else numbers[:, 1:]).tolist()
        return [
            f"{stem}-{self._gather_name(*each)}{f'-{times}' if times > 1 else ''}"
            for each, times in zip(numbers.tolist(), again, strict=True)
        ]

    @cached_property
    def _longer(self) -> np.ndarray:
        """Samples by which gathers become longer because their traces begin at different times, int64 `[gather]`."""
        first, last = self._runs.delays_ms.T
        if (first == last).all():
            return np.zeros(len(first), np.int64)
        longer = np.rint((last - first) / (self.interval_s * 1e3)).astype(np.int64)
        samples = self.facts.layout.samples
        apart = (longer > samples) | (longer + samples > LARGEST)
        if apart.any():
            number = int(np.argmax(apart))
            begin, end = self._runs.edges[number].tolist()
            raise InputError(
                f"{self._name}: traces {begin + 1} to {end}, one gather, begin between {first[number]:g} and "
                f"{last[number]:g} ms (DelayRecordingTime), further apart than a trace is long; correct the times and "
                "write the file again, or pass --shot-header if it is several shots"
            )
        return longer

    @property
    def _name(self) -> str:
        return source_text(self.path)

    def _gather_name(self, line: int, shot: int, cable: int) -> str:
        if self.facts.is_own:
            return f"line{line}-shot{shot}-cable{cable}"
        return f"shot{shot}-cable{cable}" if self._cable else f"shot{shot}"

    @cached_property
    def _runs(self) -> _Runs:
        """Read every trace header once, or twice if all of them are marked as auxiliary."""
        runs = self._found_runs()
        if not len(runs.traces):
            self._looks = self._looks.without_auxiliary()
            runs = self._found_runs()
        self._looks.decide(self._bytes.holds_data)
        # If the code of dead traces is ignored, their times count like all others.
        return runs if self._looks.has_dead else replace(runs, delays_ms=runs.all_delays_ms)

    def _found_runs(self) -> _Runs:
        """The gathers that have a trace that is not auxiliary."""
        edges: list[np.ndarray] = []
        numbers: list[np.ndarray] = []
        traces: list[np.ndarray] = []
        delays: list[np.ndarray] = []
        all_delays: list[np.ndarray] = []
        words = [self._line, self._shot_of_gathers, self._cable]
        missing = (self.facts.sail_line, 0, 1)
        order = self.facts.layout.header_order
        for first, headers, starts in self._whole_gathers():
            numbered = [
                values(headers[starts], word, order) if word else np.full(len(starts), other)
                for word, other in zip(words, missing, strict=True)
            ]
            numbers.append(np.stack(numbered, axis=1))
            edges.append(first + np.stack([starts, np.append(starts[1:], len(headers))], axis=1))
            found = self._looks.look(headers, starts, first)
            traces.append(found.traces)
            delays.append(found.delays_ms)
            all_delays.append(found.all_delays_ms)
        kept = np.concatenate(traces) > 0
        named = [self._gather_name(*each) for each in np.concatenate(numbers)[~kept][:NAMED].tolist()]
        self._looks.alone = (named, int(np.count_nonzero(~kept)))
        return _Runs(*(np.concatenate(each)[kept] for each in (edges, numbers, traces, delays, all_delays)))

    @property
    def _shot_of_gathers(self) -> Word:
        """The word of the shot: in our own files FieldRecord may count gathers, and EnergySourcePoint has the shot."""
        if self.facts.is_own and self._shot.byte == TraceField.FieldRecord:
            return header_word("EnergySourcePoint")
        return self._shot

    def _whole_gathers(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """First trace, headers and starts of blocks of whole gathers."""
        told = [word for word in (self._line, self._shot, self._cable) if word]
        order, traces = self.facts.layout.header_order, self.facts.layout.traces
        kept = np.empty((0, TRACE_HEADER_BYTES), np.uint8)
        for begin, block in self._bytes.headers():
            self._check_samples(block, begin)
            self._note_intervals(block, begin)
            headers = np.concatenate([kept, block]) if len(kept) else block
            first = begin - len(kept)
            keys = np.stack([values(headers, word, order) for word in told])
            starts = np.append(0, 1 + np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)))
            ends = np.append(starts[1:], len(headers))
            longest = int(np.argmax(ends - starts))
            self._check_length(int(starts[longest]), int(ends[longest]), headers)
            if begin + len(block) < traces:
                kept = headers[starts[-1] :]
                headers, starts = headers[: starts[-1]], starts[:-1]
            if len(starts):
                yield first, headers, starts

    def _note_intervals(self, headers: np.ndarray, first: int) -> None:
        """Note which sample intervals trace headers give, and where."""
        told = values(headers, TraceField.TRACE_SAMPLE_INTERVAL, self.facts.layout.header_order)
        found, traces = np.unique(told, return_index=True)
        for trace, value in sorted(zip(traces.tolist(), found.tolist(), strict=True)):
            self._intervals_us.setdefault(value, first + trace)

    def _check_length(self, start: int, last: int, headers: np.ndarray) -> None:
        traces, samples = last - start, self.facts.layout.samples
        if traces <= LARGEST and traces * samples <= LARGEST_GATHER:
            return
        most = min(LARGEST, LARGEST_GATHER // samples)
        number = values(headers[start : start + 1], self._shot, self.facts.layout.header_order)[0]
        raise InputError(
            f"{self._name}: more than {most} consecutive traces have {self._options.shot_header} {number}; "
            "pass --shot-header with the header word that tells shots apart"
        )

    def _check_samples(self, headers: np.ndarray, first: int) -> None:
        """Check that all headers with a number of samples agree; otherwise the file is damaged or read wrongly."""
        layout = self.facts.layout
        told = values(headers, TraceField.TRACE_SAMPLE_COUNT, layout.header_order)
        if first == 0:
            self._tells_samples = told[0] == layout.samples
        wrong = (told != layout.samples) & (told != 0)
        if self._tells_samples and wrong.any():
            trace = int(np.argmax(wrong))
            raise InputError(
                f"{self._name}: trace {first + trace + 1} has {told[trace]} samples, the first one {layout.samples}; "
                "all traces must have one length: copy the file again, or write it with one"
            )
