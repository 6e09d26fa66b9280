"""The survey that a recipe simulates."""

from pathlib import Path

from glowseis.errors import InputError
from glowseis.recipe import SurveySection
from glowseis.survey.simulate import SIMULATOR_VERSION, Simulation
from glowseis.survey.simulate.survey import simulate_survey
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey, open_survey


def own_survey(section: SurveySection, folder: Path) -> Survey:
    """Make the survey that a recipe describes, unless it exists already; a stopped simulation is resumed.

    Args:
        section: The recipe's section `[survey]`.
        folder: Its folder.

    Raises:
        InputError: The folder holds another survey or something else, or another simulation was stopped there.
        StoppedError: It was interrupted; what was made is kept.
    """
    about = {"simulator": {"version": SIMULATOR_VERSION, **section.model_dump()}}
    if not folder.exists() or not any(folder.iterdir()):
        good, medium, bad = section.fractions
        drawn = (section.acquisitions, section.first_acquisition, section.weather)
        simulation = Simulation(section.count, section.seed, parse_size(section.size), (good, medium, bad), *drawn)
        simulate_survey(simulation, folder, about)
    survey = open_survey(folder)
    if survey.manifest.about != about:
        raise InputError(f"{folder}: not the survey that the recipe describes; pass it as --survey, or remove it")
    return survey
