"""What a classifier makes of every gather of a survey: probabilities and features, kept so that it looks only once."""

import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.export.classifier import SavedClassifier
from glowseis.export.folders import savedmodel_sha256
from glowseis.files import whole_file
from glowseis.judging.gathers import Judged, gather_probabilities, judged
from glowseis.judging.prior import reweighted
from glowseis.judging.symmetries import Symmetric
from glowseis.run.grading import bringing_for, unlike_of
from glowseis.survey.gather import Gather, source_text
from glowseis.survey.progress import progress
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of

KEPT_EVERY_S = 60.0
"""Seconds of work that a stop may lose."""


@dataclass(frozen=True)
class Looks:
    """A classifier's view of gathers, in a survey's order.

    Attributes:
        probabilities: Of the classes if all were equally common, float64 `[gather, class]`; NaN for a gather in which
            there is nothing to grade.
        features: Mean over each gather's windows of the activations before the last layer, float32 `[gather, feature]`.
        unlike: How unlike the classifier's training data each is, float64 `[gather]`; NaN if that is not known.
        begun: How many were known before.
    """

    probabilities: np.ndarray
    features: np.ndarray
    unlike: np.ndarray
    begun: int = 0

    @property
    def graded(self) -> np.ndarray:
        """Which gathers there is something to grade in, bool `[gather]`."""
        return ~np.isnan(self.probabilities[:, 0])

    @property
    def log_probabilities(self) -> np.ndarray:
        """Logarithms of the probabilities, never minus infinity."""
        return np.log(np.maximum(self.probabilities, 1e-9))


def look_at_survey(
    classifier: SavedClassifier,
    survey: Survey,
    kept: Path | None = None,
    batch: int = 16,
    say: Callable[[str], None] = lambda line: None,
    *,
    unlike: bool = False,
) -> Looks:
    """Look at all gathers of a survey, or at those that were not looked at before.

    Args:
        classifier: The classifier.
        survey: The gathers.
        kept: File of what is known of this survey's gathers by this classifier; taken up and completed. None keeps
            nothing.
        batch: Windows at a time.
        say: Called with a line if nothing can be kept.
        unlike: Whether it must be known how unlike gathers are: what an older glowseis kept does not tell, and is then
            looked at again.

    Raises:
        InputError: A gather cannot be read, or the classifier gives no features.
    """
    if "features" not in classifier.module.signatures:
        raise InputError(f"{classifier.name}: gives no features, because an older glowseis wrote it; train it again")
    probabilities = np.full((len(survey), len(classifier.labels)), np.nan)
    features: np.ndarray | None = None
    far = np.full(len(survey), np.nan)
    done = np.zeros(len(survey), bool)
    if kept is not None and (known := _read(kept, len(survey), len(classifier.labels))):
        there = known[-1] & ~np.isnan(known[0][:, 0])
        if not unlike or classifier.unlikeness is None or not np.isnan(known[2][there]).any():
            probabilities, features, far, done = known
    begun, saved = int(done.sum()), time.monotonic()
    bringing = bringing_for(classifier)
    rows: list[int] = []

    def fresh() -> Iterator[Gather]:
        for row in progress(iter(np.flatnonzero(~done).tolist()), int((~done).sum()), "looking"):
            gather = bringing.gather(survey.read(row))
            if bringing.keeps(gather):
                rows.append(row)
                yield gather
            else:
                done[row] = True

    for one in judged(Symmetric(classifier, classifier.symmetries), fresh(), classifier.size, batch):
        row = rows.pop(0)
        seen, found = mean_features(one), even_probabilities(classifier, one)
        if features is None:
            features = np.zeros((len(survey), len(seen)), np.float32)
        probabilities[row], features[row], done[row] = found, seen, True
        measured, _ = unlike_of(classifier, one)
        far[row] = np.nan if measured is None else measured
        if kept is not None and time.monotonic() - saved > KEPT_EVERY_S:
            kept, saved = _write(kept, probabilities, features, far, done, say), time.monotonic()
    if features is None:
        raise InputError(f"{survey.path}: no gather has anything to grade in it")
    if kept is not None and done.sum() > begun:
        _write(kept, probabilities, features, far, done, say)
    return Looks(probabilities, features, far, begun)


def kept_looks(
    classifier: SavedClassifier,
    savedmodel: Path,
    survey: Survey,
    say: Callable[[str], None] = lambda line: None,
    *,
    unlike: bool = False,
) -> Looks:
    """As `look_at_survey`; what is known is kept in the survey's folder.

    Args:
        classifier: The classifier.
        savedmodel: Folder of its SavedModel, with its version.
        survey: The gathers, with the labels of their records.
        say: Called with lines for the user.
        unlike: As for `look_at_survey`.
    """
    kept = survey.path / "looks" / f"{savedmodel_sha256(savedmodel)[:12]}-{survey.checksum[:12]}.npz"
    looks = look_at_survey(classifier, survey, kept, say=say, unlike=unlike)
    if looks.begun:
        say(f"{number_of(looks.begun, 'gather')} graded before; their grades are in {source_text(kept.parent)}")
    return looks


def even_probabilities(classifier: SavedClassifier, one: Judged) -> np.ndarray:
    """A gather's calibrated probabilities if all classes were equally common, float64 `[class]`."""
    found = classifier.calibrated(gather_probabilities(one.seen, one.windows.weights, classifier.combination))
    try:
        return reweighted(found, classifier.fractions(), np.ones(len(found)))
    except InputError:
        # What an older glowseis trained does not say what its probabilities assume.
        return found


def mean_features(one: Judged) -> np.ndarray:
    """Mean of the features over a gather's windows, float32 `[feature]`."""
    assert one.seen.features is not None
    return np.average(one.seen.features, axis=0, weights=one.windows.weights).astype(np.float32)


def _read(path: Path, gathers: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """What is kept; None if there is nothing, or nothing that can be used. An older glowseis did not keep `unlike`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            probabilities, features, done = (arrays[name] for name in ("probabilities", "features", "done"))
            far = arrays["unlike"] if "unlike" in arrays else np.full(len(done), np.nan)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    if probabilities.shape != (gathers, classes) or len(features) != gathers or {far.shape, done.shape} != {(gathers,)}:
        return None
    return probabilities, features, far, done


def _write(
    path: Path,
    probabilities: np.ndarray,
    features: np.ndarray,
    far: np.ndarray,
    done: np.ndarray,
    say: Callable[[str], None],
) -> Path | None:
    """Keep what is known; returns where, or None if that is impossible."""
    try:
        with whole_file(path, replace=True) as unfinished, unfinished.open("wb") as file:
            np.savez(file, probabilities=probabilities, features=features, unlike=far, done=done)
    except OSError as wrong:
        say(
            f"{path}: cannot be written ({wrong.strerror}); nothing is kept, and the next call grades all gathers again"
        )
        return None
    return path
