"""Checks of what must hold for every map and every classifier, those of users included.

`check_invertible` tests a map of a flow. `check_grading` tests a classifier: what must not change a gather's grade, and
what must. `CHANGES` are the changes by name; add a function of your own as `CHANGES | {"mine": Change(function)}`.
"""

from glowseis.testing.changes import Change, Make, clip_of
from glowseis.testing.grading import CHANGES, Effect, GradingCheck, check_grading, grade_recordings
from glowseis.testing.maps import check_invertible, perturb

__all__ = [
    "CHANGES",
    "Change",
    "Effect",
    "GradingCheck",
    "Make",
    "check_grading",
    "check_invertible",
    "clip_of",
    "grade_recordings",
    "perturb",
]
