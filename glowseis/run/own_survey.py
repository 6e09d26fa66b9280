"""The survey that a recipe makes for itself."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import glowseis
from glowseis.errors import InputError
from glowseis.files import resumable_folder
from glowseis.recipe import SurveySection
from glowseis.survey.gather import Gather
from glowseis.survey.progress import progress
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import SIMULATOR_VERSION, acquisitions, simulate_recordings
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey, open_survey, take_up, write_records


def own_survey(section: SurveySection, folder: Path) -> Survey:
    """The survey that a recipe makes for itself, made now unless it is there already; stopped, it goes on.

    Args:
        section: The recipe's.
        folder: Where it lies or goes.

    Raises:
        InputError: The folder holds another survey or something else, or the making of another one was stopped there.
        StoppedError: It was interrupted; what is made is kept.
    """
    about = {"simulator": {"version": SIMULATOR_VERSION, **section.model_dump()}}
    if not folder.exists() or not any(folder.iterdir()):
        height, width = parse_size(section.size)
        fractions = (section.fractions[0], section.fractions[1], section.fractions[2])
        shot = acquisitions(height, width, section.acquisitions, section.first_acquisition, section.weather)
        workers = len(os.sched_getaffinity(0))
        with resumable_folder(folder, {"glowseis": glowseis.__version__, **about}) as (unfinished, keep):
            written = take_up(unfinished)
            done = len(written)
            made = simulate_recordings(section.count, section.seed, shot, fractions, workers, done)

            def gathers() -> Iterator[Gather]:
                for recording in progress(made, section.count, "simulating", done):
                    yield render_recording(recording, height, width)
                    keep()

            # Worker processes end with their iterator, before anything else is cleaned up.
            with contextlib.closing(made):
                write_records(unfinished, gathers(), (height, width), about, written=written)
    survey = open_survey(folder)
    if survey.manifest.about != about:
        raise InputError(f"{folder}: is not the survey that the recipe describes; give it as --survey, or remove it")
    return survey
