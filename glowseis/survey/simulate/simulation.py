"""Which gathers are simulated: everything on which their amplitudes depend."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from glowseis.survey.gather import Recording
from glowseis.survey.simulate.acquisition import Acquisition, acquisitions
from glowseis.survey.simulate.labels import PAPER_FRACTIONS
from glowseis.survey.simulate.recordings import SIMULATOR_VERSION, simulate_recordings
from glowseis.survey.simulate.settings import NoiseSettings


@dataclass(frozen=True)
class Simulation:
    """A set of simulated gathers, before any of them is computed.

    Attributes:
        count: Number of gathers.
        seed: Seed of the survey.
        size: Height in samples and width in traces of the images.
        fractions: Shares of good, medium and bad, in any unit.
        acquisitions: How many acquisitions are drawn; 0 for only the paper's.
        first_acquisition: Number of the first drawn one.
        weather: How far the weather along a line decides how noisy a gather is, 0 to 1.
        noise: Factors of the kinds of noise.

    Raises:
        InputError: A number is out of range, or with these settings there are no such gathers.
    """

    count: int
    seed: int
    size: tuple[int, int]
    fractions: tuple[float, float, float] = PAPER_FRACTIONS
    acquisitions: int = 0
    first_acquisition: int = 1
    weather: float = 0.0
    noise: NoiseSettings = field(default_factory=NoiseSettings)

    def __post_init__(self) -> None:
        self.recordings()

    @property
    def record_lengths(self) -> set[tuple[int, float]]:
        """Number of samples and sample interval in seconds of the records, each pair once."""
        return {(one.samples, one.sample_interval_s) for one in self._survey()}

    def recordings(self, workers: int = 1, start: int = 0) -> Generator[Recording, None, None]:
        """The gathers as recorded, computed as they are taken.

        Args:
            workers: Processes that simulate; 1 uses this one.
            start: Number of the first gather to yield.
        """
        return simulate_recordings(self.count, self.seed, self._survey(), self.fractions, workers, start, self.noise)

    def about(self) -> dict[str, Any]:
        """The settings as JSON, for a manifest."""
        settings = dataclasses.asdict(self)
        settings |= {"size": list(self.size), "fractions": list(self.fractions)}
        order = ("seed", "count", "size", "fractions", "noise", "acquisitions", "first_acquisition", "weather")
        return {"version": SIMULATOR_VERSION, **{name: settings[name] for name in order}}

    def _survey(self) -> tuple[Acquisition, ...]:
        return acquisitions(*self.size, self.acquisitions, self.first_acquisition, self.weather)
