"""Which gathers are simulated: everything on which their amplitudes depend."""

import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from glowseis.errors import InputError
from glowseis.survey.gather import Recording
from glowseis.survey.simulate.acquisition import LINES_APART, Acquisition, acquisitions
from glowseis.survey.simulate.labels import PAPER_FRACTIONS
from glowseis.survey.simulate.recordings import SIMULATOR_VERSION, place_and_label, simulate_recordings
from glowseis.survey.simulate.settings import NoiseSettings

MOST_CABLES = 24


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
        lines: Sail lines of each acquisition, shot from end to end as far as the gathers go; 0 for gathers drawn at
            random from twenty lines of 400 shots.
        cables: Cables of these lines; 0 for eight.

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
    lines: int = 0
    cables: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.lines < LINES_APART and 0 <= self.cables <= MOST_CABLES and (self.lines or not self.cables)):
            raise InputError(
                f"lines {self.lines}, cables {self.cables}: give 1 to {LINES_APART - 1} lines and, only "
                f"with lines, 1 to {MOST_CABLES} cables"
            )
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

    def truth(self) -> list[str]:
        """Rows of a CSV file of labels: by line, shot and cable, as in SEG-Y, or by gather id if places repeat."""
        survey = self._survey()
        made = [place_and_label(index, self.seed, survey, self.fractions) for index in range(self.count)]
        places = [f"{place.sail_line},{place.shot},{place.cable}" for _, place, _ in made]
        if len(set(places)) < len(places):
            return ["gather_id,label", *(f"{gather_id},{label}" for gather_id, _, label in made)]
        return ["line,shot,cable,label", *(f"{place},{one[2]}" for place, one in zip(places, made, strict=True))]

    def about(self) -> dict[str, Any]:
        """The settings as JSON, for a manifest."""
        settings = dataclasses.asdict(self)
        settings |= {"size": list(self.size), "fractions": list(self.fractions)}
        order = ["seed", "count", "size", "fractions", "noise", "acquisitions", "first_acquisition", "weather"]
        order += ["lines", "cables"] if self.lines else []
        return {"version": SIMULATOR_VERSION, **{name: settings[name] for name in order}}

    def _survey(self) -> tuple[Acquisition, ...]:
        found = acquisitions(*self.size, self.acquisitions, self.first_acquisition, self.weather)
        if not self.lines:
            return found
        cables = self.cables or found[0].cables
        shots = math.ceil(max(self.count, 1) / (len(found) * self.lines * cables))
        return tuple(
            dataclasses.replace(one, sail_lines=self.lines, shots_per_line=shots, cables=cables, in_order=True)
            for one in found
        )
