"""What the trace headers of a file say about its traces, read once before any amplitude is.

Which traces are auxiliary or declared dead, which have weighting factors, when they begin; and whether to believe that,
because unused words may hold anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.header_checks import HeaderChecks
from glowseis.survey.formats.segy_headers import Word, delays_ms, values
from glowseis.survey.formats.source import Remark
from glowseis.survey.formats.trace_kinds import AUXILIARY, DEAD, FOREIGN, trace_codes, trace_kinds
from glowseis.survey.formats.trace_layout import FileFacts
from glowseis.survey.formats.trace_mending import LARGEST_WEIGHT
from glowseis.survey.wording import first_names, number_of

TRIED = 64
"""Dead traces, spread over the file, whose samples are checked if most of a file are declared dead."""

EARLIEST_S, LATEST_S = -10.0, 20.0
"""A marine record begins between these times after the shot: sound is back from the deepest sea floor in 15 s."""

OFFSET, COORDINATES = slice(36, 40), slice(72, 88)
"""Bytes of the offset and of the source's and receiver's coordinates."""


def spread_over(traces: np.ndarray) -> np.ndarray:
    """As many traces as are tried, evenly spread, or all if they are fewer, int64 `[trace]`."""
    return traces[np.unique(np.linspace(0, len(traces) - 1, min(TRIED, len(traces))).astype(np.int64))]


@dataclass(frozen=True)
class Seen:
    """What the headers of some gathers say.

    Attributes:
        traces: Traces without auxiliary ones, int64 `[gather]`.
        delays_ms: Earliest and latest first sample of these, ignoring dead and blank ones, float64 `[gather, 2]`.
        all_delays_ms: The same including those declared dead, in case their code is not believed.
    """

    traces: np.ndarray
    delays_ms: np.ndarray
    all_delays_ms: np.ndarray


class TraceLooks:
    """Reads the trace headers of a file, some whole gathers at a time.

    A trace that is declared dead becomes zero, unless more than half of the file's traces are and some of them hold
    data: then the code is ignored. Weighting factors are powers of two; if one is beyond 31, all are ignored.

    Args:
        facts: Properties of the file.
        keys: Words that form its gathers, the shot's first.
        channel: Word of the channel.
        keep_auxiliary: Whether auxiliary traces are kept as channels.
        without_channels: Whether they are kept because the file has no other traces.

    Attributes:
        has_dead: Whether traces that are declared dead become zero.
        has_weights: Whether there are weighting factors to apply.
        alone: Gathers that have only auxiliary traces: the first few names, and how many.
    """

    def __init__(
        self,
        facts: FileFacts,
        keys: Sequence[Word],
        channel: Word,
        keep_auxiliary: bool = False,
        without_channels: bool = False,
    ):
        self._facts, self._keys, self._channel = facts, keys, channel
        self._keep_auxiliary = keep_auxiliary
        self._without_channels = without_channels
        self._order = facts.layout.header_order
        checks = HeaderChecks(self._order, keys, channel, facts.sorting, facts.unit_m)
        self._checks = None if facts.is_own else checks
        self.has_dead = self.has_weights = False
        self.alone: tuple[list[str], int] = ([], 0)
        self._gathers = self._auxiliary = self._dead = self._traces = 0
        self._codes: dict[int, dict[int, int]] = {AUXILIARY: {}, DEAD: {}, FOREIGN: {}}
        self._tried: list[int] = []
        self._weights = (0, 0)
        self._begin_ms = (0.0, 0.0)
        self._doubted: list[Remark] = []

    def without_auxiliary(self) -> "TraceLooks":
        """The same for a file whose traces are all marked as auxiliary, so that the code is ignored."""
        return TraceLooks(self._facts, self._keys, self._channel, True, True)

    def look(self, headers: np.ndarray, starts: np.ndarray, first: int) -> Seen:
        """Read the headers of some gathers.

        Args:
            headers: Their bytes, uint8 `[trace, 240]`.
            starts: First trace of each gather.
            first: Number of the first trace in the file.

        Returns:
            What is needed to read them.
        """
        order, lengths = self._order, np.diff(np.append(starts, len(headers)))
        codes = trace_codes(headers, order)
        kinds = trace_kinds(codes)
        self._traces += len(headers)
        auxiliary = np.zeros(len(headers), bool)
        dead = auxiliary
        if kinds.any():
            self._count_codes(codes, kinds)
            auxiliary = (kinds == AUXILIARY) & (not self._keep_auxiliary)
            dead = kinds == DEAD
            self._auxiliary += int(np.count_nonzero(auxiliary))
            self._dead += int(np.count_nonzero(dead))
            self._tried += (first + spread_over(np.flatnonzero(dead))).tolist()
        weights = values(headers, TraceField.TraceWeightingFactor, order)[~auxiliary]
        if weights.any():
            self._weights = (min(self._weights[0], int(weights.min())), max(self._weights[1], int(weights.max())))
        traces = lengths - np.add.reduceat(auxiliary, starts, dtype=np.int64)
        if self._checks:
            self._check(headers, starts, traces, auxiliary | dead)
        self._gathers += int(np.count_nonzero(traces))
        every_ms = self._extremes_ms(headers, starts, auxiliary)
        alive_ms = self._extremes_ms(headers, starts, auxiliary, dead) if dead.any() else every_ms
        told_ms = alive_ms[lengths > np.add.reduceat(auxiliary | dead, starts, dtype=np.int64)]
        self._begin_ms = (
            float(told_ms[:, 0].min(initial=self._begin_ms[0])),
            float(told_ms[:, 1].max(initial=self._begin_ms[1])),
        )
        return Seen(traces, alive_ms, every_ms)

    def left_out(self, headers: np.ndarray) -> np.ndarray:
        """Traces that are not read, bool `[trace]`."""
        return (trace_kinds(trace_codes(headers, self._order)) == AUXILIARY) & (not self._keep_auxiliary)

    def declared_dead(self, headers: np.ndarray) -> np.ndarray:
        """Traces that become zero, bool `[trace]`."""
        return (trace_kinds(trace_codes(headers, self._order)) == DEAD) & self.has_dead

    def weights(self, headers: np.ndarray) -> np.ndarray:
        """The powers of two by which samples must be divided, int64 `[trace]`."""
        return values(headers, TraceField.TraceWeightingFactor, self._order)

    def delays_ms(self, headers: np.ndarray) -> np.ndarray:
        """Times of first samples of a gather, float64 `[trace]`; dead and blank traces begin with the first other.

        Args:
            headers: Bytes of the headers of its traces that are read, uint8 `[trace, 240]`.
        """
        found_ms = delays_ms(headers, self._order, self._facts.scaled_times)
        starts = np.zeros(1, np.int64)
        aside = self.declared_dead(headers) | (self._blank(headers, starts) & (found_ms == 0))
        if aside.any() and not aside.all():
            found_ms[aside] = found_ms[~aside].min()
        return found_ms

    def decide(self, holds_data: Callable[[Sequence[int]], bool]) -> None:
        """Decide what to believe, once all headers have been read.

        Args:
            holds_data: Returns whether any of some traces has a sample other than zero.
        """
        kept = self._traces - self._auxiliary
        self._doubted = []
        self.has_dead = self._dead > 0
        if 2 * self._dead > kept and holds_data(spread_over(np.array(self._tried)).tolist()):
            self.has_dead = False
            self._doubted.append(
                Remark(
                    "declared dead",
                    f"{self._dead} of {number_of(kept, 'trace')} are declared dead {self._seen(DEAD)} but hold data; "
                    "they are kept",
                )
            )
        low, high = self._weights
        self.has_weights = (low, high) != (0, 0) and max(-low, high) <= LARGEST_WEIGHT
        if max(-low, high) > LARGEST_WEIGHT:
            self._doubted.append(
                Remark(
                    "weights beyond",
                    f"TraceWeightingFactor (bytes 169-170) holds {low} to {high}, beyond {LARGEST_WEIGHT} powers of "
                    "two; it is not applied",
                )
            )
        first, last = (each / 1e3 for each in self._begin_ms)
        if first < EARLIEST_S or last > LATEST_S:
            begin = f"{-first:g} s before" if first < EARLIEST_S else f"{last:g} s after"
            self._doubted.append(
                Remark(
                    f"delay {begin.rpartition(' ')[2]}",
                    f"traces begin {begin} the shot (DelayRecordingTime, bytes 109-110), which is unlikely; all times "
                    "are counted from there: if that is wrong, correct this word in the file",
                )
            )

    def remarks(self, ids: Callable[[int], str]) -> list[Remark]:
        """Report what was found.

        Args:
            ids: Returns the id of a gather by its number.
        """
        found = list(self._doubted)
        if self._without_channels:
            found.append(
                Remark(
                    "auxiliary kept",
                    f"all of its {number_of(self._traces, 'trace')} are auxiliary by their trace identification "
                    f"{self._seen(AUXILIARY)}, and kept as channels; pass --keep-auxiliary if that is right",
                )
            )
        elif 2 * self._auxiliary > self._traces:
            found.append(
                Remark(
                    "auxiliary",
                    f"{self._auxiliary} of its {number_of(self._traces, 'trace')} are auxiliary by their trace "
                    f"identification {self._seen(AUXILIARY)}, and left out; pass --keep-auxiliary if they are channels",
                )
            )
        names, count = self.alone
        if count:
            text = f"{number_of(count, 'gather')} with only auxiliary traces {self._seen(AUXILIARY)} left out: "
            text += f"{first_names(names, count)}; --keep-auxiliary keeps them"
            found.append(Remark("auxiliary alone", text, is_warning=False))
        foreign = sum(self._codes[FOREIGN].values())
        if 0 < foreign < self._traces:
            text = f"{number_of(foreign, 'trace')} with a trace identification that the standard does not define "
            text += f"{self._seen(FOREIGN)}, kept as channels"
            found.append(Remark("foreign", text, is_warning=False))
        return found + (self._checks.remarks(ids) if self._checks else [])

    def _seen(self, kind: int) -> str:
        """The codes of a kind that were found."""
        return f"(bytes 29-30: {first_names([str(code) for code in sorted(self._codes[kind])])})"

    def _count_codes(self, codes: np.ndarray, kinds: np.ndarray) -> None:
        for kind, seen in self._codes.items():
            found, counts = np.unique(codes[kinds == kind], return_counts=True)
            for code, count in zip(found.tolist(), counts.tolist(), strict=True):
                seen[code] = seen.get(code, 0) + count

    def _extremes_ms(
        self, headers: np.ndarray, starts: np.ndarray, auxiliary: np.ndarray, dead: np.ndarray | None = None
    ) -> np.ndarray:
        """Earliest and latest first sample of each gather, in milliseconds, `[gather, 2]`.

        Dead and blank traces are ignored in gathers that have others.
        """
        if not values(headers, TraceField.DelayRecordingTime, self._order).any():
            return np.zeros((len(starts), 2))
        found_ms = delays_ms(headers, self._order, self._facts.scaled_times)
        aside = self._blank(headers, starts, auxiliary) & (found_ms == 0)
        if dead is not None:
            aside |= dead
        lengths = np.diff(np.append(starts, len(headers)))
        others = np.repeat(np.logical_or.reduceat(~(aside | auxiliary), starts), lengths)
        aside = auxiliary | (aside & others)
        low = np.minimum.reduceat(np.where(aside, np.inf, found_ms), starts)
        high = np.maximum.reduceat(np.where(aside, -np.inf, found_ms), starts)
        return np.stack([low, high], axis=1)

    @staticmethod
    def _blank(headers: np.ndarray, starts: np.ndarray, auxiliary: np.ndarray | None = None) -> np.ndarray:
        """Traces without offset and coordinates in gathers where other channels have some, bool `[trace]`."""
        places = np.ascontiguousarray(headers[:, COORDINATES]).view(np.uint64)
        offset = np.ascontiguousarray(headers[:, OFFSET]).view(np.uint32)[:, 0]
        blank = (places[:, 0] | places[:, 1] | offset) == 0
        if not blank.any():
            return blank
        placed = ~blank if auxiliary is None else ~(blank | auxiliary)
        return blank & np.repeat(np.logical_or.reduceat(placed, starts), np.diff(np.append(starts, len(headers))))

    def _check(self, headers: np.ndarray, starts: np.ndarray, traces: np.ndarray, aside: np.ndarray) -> None:
        """Check the other traces, except those without a position in gathers where others have one."""
        assert self._checks
        aside = aside | self._blank(headers, starts)
        lengths = np.diff(np.append(starts, len(headers)))
        runs = self._gathers + np.cumsum(traces > 0) - 1
        if aside.any():
            lengths = lengths - np.add.reduceat(aside, starts, dtype=np.int64)
            headers, runs, lengths = headers[~aside], runs[lengths > 0], lengths[lengths > 0]
            starts = np.cumsum(lengths) - lengths
        if len(starts):
            self._checks.look(GatherRuns(headers, starts, runs, self._order))
