"""A study of seconds: a survey of 60 small gathers that a small network tells apart, folds, flows of two steps."""

import dataclasses
import functools

import numpy as np
import pytest

from eval.study.guard import LeakError
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
levels = 1
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

THREE_FOLDS = functools.reduce(
    lambda text, change: text.replace(*change),
    (
        ("folds = 2", "folds = 3"),
        ('arms = ["none", "flow"]', 'arms = ["none", "oversampling", "pixel-mixing", "flow"]'),
        ("augmentations = 9", "augmentations = 6"),
        ("batch = 16", "batch = 8"),
    ),
    RECIPE,
)
"""The same with another fold and other arms, for tests of commands."""


def small_survey(folder, counts=(24, 18, 18), size=(32, 32), first_shot=0, lines=10, name="shot{shot:04d}"):
    """A survey with so many gathers of each label, mixed, shared out among its sail lines."""
    every = np.random.default_rng(first_shot).permutation(np.repeat(np.arange(len(counts)), counts))

    def gathers():
        for shot, one in enumerate(every, start=first_shot):
            gather = graded_gather(shot, LABELS[one], size)
            geometry = dataclasses.replace(gather.geometry, sail_line=1 + shot % lines)
            yield dataclasses.replace(gather, gather_id=name.format(shot=shot, label=LABELS[one]), geometry=geometry)

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


def labelled_survey(folder, counts=(24, 20, 16), first_shot=0):
    """A survey on fifteen sail lines whose gathers' ids tell their labels."""
    return small_survey(folder, counts, first_shot=first_shot, lines=15, name="{label}-{shot:03d}")


def study_words(folder):
    """Write recipe and survey; the words of a command line that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.toml").write_text(THREE_FOLDS)
    labelled_survey(folder / "survey")
    return [folder / "small.toml", "--survey", folder / "survey", "--out", folder / "study"]


def name_of(survey, row):
    """Id of a survey's gather."""
    return str(survey.index["gather_id"].iat[row])


def refused(message):
    """A context in which the guard must refuse something."""
    return pytest.raises(LeakError, match=message)
