"""The survey that a recipe makes for itself."""

from pathlib import Path

from glowseis.errors import InputError
from glowseis.recipe import SurveySection
from glowseis.survey.simulate import SIMULATOR_VERSION, Simulation
from glowseis.survey.simulate.survey import simulate_survey
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey, open_survey


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
        good, medium, bad = section.fractions
        drawn = (section.acquisitions, section.first_acquisition, section.weather)
        simulation = Simulation(section.count, section.seed, parse_size(section.size), (good, medium, bad), *drawn)
        simulate_survey(simulation, folder, about)
    survey = open_survey(folder)
    if survey.manifest.about != about:
        raise InputError(f"{folder}: is not the survey that the recipe describes; give it as --survey, or remove it")
    return survey
