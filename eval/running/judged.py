"""Synthetic gathers measured beside recorded ones, class by class: what arms add, or a survey beside another."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from eval.results.quality_tables import RECORDED
from eval.running.goodness import Features, Recorded, bands, measure, spread
from eval.running.told_apart import Sample, units_of
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.names import ARMS
from glowseis.errors import InputError
from glowseis.survey.batches.labelled import parents_of
from glowseis.survey.store.survey import Survey

HELD_OUT_MOST = 600
"""At most so many held-out gathers of a class are measured, drawn at random."""

_DRAW_STREAM = 41

Row = dict[str, Any]


def of_arms(
    fold: Fold, arms: Sequence[str], features: Features, seed: int, steps: int, say: Callable[[str], None]
) -> Iterator[Row]:
    """Measure what arms add to a fold's training gathers, beside gathers of the independent survey.

    Repeats are measured where they are all that an arm adds, each gather once.

    Args:
        fold: The fold, of a study with an independent survey.
        arms: Names of the arms.
        features: Gives features of images.
        seed: Seed of draws and of the classifier that tells both kinds apart.
        steps: Its optimiser steps; 0 leaves it out.
        say: Called with a line for each set of gathers.

    Yields:
        A row for each arm and class, and before a class's first two for its recorded gathers.

    Raises:
        InputError, StoppedError, FittingError, LeakError: As for `eval.study.material.Arm.training_set`.
    """
    study = fold.study
    assert study.independent is not None
    lines = dict(zip(study.survey.index["gather_id"], study.survey.index["sail_line"].tolist(), strict=True))
    every = study.survey.read_images(fold.training)
    labels = study.survey.index["label"].to_numpy()[fold.training]
    references: dict[str, Recorded] = {}
    for arm in arms:
        gathers = fold.training_set(ARM_CLASSES[arm]()).gathers
        places = np.flatnonzero([bool(one) for one in gathers.parents])
        if not len(places):
            _, first, times = np.unique(gathers.ids.astype(str), return_index=True, return_counts=True)
            places = first[times > 1]
        if not len(places):
            say(f"{ARMS[arm].title}: adds no gathers")
        for number in np.unique(gathers.classes[places]).tolist():
            label, own = study.labels[number], places[gathers.classes[places] == number]
            if label not in references:
                training, rows = every[labels == label], study.independent.select(labels=[label])
                held_out = _recorded_sample(study.independent, _drawn(rows, seed), "independent")
                references[label] = Recorded.of(held_out, training, every, _interval_s(study.survey), features)
                yield from _recorded_rows(references[label], label, features)
            sources = [gathers.parents[place] or (gathers.ids[place],) for place in own]
            made = Sample(
                gathers.read(own), units_of([[("survey", lines.get(name, 0), name) for name in one] for one in sources])
            )
            yield _measured(ARMS[arm].title, label, made, references[label], features, seed, steps, say)


def compared(
    recorded: Survey, synthetic: Survey, features: Features, seed: int, steps: int, say: Callable[[str], None]
) -> Iterator[Row]:
    """Measure a survey beside recorded gathers of the same labels.

    The parents that its gathers name count as training gathers, and other recorded ones as held out. Where there are no
    two such parts, all recorded gathers are both.

    Args:
        recorded: Recorded gathers.
        synthetic: The gathers to measure.
        features: As for `of_arms`.
        seed: As for `of_arms`.
        steps: As for `of_arms`.
        say: As for `of_arms`.

    Yields:
        A row for each class, and before it one or two for its recorded gathers.

    Raises:
        InputError: The sizes differ, recorded gathers of a label are missing, or a record is damaged.
    """
    if recorded.size != synthetic.size:
        one, other = ("x".join(map(str, survey.size)) for survey in (recorded, synthetic))
        raise InputError(f"{synthetic.path}: its gathers are {other}, those of {recorded.path} {one}; give one size")
    lines = dict(zip(recorded.index["gather_id"], recorded.index["sail_line"].tolist(), strict=True))
    every_parents = parents_of(synthetic)
    is_used = recorded.index["gather_id"].isin({name for one in every_parents for name in one}).to_numpy()
    for label in dict.fromkeys(synthetic.index["label"]):
        rows, places = (np.flatnonzero((one.index["label"] == label).to_numpy()) for one in (recorded, synthetic))
        if len(rows) < 2:
            raise InputError(
                f"{recorded.path}: has {len(rows)} gathers labelled {label!r}, and {synthetic.path} {len(places)}; "
                "give at least two recorded ones of each label"
            )
        held_out = _drawn(rows[~is_used[rows]], seed)
        if len(held_out) and is_used[rows].any():
            sample = _recorded_sample(recorded, held_out, "recorded")
            training, every = (recorded.read_images(one) for one in (rows[is_used[rows]], np.flatnonzero(is_used)))
        else:
            sample = _recorded_sample(recorded, _drawn(rows, seed), "recorded")
            training = every = sample.images
        name = label or "unlabelled"
        reference = Recorded.of(sample, training, every, _interval_s(recorded), features)
        yield from _recorded_rows(reference, name, features)
        index = synthetic.index.iloc[places]
        own = zip(every_parents[places], index["sail_line"].tolist(), index["gather_id"], strict=True)
        sources = [
            [("recorded", lines[parent], parent) for parent in parents if parent in lines] or [("synthetic", line, one)]
            for parents, line, one in own
        ]
        made = Sample(synthetic.read_images(places), units_of(sources))
        yield _measured("synthetic", name, made, reference, features, seed, steps, say)


def _measured(
    way: str,
    label: str,
    made: Sample,
    reference: Recorded,
    features: Features,
    seed: int,
    steps: int,
    say: Callable[[str], None],
) -> Row:
    row = _row(way, label, len(made.images), measure(made, reference, features, seed, steps))
    say(
        f"{way}, {label}, {len(made.images)} gathers: density {row['density']:.2f}, coverage {row['coverage']:.2f}, "
        f"AUC {row['auc']:.2f}, nearer to training gathers than held-out ones {100 * row['nearer']:.0f} %"
    )
    return row


def _recorded_rows(reference: Recorded, label: str, features: Features) -> Iterator[Row]:
    """Figures of the recorded gathers themselves, so that those of synthetic ones can be read."""
    images = reference.held_out.images
    yield _row(RECORDED[0], label, len(images), bands(images, images, reference.interval_s))
    training = reference.training
    if training is not images and len(training):
        figures = spread(features(training), reference.features) | bands(training, images, reference.interval_s)
        yield _row(RECORDED[1], label, len(training), figures)


def _row(way: str, label: str, count: int, figures: dict[str, float]) -> Row:
    return {"way": way, "class": label, "gathers": count, **figures}


def _recorded_sample(survey: Survey, rows: np.ndarray, name: str) -> Sample:
    index = survey.index.iloc[rows]
    own = zip(index["sail_line"].tolist(), index["gather_id"], strict=True)
    return Sample(survey.read_images(rows), units_of([[(name, line, one)] for line, one in own]))


def _drawn(rows: np.ndarray, seed: int) -> np.ndarray:
    if len(rows) <= HELD_OUT_MOST:
        return rows
    return np.sort(np.random.default_rng([seed, _DRAW_STREAM]).permutation(rows)[:HELD_OUT_MOST])


def _interval_s(survey: Survey) -> float:
    return survey.read(0).geometry.sample_interval_s
