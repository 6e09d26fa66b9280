"""A survey to draw folds of: gathers of all labels on several sail lines."""

import dataclasses

import numpy as np

from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather

SIZE = (64, 32)

COUNT = 300


def label_of(number):
    """About 66 % good, 28 % medium, 6 % bad, in no order."""
    drawn = np.random.default_rng(number).random()
    return "bad" if drawn < 0.06 else "medium" if drawn < 0.34 else "good"


def survey_of(folder, gathers):
    write_survey(folder, gathers, SIZE, {})
    return open_survey(folder)


def fold_survey(folder):
    """300 labelled gathers of 12 lines, 5 without a label and 5 synthetic bad ones."""
    gathers = [random_gather(number, label=label_of(number), line=1 + number % 12) for number in range(COUNT)]
    gathers += [random_gather(1000 + number, label="", line=1) for number in range(5)]
    parents = tuple(gather.gather_id for gather in gathers if gather.label == "bad")[:2]
    gathers += [
        dataclasses.replace(
            random_gather(2000 + number, label="bad"), origin=Origin(parents, 0.5, 1, "demo/1", "linear")
        )
        for number in range(5)
    ]
    return survey_of(folder, gathers)
