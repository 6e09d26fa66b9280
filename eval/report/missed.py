"""The report's missed gathers: rare gathers of the independent survey that an arm's classifiers graded otherwise."""

from pathlib import Path

import numpy as np

from eval.results.replicated import Replicated
from eval.study.missed import RareGrades, grades_path, read_grades
from eval.study.names import ARMS
from glowseis.pages.page import Part
from glowseis.pages.pictures import Card, Picture, png_source
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import Survey, open_survey

SHOWN = 6
"""Most gathers of an arm that are drawn."""

STRETCHED = 4
"""By how much grey levels are stretched, so that faint noise is seen."""


def missed_parts(results: Replicated, setting: str, study: str, folder: Path, tested: Path) -> list[Part]:
    """Each arm's most often missed rare gathers of the independent survey, and how many it missed.

    Args:
        results: The study's results.
        setting: Name of the setting.
        study: The study's digest.
        folder: The study's folder, with the grades.
        tested: Folder of the independent survey.

    Returns:
        The parts of a section; a sentence instead of what is not here.

    Raises:
        InputError: Grades or a gather are damaged.
    """
    if not (tested / MANIFEST).exists():
        return [Part("words", f"The test survey is not here ({tested}), so its gathers cannot be shown.")]
    survey, cards = open_survey(tested), []
    for arm in ARMS:
        found = [
            one
            for number in results.values(setting, arm)
            if (one := read_grades(grades_path(folder, setting, number, arm)))
            and (one.study, one.survey) == (study, survey.checksum)
        ]
        if found:
            cards.append(_card(arm, found, survey, results.rare))
    if not cards:
        words = f"No grades of single gathers of this test survey are in {folder / 'grades'}; outcomes hold only sums."
        return [Part("words", words)]
    words = (
        f"The {results.rare} gathers of the test survey that the most classifiers of each arm missed, at most {SHOWN}. "
        f"Time runs downwards, traces to the right; grey levels are stretched {STRETCHED} times, so events are clipped."
    )
    return [Part("words", words), Part("rows", cards)]


def _card(arm: str, grades: list[RareGrades], survey: Survey, rare: str) -> Card:
    ids, number = grades[0].ids, grades[0].rare
    found = np.array([one.probabilities for one in grades])
    missed = (found.argmax(axis=-1) != number).sum(axis=0)
    sure = found[..., number].mean(axis=0)
    # The most often missed first; among those, the ones that were given the least probability.
    order = [int(place) for place in np.lexsort((sure, -missed))[:SHOWN] if missed[place]]
    pictures = [_picture(survey, ids[place], int(missed[place]), len(grades), float(sure[place])) for place in order]
    share = 100 * missed.sum() / (len(grades) * len(ids))
    words = (
        f"{ARMS[arm].title}: {share:.1f} % of {len(ids)} {rare} gathers missed, mean of {len(grades)} surveys; "
        f"{int((missed == len(grades)).sum())} of them in every survey."
    )
    return Card(pictures, words)


def _picture(survey: Survey, gather_id: str, missed: int, surveys: int, sure: float) -> Picture:
    gather = survey.read(gather_id)
    levels = gather.image[: gather.valid_samples, : gather.valid_traces].astype(np.int32) - ZERO_LEVEL
    image = np.clip(ZERO_LEVEL + STRETCHED * levels, 0, 255).astype(np.uint8)
    words = f"{gather_id}: missed in {missed} of {surveys}, mean probability {sure:.2f}"
    height, width = image.shape
    return Picture(png_source(image), width, height, words, f"{words}; grey levels stretched {STRETCHED} times")
