"""The classifiers of the curve: trained on nested sets, each kept in a small file; a process for each run."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import FiniteFloat

from eval.running.crossval import duration, machine
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.kept import Kept, read_kept, write_kept
from eval.study.makers import SMOTE
from eval.study.outcome import listed
from eval.study.preparation import Study
from glowseis.errors import InputError
from glowseis.fitting.classifier.fitting import Watcher
from glowseis.fitting.stopping import Stopping
from glowseis.run.record import commit
from glowseis.scoring import scores
from glowseis.survey.splits.parts import ids_of


class Point(Kept):
    """One classifier of the curve.

    Attributes:
        curve: Digest of what all points of a curve share.
        count: Number of added gathers.
        run: Number of the run, from 0.
        seed: Seed of the classifier's weights and order.
        steps: Optimiser steps.
        kept_step: The step whose weights were scored.
        seconds: Time for training and scoring.
        validation: F1 of each class on the validation gathers, by label.
        test: The same on the test gathers.
        commit: Commit of the code.
        machine: The processor in words, such as "2 cores, no GPU".
    """

    curve: str
    count: int
    run: int
    seed: int
    steps: int
    kept_step: int
    seconds: float
    validation: dict[str, FiniteFloat]
    test: dict[str, FiniteFloat]
    commit: str
    machine: str


def study_of_curve(study: Study) -> Study:
    """A study whose arms add as many gathers as the curve's largest count, and whose classifiers stop early.

    Args:
        study: The study, with the curve's split as its folds.
    """
    section = study.recipe.study
    early = {"epochs": section.curve.epochs, "patience": section.curve.patience, "keep": "best"}
    training = section.training.model_copy(update=early)
    changed = section.model_copy(update={"training": training, "augmentations": max(section.curve.counts)})
    return dataclasses.replace(study, recipe=study.recipe.model_copy(update={"study": changed}))


def kept_points(
    study: Study, arm: str, counts: Sequence[int], runs: Sequence[int], folder: Path
) -> dict[tuple[int, int], Point]:
    """The points of a curve that exist, by count and run.

    Args:
        study: As `study_of_curve` returns it.
        arm: The arm that adds the gathers, a name in `eval.study.names.ARMS`.
        counts: How many gathers it adds.
        runs: Numbers of runs.
        folder: Folder of the points.

    Raises:
        InputError: One is damaged or of another curve.
    """
    curve = _digest(study, arm)
    read = {(count, run): _read(folder, curve, count, run, study.labels) for run in runs for count in counts}
    return {place: point for place, point in read.items() if point is not None}


def run_points(
    fold: Fold, arm: str, counts: Sequence[int], runs: Sequence[int], folder: Path, say: Callable[[str], None] = print
) -> list[Point]:
    """Train and score the classifiers of a curve that do not exist yet.

    Args:
        fold: The split into training, validation and test, of a study as `study_of_curve` returns it.
        arm: The arm that adds the gathers, a name in `eval.study.names.ARMS`.
        counts: How many gathers it adds, the first of all that it makes.
        runs: Numbers of runs; each has a classifier at each count.
        folder: Folder of the points.
        say: Called with one line per point.

    Returns:
        A point for each count and run.

    Raises:
        InputError: An existing point is damaged or of another curve.
        LeakError: A validation or test gather, or something made from one, reached training.
        FittingError: A classifier or the flow cannot be fitted.
        StoppedError: A signal came; what is finished is kept.
    """
    points = kept_points(fold.study, arm, counts, runs, folder)
    rare, curve = fold.study.rare, _digest(fold.study, arm)
    for count, run in ((count, run) for run in runs for count in counts):
        if (count, run) in points:
            continue
        point = points[count, run] = _fit(fold, arm, count, run, curve)
        _write(folder, point)
        say(
            f"{count} gathers, run {run}: F1 of {rare} {100 * point.validation[rare]:.1f} on validation, "
            f"{100 * point.test[rare]:.1f} on test gathers ({duration(point.seconds)})"
        )
    return [points[count, run] for run in runs for count in counts]


def make_gathers(fold: Fold, arm: str) -> None:
    """Make the gathers that an arm adds, and the flow that it needs, unless they exist, for the runs' processes to use.

    Args:
        fold: As for `run_points`.
        arm: The arm that adds the gathers.

    Raises:
        InputError: Something that the arm needs does not exist.
        LeakError: The fold's guard refuses a gather.
        FittingError: The flow cannot be fitted.
        StoppedError: A signal came; the flow's state is saved.
    """
    fold.training_set(ARM_CLASSES[arm]())


def table_of(points: Sequence[Point]) -> pd.DataFrame:
    """Points as a table, a row for each part and class: `count`, `run`, `part`, `class`, `f1`."""
    rows = [
        {"count": point.count, "run": point.run, "part": part, "class": label, "f1": f1}
        for point in sorted(points, key=lambda one: (one.count, one.run))
        for part, by_label in (("validation", point.validation), ("test", point.test))
        for label, f1 in by_label.items()
    ]
    return pd.DataFrame(rows, columns=["count", "run", "part", "class", "f1"])


def made_by(points: Sequence[Point]) -> str:
    """How long the points of a curve took, and on which machine: a line for the terminal."""
    classifiers = f"{len(points)} classifier{'s' * (len(points) != 1)}"
    took = duration(sum(point.seconds for point in points))
    commits, machines = listed(point.commit for point in points), listed(point.machine for point in points)
    return f"{classifiers}, {took} of processes' time; commit: {commits}; machine: {machines}"


def choose(table: pd.DataFrame, rare: str) -> int:
    """The count with the highest mean F1 of the rare class on validation gathers; the lowest in a tie.

    Args:
        table: As `table_of` returns it.
        rare: The rare class.
    """
    judged = table[(table["part"] == "validation") & (table["class"] == rare)]
    # Rounded, so that means that differ only by the order of summation are equal.
    means = judged.groupby("count")["f1"].mean().sort_index().round(9)
    return int(means.index[int(np.argmax(means))])


class _Leaving(Watcher):
    """Stops between steps if a signal came."""

    def __init__(self, stopping: Stopping):
        self._stopping = stopping

    def between_steps(self, step: int, last: bool) -> None:
        self._stopping.check()


def _fit(fold: Fold, arm: str, count: int, run: int, curve: str) -> Point:
    training_set = fold.training_set(ARM_CLASSES[arm](), first=count)
    labels = fold.study.labels
    seed = _seed(fold.seed, run)
    started = time.monotonic()
    with Stopping() as stopping:
        fitting, fitted = fold.fit(training_set, seed=seed, watcher=_Leaving(stopping))
        f1 = []
        fold.guard.check_tested(ids_of(fold.study.survey, fold.test))
        for rows in (fold.validation, fold.test):
            gathers = fold.of_rows(rows)
            graded = fitting.probabilities(gathers).argmax(axis=1)
            judged = scores(gathers.classes, graded, labels).f1
            f1.append({label: float(value) for label, value in zip(labels, judged, strict=True)})
    # Signals are not checked between the last step and here.
    stopping.check()
    return Point(
        curve=curve,
        count=count,
        run=run,
        seed=seed,
        steps=fitted.steps,
        kept_step=fitted.step,
        seconds=round(time.monotonic() - started, 2),
        validation=f1[0],
        test=f1[1],
        commit=commit() or "",
        machine=machine(),
    )


def _seed(seed: int, run: int) -> int:
    """Seed of a run, the same for all counts."""
    return int.from_bytes(hashlib.blake2b(f"curve/{seed}/{run}".encode(), digest_size=4).digest())


def _digest(study: Study, arm: str) -> str:
    """Digest of what the points of a curve share; counts and runs can be added later, as the sets are nested."""
    # SMOTE draws all its gathers at once, so another number gives other gathers.
    most = study.recipe.study.augmentations if arm == SMOTE else 1
    section = study.recipe.study.model_copy(update={"augmentations": most})
    same = dataclasses.replace(study, recipe=study.recipe.model_copy(update={"study": section}))
    # A point does not keep its test and validation gathers, so another split would otherwise go unnoticed.
    folds = {kind: one.checksum for kind, one in sorted(study.folds.items())}
    return hashlib.sha256(f"{same.digest}/{folds}/{arm}".encode()).hexdigest()


def _path(folder: Path, count: int, run: int) -> Path:
    return folder / f"{count:05d}-{run:02d}.json"


def _write(folder: Path, point: Point) -> None:
    write_kept(_path(folder, point.count, point.run), point)


def _read(folder: Path, curve: str, count: int, run: int, labels: Sequence[str]) -> Point | None:
    path = _path(folder, count, run)
    point = read_kept(path, Point, "run the curve again")
    if point is None:
        return None
    if not set(point.validation) == set(point.test) == set(labels):
        raise InputError(f"{path}: is damaged (it lacks the F1 of a class); remove it and run the curve again")
    if (point.curve, point.count, point.run) != (curve, count, run):
        raise InputError(
            f"{path}: belongs to a curve with other settings; remove {folder}, or give another --out or --points"
        )
    return point
