"""Shots without numbers: files whose headers all hold one shot number, so that a gather may be several shots."""

from collections.abc import Callable

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.header_findings import SHOT_NUMBERS, Found
from glowseis.survey.formats.segy_headers import CABLE, SAIL_LINE, Word
from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import first_names, number_of

COUNTING_WORDS: tuple[int, ...] = (
    *SHOT_NUMBERS,
    TraceField.INLINE_3D,
    TraceField.CDP,
    TraceField.CROSSLINE_3D,
    TraceField.TRACE_SEQUENCE_LINE,
    TraceField.TRACE_SEQUENCE_FILE,
)
"""Words that may count shots if none of the usual ones does, the likeliest first."""

OTHER_WORDS: tuple[int, ...] = (TraceField.CDP_TRACE, CABLE, SAIL_LINE)
"""Words that may count shots, but more likely count cables or lines."""

LEAST_RUN = 3
"""Fewest traces, on average, between two changes of a word that counts shots."""

LEAST_CHANNELS = 8
"""The same if channels count on through the whole gather: within one shot a CDP may hold a few channels."""


class Unnumbered:
    """Looks for gathers of unknown source that may be several shots, because the whole file has one shot number.

    Args:
        shot: Word of the shot.
        channel: Word of the channel.
        keys: First bytes of the words that form gathers.
    """

    def __init__(self, shot: Word, channel: Word, keys: set[int]):
        self._shot, self._channel = shot, channel
        self._without = keys | {channel.byte}
        self._numbers: set[int] = set()
        self._found = Found()

    def see(self, gathers: GatherRuns) -> None:
        """Note the shot numbers of some gathers."""
        number = gathers.word(self._shot)
        self._numbers |= {int(number.min()), int(number.max())}

    @property
    def is_numbered(self) -> bool:
        """Whether the file has several shot numbers, as far as was seen."""
        return len(self._numbers) > 1

    def restart(self, gathers: GatherRuns, which: np.ndarray, marks: np.ndarray, what: str) -> bool:
        """Note gathers in which channels, offsets or receivers start again.

        Args:
            gathers: Gathers.
            which: Those in which they do, of unknown source, bool `[gather]`.
            marks: Traces at which they do, bool `[trace]`.
            what: What starts again.

        Returns:
            Whether shots are the reason: all shot numbers are 0, and a word counts shots.
        """
        if self._numbers != {0}:
            return False
        trial = Found(words=self._found.words)
        trial.keep_words(gathers, which, marks, [byte for byte in COUNTING_WORDS if byte not in self._without])
        if not trial.words:
            return False
        self._found.words = trial.words
        self._found.about = self._found.about or f", in which {what}"
        return self._found.add(gathers, which)

    def restart_unexplained(self, gathers: GatherRuns, which: np.ndarray, what: str) -> bool:
        """The same if no word tells the parts apart, neither as shots nor as cables."""
        if self._numbers != {0}:
            return False
        self._found.words = {}
        self._found.about = self._found.about or f", in which {what}"
        return self._found.add(gathers, which)

    def look(self, gathers: GatherRuns, which: np.ndarray, offset: np.ndarray) -> None:
        """Note gathers whose headers do not show that they are one shot.

        A gather with different offsets is one shot; so is one whose channels count on, unless a word counts runs.

        Args:
            gathers: Gathers.
            which: Those of unknown source in which nothing starts again, bool `[gather]`.
            offset: Offsets, int64 `[trace]`.
        """
        which = which & (gathers.lengths >= LEAST_RUN) & (gathers.low(offset) == gathers.high(offset))
        if len(self._numbers) > 1 or not which.any():
            return
        counted = _one_way(gathers, gathers.word(self._channel)) == gathers.lengths - 1
        least = np.where(counted, LEAST_CHANNELS, LEAST_RUN)
        runs = {}
        for byte in (*COUNTING_WORDS, *OTHER_WORDS):
            if byte not in self._without:
                count = _one_way(gathers, gathers.word(byte))
                runs[byte] = which & (count > 0) & ((count + 1) * least <= gathers.lengths)
        told = np.logical_or.reduce(list(runs.values()))
        found = told | (which & ~counted) if self._numbers == {0} else told
        if not self._found.add(gathers, found):
            return
        words, inside = {}, gathers.spread(found)
        for byte, has in runs.items():
            before = self._found.words
            if (has | ~found).all() and (before is None or byte in before):
                value = gathers.word(byte)[inside]
                low, high = before[byte] if before else (value[0], value[0])
                words[byte] = (min(int(value.min()), int(low)), max(int(value.max()), int(high)))
        self._found.words = words

    def remarks(self, named: Callable[[int], str]) -> list[Remark]:
        """Report what was found, if the whole file has one shot number.

        Args:
            named: Returns the id of a run's gather.
        """
        if len(self._numbers) != 1 or not self._found.count:
            return []
        names = first_names([named(run) for run in self._found.runs], self._found.count)
        mend = self._found.suggestion("shot-header") or (
            "no other header word counts shots; write shot numbers into the headers and pass --shot-header with their "
            "word, or --trace-header with the word in which channels count on if it is one shot"
        )
        text = (
            f"{self._shot.name} is {min(self._numbers)} in all traces, so several shots may lie together in "
            f"{number_of(self._found.count, 'gather')} ({names}){self._found.about}: {mend}"
        )
        return [Remark("unnumbered", text)]


def _one_way(gathers: GatherRuns, told: np.ndarray) -> np.ndarray:
    """How often values change within each gather, int64 `[gather]`; 0 if they change in both directions."""
    steps = gathers.steps(told)
    up, down = gathers.count(steps > 0), gathers.count(steps < 0)
    return np.where((up > 0) & (down > 0), 0, up + down)
