"""A survey whose classes a small network tells apart in seconds."""

import dataclasses

import numpy as np

from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather

LABELS = ("good", "medium", "bad")
RECIPE = """
name = "grader"
seed = 3

[data]
test = 0.25
validation = 0.2

[classifier]
alpha = 1

[training]
epochs = 12
batch = 8
learning_rate = 1e-2
keep = "best"
"""
"""A training of seconds: 12 epochs of 9 steps."""


def graded_gather(shot, label, size=(24, 16)):
    """Noise, the wider the worse: of single pixels, of bands in time, of whole traces."""
    random = np.random.default_rng(shot)
    steps = {"good": (1, 1), "medium": (4, 1), "bad": (24, 4)}.get(label, (1, 1))
    coarse = random.integers(0, 256, [-(-side // step) for side, step in zip(size, steps, strict=True)])
    image = np.repeat(np.repeat(coarse, steps[0], axis=0), steps[1], axis=1)[: size[0], : size[1]].astype(np.uint8)
    gather = random_gather(shot, size, samples=size[0], traces=size[1], label=label, line=1 + shot % 5)
    return dataclasses.replace(gather, image=image)


def graded_survey(folder, counts=(60, 40, 20), labels=LABELS, size=(24, 16)):
    """A survey with so many gathers of each label, mixed."""
    every = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    write_survey(folder, (graded_gather(shot, labels[one], size) for shot, one in enumerate(every)), size, {})
    return open_survey(folder)
