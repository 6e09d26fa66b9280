"""Marine shot gathers made from geometry, geology and noise, with labels.

It imports only NumPy and SciPy, so that worker processes start fast.
"""

from glowseis.survey.simulate.acquisition import Acquisition, acquisitions
from glowseis.survey.simulate.labels import PAPER_FRACTIONS
from glowseis.survey.simulate.recordings import (
    SIMULATOR_VERSION,
    noise_alone,
    noise_of_gather,
    simulate_events,
    simulate_recording,
    simulate_recordings,
    with_noise,
)
from glowseis.survey.simulate.settings import NOISE_KINDS, NoiseSettings, parse_noise
from glowseis.survey.simulate.simulation import Simulation

__all__ = [
    "NOISE_KINDS",
    "PAPER_FRACTIONS",
    "SIMULATOR_VERSION",
    "Acquisition",
    "NoiseSettings",
    "Simulation",
    "acquisitions",
    "noise_alone",
    "noise_of_gather",
    "parse_noise",
    "simulate_events",
    "simulate_recording",
    "simulate_recordings",
    "with_noise",
]
