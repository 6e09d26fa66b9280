"""Findings in the headers of gathers, and the header word that would resolve them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.segy_headers import CABLE, FIELDS, SAIL_LINE
from glowseis.survey.formats.source import Remark
from glowseis.survey.wording import first_names, number_of

SHOT_NUMBERS: tuple[int, ...] = (TraceField.EnergySourcePoint, TraceField.ShotPoint, TraceField.FieldRecord)
"""Words that number shots, the likeliest first."""

SHOT_WORDS: tuple[int, ...] = (*SHOT_NUMBERS, TraceField.CDP, CABLE, TraceField.INLINE_3D)
"""Words that may tell shots apart, the likeliest first."""

SOURCE_WORDS: tuple[int, ...] = (TraceField.SourceX, TraceField.SourceY)
"""Words of the source's position, which tells shots apart if nothing else does."""

LINE_WORDS: tuple[int, ...] = (SAIL_LINE,)
"""Words that may tell sail lines apart."""

CABLE_WORDS: tuple[int, ...] = (
    CABLE,
    SAIL_LINE,
    TraceField.TraceIdentifier,
    TraceField.TraceIdentificationCode,
    TraceField.CDP_TRACE,
    TraceField.GeophoneGroupNumberRoll1,
    TraceField.GeophoneGroupNumberFirstTraceOrigField,
    TraceField.GeophoneGroupNumberLastTraceOrigField,
    TraceField.GapSize,
    TraceField.OverTravel,
    TraceField.INLINE_3D,
    TraceField.CROSSLINE_3D,
    TraceField.CDP,
    183,
    185,
    205,
    209,
    225,
    229,
    TraceField.GroupY,
    TraceField.GroupX,
)
"""Words that may tell the cables of a shot apart, the likeliest first."""

COORDINATES = (TraceField.SourceX, TraceField.SourceY, TraceField.GroupX, TraceField.GroupY)

SHOWN = 8
"""Most gathers whose numbers are kept."""


@dataclass
class Found:
    """Gathers with one kind of finding.

    Attributes:
        count: How many there are.
        runs: Numbers of the first few.
        words: Lowest and highest value of the words that tell their parts apart, by byte; None before any was tried.
        about: Further words about them, from the first.
    """

    count: int = 0
    runs: list[int] = field(default_factory=list)
    words: dict[int, tuple[int, int]] | None = None
    about: str = ""

    def add(self, gathers: GatherRuns, which: np.ndarray) -> bool:
        """Add some gathers.

        Args:
            gathers: Gathers.
            which: Which of them, bool `[gather]`.

        Returns:
            Whether there are any.
        """
        chosen = np.flatnonzero(which)
        self.count += len(chosen)
        self.runs += gathers.runs[chosen[: SHOWN - len(self.runs)]].tolist()
        return len(chosen) > 0

    def keep_words(self, gathers: GatherRuns, which: np.ndarray, marks: np.ndarray, words: Iterable[int]) -> None:
        """Keep the words that change exactly where traces are marked.

        Args:
            gathers: Gathers.
            which: Those of them in which words must do so, bool `[gather]`.
            marks: Traces before which something changes, bool `[trace]`.
            words: First bytes of the words to try.
        """
        inside = gathers.spread(which)
        kept = {}
        for byte in self.words if self.words is not None else words:
            told = gathers.word(byte)
            if ((gathers.steps(told) != 0) != marks)[inside].any():
                continue
            low, high = (self.words or {}).get(byte, (told[inside][0], told[inside][0]))
            kept[byte] = (min(int(told[inside].min()), int(low)), max(int(told[inside].max()), int(high)))
        self.words = kept

    def suggestion(self, option: str) -> str:
        """Name the word that resolves it, with the values it holds.

        Args:
            option: The option that takes it.

        Returns:
            A sentence part; empty if there is no such word.
        """
        for byte, (low, high) in (self.words or {}).items():
            name = word_name(byte)
            if byte in COORDINATES:
                return f"only {name} tells them apart, it holds {low} to {high}; try --{option} {name}"
            if byte in LINE_WORDS and option == "shot-header":
                option = "line-header"
            return f"{name} holds {low} to {high}; try --{option} {name.removeprefix('byte ')}"
        return ""


def found_remarks(told: Mapping[str, tuple[Found, str]], named: Callable[[int], str]) -> list[Remark]:
    """Remarks on findings of which there are some.

    Args:
        told: By kind a finding, and its text with %s for the gathers.
        named: Returns the id of a run's gather.
    """
    remarks = []
    for kind, (found, text) in told.items():
        if found.count:
            names = first_names([named(run) for run in found.runs], found.count)
            remarks.append(Remark(kind, text.replace("%s", f"{number_of(found.count, 'gather')} ({names})")))
    return remarks


def word_name(byte: int) -> str:
    """The name of a word in messages and options.

    Args:
        byte: Its first byte.
    """
    if byte in (CABLE, SAIL_LINE):
        return f"byte {byte}"
    found = [name for name, value in FIELDS.items() if value == byte]
    return found[0] if found else f"byte {byte}"
