"""Marine shot gathers made from geometry, geology and noise, with labels.

It imports NumPy and SciPy alone, so that worker processes start fast.
"""

from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.labels import PAPER_FRACTIONS
from glowseis.survey.simulate.recordings import SIMULATOR_VERSION, simulate_recording, simulate_recordings

__all__ = ["PAPER_FRACTIONS", "SIMULATOR_VERSION", "Acquisition", "simulate_recording", "simulate_recordings"]
