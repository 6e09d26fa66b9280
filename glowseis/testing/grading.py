"""Check that a classifier's grades stay the same where they must, and change where they must."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glowseis.survey.gather import Picture, Recording
from glowseis.testing import containers
from glowseis.testing.changes import (
    Change,
    as_recording,
    clip_share,
    constant,
    constant_by_trace,
    dead_traces,
    finer,
    gain,
    shift,
    swell,
    trace_order,
)

if TYPE_CHECKING:
    from glowseis.export.classifier import SavedClassifier
    from glowseis.survey.formats.source import ReadOptions

Grader = Callable[[Sequence[Recording | Picture]], np.ndarray]
"""Gathers -> probabilities of the classes in order of severity, `[gather, class]`."""

CHANGES: dict[str, Change] = {
    "constant +2 %": Change(constant(0.02)),
    "constant -2 %": Change(constant(-0.02)),
    "constant +20 %": Change(constant(0.2)),
    "constant -20 %": Change(constant(-0.2)),
    "constants by trace": Change(constant_by_trace(0.1)),
    "gain 1e-6": Change(gain(1e-6)),
    "gain 1e6": Change(gain(1e6)),
    "polarity": Change(gain(-1.0)),
    "dead traces": Change(dead_traces(0.02)),
    "auxiliary traces": Change(containers.segy(auxiliary=True)),
    "trace order": Change(trace_order(offsets=True)),
    "trace order, no offsets": Change(trace_order(offsets=False)),
    "20 ms later": Change(shift(0.02)),
    "20 ms earlier": Change(shift(-0.02)),
    "half the interval": Change(finer(2)),
    "clip share 1 %": Change(clip_share(0.01)),
    "clip share 2 %": Change(clip_share(0.02)),
    "clip share 8 %": Change(clip_share(0.08)),
    "SEG-Y": Change(containers.segy()),
    "Seismic Unix": Change(containers.seismic_unix),
    "HDF5": Change(containers.hdf5),
    "NumPy": Change(containers.numpy),
    "PNG": Change(containers.png),
    "IBM float": Change(containers.segy("ibm")),
    "int32": Change(containers.segy("int32")),
    "int16": Change(containers.segy("int16")),
    "uint16": Change(containers.segy("uint16")),
    "uint8": Change(containers.segy("uint8")),
    "swell": Change(swell(), worsens=True),
}
"""Changes by name: all but the last must leave grades as they are. Constants are parts of the clip, which 4 % of the
samples exceed; 2 % of the traces are made dead; the swell noise is a tenth of the clip, on 30 % of the traces: several
times what makes a gather bad."""

BOUND = 0.02
"""Share of the gathers whose grade may flip under a change."""

SURELY_WORST = 0.1
"""Severity need not rise if it is closer than this to that of the worst class."""


@dataclass(frozen=True)
class Effect:
    """The effect of a change on grades.

    Attributes:
        change: Its name.
        worsens: Whether it must worsen grades; otherwise they must stay the same.
        gathers: Number of gathers that it could be applied to.
        wrong: Share of them whose grade flipped; if it must worsen, share that stay in the mildest class or whose
            severity does not rise. Severity is the expected number of the class, counted from 0.
        severity: The largest change of severity either way; if it must rise, the least rise.
        bound: The most that `wrong` may be.
    """

    change: str
    worsens: bool
    gathers: int
    wrong: float
    severity: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether `wrong` is within its bound."""
        return self.wrong <= self.bound


@dataclass(frozen=True)
class GradingCheck:
    """The effects of all changes.

    Attributes:
        effects: One per change, in their order.
    """

    effects: tuple[Effect, ...]

    @property
    def failures(self) -> tuple[Effect, ...]:
        """The effects beyond their bounds."""
        return tuple(effect for effect in self.effects if not effect.holds)

    def text(self) -> str:
        """A table for the terminal."""
        widest = max([6, *(len(effect.change) for effect in self.effects)])
        lines = [f"{'change':{widest}}  gathers  flips, %  severity"]
        for one in self.effects:
            figures = f"{100 * one.wrong:8.1f}  {one.severity:+8.3f}" if one.gathers else f"{'-':>8}  {'-':>8}"
            beyond = "" if one.holds else f"  beyond {100 * one.bound:g} %"
            meant = "  must worsen: share that does not, least rise" if one.worsens else ""
            lines.append(f"{one.change:{widest}}  {one.gathers:7}  {figures}{beyond}{meant}")
        return "\n".join(lines)

    def record(self) -> list[dict[str, Any]]:
        """For JSON and tables: one dictionary per change."""
        return [asdict(effect) | {"holds": effect.holds} for effect in self.effects]


def check_grading(
    classifier: "SavedClassifier | str | Path | Grader",
    gathers: Iterable[Recording | Picture | str | Path],
    *,
    changes: Mapping[str, Change] = CHANGES,
    bound: float = BOUND,
    options: "ReadOptions | None" = None,
    seed: int = 0,
    report_only: bool = False,
) -> GradingCheck:
    """Check that grades do not change with what has nothing to do with noise, and get worse when swell noise is added.

    ```
    from glowseis.testing import check_grading

    print(check_grading("savedmodels/robust", ["line12.segy"], report_only=True).text())
    ```

    Args:
        classifier: A SavedModel, loaded or its path; or any function from a list of gathers, as readers return them,
            to probabilities `[gather, class]`, the classes in order of severity.
        gathers: The gathers to change and grade, all in memory, or paths of files or folders of gathers. A picture is
            treated as a recording whose amplitudes are its grey levels about zero.
        changes: The changes by name; `CHANGES | {"mine": Change(function)}` adds one.
        bound: Share of the gathers whose grade may flip under a change.
        options: How to read the paths.
        seed: Seed of the random changes.
        report_only: Whether to raise no error if a change is beyond its bound.

    Returns:
        The effect of each change.

    Raises:
        AssertionError: Changes are beyond their bounds; the message names them.
        InputError: A gather cannot be read, as given or as changed.
        ValueError: There are no gathers, or the function does not return probabilities.
    """
    grade = _grader(classifier)
    recordings = [as_recording(one) for one in _opened(gathers, options)]
    if not recordings:
        raise ValueError("there are no gathers to check; give recordings, or files that hold some")
    before = _probabilities(grade, recordings)
    effects = []
    for name, change in changes.items():
        # The random draws do not depend on which other changes there are.
        made = _made(name, change, recordings, seed)
        places = [place for place, one in enumerate(made) if one is not None]
        after = _probabilities(grade, [one for one in made if one is not None]) if places else before[:0]
        effects.append(_effect(name, change, before[places], after, bound))
    result = GradingCheck(tuple(effects))
    if result.failures and not report_only:
        wrong = "; ".join(
            f"{one.change}: {one.wrong * one.gathers:.0f} of {one.gathers} "
            + ("stay as they were" if one.worsens else "flip")
            for one in result.failures
        )
        raise AssertionError(f"too many grades are wrong after a change: {wrong} (at most {100 * bound:g} % may be)")
    return result


def grade_recordings(classifier: "SavedClassifier", gathers: Sequence[Recording | Picture]) -> np.ndarray:
    """Grade gathers in memory as `classify` grades those in files.

    Args:
        classifier: The classifier.
        gathers: Gathers as readers return them.

    Returns:
        Probabilities of the classifier's labels, float64 `[gather, class]`.

    Raises:
        InputError: A gather cannot be made to match the classifier, or has too little to judge.
    """
    from glowseis.run import grading

    return np.stack([one.probabilities for one in grading.grade_recordings(classifier, gathers)])


def _grader(classifier: "SavedClassifier | str | Path | Grader") -> Grader:
    if callable(classifier):
        return classifier
    from glowseis.export.classifier import load_classifier

    loaded = load_classifier(Path(classifier)) if isinstance(classifier, str | Path) else classifier
    return lambda gathers: grade_recordings(loaded, gathers)


def _opened(
    gathers: Iterable[Recording | Picture | str | Path], options: "ReadOptions | None"
) -> Iterable[Recording | Picture]:
    from glowseis.survey.formats.source import ReadOptions
    from glowseis.survey.formats.sources import open_sources

    for one in gathers:
        if isinstance(one, str | Path):
            for source in open_sources([Path(one)], options or ReadOptions()):
                yield from source.gathers()
        else:
            yield one


def _made(name: str, change: Change, recordings: Sequence[Recording], seed: int) -> list[Recording | Picture | None]:
    random = np.random.default_rng([seed, *name.encode()])
    made = []
    for recording in recordings:
        with tempfile.TemporaryDirectory() as folder:
            made.append(change.make(recording, random, Path(folder)))
    return made


def _probabilities(grade: Grader, gathers: Sequence[Recording | Picture]) -> np.ndarray:
    found = np.asarray(grade(gathers), np.float64)
    if found.ndim != 2 or len(found) != len(gathers) or found.shape[1] < 2 or not np.isfinite(found).all():
        raise ValueError(
            f"the classifier returns {found.shape} for {len(gathers)} gathers; it must return a probability for each "
            "gather and class, [gather, class], all finite"
        )
    return found


def _effect(name: str, change: Change, before: np.ndarray, after: np.ndarray, bound: float) -> Effect:
    if not len(before):
        return Effect(name, change.worsens, 0, 0.0, 0.0, bound)
    worst = before.shape[1] - 1
    severities = before @ np.arange(worst + 1), after @ np.arange(worst + 1)
    rise = severities[1] - severities[0]
    if change.worsens:
        wrong = (after.argmax(axis=1) == 0) | ((rise <= 0) & (severities[1] < worst - SURELY_WORST))
        severity = float(rise.min())
    else:
        wrong = after.argmax(axis=1) != before.argmax(axis=1)
        severity = float(rise[np.abs(rise).argmax()])
    return Effect(name, change.worsens, len(before), float(wrong.mean()), severity, bound)
