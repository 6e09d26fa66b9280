"""Which consecutive traces of a file are a gather, and what numbers and name it has."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from segyio import TraceField

from glowseis.errors import InputError
from glowseis.survey.formats.plausible import LARGEST_GATHER
from glowseis.survey.formats.segy_headers import CABLE, SAIL_LINE, TRACE_HEADER_BYTES, Word, header_word, values
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.trace_bytes import TraceBytes
from glowseis.survey.formats.trace_layout import FileFacts
from glowseis.survey.formats.trace_lengths import OtherLengths
from glowseis.survey.formats.trace_looks import TraceLooks
from glowseis.survey.gather import source_text
from glowseis.survey.size import LARGEST
from glowseis.survey.wording import NAMED


@dataclass(frozen=True)
class GatherWords:
    """Words of the trace headers that number gathers.

    Attributes:
        line: The sail line's; None if it does not separate gathers.
        shot: The shot's, which separates gathers.
        cable: The cable's; None if it does not separate gathers.
        shot_header: The shot's as the user calls it.
        is_own: Whether we wrote the file.
    """

    line: Word | None
    shot: Word
    cable: Word | None
    shot_header: str
    is_own: bool

    @property
    def shot_number(self) -> Word:
        """The shot's number: in our own files FieldRecord may count gathers, and EnergySourcePoint has the shot."""
        if self.is_own and self.shot.byte == TraceField.FieldRecord:
            return header_word("EnergySourcePoint")
        return self.shot

    @property
    def keys(self) -> list[Word]:
        """The words that tell gathers apart, the shot's first."""
        return [word for word in (self.shot_number, self.line, self.cable) if word]

    def gather_name(self, line: int, shot: int, cable: int) -> str:
        """A gather's name within its file."""
        if self.is_own:
            return f"line{line}-shot{shot}-cable{cable}"
        return f"shot{shot}-cable{cable}" if self.cable else f"shot{shot}"


def gather_words(options: ReadOptions, is_own: bool) -> GatherWords:
    """The words that the user names; in our own files, sail line and cable always count."""
    return GatherWords(
        line=header_word(options.line_header or SAIL_LINE) if is_own or options.line_header else None,
        shot=header_word(options.shot_header),
        cable=header_word(options.cable_header or CABLE) if is_own or options.cable_header else None,
        shot_header=options.shot_header,
        is_own=is_own,
    )


@dataclass(frozen=True)
class TraceGathers:
    """Runs of traces that are gathers.

    Attributes:
        edges: First trace of each and one past its last, int64 `[gather, 2]`.
        numbers: Line, shot and cable, int64 `[gather, 3]`.
        traces: Traces that are read, without auxiliary ones, int64 `[gather]`.
        delays_ms: Earliest and latest first sample of these, ignoring dead and blank ones, float64 `[gather, 2]`.
        all_delays_ms: The same including those declared dead.
        intervals_us: Sample intervals in trace headers, each with the first trace that has it.
        others: Traces whose headers give another number of samples than they have.
    """

    edges: np.ndarray
    numbers: np.ndarray
    traces: np.ndarray
    delays_ms: np.ndarray
    all_delays_ms: np.ndarray
    intervals_us: dict[int, int]
    others: OtherLengths


def find_gathers(
    trace_bytes: TraceBytes, facts: FileFacts, words: GatherWords, looks: TraceLooks, is_stated: bool = False
) -> TraceGathers:
    """Read every trace header of a file, and find the gathers that have a trace that is not auxiliary.

    Args:
        trace_bytes: The file.
        facts: Its properties.
        words: What numbers its gathers.
        looks: Is shown all headers; `looks.alone` becomes the gathers that are left out.
        is_stated: Whether the user states the number of samples, so that headers are not asked.

    Raises:
        InputError: Too many consecutive traces have one shot number, or traces have several numbers of samples.
    """
    seen = []
    numbers: list[np.ndarray] = []
    edges: list[np.ndarray] = []
    intervals_us: dict[int, int] = {}
    others = OtherLengths(trace_bytes.path, facts.layout, is_stated)
    missing = (facts.sail_line, 0, 1)
    order = facts.layout.header_order
    for first, headers, starts in _whole_gathers(trace_bytes, facts, words, intervals_us, others):
        numbered = [
            values(headers[starts], word, order) if word else np.full(len(starts), other)
            for word, other in zip((words.line, words.shot_number, words.cable), missing, strict=True)
        ]
        numbers.append(np.stack(numbered, axis=1))
        edges.append(first + np.stack([starts, np.append(starts[1:], len(headers))], axis=1))
        seen.append(looks.look(headers, starts, first))
    traces = np.concatenate([each.traces for each in seen])
    kept = traces > 0
    named = [words.gather_name(*each) for each in np.concatenate(numbers)[~kept][:NAMED].tolist()]
    looks.alone = (named, int(np.count_nonzero(~kept)))
    return TraceGathers(
        edges=np.concatenate(edges)[kept],
        numbers=np.concatenate(numbers)[kept],
        traces=traces[kept],
        delays_ms=np.concatenate([each.delays_ms for each in seen])[kept],
        all_delays_ms=np.concatenate([each.all_delays_ms for each in seen])[kept],
        intervals_us=intervals_us,
        others=others,
    )


def _whole_gathers(
    trace_bytes: TraceBytes,
    facts: FileFacts,
    words: GatherWords,
    intervals_us: dict[int, int],
    others: OtherLengths,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """First trace, headers and starts of blocks of whole gathers; adds to the sample intervals and other lengths."""
    told = [word for word in (words.line, words.shot, words.cable) if word]
    order = facts.layout.header_order
    kept = np.empty((0, TRACE_HEADER_BYTES), np.uint8)
    for begin, block in trace_bytes.headers():
        others.look(block, begin)
        _note_intervals(block, begin, order, intervals_us)
        headers = np.concatenate([kept, block]) if len(kept) else block
        first = begin - len(kept)
        keys = np.stack([values(headers, word, order) for word in told])
        starts = np.append(0, 1 + np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)))
        ends = np.append(starts[1:], len(headers))
        longest = int(np.argmax(ends - starts))
        _check_length(trace_bytes.path, facts, words, headers[starts[longest] : ends[longest]])
        if begin + len(block) < facts.layout.traces:
            kept = headers[starts[-1] :]
            headers, starts = headers[: starts[-1]], starts[:-1]
        if len(starts):
            yield first, headers, starts


def _note_intervals(headers: np.ndarray, first: int, order: str, intervals_us: dict[int, int]) -> None:
    """Note which sample intervals trace headers give, and where."""
    told = values(headers, TraceField.TRACE_SAMPLE_INTERVAL, order)
    found, traces = np.unique(told, return_index=True)
    for trace, value in sorted(zip(traces.tolist(), found.tolist(), strict=True)):
        intervals_us.setdefault(value, first + trace)


def _check_length(path: Path, facts: FileFacts, words: GatherWords, headers: np.ndarray) -> None:
    """Refuse a gather, given its headers, that is larger than any can be."""
    traces, samples = len(headers), facts.layout.samples
    if traces <= LARGEST and traces * samples <= LARGEST_GATHER:
        return
    most = min(LARGEST, LARGEST_GATHER // samples)
    number = values(headers[:1], words.shot, facts.layout.header_order)[0]
    raise InputError(
        f"{source_text(path)}: more than {most} consecutive traces have {words.shot_header} {number}; "
        "pass --shot-header with the header word that tells shots apart"
    )
