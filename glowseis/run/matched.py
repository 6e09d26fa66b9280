"""A survey's gathers as a saved classifier sees them, for a training that starts from it."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.run.starting import Start
from glowseis.survey.gather import Gather
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.matching.profile import image_intervals_s
from glowseis.survey.matching.sameness import SAME_INTERVAL
from glowseis.survey.matching.windows import padded
from glowseis.survey.progress import progress
from glowseis.survey.store.survey import Survey, open_survey, write_survey
from glowseis.survey.wording import number_of

MATCHED = "matched"
"""The folder of a run that holds its gathers, if they had to be changed."""


def matched_survey(
    survey: Survey,
    rows: np.ndarray,
    start: Start,
    folder: Path,
    say: Callable[[str], None],
    size: tuple[int, int] | None = None,
) -> tuple[Survey, np.ndarray]:
    """Gathers matched to a saved classifier, as `classify` matches them: sample interval and order of traces.

    Args:
        survey: The survey.
        rows: Rows of the gathers.
        start: The saved classifier.
        folder: Where a survey of them is made, if any has to be changed or they have another size; one that is there
            already is used again.
        say: Called with lines of what was changed, and which gathers were left out.
        size: Samples and traces that the images must have; of a survey that is made, as few as hold all when None.

    Returns:
        The survey itself, or that of the matched gathers; and the row there of each of `rows`, -1 if it was left out.

    Raises:
        InputError: A gather cannot be matched, such as one with too long a sample interval, or none is left.
    """
    about = {"matched": {"survey": survey.checksum, "rows": [int(row) for row in rows], "model": start.sha256}}
    bringing = Bringing(start.name, start.profile, start.size)
    if not folder.exists():
        changed = size not in (None, tuple(survey.size))
        for row in () if changed else rows:
            gather = survey.read(int(row))
            changed |= bringing.gather(gather) is not gather
            if changed:
                break
        if not changed:
            return survey, _left(survey, rows, bringing, say)
        bringing = Bringing(start.name, start.profile, start.size)
        size = size or _size(survey, rows, bringing)
        write_survey(folder, _matched(survey, rows, bringing, size), size, about)
        for line in bringing.lines():
            say(line)
    made = open_survey(folder)
    if made.manifest.about != about:
        raise InputError(f"{folder}: holds gathers of another run; remove it")
    there = {gather_id: row for row, gather_id in enumerate(made.index["gather_id"])}
    return made, np.array([there.get(survey.index["gather_id"].iat[row], -1) for row in rows], np.int64)


def _left(survey: Survey, rows: np.ndarray, bringing: Bringing, say: Callable[[str], None]) -> np.ndarray:
    """The rows, without the gathers that cannot be graded."""
    for line in bringing.lines():
        say(line)
    out = {name for _, name in bringing.left_out}
    left = np.array([-1 if survey.index["gather_id"].iat[row] in out else row for row in rows], np.int64)
    if len(rows) and not (left >= 0).any():
        raise InputError(f"{survey.path}: none of {number_of(len(rows), 'labelled gather')} is large enough")
    return left


def _matched(survey: Survey, rows: np.ndarray, bringing: Bringing, size: tuple[int, int]) -> Iterator[Gather]:
    """The gathers, each an image of the common size; those that cannot be graded are left out."""
    for row in progress(iter(rows), len(rows), "matching"):
        gather = bringing.gather(survey.read(int(row)))
        if bringing.keeps(gather):
            yield dataclasses.replace(padded(gather, size), fit="pad", recorded_shape=None)


def _size(survey: Survey, rows: np.ndarray, bringing: Bringing) -> tuple[int, int]:
    """A size that holds every matched gather."""
    index = survey.index.iloc[rows]
    samples, traces = (index[name].to_numpy(np.float64) for name in ("valid_samples", "valid_traces"))
    if bringing.profile and bringing.profile.interval_s:
        low_s, wanted_s, high_s = bringing.profile.interval_s
        intervals_s = image_intervals_s(index)
        other = (intervals_s < low_s * (1 - SAME_INTERVAL)) | (intervals_s > high_s * (1 + SAME_INTERVAL))
        # A row more than the ratio of intervals, which is approximated by one of small numbers.
        samples = np.where(other, samples * intervals_s / wanted_s + 1, samples)
    return math.ceil(samples.max()), int(traces.max())
