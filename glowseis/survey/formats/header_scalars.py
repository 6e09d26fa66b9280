"""The scalars by which coordinates are multiplied: powers of ten, one for a file."""

from collections.abc import Sequence

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import first_names, number_of

SCALARS = (0, 1, 10, 100, 1000, 10_000)
"""Allowed values of SourceGroupScalar, or of its negative."""


class Scalars:
    """Counts the scalars of a file's traces."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def look(self, gathers: GatherRuns, coordinates: Sequence[np.ndarray]) -> None:
        """Count the scalars of some gathers' traces.

        Args:
            gathers: Gathers.
            coordinates: Their coordinates; traces without any are not counted.
        """
        scalar = gathers.word(TraceField.SourceGroupScalar)
        told = np.logical_or.reduce([each != 0 for each in coordinates])
        if (scalar == scalar[0]).all():
            counts = {int(scalar[0]): int(np.count_nonzero(told))}
        else:
            found, times = np.unique(scalar[told], return_counts=True)
            counts = dict(zip(found.tolist(), times.tolist(), strict=True))
        for value, count in counts.items():
            if count:
                self._counts[value] = self._counts.get(value, 0) + count

    def remarks(self) -> list[Remark]:
        """Report scalars that are no powers of ten, or differ."""
        where = "SourceGroupScalar (bytes 71-72)"
        if odd := sorted(value for value in self._counts if abs(value) not in SCALARS):
            seen = first_names([str(value) for value in odd])
            text = f"{where} holds {seen}, which is not a power of ten: coordinates are doubtful; write the file again"
            return [Remark("scalar", text)]
        if len({(abs(value), value < 0) if abs(value) > 1 else (1, False) for value in self._counts}) > 1:
            seen = ", ".join(f"{value} ({number_of(count, 'trace')})" for value, count in sorted(self._counts.items()))
            text = f"{where} differs from trace to trace: {seen}; coordinates are doubtful; write it again with one"
            return [Remark("scalars", text)]
        return []
