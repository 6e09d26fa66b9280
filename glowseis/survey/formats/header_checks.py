"""Checks, using the other header words, whether the gathers formed by one word are shots.

The words of a trace header give the same information several times: a shot by its number and its source's position, a
channel by its number, its offset and its receiver. If they contradict each other, the file is read wrongly, most often
because another word tells the shots or the cables apart. That word is looked for among those that change exactly where
the contradiction is, so that following the suggestion resolves it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.gather_runs import GatherRuns
from glowseis.survey.formats.header_distances import Distances
from glowseis.survey.formats.header_findings import (
    CABLE_WORDS,
    LINE_WORDS,
    SHOT_NUMBERS,
    SHOT_WORDS,
    SOURCE_WORDS,
    Found,
    found_remarks,
)
from glowseis.survey.formats.header_scalars import Scalars
from glowseis.survey.formats.header_unnumbered import Unnumbered
from glowseis.survey.formats.segy_headers import CABLE, Word, are_angles, coordinate_scale
from glowseis.survey.formats.source import Remark
from glowseis.survey.formats.trace_order import (
    MOST_CABLES,
    along,
    alternates,
    equal_runs,
    jumps,
    motion,
    repeats,
    restarts,
)

TOLERANCE_M = 1.0
"""A source that differs by no more than this from trace to trace is rounded differently but does not move."""

LEAST_TRACES = 3
"""Fewest traces of a gather that may be a section."""

SORTED_BY = {
    2: "midpoint",
    3: "midpoint, one trace each",
    4: "midpoint, and stacked",
    6: "receiver",
    7: "offset",
    8: "midpoint",
    9: "conversion point",
}
"""Meanings of TraceSortingCode, bytes 3229-3230 of the file header, in files that do not hold shots."""

MIDPOINT, STACKED = 2, 4
"""Codes of these."""

COMPONENTS = range(11, 18)
"""Trace identification codes of multicomponent sensors: pressure, three axes, and rotated axes."""

SWAPPED = 256
"""Factor of a one-byte code whose two bytes are swapped."""


class HeaderChecks:
    """Checks the trace headers of a file as they are read, some whole gathers at a time, with memory only for these.

    Args:
        order: Byte order of the headers, `>` or `<`.
        keys: Words that form the gathers: the shot, and line and cable if used.
        channel: Word of the channel.
        sorting: The file header's TraceSortingCode; 0 if there is none.
        unit_m: Unit of lengths, in metres.
    """

    def __init__(self, order: str, keys: Sequence[Word], channel: Word, sorting: int = 0, unit_m: float = 1.0):
        self._order = order
        self._keys = {word.byte for word in keys}
        self._shot = keys[0]
        self._channel = channel
        self._sorting = sorting
        self._unit_m = unit_m
        self._gathers = self._traces = 0
        self._shown_shots = False
        self._scalars = Scalars()
        self._shot_scalar = 0
        self._moving, self._restless, self._cables, self._interleaved = Found(), Found(), Found(), Found()
        self._restarting, self._single, self._stacked = Found(), Found(), Found()
        self._distances = Distances(unit_m)
        self._components, self._component_codes = Found(), set[int]()
        self._blank_stacked = Found()
        self._unnumbered = Unnumbered(self._shot, channel, self._keys)

    def look(self, gathers: GatherRuns) -> None:
        """Check some gathers.

        Args:
            gathers: Headers of whole gathers, without those of auxiliary traces.
        """
        self._gathers += len(gathers.runs)
        self._traces += len(gathers.headers)
        self._unnumbered.see(gathers)
        if self._shot.byte == TraceField.ShotPoint:
            scalars = gathers.word(TraceField.ShotPointScalar)
            self._shot_scalar = self._shot_scalar or next(
                (one for one in np.unique(scalars).tolist() if abs(one) > 1), 0
            )
        source = [gathers.word(field) for field in (TraceField.SourceX, TraceField.SourceY)]
        receiver = [gathers.word(field) for field in (TraceField.GroupX, TraceField.GroupY)]
        offset = gathers.word(TraceField.offset)
        self._scalars.look(gathers, [*source, *receiver])
        scale = coordinate_scale(gathers.headers, self._order)
        angles = are_angles(gathers.headers, self._order, [each * scale for each in (*source, *receiver)])
        tolerance = 0.0 if angles else TOLERANCE_M / self._unit_m
        moved, moves = motion(gathers, source, scale, tolerance)
        changes = gathers.count(moved)
        restless = moves & ((2 * (changes + 1) > gathers.lengths) | (changes == 0))
        self._note_single(gathers)
        self._note_moving(gathers, moves & ~restless, moved)
        self._note_restless(gathers, restless, offset, receiver)
        known = gathers.any(source[0] != 0) | gathers.any(source[1] != 0)
        still = ~moves & (gathers.lengths > 1)
        mixed = self._note_components(gathers)
        self._note_cables(gathers, still & ~mixed, known, offset, receiver)
        constant = gathers.low(offset) == gathers.high(offset)
        spread = np.logical_or.reduce([gathers.high(each) > gathers.low(each) for each in receiver])
        self._shown_shots |= bool((still & known & (~constant | spread)).any())
        self._note_stacked(gathers, still & constant & ~(known & spread), known, offset)
        if not angles:
            places = np.stack([*source, *receiver]) * scale
            self._distances.look(gathers, still & known, offset, places[:2], places[2:])

    def remarks(self, named: Callable[[int], str]) -> list[Remark]:
        """Report what was found.

        Args:
            named: Returns the id of a run's gather.

        Returns:
            A remark for each kind of finding.
        """
        # Nothing shows that several gathers with blank offsets are sections; a file that is one such gather may be one.
        stacked = self._blank_stacked if self._gathers == self._blank_stacked.count == 1 else self._stacked
        find_shots = "pass --shot-header with the word that tells shots apart"
        find_cables = (
            "pass --cable-header with the word that tells cables apart, or --trace-header with the one in which "
            "channels count on"
        )
        singles = "all %s" if self._single.count == self._gathers else f"%s of {self._gathers}"
        single_mend = (
            self._single.suggestion("shot-header") or self._single.about or f"sort them by shot, or {find_shots}"
        )
        moving_mend = self._moving.suggestion("shot-header") or find_shots
        cables_mend = self._cables.suggestion("cable-header") or find_cables
        alternating = self._interleaved.suggestion("cable-header")
        alternating = f"; {alternating}" if alternating else f", then {find_cables}"
        codes = ", ".join(map(str, sorted(self._component_codes)))
        told = {
            "single": (self._single, f"{singles} have one trace: {single_mend}"),
            "moving": (self._moving, f"the source moves within %s, each of which may be several shots: {moving_mend}"),
            "restless": (
                self._restless,
                f"the source moves from trace to trace within %s{self._restless.about}: not shots; sort the traces by "
                f"shot, or {find_shots}",
            ),
            "restarting": (
                self._restarting,
                f"%s may be several shots each: {self._restarting.suggestion('shot-header')}",
            ),
            "cables": (
                self._cables,
                f"{self._cables.about} within %s, each of which may be several cables: {cables_mend}",
            ),
            "interleaved": (
                self._interleaved,
                f"{self._channel.name} {self._interleaved.about} %s, as if cables alternate: sort the traces by "
                f"cable{alternating}",
            ),
            "components": (
                self._components,
                f"several components (TraceIdentificationCode {codes}) lie within %s: sort the traces of each shot by "
                "component if they alternate, then pass --cable-header TraceIdentificationCode, or give a file of one",
            ),
            "stacked": (
                stacked,
                "within %s the offset stays the same while CDP counts on, as in stacked or common-offset sections: not "
                f"shots; give the file as it was before sorting, or {find_shots}",
            ),
        }
        if 2 * self._single.count <= self._gathers or self._gathers == 1:
            del told["single"]
        remarks = []
        if self._shot_scalar:
            text = f"ShotPoint has the scalar {self._shot_scalar} (bytes 201-202), which is not applied: shot numbers, "
            remarks.append(Remark("shot scalar", f"{text}also those handed over, are as in the file", is_warning=False))
        remarks += found_remarks(told, named) + self._distances.remarks(named)
        unnumbered = self._unnumbered.remarks(named) if self._sorting != STACKED else []
        remarks += unnumbered
        # Some writers put code 2 into every file: a word that counts shots is better evidence.
        outdone = self._sorting == MIDPOINT and bool(
            unnumbered or self._shot.byte not in (TraceField.FieldRecord, TraceField.CDP)
        )
        if self._sorting in SORTED_BY and not self._shown_shots and not stacked.count and not outdone:
            text = f"its file header says that traces are sorted by {SORTED_BY[self._sorting]} (TraceSortingCode "
            text += f"{self._sorting}, bytes 3229-3230), and no header word shows shots: give the file sorted by shot"
            remarks.append(Remark("sorting", text))
        return remarks + self._scalars.remarks()

    def _note_single(self, gathers: GatherRuns) -> None:
        """Gathers of one trace: which word would form shots from them."""
        single = gathers.lengths == 1
        if not self._single.add(gathers, single) or 2 * np.count_nonzero(single) <= len(single):
            return
        whole = GatherRuns(gathers.headers, np.zeros(1, np.int64), np.zeros(1, np.int64), self._order)
        total = len(whole.headers)
        known = [whole.word(TraceField.SourceX), whole.word(TraceField.SourceY)]
        moved = (whole.steps(known[0]) != 0) | (whole.steps(known[1]) != 0)
        words = {}
        for byte in (*SHOT_NUMBERS, CABLE):
            told = whole.word(byte)
            changed = whole.steps(told) != 0
            if byte not in self._keys and changed.any() and 2 * changed.sum() <= total and not (moved & ~changed).any():
                words[byte] = (int(told.min()), int(told.max()))
        before = self._single.words
        if before is not None:
            words = {
                byte: (min(low, before[byte][0]), max(high, before[byte][1]))
                for byte, (low, high) in words.items()
                if byte in before
            }
        self._single.words = words
        if not self._single.about and total > 1:
            cdp, offset = whole.word(TraceField.CDP), whole.word(TraceField.offset)
            again = 2 * np.count_nonzero(whole.steps(cdp)) <= total
            if cdp.any() and again and (whole.steps(cdp) != 0).any():
                self._single.about = "the traces are sorted by midpoint (CDP); sort them by shot"
            elif cdp.any() and (offset == offset[0]).all() and (whole.steps(cdp)[1:] != 0).all():
                self._single.about = "CDP counts on and the offset stays, as in stacked or common-offset sections"
            elif offset.any() and (offset == offset[0]).all():
                self._single.about = f"the offset stays {offset[0]}, as in a common-offset section; sort them by shot"

    def _note_moving(self, gathers: GatherRuns, which: np.ndarray, moved: np.ndarray) -> None:
        if self._moving.add(gathers, which):
            words = [byte for byte in (*SHOT_WORDS, *LINE_WORDS, *SOURCE_WORDS) if byte not in self._keys]
            self._moving.keep_words(gathers, which, moved, words)

    def _note_restless(
        self, gathers: GatherRuns, which: np.ndarray, offset: np.ndarray, receiver: Sequence[np.ndarray]
    ) -> None:
        if not self._restless.add(gathers, which):
            return
        cdp = gathers.word(TraceField.CDP)
        for told, what in (
            ([cdp], "CDP stays the same, as in midpoint gathers"),
            ([offset], "the offset stays the same, as in stacked or common-offset sections"),
            (receiver, "the receiver stays the same, as in receiver gathers"),
        ):
            same = np.all([gathers.low(each) == gathers.high(each) for each in told], axis=0)
            if (same | ~which).all() and not self._restless.about and any(each.any() for each in told):
                self._restless.about = f" while {what}"

    def _note_cables(
        self,
        gathers: GatherRuns,
        still: np.ndarray,
        known: np.ndarray,
        offset: np.ndarray,
        receiver: Sequence[np.ndarray],
    ) -> None:
        """Gathers of one source in which channels, offsets or receivers start again."""
        channel = gathers.word(self._channel)
        words = [byte for byte in CABLE_WORDS if byte not in self._keys | {self._channel.byte}]
        found = [(*repeats(gathers, channel), f"channel numbers ({self._channel.name}) repeat")]
        for told, what in ((offset, "offsets start again"), (along(gathers, receiver), "receivers start again")):
            found.append((*restarts(gathers, told), what))
        found.append((*jumps(gathers, channel), f"channel numbers ({self._channel.name}) jump"))
        left = still & ~self._note_mixed(gathers, still, channel, words)
        for which, marks, what in found:
            these = which & left
            if not these.any():
                continue
            left &= ~these
            together = these & (gathers.count(marks) > 0)
            if self._interleaved.add(gathers, these & ~together) and not self._interleaved.about:
                self._interleaved.about = "is the same for several consecutive traces of"
            shots = together & ~known
            if shots.any() and (
                self._restart_of_shots(gathers, shots, marks)
                or self._unnumbered.restart(gathers, shots, marks, what)
                or (
                    not self._tell_apart(gathers, shots, marks, words)
                    and self._unnumbered.restart_unexplained(gathers, shots, what)
                )
            ):
                together &= known
            if self._cables.add(gathers, together):
                self._cables.about = self._cables.about or what
                self._cables.keep_words(gathers, together, marks, words)
        unplaced = np.logical_and.reduce([gathers.low(each) == gathers.high(each) for each in (offset, *receiver)])
        left &= ~self._note_counted(gathers, left & unplaced & (known | self._unnumbered.is_numbered), words)
        self._unnumbered.look(gathers, self._note_zeros(gathers, left & ~known), offset)

    def _note_mixed(
        self, gathers: GatherRuns, which: np.ndarray, channel: np.ndarray, words: Sequence[int]
    ) -> np.ndarray:
        """Note and return gathers whose channel numbers jump from cable to cable, bool `[gather]`."""
        mixed, marks = alternates(gathers, channel, (gathers.word(byte) for byte in words))
        mixed &= which
        if self._interleaved.add(gathers, mixed):
            self._interleaved.about = self._interleaved.about or "jumps from trace to trace within"
            few = [byte for byte in words if np.ptp(gathers.word(byte)) <= MOST_CABLES]
            self._interleaved.keep_words(gathers, mixed, marks, few)
        return mixed

    def _note_counted(self, gathers: GatherRuns, which: np.ndarray, words: Sequence[int]) -> np.ndarray:
        """Note and return gathers in which only a word that counts cables tells them apart, bool `[gather]`."""
        counted, marks = equal_runs(gathers, gathers.word(CABLE))
        counted &= which & (CABLE in words)
        if self._cables.add(gathers, counted):
            self._cables.about = self._cables.about or f"byte {CABLE} counts runs of equally many traces"
            self._cables.keep_words(gathers, counted, marks, words)
        return counted

    @staticmethod
    def _tell_apart(gathers: GatherRuns, which: np.ndarray, marks: np.ndarray, words: Sequence[int]) -> bool:
        """Whether one of these words changes exactly where traces are marked."""
        trial = Found()
        trial.keep_words(gathers, which, marks, words)
        return bool(trial.words)

    def _note_components(self, gathers: GatherRuns) -> np.ndarray:
        """Gathers with traces of several components, as sensors on the sea floor record them, bool `[gather]`."""
        codes = gathers.word(TraceField.TraceIdentificationCode)
        codes = np.where(codes % SWAPPED, codes, codes // SWAPPED)
        component = np.isin(codes, COMPONENTS)
        if TraceField.TraceIdentificationCode in self._keys or not component.any():
            return np.zeros(len(gathers.runs), bool)
        mixed = gathers.high(np.where(component, codes, 0)) > gathers.low(np.where(component, codes, SWAPPED))
        mixed &= gathers.any(component)
        if self._components.add(gathers, mixed):
            self._component_codes |= set(np.unique(codes[gathers.spread(mixed) & component]).tolist())
        return mixed

    def _restart_of_shots(self, gathers: GatherRuns, which: np.ndarray, marks: np.ndarray) -> bool:
        """Whether a word that numbers shots changes where channels start again, in gathers whose source is unknown."""
        trial = Found(words=self._restarting.words)
        words = [byte for byte in SHOT_NUMBERS if byte not in self._keys]
        trial.keep_words(gathers, which, marks, words)
        if not trial.words:
            return False
        self._restarting.words = trial.words
        return self._restarting.add(gathers, which)

    def _note_zeros(self, gathers: GatherRuns, which: np.ndarray) -> np.ndarray:
        """Note gathers of unknown source with shot number 0 while another word numbers shots; return the others."""
        number = gathers.word(self._shot)
        zeros = which & (gathers.high(number) == 0) & (gathers.low(number) == 0)
        for byte in SHOT_NUMBERS:
            changed = gathers.steps(gathers.word(byte)) != 0
            count = gathers.count(changed)
            runs = zeros & (count > 0) & (2 * count <= gathers.lengths)
            if byte not in self._keys and runs.any() and self._restart_of_shots(gathers, runs, changed):
                return which & ~runs
        return which

    def _note_stacked(self, gathers: GatherRuns, which: np.ndarray, known: np.ndarray, offset: np.ndarray) -> None:
        """Gathers of one offset in which CDP counts on; an offset of 0 may just be blank."""
        cdp = gathers.count(gathers.steps(gathers.word(TraceField.CDP)) != 0)
        which = which & (gathers.lengths >= LEAST_TRACES) & (cdp == gathers.lengths - 1)
        channel = gathers.word(self._channel)
        blank = (gathers.high(offset) == 0) & (gathers.high(channel) > gathers.low(channel))
        self._stacked.add(gathers, which & ~blank)
        self._blank_stacked.add(gathers, which & blank & ~known)
