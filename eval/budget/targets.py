"""Target surveys: each a simulated acquisition of its own, with a pool to label and another survey to test on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.budget.recipe import TargetsSection
from glowseis.errors import InputError
from glowseis.survey.simulate import Simulation, parse_noise
from glowseis.survey.simulate.acquisition import acquisitions
from glowseis.survey.simulate.labels import judge
from glowseis.survey.simulate.plan import NoisePlan
from glowseis.survey.simulate.recordings import noise_of_gather
from glowseis.survey.simulate.survey import simulate_survey
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey, open_survey

TEST_SEEDS = 1000
"""Added to a pool's seed for its test survey."""

MOST_TRIED = 1000
"""Acquisitions among which targets are looked for."""

JUDGE_STREAM = 37


@dataclass(frozen=True)
class Target:
    """A target survey.

    Attributes:
        number: Its number, from 0.
        acquisition: Number of its acquisition.
        pool: The gathers whose labels can be bought.
        test: The gathers that models are scored on.
    """

    number: int
    acquisition: int
    pool: Survey
    test: Survey


def acquisition_numbers(section: TargetsSection, window: tuple[int, int]) -> list[int]:
    """Numbers of the targets' acquisitions: the first whose records fill the ready model's window.

    Args:
        section: The recipe's section.
        window: Samples and traces of that window.

    Raises:
        InputError: There are too few.
    """
    drawn = acquisitions(*parse_size(section.size), MOST_TRIED, section.first_acquisition, section.weather)
    found = [one.number for one in drawn if one.samples >= window[0] and one.fewest_traces >= window[1]]
    if len(found) < section.count:
        raise InputError(f"targets.size = {section.size}: hardly any record fills the model's window; raise it")
    return found[: section.count]


def make_target(section: TargetsSection, number: int, acquisition: int, folder: Path) -> Target:
    """Make a target's two surveys, unless they exist; a stopped simulation is resumed.

    Args:
        section: The recipe's section.
        number: Number of the target, from 0.
        acquisition: Number of its acquisition.
        folder: Folder of all targets' surveys.

    Raises:
        InputError: A survey's folder holds something else.
        StoppedError: It was interrupted; what was made is kept.
    """
    made = []
    for part, simulation in _simulations(section, number, acquisition).items():
        out, about = folder / f"{number:02d}-{part}", {"simulator": simulation.about()}
        if not out.exists():
            simulate_survey(simulation, out, about)
        survey = open_survey(out)
        if survey.manifest.about != about:
            raise InputError(f"{out}: not the survey that the recipe describes; remove it, or give another --out")
        made.append(survey)
    return Target(number, acquisition, *made)


class Judge:
    """A simulated judge of a target's pool, who over- or underestimates noise a little, anew at every look.

    The survey's own labels were given in the same way, by another judge: two judges agree about gathers that are far
    from the thresholds, and about others by chance.

    Args:
        section: The recipe's section.
        number: Number of the target.
        acquisition: Number of its acquisition.
        seed: Seed of the judge.
    """

    def __init__(self, section: TargetsSection, number: int, acquisition: int, seed: int):
        self._simulation = _simulations(section, number, acquisition)["pool"]
        self._acquisitions = acquisitions(*self._simulation.size, 1, acquisition, section.weather)
        self._spread, self._seed = section.judge_spread, seed
        self._plans: dict[int, NoisePlan] = {}

    def label(self, row: int, look: int) -> str:
        """The label that the judge gives a gather.

        Args:
            row: The gather's row in the pool.
            look: How often it was judged before.
        """
        random = np.random.default_rng([self._seed, JUDGE_STREAM, self._simulation.seed, row, look])
        swell, columns = np.exp(random.normal(0.0, self._spread, 2)).tolist() if self._spread else (1.0, 1.0)
        return judge(self._plan(row), swell, columns)

    def _plan(self, row: int) -> NoisePlan:
        if row not in self._plans:
            one = self._simulation
            self._plans[row] = noise_of_gather(row, one.seed, self._acquisitions, one.fractions, one.noise)[1]
        return self._plans[row]


def _simulations(section: TargetsSection, number: int, acquisition: int) -> dict[str, Simulation]:
    noise = parse_noise(section.noise[number % len(section.noise)])
    seed, size = section.first_seed + number, parse_size(section.size)
    parts = {
        "pool": (section.pool, seed, section.fractions),
        "test": (section.test, seed + TEST_SEEDS, section.test_fractions),
    }
    made = {}
    for part, (count, own_seed, (good, medium, bad)) in parts.items():
        made[part] = Simulation(count, own_seed, size, (good, medium, bad), 1, acquisition, section.weather, noise)
    return made
