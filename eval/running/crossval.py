"""One arm in one fold: its training set, its classifier, and its scores on gathers that nothing was fitted to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from eval.results.statistics import calibration_error, precision_at_recalls
from eval.running.arm_log import ArmLog
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.guard import LeakError
from eval.study.missed import RareGrades, write_grades
from eval.study.names import ARMS
from eval.study.outcome import Independent, Outcome
from eval.study.preparation import Study
from eval.study.recipe import StudyRecipe
from glowseis.errors import FittingError, InputError
from glowseis.fitting.classifier.fitting import ClassifierFitting
from glowseis.fitting.stopping import Stopping
from glowseis.machine import cores
from glowseis.run.record import commit
from glowseis.scoring import Scores, fraction_weights, scores
from glowseis.survey.batches.labelled import LabelledGathers, from_survey
from glowseis.survey.gather import LABELS
from glowseis.survey.splits.parts import labelled_rows
from glowseis.survey.store.survey import Survey

FAILURES = (FittingError, InputError, tf.errors.ResourceExhaustedError)
"""Errors that make one arm fail while the others continue; a leak stops all."""


def run_arm(fold: Fold, name: str) -> Outcome:
    """Train and score one arm in one fold.

    Args:
        fold: The fold.
        name: A name in `eval.study.names.ARMS`.

    Returns:
        Its outcome, with an `error` if the arm failed.

    Raises:
        LeakError: A validation or test gather, or something made from one, reached training.
        StoppedError: A signal came; of this arm only its flow's training is kept.
    """
    study = fold.study
    outcome = Outcome(
        study=study.digest,
        kind=fold.kind,
        fold=fold.number,
        folds=study.count(fold.kind),
        arm=name,
        labels=list(study.labels),
        rare=study.rare,
        seed=fold.seed,
        commit=commit() or "",
        machine=machine(),
    )
    try:
        return _scored(fold, outcome)
    except LeakError:
        raise
    except FAILURES as wrong:
        return outcome.model_copy(update={"error": " ".join(str(wrong).split())[:500] or type(wrong).__name__})


def _scored(fold: Fold, outcome: Outcome) -> Outcome:
    study, seconds = fold.study, dict.fromkeys(("flow", "synthesis", "classifier"), 0.0)
    which = ARMS[outcome.arm].flow
    if which:
        with _timed(seconds, "flow"):
            fold.flow(which)
    with _timed(seconds, "synthesis"):
        training_set = fold.training_set(ARM_CLASSES[outcome.arm]())
    log = ArmLog(
        study.logs(fold.kind, fold.number, outcome.arm),
        {
            "arm": outcome.arm,
            "kind": fold.kind,
            "fold": fold.number,
            "augmentations": training_set.synthetic,
            "seed": outcome.seed,
        },
        study.labels.index(study.rare),
        stopping := Stopping(),
        f"{fold.kind} fold {fold.number}, {outcome.arm}",
    )
    with log, stopping, _timed(seconds, "classifier"):
        fitting, fitted = fold.fit(training_set, watcher=log)
        test = fold.of_rows(fold.test)
        fold.guard.check_tested(test.ids)
        probabilities = fitting.probabilities(test)
        independent, of_independent, rare_grades = score_independent(study, fitting)
        log.finish(fitted.step, _figures(test.classes, probabilities, of_independent, study))
    # Signals are not checked between the last step and here.
    stopping.check()
    path = study.grades(fold.kind, fold.number, outcome.arm)
    if path and rare_grades:
        write_grades(path, rare_grades)
    return outcome.model_copy(
        update={
            "training": _by_label(fold),
            "synthetic": training_set.synthetic,
            "steps": fitted.steps,
            "kept_step": fitted.step,
            "ids": [str(one) for one in test.ids],
            "classes": test.classes.tolist(),
            "probabilities": rounded(probabilities),
            "independent": independent,
            "epochs": log.epochs,
            "seconds": {part: round(taken, 2) for part, taken in seconds.items()},
        }
    )


def score_independent(
    study: Study, fitting: ClassifierFitting
) -> tuple[Independent | None, Scores | None, RareGrades | None]:
    """Score a classifier on a study's independent survey, weighted to the fractions of the study's own survey.

    Args:
        study: The study.
        fitting: The classifier.

    Returns:
        The scores, as stored in an outcome and as computed, and the grades of rare gathers; None without such a survey.

    Raises:
        InputError: A record is damaged.
    """
    if study.independent is None:
        return None, None, None
    gathers = independent_gathers(study.recipe, study.independent)
    return score_found(study.recipe, study.digest, study.independent, gathers, fitting.probabilities(gathers))


def independent_gathers(recipe: StudyRecipe, survey: Survey) -> LabelledGathers:
    """The gathers of an independent survey that classifiers are scored on."""
    rows = np.intersect1d(survey.select(labels=recipe.study.labels), labelled_rows(survey))
    return from_survey(survey, rows, recipe.study.labels)


def score_found(
    recipe: StudyRecipe, digest: str, survey: Survey, gathers: LabelledGathers, found: np.ndarray
) -> tuple[Independent, Scores, RareGrades]:
    """Score probabilities of an independent survey's gathers, weighted to the fractions of the study's own survey.

    Args:
        recipe: The study's recipe.
        digest: The study's digest.
        survey: The independent survey.
        gathers: Its gathers, `independent_gathers`.
        found: Probabilities, `[gather, class]`.

    Returns:
        The scores, as stored in an outcome and as computed, and the grades of rare gathers.
    """
    labels = recipe.study.labels
    fractions = dict(zip(LABELS, recipe.survey.fractions, strict=True))
    weights = fraction_weights(gathers.classes, [fractions[label] for label in labels])
    judged = scores(gathers.classes, found.argmax(axis=1), labels, probabilities=found, weights=weights)
    rare = labels.index(recipe.data.label)
    is_rare = gathers.classes == rare
    curve = precision_at_recalls(is_rare, found[:, rare], weights)
    return (
        Independent(
            confusion=judged.confusion.tolist(),
            precision=judged.precision.tolist(),
            recall=judged.recall.tolist(),
            f1=judged.f1.tolist(),
            average_precision=judged.average_precision.tolist(),
            calibration_error=calibration_error(gathers.classes, found, weights),
            precision_at_recall=curve.tolist(),
        ),
        judged,
        RareGrades(
            study=digest,
            survey=survey.checksum,
            ids=[str(one) for one in gathers.ids[is_rare]],
            probabilities=rounded(found[is_rare]),
            rare=rare,
        ),
    )


def machine() -> str:
    """The processors in words, such as "2 cores, no GPU"."""
    count = cores()
    names = [
        str(tf.config.experimental.get_device_details(device).get("device_name", "GPU"))
        for device in tf.config.list_physical_devices("GPU")
    ]
    return f"{count} core{'s' * (count > 1)}, {', '.join(names) or 'no GPU'}"


def line_of(outcome: Outcome) -> str:
    """An outcome in one line for the terminal."""
    # Only a study of independent surveys has no test gathers.
    what = "fold" if outcome.ids or not outcome.independent else "survey"
    where = f"{outcome.kind} {what} {outcome.fold}, {outcome.arm}"
    if outcome.error:
        return f"{where}: failed: {outcome.error}"
    rare, scored = outcome.labels.index(outcome.rare), []
    if outcome.ids:
        judged = scores(outcome.truth, outcome.predicted, outcome.labels)
        scored.append(f"F1 of {outcome.rare} {100 * judged.f1[rare]:.1f}, accuracy {100 * judged.accuracy:.1f}")
    if outcome.independent:
        scored.append(f"independent survey: F1 of {outcome.rare} {100 * outcome.independent.f1[rare]:.1f}")
    return f"{where}: {'; '.join(scored)} ({duration(sum(outcome.seconds.values()))})"


def duration(seconds: float) -> str:
    """A time in words, such as "1 h 05 min", with at most three digits."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def rounded(probabilities: np.ndarray) -> list[list[float]]:
    """Probabilities for a file, six digits each."""
    return [[float(f"{value:.6g}") for value in row] for row in probabilities]


def _figures(
    classes: np.ndarray, probabilities: np.ndarray, independent: Scores | None, study: Study
) -> dict[str, float]:
    """Figures for TensorBoard; those of the test gathers only where there are some."""
    rare = study.labels.index(study.rare)
    figures: dict[str, float] = {}
    if len(classes):
        judged = scores(classes, probabilities.argmax(axis=1), study.labels, probabilities=probabilities)
        figures = {
            "test/f1_rare": float(judged.f1[rare]),
            "test/f1_mean": float(judged.f1.mean()),
            "test/accuracy": judged.accuracy,
            "test/balanced_accuracy": judged.balanced_accuracy,
            "test/average_precision_rare": float(judged.average_precision[rare]),
            "test/calibration_error": calibration_error(classes, probabilities),
        }
    return figures | ({"independent/f1_rare": float(independent.f1[rare])} if independent else {})


def _by_label(fold: Fold) -> dict[str, int]:
    """Recorded training gathers of each label."""
    labels = fold.study.survey.index["label"].to_numpy()[fold.training]
    return {label: int((labels == label).sum()) for label in fold.study.labels}


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[part] += time.monotonic() - started
