"""Headers of some whole gathers, and values per gather, computed without a loop over traces."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from glowseis.survey.formats.segy_headers import Word, values


@dataclass
class GatherRuns:
    """Traces of some gathers, one gather after another.

    Attributes:
        headers: Bytes of trace headers, uint8 `[trace, 240]`.
        starts: First trace of each gather, int64 `[gather]`; none is empty.
        runs: Number of each gather in its file, int64 `[gather]`.
        order: Byte order of the headers, `>` or `<`.
    """

    headers: np.ndarray
    starts: np.ndarray
    runs: np.ndarray
    order: str
    _words: dict[int | str, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Traces of each gather, int64 `[gather]`."""
        return np.diff(np.append(self.starts, len(self.headers)))

    def word(self, word: int | Word) -> np.ndarray:
        """Values of a header word, int64 `[trace]`."""
        key = word if isinstance(word, int) else word.byte
        if key not in self._words:
            self._words[key] = values(self.headers, word, self.order)
        return self._words[key]

    def steps(self, numbers: np.ndarray) -> np.ndarray:
        """Differences from the previous trace of the gather, `[trace]`; 0 at its first."""
        steps = np.empty_like(numbers)
        np.subtract(numbers[1:], numbers[:-1], out=steps[1:])
        steps[self.starts] = 0
        return steps

    def low(self, numbers: np.ndarray) -> np.ndarray:
        """Smallest value of each gather, `[gather]`."""
        return np.minimum.reduceat(numbers, self.starts)

    def high(self, numbers: np.ndarray) -> np.ndarray:
        """Largest value of each gather, `[gather]`."""
        return np.maximum.reduceat(numbers, self.starts)

    def sum(self, numbers: np.ndarray) -> np.ndarray:
        """Sum over each gather, `[gather]`."""
        return np.add.reduceat(numbers, self.starts)

    def count(self, marked: np.ndarray) -> np.ndarray:
        """Marked traces of each gather, int64 `[gather]`."""
        return np.add.reduceat(marked, self.starts, dtype=np.int64)

    def any(self, marked: np.ndarray) -> np.ndarray:
        """Whether a trace of each gather is marked, bool `[gather]`."""
        return np.logical_or.reduceat(marked, self.starts)

    def spread(self, numbers: np.ndarray) -> np.ndarray:
        """Values of each gather, repeated for each of its traces, `[trace]`."""
        return np.repeat(numbers, self.lengths)
