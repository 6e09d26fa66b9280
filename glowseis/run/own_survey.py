"""The survey that a recipe makes for itself."""

import contextlib
import os
from pathlib import Path

from glowseis.errors import InputError
from glowseis.recipe import SurveySection
from glowseis.survey.progress import progress
from glowseis.survey.records import Survey, open_survey, write_survey
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import SIMULATOR_VERSION, Acquisition, simulate_recordings
from glowseis.survey.size import parse_size


def own_survey(section: SurveySection, folder: Path) -> Survey:
    """The survey that a recipe makes for itself, made now unless it is there already.

    Args:
        section: The recipe's.
        folder: Where it lies or goes.

    Raises:
        InputError: The folder holds another survey or something else.
    """
    about = {"simulator": {"version": SIMULATOR_VERSION, **section.model_dump()}}
    if not folder.exists() or not any(folder.iterdir()):
        height, width = parse_size(section.size)
        fractions = (section.fractions[0], section.fractions[1], section.fractions[2])
        acquisition = Acquisition.of_size(height, width)
        workers = len(os.sched_getaffinity(0))
        made = simulate_recordings(section.count, section.seed, acquisition, fractions, workers)
        with contextlib.closing(made):
            gathers = (render_recording(one, height, width) for one in progress(made, section.count, "simulating"))
            write_survey(folder, gathers, (height, width), about)
    survey = open_survey(folder)
    if survey.manifest.about != about:
        raise InputError(f"{folder}: is not the survey that the recipe describes; give it as --survey, or remove it")
    return survey
