"""A study that was never run, with outcomes, folds and synthetic gathers on disk, for tests of its report."""

import dataclasses

import numpy as np
from graded_survey import graded_gather
from outcomes import COUNTS, LABELS, make_outcomes

from eval.recipe import read_study
from eval.results import collect
from eval.study import Study
from glowseis.survey.folds import make_folds
from glowseis.survey.gather import Origin
from glowseis.survey.records import open_survey, write_survey

RECIPE = """
name = "made-up"
seed = 3

[data]
label = "bad"
held_out = 0.1

[study]
folds = 3
arms = ["none", "oversampling", "flow"]

[[phases]]
labels = ["bad"]
epochs = 3
learning_rate = 1e-3
"""

ARMS = ("none", "oversampling", "flow")


def reported_study(folder, *, synthetic=True, size=(40, 32), **outcomes):
    """A study and its results; `outcomes` go to `make_outcomes`."""
    (folder / "study.toml").write_text(RECIPE)
    labels = np.random.default_rng(0).permutation(np.repeat(LABELS, COUNTS))
    write_survey(folder / "survey", (graded_gather(n, label, size) for n, label in enumerate(labels)), size, {})
    survey = open_survey(folder / "survey")
    kinds = ("grouped", "stratified")
    folds = {kind: make_folds(survey, kind, 3, rare="bad") for kind in kinds}
    study = Study(read_study(folder / "study.toml"), survey, None, folds, folder / "out", folder / "outcomes")
    digest = make_outcomes(study.outcomes, ARMS, kinds, **outcomes)
    if synthetic:
        rows = survey.select(labels=["bad"])
        rows = rows[np.isin(rows, folds["grouped"].parts(1)[0])]
        write_survey(study.work("grouped", 1) / "synthetic" / "flow", children(survey, rows), size, {})
    return study, collect(study.outcomes, digest, kinds, ARMS, 3)


def children(survey, rows):
    """Five children, each mostly its first parent; the second one is its first parent again, but for a pixel."""
    for number in range(5):
        first, second = (survey.read(int(rows[(number + step) % len(rows)])) for step in (0, 1))
        image = (0.75 * first.image + 0.25 * second.image).astype(np.uint8)
        if number == 1:
            image = first.image.copy()
            image[0, 0] ^= 128
        origin = Origin((first.gather_id, second.gather_id), 0.25, 1, "flow/1", "spherical")
        yield dataclasses.replace(first, gather_id=f"child-{number}", image=image, origin=origin, source="flow/1")
