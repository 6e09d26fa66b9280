"""A study of seconds: a survey of 60 small gathers on ten sail lines, two folds, flows of two steps."""

import dataclasses

import numpy as np

from eval.study.preparation import prepare
from eval.study.recipe import read_study
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.graded_survey import graded_gather

LABELS = ("good", "medium", "bad")
RECIPE = """
name = "small"
seed = 3

[survey]
count = 60
size = "32x32"

[data]
label = "bad"
held_out = 0.25

[flow]
levels = 2
steps = 1
filters = 8
attention_levels = 0

[[phases]]
labels = ["bad"]
epochs = 2
learning_rate = 1e-3

[training]
batch = 4
clip_norm = 1.0
adapt_gathers = 8
evaluate_every_epochs = 1
pictures_every_epochs = 100

[study]
folds = 2
validation = 0.25
arms = ["none", "flow"]
augmentations = 9

[study.classifier]
alpha = 1

[study.training]
epochs = 2
batch = 16
learning_rate = 1e-2
keep = "best"

[[study.flow_all]]
labels = ["good", "medium", "bad"]
epochs = 1
learning_rate = 1e-3

[[study.flow_all]]
labels = ["bad"]
epochs = 1
learning_rate = 1e-3
"""


def small_survey(folder, counts=(24, 18, 18), size=(32, 32), first_shot=0, lines=10):
    """A survey with so many gathers of each label, mixed, shared out among its sail lines."""
    every = np.random.default_rng(first_shot).permutation(np.repeat(np.arange(len(counts)), counts))

    def gathers():
        for shot, one in enumerate(every, start=first_shot):
            gather = graded_gather(shot, LABELS[one], size)
            geometry = dataclasses.replace(gather.geometry, sail_line=1 + shot % lines)
            yield dataclasses.replace(gather, gather_id=f"shot{shot:04d}", geometry=geometry)

    write_survey(folder, gathers(), size, {})
    return open_survey(folder)


def small_recipe(folder, *changes):
    """The recipe, read with changes."""
    path = folder / "small.toml"
    path.write_text(RECIPE)
    return read_study(path, list(changes))


def small_study(folder, *changes, kinds=None):
    """The study on that survey, prepared in a folder."""
    if not (folder / "survey").exists():
        small_survey(folder / "survey")
    return prepare(small_recipe(folder, *changes), folder / "study", folder / "survey", kinds=kinds)
