"""Gathers graded by a trained classifier: read in batches, written as a table, scored where they are labelled."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.export import SavedClassifier
from glowseis.scoring import Scores, scores
from glowseis.survey.gather import Gather
from glowseis.survey.output import whole_file
from glowseis.survey.pipeline import batches, image_batches
from glowseis.survey.records import Survey

FACTS = ("gather_id", "source", "sail_line", "shot", "cable")
"""What the table says of a gather before its grade."""


@dataclass(frozen=True)
class Batch:
    """Some gathers.

    Attributes:
        images: Grey levels, uint8 `[gather, time, trace]`.
        facts: Values of `FACTS`, a row a gather.
        labels: Their labels, `""` where there is none.
        synthetic: Whether each is.
    """

    images: np.ndarray
    facts: Sequence[tuple[object, ...]]
    labels: Sequence[str]
    synthetic: Sequence[bool]


@dataclass(frozen=True)
class Grades:
    """What became of all gathers.

    Attributes:
        counts: Gathers by grade, in order of severity.
        scores: Of the gathers with one of the classifier's labels; None where there is none.
        unknown: Gathers by label that the classifier does not know.
        seen: Gathers that are not scored, for one of their id trained the classifier or chose its weights.
        synthetic: Gathers that are not scored, for they were never recorded.
    """

    counts: dict[str, int]
    scores: Scores | None
    unknown: dict[str, int]
    seen: int
    synthetic: int


def survey_batches(survey: Survey, batch: int) -> Iterator[Batch]:
    """Gathers of a survey, in its order.

    Args:
        survey: The survey.
        batch: Gathers at a time.

    Raises:
        InputError: A record is damaged.
    """
    facts = list(survey.index[list(FACTS)].itertuples(index=False, name=None))
    labels = survey.index["label"].tolist()
    synthetic = (survey.index["parents"] != "").tolist()
    dataset = image_batches(survey, np.arange(len(survey)), batch)
    for number, (images, _) in enumerate(batches(survey, dataset)):
        places = slice(number * batch, number * batch + len(images))
        yield Batch(images.numpy(), facts[places], labels[places], synthetic[places])


def gather_batches(gathers: Iterable[Gather], batch: int) -> Iterator[Batch]:
    """Gathers one after another, with memory for a batch.

    Args:
        gathers: Pictures of one size.
        batch: Gathers at a time.
    """
    remaining = iter(gathers)
    while some := list(itertools.islice(remaining, batch)):
        facts = [
            (one.gather_id, one.source, one.geometry.sail_line, one.geometry.shot, one.geometry.cable) for one in some
        ]
        images = np.stack([one.image for one in some])
        yield Batch(images, facts, [one.label for one in some], [bool(one.origin.parents) for one in some])


def grade(classifier: SavedClassifier, read: Iterable[Batch], out: Path) -> Grades:
    """Grade gathers and write a table of their grades, whole or not at all.

    Scored are recorded gathers with a label; not those whose id is that of one which trained the classifier or chose
    its weights, in whatever survey or file it is now.

    Args:
        classifier: What grades them.
        read: The gathers.
        out: CSV file to be made: `FACTS`, the grade, and the probability of each label.

    Returns:
        Counts and scores.

    Raises:
        InputError: The file is there already, or a gather cannot be read.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    numbers = {label: number for number, label in enumerate(classifier.labels)}
    counts = np.zeros(len(numbers), np.int64)
    unknown: dict[str, int] = {}
    known = {name for part in ("training_ids", "validation_ids") for name in classifier.about.get(part, ())}
    seen = synthetic = 0
    truth: list[int] = []
    judged: list[np.ndarray] = []
    with whole_file(out) as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*FACTS, "grade", *(f"probability_{label}" for label in classifier.labels)])
        for one in read:
            probabilities = classifier.probabilities(one.images)
            graded = probabilities.argmax(axis=1)
            counts += np.bincount(graded, minlength=len(numbers))
            for facts, number, each in zip(one.facts, graded, probabilities, strict=True):
                # Nine significant digits give a float32 back.
                writer.writerow([*facts, classifier.labels[number], *(f"{value:.9g}" for value in each)])
            for facts, label, made, each in zip(one.facts, one.labels, one.synthetic, probabilities, strict=True):
                if facts[0] in known:
                    seen += 1
                elif made:
                    synthetic += 1
                elif label in numbers:
                    truth.append(numbers[label])
                    judged.append(each)
                elif label:
                    unknown[label] = unknown.get(label, 0) + 1
    found = np.array(judged)
    scored = scores(truth, found.argmax(axis=1), classifier.labels, probabilities=found) if truth else None
    return Grades(dict(zip(classifier.labels, counts.tolist(), strict=True)), scored, unknown, seen, synthetic)
