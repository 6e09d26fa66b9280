"""Metamorphic tests of classifiers: what must not change a gather's grade, and what must.

`glowseis.testing.check_grading` runs them. `CHANGES` are the changes by name; a function of one's own is added as
`CHANGES | {"mine": Change(function)}`.
"""

from glowseis.metamorphic.changes import Change, Make, clip_of
from glowseis.metamorphic.check import CHANGES, Effect, GradingCheck, check_grading, grade_recordings

__all__ = [
    "CHANGES",
    "Change",
    "Effect",
    "GradingCheck",
    "Make",
    "check_grading",
    "clip_of",
    "grade_recordings",
]
