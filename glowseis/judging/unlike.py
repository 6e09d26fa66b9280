"""How far a gather is from those that a classifier was trained on; one in a hundred similar gathers lies beyond 1."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from glowseis.survey.matching.events import EVENT_STATISTICS
from glowseis.survey.matching.statistics import STATISTICS
from glowseis.survey.wording import number_of

PERCENTILE = 99.0
"""Percentage of the gathers that set a threshold which lie within it."""

LEAST_SCORE = 3.0
"""Robust standard scores below this are ordinary."""

PERCENTILE_OF_SMALL = 95.0
"""The same for the events of single windows, some of which hold none: they are cut above the first arrivals."""

USUAL = (0.005, 0.5, 0.995)
"""Shares of the training gathers below the ends and the middle of what is usual for a figure of events."""

CHANCE = 0.01
"""Share of surveys like the training data that may be called unlike it as a whole."""

TYPICAL_JUDGES = 270
"""Validation gathers of `savedmodels/robust`, for classifiers that do not record theirs."""

SHOWN_LINES = 10
"""Most lines of a survey whose counts are told, those with the most unlike gathers first."""


@dataclass(frozen=True)
class Unlikeness:
    """Distances from the training data, in a classifier's features and in figures of the image and its events.

    A window's distance is the Mahalanobis distance from the nearest class mean, under one covariance of all classes
    with Ledoit and Wolf's shrinkage; a gather's is the median over its live windows. A figure's score is its distance
    from the median of training gathers, in robust standard deviations. A figure of events, whose distribution may be
    skewed, scores 1 at the ends of what is usual among training gathers, 0 in its middle, and in proportion elsewhere.

    Attributes:
        means: Means of each class's features, float64 `[class, feature]`.
        whitening: The matrix that makes the covariance of features the identity, float64 `[feature, feature]`.
        farthest: Distance that counts as 1, for a gather of one window and one of `windows` or more, float64 `[2]`.
        middles: Medians of the figures, float64 `[figure]`, in the order of `STATISTICS`.
        spreads: Their robust standard deviations, in the same form.
        largest_score: Score that counts as 1, in the same form as `farthest`.
        usual: Lower end, middle and upper end of what is usual for figures of events, float64 `[3, event figure]`, in
            the order of `EVENT_STATISTICS`; None if an older glowseis learned it, which judges no events.
        largest_event: Score of events that counts as 1, in the same form as `farthest`.
        windows: Windows of a typical training gather. The figures of a smaller gather vary more; between one window and
            these, thresholds change with the square root of their number, as the spread of a mean does.

    Source: Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018, section 2.1;
    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
    """

    means: np.ndarray
    whitening: np.ndarray
    farthest: np.ndarray
    middles: np.ndarray
    spreads: np.ndarray
    largest_score: np.ndarray
    windows: float = 1.0
    usual: np.ndarray | None = None
    largest_event: np.ndarray | None = None

    def of(self, features: np.ndarray, figures: np.ndarray) -> tuple[float, str]:
        """How unlike a gather is, and in what.

        Args:
            features: Features of its live windows, `[window, feature]`.
            figures: Figures of its image, `[figure]`, those of `STATISTICS`, then those of `EVENT_STATISTICS`.

        Returns:
            The largest of its distance in features and its scores, each divided by what counts as 1; and `features`, or
            the figure's name. Above 1, do not rely on its grade.
        """
        share = self._share_of_small(len(features))

        def limit(of: np.ndarray) -> float:
            return float(share * of[0] + (1 - share) * of[1])

        told = [(float(self.distance(features) / limit(self.farthest)), "features")]
        scores = [(self.scores(figures) / limit(self.largest_score), STATISTICS)]
        if self.largest_event is not None:
            scores.append((self.event_scores(figures) / limit(self.largest_event), EVENT_STATISTICS))
        told += [(float(each.max()), list(names)[int(each.argmax())]) for each, names in scores]
        return max(told)

    def _share_of_small(self, windows: int) -> float:
        """Weight of the thresholds of a single window."""
        if windows >= self.windows:
            return 0.0
        least = self.windows**-0.5
        return (windows**-0.5 - least) / (1 - least)

    def distance(self, features: np.ndarray) -> float:
        """A gather's distance in features."""
        away = (np.asarray(features, np.float64)[:, np.newaxis] - self.means) @ self.whitening
        return float(np.median(np.sqrt(np.sum(away**2, axis=-1)).min(axis=1)))

    def scores(self, figures: np.ndarray) -> np.ndarray:
        """Scores of a gather's figures, float64 `[figure]`."""
        return np.abs(figures[: len(STATISTICS)] - self.middles) / self.spreads

    def event_scores(self, figures: np.ndarray) -> np.ndarray:
        """Scores of its figures of events, float64 `[event figure]`; 0 for what could not be measured."""
        if self.usual is None:
            return np.zeros(len(EVENT_STATISTICS))
        low, middle, high = self.usual
        away = figures[len(STATISTICS) :] - middle
        return np.nan_to_num(np.where(away < 0, away / (low - middle), away / (high - middle)))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays to store."""
        return {name: np.asarray(value, np.float64) for name, value in vars(self).items() if value is not None}


def unlikeness_from(arrays: Mapping[str, np.ndarray], classes: int) -> Unlikeness:
    """Restore it from what `Unlikeness.arrays` made.

    Args:
        arrays: The arrays by name.
        classes: Number of classes.

    Raises:
        KeyError, ValueError: They are not the arrays of an `Unlikeness`.
    """
    means, whitening = arrays["means"], arrays["whitening"]
    width = means.shape[-1]
    figures, events = (len(STATISTICS),), (3, len(EVENT_STATISTICS))
    usual = arrays.get("usual")
    shapes = (means.shape, whitening.shape, arrays["middles"].shape, arrays["spreads"].shape)
    if shapes != ((classes, width), (width, width), figures, figures) or (usual is not None and usual.shape != events):
        raise ValueError(f"its distances have shapes {shapes}, its events {None if usual is None else usual.shape}")
    return Unlikeness(
        means,
        whitening,
        np.broadcast_to(arrays["farthest"], 2),
        arrays["middles"],
        arrays["spreads"],
        np.broadcast_to(arrays["largest_score"], 2),
        float(arrays.get("windows", 1.0)),
        usual,
        None if usual is None else np.broadcast_to(arrays["largest_event"], 2),
    )


def fit_unlikeness(
    features: np.ndarray,
    classes: np.ndarray,
    figures: np.ndarray,
    judging: Sequence[tuple[np.ndarray, np.ndarray]],
    small: Sequence[tuple[np.ndarray, np.ndarray]],
    count: int,
) -> Unlikeness:
    """Learn what training gathers look like.

    Args:
        features: Features of windows of training gathers, `[window, feature]`.
        classes: Class of each window's gather, `[window]`.
        figures: Figures of the images of training gathers, `[gather, figure]`, as for `Unlikeness.of`.
        judging: Features of the windows, and figures, of the gathers that set the thresholds; not training gathers. One
            in a hundred lies beyond a threshold, but none because of its events.
        small: The same for gathers of one window, which set the thresholds for gathers of that size; `judging` sets
            them if there are none.
        count: Number of classes.

    Raises:
        ValueError: There are no windows or no gathers to judge.
    """
    from sklearn.covariance import LedoitWolf

    if not len(features) or not judging:
        raise ValueError("there are no gathers to learn from; pass at least one")
    features = np.asarray(features, np.float64)
    whole = features.mean(axis=0)
    means = np.stack(
        [features[classes == one].mean(axis=0) if (classes == one).any() else whole for one in range(count)]
    )
    covariance = LedoitWolf(assume_centered=True).fit(features - means[classes]).covariance_
    # A feature that never varies, as one after ReLU may, must not decide: no spread is smaller than this.
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, max(values.max(), 1e-12) * 1e-6)
    plain = figures[:, : len(STATISTICS)]
    middles = np.median(plain, axis=0)
    spreads = np.maximum(1.4826 * np.median(np.abs(plain - middles), axis=0), list(STATISTICS.values()))
    made = Unlikeness(means, vectors / np.sqrt(values), np.ones(2), middles, spreads, np.ones(2))
    limits = np.array([_limits(made, each) for each in (small or judging, judging)])
    windows = float(np.median([len(one) for one, _ in judging]))
    made = replace(made, farthest=limits[:, 0], largest_score=limits[:, 1], windows=windows)
    return judging_events(made, figures, *([each for _, each in gathers] for gathers in (judging, small)))


def judging_events(
    made: Unlikeness, figures: np.ndarray, judging: Sequence[np.ndarray], small: Sequence[np.ndarray]
) -> Unlikeness:
    """Learn what is usual for events; nothing else changes, so it may be done after all else.

    Args:
        made: What it is added to.
        figures: As for `fit_unlikeness`.
        judging: Figures of the gathers that set the threshold; none of them lies beyond it.
        small: The same for gathers of one window, as for `fit_unlikeness`; one in twenty may lie beyond theirs.
    """
    made = replace(made, usual=_usual(figures[:, len(STATISTICS) :]))
    of_each = [np.array([made.event_scores(one).max() for one in each]) for each in (judging, small or judging)]
    largest = max(1.0, float(of_each[0].max()))
    of_small = max(largest, float(np.percentile(of_each[1], PERCENTILE_OF_SMALL)))
    return replace(made, largest_event=np.array([of_small, largest]))


def _usual(events: np.ndarray) -> np.ndarray:
    """What is usual for figures of events, `[gather, event figure]`; anything, if none could be measured."""
    usual = np.array([[-np.inf, 0.0, np.inf]] * len(EVENT_STATISTICS)).T
    for number, least in enumerate(EVENT_STATISTICS.values()):
        known = events[np.isfinite(events[:, number]), number]
        if len(known):
            low, middle, high = np.quantile(known, USUAL)
            usual[:, number] = min(low, middle - least), middle, max(high, middle + least)
    return usual


def _limits(made: Unlikeness, gathers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Thresholds of distance and score; one in a hundred gathers lies beyond one of them."""
    distances = np.array([made.distance(features) for features, _ in gathers])
    scores = np.array([made.scores(figures).max() for _, figures in gathers])
    farthest = max(float(np.percentile(distances, PERCENTILE)), 1e-6)
    largest = max(float(np.percentile(scores, PERCENTILE)), LEAST_SCORE)
    either = float(np.percentile(np.maximum(distances / farthest, scores / largest), PERCENTILE))
    return max(1.0, either) * farthest, max(1.0, either) * largest


@dataclass(frozen=True)
class Count:
    """How many gathers of a line or a survey are unlike the training data.

    Attributes:
        name: The line's name; empty for all gathers.
        unlike: Gathers with `unlike` above 1.
        gathers: Gathers with a known `unlike`.
        most: Most of them that chance explains, if all are like the training data.
    """

    name: str
    unlike: int
    gathers: int
    most: int

    @property
    def whole(self) -> bool:
        """Whether the line or survey as a whole is unlike the training data."""
        return self.unlike > self.most

    @property
    def text(self) -> str:
        """The count in words, such as `7 of 300 gathers are unlike the training data`."""
        verb = "is" if self.unlike == 1 else "are"
        return f"{self.unlike} of {number_of(self.gathers, 'gather')} {verb} unlike the training data"


@dataclass(frozen=True)
class Summary:
    """How unlike the training data a survey and its lines are.

    Attributes:
        survey: All gathers.
        lines: Each line's, in the order in which they were first met.
    """

    survey: Count
    lines: tuple[Count, ...]

    @property
    def text(self) -> list[str]:
        """One line of text per sail line with unlike gathers, if there are several, and one if all are too many."""
        told = sorted((one for one in self.lines if one.unlike), key=lambda one: -one.unlike)
        texts = []
        if len(self.lines) > 1:
            texts = [f"{one.name}: {one.text}{', as a whole' if one.whole else ''}" for one in told[:SHOWN_LINES]]
            if more := told[SHOWN_LINES:]:
                unlike = number_of(sum(one.unlike for one in more), "unlike gather")
                texts.append(f"{number_of(len(more), 'more line')}: {unlike}")
        if self.survey.whole:
            texts.append(
                f"warning: the gathers as a whole are unlike the training data: {self.survey.unlike} of "
                f"{self.survey.gathers} have unlike > 1, and chance explains {self.survey.most} at most"
            )
        return texts


def summary(lines: Iterable[str], values: Iterable[float | None], judges: int = TYPICAL_JUDGES) -> Summary:
    """Count the unlike gathers of each line and of all lines, and say whether they are more than chance explains.

    One in a hundred validation gathers lies beyond the threshold. For new gathers of the same kind the rate is known
    only as well as so few tell: it is taken to be the upper 95 % limit of Clopper and Pearson. A line or survey as a
    whole is unlike the training data if it has more unlike gathers than `1 - CHANCE` of binomial draws with that rate.
    A single gather never is: its own `unlike` says it.

    Args:
        lines: Name of each gather's line, as `glowseis.survey.wording.line_names` makes it.
        values: `unlike` of each gather; those that are None or NaN are not counted.
        judges: Validation gathers that set the threshold.

    Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, 1934.
    """
    from scipy.stats import beta, binom

    counts: dict[str, list[int]] = {}
    for line, value in zip(lines, values, strict=True):
        if value is not None and not math.isnan(value):
            one = counts.setdefault(line, [0, 0])
            one[0] += value > 1
            one[1] += 1
    beyond = math.ceil(judges * (100 - PERCENTILE) / 100)
    rate = float(beta.ppf(0.95, beyond + 1, judges - beyond)) if judges > beyond else 1.0

    def count(name: str, unlike: int, gathers: int) -> Count:
        return Count(name, unlike, gathers, int(binom.ppf(1 - CHANCE, gathers, rate)) if gathers else 0)

    whole = np.sum(list(counts.values()) or [[0, 0]], axis=0)
    return Summary(count("", *map(int, whole)), tuple(count(name, *one) for name, one in counts.items()))
