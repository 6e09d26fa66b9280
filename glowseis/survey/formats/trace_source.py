"""Gathers from files of traces of one length, one after another: the common part of SEG-Y and Seismic Unix."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.header_unnumbered import LEAST_RUN
from glowseis.survey.formats.segy_headers import TRACE_HEADER_BYTES, Word, header_word, places, values
from glowseis.survey.formats.segy_origin import SegyOrigin
from glowseis.survey.formats.segy_samples import decode
from glowseis.survey.formats.shots_again import LOOKED_AT, advice, occurrences
from glowseis.survey.formats.source import ReadOptions, Remark, file_stem, overridden_interval
from glowseis.survey.formats.trace_bytes import TraceBytes
from glowseis.survey.formats.trace_counts import shorter_gathers
from glowseis.survey.formats.trace_gathers import TraceGathers, find_gathers, gather_words
from glowseis.survey.formats.trace_layout import FileFacts
from glowseis.survey.formats.trace_looks import TraceLooks
from glowseis.survey.formats.trace_mending import aligned, follows_weights, shifts, weigh
from glowseis.survey.gather import Geometry, Recording, source_text
from glowseis.survey.size import LARGEST
from glowseis.survey.wording import NAMED, first_names, number_of


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
        self._words = gather_words(options, facts.is_own)
        self._channel = header_word(options.trace_header)
        self._unweighted: list[str] = []
        self._looks = TraceLooks(facts, self._words.keys, self._channel, options.keep_auxiliary)
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
        return self._gathers.numbers

    @property
    def header_words(self) -> dict[str, str]:
        """The words that number `shot` and `channel`, and `line` and `cable` if these separate gathers."""
        words = self._words
        given = {"line": words.line, "shot": words.shot_number, "cable": words.cable, "channel": self._channel}
        return {
            counted: f"byte {word.byte}" if word.name.isdecimal() else f"{word.name} (byte {word.byte})"
            for counted, word in given.items()
            if word
        }

    @property
    def shot_word(self) -> str:
        """The word of the trace headers that gives shot numbers, and its first byte."""
        name = self.header_words["shot"]
        return f"at {name}" if name.startswith("byte") else name

    def ids(self) -> list[str] | None:
        """Ids of the gathers, from the headers alone; None if the table beside the file may give others."""
        return None if self.is_synthetic else self._ids

    def word_values(self, name: str) -> np.ndarray:
        """The values of a word of the trace headers, if it may count shots.

        Args:
            name: Its name or byte number.

        Returns:
            Its distinct values, in order, int64 `[value]`; none if they are nearly as many as the traces, because then
            the word counts traces.
        """
        word, order = header_word(name), self.facts.layout.header_order
        every, traces = [], 0
        for _, headers in self._bytes.headers():
            every.append(np.unique(values(headers, word, order)))
            traces += len(headers)
        found = np.unique(np.concatenate(every))
        return found if LEAST_RUN * len(found) <= traces else found[:0]

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
        in_file_us, in_traces_us = self.facts.interval_us, self._gathers.intervals_us
        given = [(float(value), f"trace {trace + 1}") for value, trace in in_traces_us.items() if value > 0]
        if in_file_us > 0:
            # Trace headers hold whole microseconds.
            given = [each for each in given if abs(each[0] - in_file_us) >= 1]
            given.insert(0, (in_file_us, "the file"))
        return given

    @property
    def words(self) -> list[Word]:
        """The words of the trace headers that tell gathers and their channels apart."""
        return [self._words.shot, *self._words.keys, self._channel]

    def gather_headers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Where the traces of each gather lie, and their headers, from the headers alone.

        Yields:
            Numbers of the traces in the file, from 0, int64 `[trace]`, and bytes of their headers, uint8
            `[trace, 240]`, in the order of `gathers`, without auxiliary traces.
        """
        edges = self._gathers.edges.tolist()
        with self._bytes.opened() as file:
            for first, last in edges:
                headers = np.empty((last - first, TRACE_HEADER_BYTES), np.uint8)
                for row in range(last - first):
                    self._bytes.begin(file, first + row, headers[row])
                kept = ~self._looks.left_out(headers)
                yield first + np.flatnonzero(kept), headers[kept]

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather, from the headers alone.

        Yields:
            Samples, traces.

        Raises:
            InputError: The file cannot be read, or too many consecutive traces have one shot number.
        """
        for traces, longer in zip(self._gathers.traces.tolist(), self._longer.tolist(), strict=True):
            yield self.facts.layout.samples + longer, traces

    def remarks(self) -> list[Remark]:
        """Contradictions within the headers of the file and its traces."""
        own_s = [value / 1e6 for value, _ in self._given_intervals()]
        found = overridden_interval(own_s, self._options)
        found += [*self.facts.remarks, *self._gathers.others.remarks(), *self._looks.remarks(self._ids.__getitem__)]
        if self._unweighted:
            named = f"{number_of(len(self._unweighted), 'gather')} ({first_names(self._unweighted)})"
            found.append(
                Remark(
                    "weights",
                    f"traces of {named} have weighting factors (bytes 169-170) that do not match their "
                    "amplitudes; they are not applied",
                )
            )
        traces, cables = self._gathers.traces, self._gathers.numbers[:, 2]
        return found + shorter_gathers(traces, cables, self._ids.__getitem__) + self._shots_again()

    def _shots_again(self) -> list[Remark]:
        """Gathers of a shot that came earlier; synthetic ones are skipped: they have the shots of parents."""
        numbers = self._gathers.numbers
        again = np.flatnonzero(occurrences(numbers) > 1)
        if not len(again) or self.is_synthetic:
            return []
        layout = self.facts.layout
        ends = np.empty((2, min(len(numbers), LOOKED_AT), TRACE_HEADER_BYTES), np.uint8)
        with self._bytes.opened() as file:
            for number, (first, last) in enumerate(self._gathers.edges[:LOOKED_AT].tolist()):
                for place, trace in enumerate((first, last - 1)):
                    self._bytes.begin(file, trace, ends[place, number])
        why = advice(numbers[:LOOKED_AT], ends[0], ends[1], layout.header_order, self._words.keys, self._channel)
        named = first_names([self._ids[number] for number in again[:NAMED].tolist()], len(again))
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
        found = self._gathers
        self._unweighted.clear()
        source = source_text(self.path)
        samples, order = self.facts.layout.samples, self.facts.layout.header_order
        _ = self._longer
        with self._bytes.opened() as file:
            for number, (first, last) in enumerate(found.edges.tolist()):
                line, shot, cable = found.numbers[number].tolist()
                traces = int(found.traces[number])
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
                    start_s=float(found.delays_ms[number, 0]) / 1e3,
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
        stem, numbers = file_stem(self.path), self._gathers.numbers
        again = occurrences(numbers if self.facts.is_own else numbers[:, 1:]).tolist()
        return [
            f"{stem}-{self._words.gather_name(*each)}{f'-{times}' if times > 1 else ''}"
            for each, times in zip(numbers.tolist(), again, strict=True)
        ]

    @cached_property
    def _longer(self) -> np.ndarray:
        """Samples by which gathers become longer because their traces begin at different times, int64 `[gather]`."""
        first, last = self._gathers.delays_ms.T
        if (first == last).all():
            return np.zeros(len(first), np.int64)
        longer = np.rint((last - first) / (self.interval_s * 1e3)).astype(np.int64)
        samples = self.facts.layout.samples
        apart = (longer > samples) | (longer + samples > LARGEST)
        if apart.any():
            number = int(np.argmax(apart))
            begin, end = self._gathers.edges[number].tolist()
            raise InputError(
                f"{self._name}: traces {begin + 1} to {end}, one gather, begin between {first[number]:g} and "
                f"{last[number]:g} ms (DelayRecordingTime), further apart than a trace is long; correct the times and "
                "write the file again, or pass --shot-header if it is several shots"
            )
        return longer

    @property
    def _name(self) -> str:
        return source_text(self.path)

    @cached_property
    def _gathers(self) -> TraceGathers:
        """Read every trace header once, or twice if all of them are marked as auxiliary."""
        stated = bool(self._options.samples)
        found = find_gathers(self._bytes, self.facts, self._words, self._looks, stated)
        if not len(found.traces):
            self._looks = self._looks.without_auxiliary()
            found = find_gathers(self._bytes, self.facts, self._words, self._looks, stated)
        self._looks.decide(self._bytes.holds_data)
        # If the code of dead traces is ignored, their times count like all others.
        return found if self._looks.has_dead else replace(found, delays_ms=found.all_delays_ms)
