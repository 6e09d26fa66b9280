"""What is learned about a classifier after training: the rule for several windows, and what its data look like."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from glowseis.fitting.classifier.selection import ClassifierSelection
from glowseis.judging.calibration import Calibration, fit_calibration
from glowseis.judging.combination import FEWEST, Combination, fit_combination
from glowseis.judging.decision import Decision, fit_threshold
from glowseis.judging.gathers import Judged, Seen, figures_of, gather_probabilities, judged
from glowseis.judging.symmetries import Symmetric
from glowseis.judging.unlike import Unlikeness, fit_unlikeness, judging_events
from glowseis.models.miniception import Miniception, from_grey_levels
from glowseis.survey.gather import Gather, Recording
from glowseis.survey.matching.bringing import traces_taken
from glowseis.survey.progress import progress
from glowseis.survey.render import ZERO_LEVEL, is_live, render_recording
from glowseis.survey.store.survey import Survey

MOST_TRAINING = 240
"""Most training gathers from which to learn what the data look like."""

MOST_WINDOWS = 4
"""Most windows of each of them."""

FEWEST_JUDGING = 100
"""Fewest validation gathers that alone set the thresholds, which one in a hundred exceeds; if there are fewer, training
gathers are added."""

LEAST_COUNT = 0.5
"""What a class without a label counts as, in gathers, where labels give class fractions (Jeffreys)."""

FEWEST_SMALL = 20
"""Fewest pieces of validation gathers that set thresholds of their own."""

QUIET = 0.25
"""Clip of a window, relative to its gather's, below which it is too quiet to stand for a recording of its own."""

SAMPLES_AT_ONCE = 1 << 20
"""Samples of the windows that are graded together, whatever their size; it bounds memory."""


@dataclass(frozen=True)
class Conclusions:
    """What was learned.

    Attributes:
        combination: The rule that combines the probabilities of a gather's windows.
        unlikeness: Measures how far a gather is from the training data.
        calibration: Makes probabilities hold for the survey; None if a class had no weight in the training.
        decision: How probabilities become grades.
        raw: Probabilities of the gathers of the parts `validation` and `test` by the rule, float64 `[gather, class]`; a
            part without gathers is left out.
        probabilities: The same, calibrated.
        kept: Whether the temperature is that of the classifier that the training started from, and nothing was fitted.
        rule_kept: Whether the rule is that classifier's too.
    """

    combination: Combination
    unlikeness: Unlikeness
    calibration: Calibration | None
    decision: Decision
    raw: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]
    kept: bool = False
    rule_kept: bool = False


@dataclass(frozen=True)
class Kept:
    """What a saved classifier's training had learned, kept where a training that starts from it has too few gathers.

    Attributes:
        name: The saved classifier's name.
        combination: The rule for windows; None if the classes are others.
        temperature: The calibration's temperature; None if it was not calibrated.
    """

    name: str
    combination: Combination | None
    temperature: float | None


class Looking:
    """A classifier in memory, traced once for all numbers of windows."""

    def __init__(self, model: Miniception):
        def look(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            features = model.features(from_grey_levels(image))
            logits = model.output_head(features)
            return tf.nn.softmax(logits), tf.nn.log_softmax(logits), features

        images = [tf.TensorSpec((None, None, None), tf.uint8)]
        self._look = tf.function(look, input_signature=images, autograph=False)

    def look(self, images: np.ndarray) -> Seen:
        """Look at windows, grey levels uint8 `[window, time, trace]`."""
        return Seen(*(one.numpy() for one in self._look(images)))


def conclude(
    model: Miniception,
    survey: Survey,
    selection: ClassifierSelection,
    classes: Mapping[str, np.ndarray],
    fractions: np.ndarray,
    size: tuple[int, int],
    say: Callable[[str], None],
    symmetries: Sequence[str] = (),
    fractions_of: str = "survey",
    missed_cost: float | None = None,
    unsure_below: float = 0.0,
    kept: Kept | None = None,
) -> Conclusions:
    """Grade the gathers that were not trained on, whole, as `classify` does, and learn what it needs for that.

    The rule is fitted to validation gathers. Some training gathers show what the data look like. How far a gather may
    lie from them is learned from validation gathers, which the classifier has not seen, and from a window of each.

    Args:
        model: The trained classifier.
        survey: The gathers.
        selection: Which gathers trained it, and which did not.
        classes: Classes of the gathers of `training`, `validation` and `test`, `[gather]` each.
        fractions: Share of each class in the training, `[class]`.
        size: Samples and traces of the windows that it takes.
        say: Called with a line if there are too few gathers to fit the rule to.
        symmetries: Symmetries that its training removed (see `glowseis.judging.symmetries`).
        fractions_of: The class fractions to make probabilities hold for: of the `survey`, or of the `training`.
        missed_cost: What a missed gather of the severest class costs (see `glowseis.judging.decision.Decision`).
        unsure_below: Probability below which a grade is unsure, likewise.
        kept: What is kept of the classifier that the training started from, if a class has fewer than `FEWEST`
            validation gathers.

    Raises:
        InputError: A record is damaged.
    """
    looking = Symmetric(Looking(model), symmetries)
    batch = max(1, SAMPLES_AT_ONCE // (size[0] * size[1]))

    def seen(rows: np.ndarray, part: str, most: int | None = None) -> Iterator[Judged]:
        gathers = progress(_gathers(survey, rows), len(rows), f"grading {part}")
        return judged(looking, gathers, size, batch, most)

    validation = list(map(_kept, seen(selection.validation, "validation")))
    there = np.bincount(classes["validation"], minlength=model.classes)
    few = kept is not None and there.min() < FEWEST
    combination = kept.combination if kept and few else None
    if kept and few:
        counted = ", ".join(f"{count} {label}" for label, count in zip(selection.labels, there, strict=True))
        those = f"those of {kept.name} are kept"
        if combination is None:
            those = f"windows are combined by their mean, and the temperature of {kept.name} is kept"
        say(
            f"validation has {counted}; fitting the rule for windows and the temperature needs {FEWEST} of each, so "
            f"{those}"
        )
    rule_kept = combination is not None
    combination = combination or fit_combination(
        [(one.seen.log_probabilities, one.weights) for one in validation], classes["validation"], fractions
    )
    if not few and not combination.fitted_on and any(len(one.weights) > 1 for one in validation):
        say("too few validation gathers of a class to fit a rule; windows are combined by their mean")
    chosen = _spread(classes["training"], model.classes)
    training = list(map(_kept, seen(selection.training[chosen], "training", MOST_WINDOWS)))
    judging = validation if len(validation) >= FEWEST_JUDGING else [*validation, *training]
    windows = progress(iter(selection.validation), len(selection.validation), "grading windows of validation")
    pieces = (piece for row in windows if (piece := _piece(survey, int(row), size)))
    small = [one for one in map(_kept, judged(looking, pieces, size, batch)) if len(one.weights) == 1]
    unlikeness = fit_unlikeness(
        np.concatenate([_features(one) for one in training]),
        np.repeat(classes["training"][chosen], [len(one.weights) for one in training]),
        np.stack([one.figures for one in training]),
        [(_features(one), one.figures) for one in judging],
        [(_features(one), one.figures) for one in small] if len(small) >= FEWEST_SMALL else [],
        model.classes,
    )
    raw = {
        part: np.stack([gather_probabilities(one.seen, one.weights, combination) for one in gathers])
        for part, gathers in (("validation", validation), ("test", map(_kept, seen(selection.test, "test"))))
        if len(classes[part])
    }
    recorded = _recorded_fractions(survey, selection, classes, model.classes)
    wanted = recorded if fractions_of == "survey" else fractions
    found = raw.get("validation", np.zeros((0, model.classes)))
    temperature = (kept.temperature or 1.0) if kept and few else None
    calibration = fit_calibration(found, classes["validation"], fractions, wanted, temperature)
    probabilities = {part: calibration.probabilities(found) if calibration else found for part, found in raw.items()}
    threshold = None
    if missed_cost is not None:
        judges = probabilities.get("validation", np.zeros((0, model.classes)))
        threshold = fit_threshold(judges, classes["validation"], missed_cost)
    decision = Decision(threshold, missed_cost, unsure_below)
    return Conclusions(combination, unlikeness, calibration, decision, raw, probabilities, few, rule_kept)


def events_again(
    unlikeness: Unlikeness,
    survey: Survey,
    training: np.ndarray,
    classes: np.ndarray,
    validation: np.ndarray,
    size: tuple[int, int],
) -> Unlikeness:
    """What `conclude` learns of events, for a classifier of an older glowseis, which is not run.

    Args:
        unlikeness: What else was learned; it stays.
        survey: The gathers.
        training: Rows of all gathers that trained it, in the order of its record.
        classes: Their classes.
        validation: Rows of its validation gathers, `FEWEST_JUDGING` or more.
        size: Samples and traces of its windows.

    Raises:
        InputError: A record is damaged.
    """
    chosen = training[_spread(classes, len(unlikeness.means))]
    pieces = [piece for row in validation if (piece := _piece(survey, int(row), size))]
    usual, judging = (list(map(figures_of, _gathers(survey, rows))) for rows in (chosen, validation))
    small = list(map(figures_of, pieces)) if len(pieces) >= FEWEST_SMALL else []
    return judging_events(unlikeness, np.stack(usual), judging, small)


def _recorded_fractions(
    survey: Survey, selection: ClassifierSelection, classes: Mapping[str, np.ndarray], count: int
) -> np.ndarray:
    """Share of each class in the recorded gathers that trained or validated: what the survey itself holds.

    A class without any counts as half a gather.
    """
    rows = np.concatenate([selection.training, selection.validation])
    recorded = (survey.index["parents"] == "").to_numpy()[rows]
    found = np.concatenate([classes["training"], classes["validation"]])[recorded]
    counts = np.maximum(np.bincount(found, minlength=count), LEAST_COUNT)
    return counts / counts.sum()


@dataclass(frozen=True)
class _Kept:
    """What is kept of a graded gather: everything except its image."""

    seen: Seen
    weights: np.ndarray
    figures: np.ndarray


def _kept(one: Judged) -> _Kept:
    return _Kept(one.seen, one.windows.weights, one.figures)


def _features(one: _Kept) -> np.ndarray:
    assert one.seen.features is not None
    return one.seen.features


def _gathers(survey: Survey, rows: np.ndarray) -> Iterator[Gather]:
    return (survey.read(int(row)) for row in rows)


def _piece(survey: Survey, row: int, size: tuple[int, int]) -> Gather | None:
    """A window of a gather as a gather of its own, with its own clip; None if it is all of it, or quiet."""
    gather = survey.read(row)
    high, wide = gather.valid_samples - size[0], gather.valid_traces - size[1]
    if high < 0 or wide < 0 or not high + wide:
        return None
    random = np.random.default_rng(row)
    first, left = int(random.integers(high + 1)), int(random.integers(wide + 1))
    amplitude = gather.image[first : first + size[0], left : left + size[1]].astype(np.float32) - ZERO_LEVEL
    geometry = traces_taken(gather.geometry, slice(left, left + size[1]))
    piece = Recording(gather.gather_id, amplitude, gather.label, geometry, gather.source)
    made = render_recording(piece, *size, zero_level=0.0)
    return made if is_live(made) and made.clip_amplitude >= QUIET * ZERO_LEVEL else None


def _spread(classes: np.ndarray, count: int) -> np.ndarray:
    """Places of some gathers of each class, evenly spread: all of them, or as many as the class's share allows."""
    most = max(1, MOST_TRAINING // count)
    places = [np.flatnonzero(classes == one) for one in range(count)]
    return np.sort(np.concatenate([each[_even(len(each), most)] for each in places]))


def _even(count: int, most: int) -> np.ndarray:
    return (
        np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)) if count else np.zeros(0, int)
    )
