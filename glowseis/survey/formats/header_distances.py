"""Whether offsets are the distances between source and receiver that coordinates give."""

from collections.abc import Callable

import numpy as np

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.header_findings import Found, found_remarks
from glowseis.survey.formats.segy_headers import FARTHEST_M
from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import number_of

MOST = 1 / 3
"""Largest share of a gather's traces whose distances may be more than twice or less than half the offsets: those near
the source are, if offsets are measured along the cable."""

ROUNDED = 3.0
"""Difference, in units of length, that rounding may explain."""

FAR, FITS = 0.05, 0.25
"""Mean difference between distances and offsets, as a share of the offsets, above which inaccuracy does not explain it;
and the largest share of that difference that may remain once reversed offsets are turned round."""

FACTORS = {
    1 / 0.3048: "as feet are to metres",
    0.3048: "as metres are to feet",
} | {float(10**power): "as a wrong SourceGroupScalar makes it" for power in (-4, -3, -2, -1, 1, 2, 3, 4)}
"""Factors between distances and offsets if one of them is in another unit, with the reason in words."""


class Distances:
    """Gathers whose offsets are blank or differ from the distances between source and receiver.

    Args:
        unit_m: Unit of lengths, in metres.
    """

    def __init__(self, unit_m: float) -> None:
        self._unit_m = unit_m
        self._apart, self._reversed, self._blank, self._unusable = Found(), Found(), Found(), Found()

    def look(
        self, gathers: GatherRuns, which: np.ndarray, offset: np.ndarray, source: np.ndarray, receiver: np.ndarray
    ) -> None:
        """Compare the traces of some gathers.

        Args:
            gathers: Gathers.
            which: Those of one known source, bool `[gather]`.
            offset: Offsets, int64 `[trace]`.
            source: Coordinates of the source, `[axis, trace]`.
            receiver: Coordinates of the receivers, in the same form.
        """
        known = (receiver[0] != 0) | (receiver[1] != 0)
        which = which & gathers.any(known)
        told = np.abs(offset).astype(np.float64)
        separation = np.hypot(*(receiver - source))
        distance = separation * (offset != 0)
        total = gathers.sum(told)
        self._look_at_blank(gathers, which & (total == 0), separation * self._unit_m, known)
        which &= total > 0
        ratio = np.divide(gathers.sum(distance), total, out=np.ones_like(total), where=which)
        wrong = which & ((ratio < 0.5) | (ratio > 2))
        is_odd = (distance < told / 2) | (distance > 2 * told)
        odd = gathers.count(is_odd & (np.abs(distance - told) > ROUNDED))
        backwards = told[np.repeat(2 * gathers.starts + gathers.lengths - 1, gathers.lengths) - np.arange(len(told))]
        differs, fits = (gathers.sum(np.abs(distance - each)) for each in (told, backwards))
        reverse = which & ~wrong & (differs > FAR * total) & (fits < FITS * differs)
        self._reversed.add(gathers, reverse)
        mixed = which & ~wrong & ~reverse & (odd > MOST * gathers.lengths)
        if self._apart.add(gathers, wrong | mixed) and not self._apart.about:
            self._apart.about = "less than half or more than twice the offsets of many traces"
            if wrong.any():
                factor = float(ratio[np.argmax(wrong)])
                likely = [each for each in FACTORS if 0.85 < factor / each < 1.15]
                why = f", {FACTORS[likely[0]]}" if likely else ""
                self._apart.about = f"{factor:.3g} times the offsets{why},"

    def _look_at_blank(self, gathers: GatherRuns, which: np.ndarray, distance_m: np.ndarray, known: np.ndarray) -> None:
        """Note gathers without offsets, for which distances stand in if `segy_headers.places` takes them."""
        low_m = gathers.low(np.where(known, distance_m, np.inf))
        high_m = gathers.high(np.where(known, distance_m, 0))
        which = which & (high_m > 0)
        usable = (high_m > low_m) & (high_m <= FARTHEST_M)
        for found, these in ((self._blank, which & usable), (self._unusable, which & ~usable)):
            if found.add(gathers, these) and not found.about:
                ends = dict.fromkeys(f"{each[these][0]:.0f}" for each in (low_m, high_m))
                found.about = f"{' to '.join(ends)} m in the first"

    def remarks(self, named: Callable[[int], str]) -> list[Remark]:
        """Report what was found.

        Args:
            named: Returns the id of a run's gather.
        """
        told = {
            "distances": (
                self._apart,
                f"distances between source and receiver are {self._apart.about} in %s; check SourceGroupScalar (bytes "
                "71-72) and the unit of offsets; both are kept as they are",
            ),
            "reversed": (
                self._reversed,
                "offsets run in the opposite order to the distances between source and receiver in %s; correct the "
                "offsets (bytes 37-40) or the receivers (bytes 81-88) and write the file again; both are kept as they "
                "are",
            ),
        }
        unusable = (
            self._unusable,
            "offsets (bytes 37-40) are 0 in all traces of %s and stay unknown: the distances between source and "
            f"receiver ({self._unusable.about}) are all the same or exceed {FARTHEST_M / 1000:.0f} km; check "
            "coordinates (bytes 73-88) and SourceGroupScalar (bytes 71-72)",
        )
        remarks = found_remarks(told, named) + found_remarks({"distances": unusable}, named)
        if self._blank.count:
            text = f"offsets (bytes 37-40) are 0 in all traces of {number_of(self._blank.count, 'gather')}: distances "
            text += f"between source and receiver ({self._blank.about}) are used"
            remarks.append(Remark("blank offsets", text, is_warning=False))
        return remarks
