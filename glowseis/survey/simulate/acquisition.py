"""Where the source and the cables are: the geometry of a simulated towed-streamer survey."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import Geometry

WATER_VELOCITY_M_S = 1500.0
FULL_HEIGHT, FULL_WIDTH = 896, 640
FULL_SAMPLES, FULL_FEWEST_TRACES, FULL_MOST_TRACES = 876, 632, 639
SMALLEST_HEIGHT, SMALLEST_WIDTH = 48, 32

_GEOMETRY_STREAM = 11
_FULL_NEAR_OFFSET_M = 224.0
_FULL_CABLE_SPACING_M = 60.0
_FULL_CHANNEL_INTERVAL_M = 12.5
# A spread so much longer than the paper's, against its record, that the direct wave just ends with the record.
_LONGEST_SPREAD = 1.25
_FULL_SHOT_INTERVAL_M = 25.0


@dataclass(frozen=True)
class Position:
    """One gather's place in the survey: sail line, shot and cable, all counted from 1."""

    sail_line: int
    shot: int
    cable: int


@dataclass(frozen=True)
class Acquisition:
    """A towed-streamer survey whose gathers fill a picture of a given size.

    A smaller size is a smaller acquisition: one row stays 8 ms and one column 12.5 m, while record, cable,
    near offset and water depth shrink together, as in a shallow-water high-resolution survey. Shrinking the
    picture instead would take the signal away (8 ms to 64 ms leaves 7.8 Hz). Sizes much wider than the paper's for
    their height have channels closer together, so that the direct wave stays on the record.

    Attributes:
        height: Rows of the picture that a gather is to fill.
        width: Columns of that picture.
        samples: Samples recorded on a trace.
        fewest_traces: Fewest traces of a gather; the far end of a cable loses some.
        most_traces: Most traces of a gather.
        scale: Record length as a fraction of the paper's 7 s; the length scale of earth and geometry.
        sample_interval_s: Time between two samples, in seconds.
        channel_interval_m: Distance between two channels of a cable, in metres.
        sail_lines: Lines of the survey.
        shots_per_line: Shots of a line.
        cables: Streamers behind the vessel.
    """

    height: int
    width: int
    samples: int
    fewest_traces: int
    most_traces: int
    scale: float
    sample_interval_s: float = 0.008
    channel_interval_m: float = _FULL_CHANNEL_INTERVAL_M
    sail_lines: int = 20
    shots_per_line: int = 400
    cables: int = 8

    @classmethod
    def of_size(cls, height: int, width: int) -> "Acquisition":
        """The acquisition whose gathers fill a picture of this size; 896 x 640 is the paper's (section 5.1).

        Args:
            height: Rows of the picture, 48 to 896.
            width: Columns of the picture, 32 to 640.

        Returns:
            The acquisition.

        Raises:
            InputError: The size is outside those bounds.
        """
        if not (SMALLEST_HEIGHT <= height <= FULL_HEIGHT and SMALLEST_WIDTH <= width <= FULL_WIDTH):
            raise InputError(
                f"cannot simulate gathers of {height}x{width}: give a size from "
                f"{SMALLEST_HEIGHT}x{SMALLEST_WIDTH} to {FULL_HEIGHT}x{FULL_WIDTH} (rows x columns)"
            )
        samples = round(height * FULL_SAMPLES / FULL_HEIGHT)
        return cls(
            height=height,
            width=width,
            samples=samples,
            fewest_traces=round(width * FULL_FEWEST_TRACES / FULL_WIDTH),
            most_traces=round(width * FULL_MOST_TRACES / FULL_WIDTH),
            scale=samples / FULL_SAMPLES,
            channel_interval_m=_FULL_CHANNEL_INTERVAL_M
            * min(1.0, _LONGEST_SPREAD * (height / FULL_HEIGHT) / (width / FULL_WIDTH)),
        )

    @property
    def record_length_s(self) -> float:
        """Length of a record, in seconds."""
        return self.samples * self.sample_interval_s

    @property
    def spread_m(self) -> float:
        """Length of the live part of a cable, in metres."""
        return self.most_traces * self.channel_interval_m

    @property
    def shot_interval_m(self) -> float:
        """Distance between two shots of a line, in metres."""
        return _FULL_SHOT_INTERVAL_M * self.scale

    @property
    def gathers(self) -> int:
        """Gathers of the whole survey: lines x shots x cables."""
        return self.sail_lines * self.shots_per_line * self.cables

    def position(self, index: int, seed: int) -> Position:
        """The place of gather `index` in a random draw, without repeats, from all shots and cables.

        Args:
            index: Number of the gather in the labelled set, from 0.
            seed: Seed of the survey. An index beyond the survey's last gather starts a fresh draw.

        Returns:
            Line, shot and cable.
        """
        turn, place = divmod(index, self.gathers)
        rest, cable = divmod(int(_shuffled(self.gathers, seed, turn)[place]), self.cables)
        line, shot = divmod(rest, self.shots_per_line)
        return Position(line + 1, shot + 1, cable + 1)

    def line_y_m(self, sail_line: int) -> float:
        """Coordinate across the lines at which the vessel sails.

        Args:
            sail_line: Number of the line.

        Returns:
            The coordinate, in metres.
        """
        return 6_500_000.0 + sail_line * self.cables * self.scale * _FULL_CABLE_SPACING_M / 2

    def geometry(self, position: Position, traces: int, seed: int) -> Geometry:
        """Source and receiver coordinates of one gather; the vessel sails towards positive x.

        The cables are 60 m apart at full size, so that the direct wave of a near trace arrives near row 21
        with a slope of 0.95 rows a trace, as in the paper's acquisition. Currents feather the cables by a few
        degrees, differently on each line and slowly along it.

        Args:
            position: Line, shot and cable.
            traces: Live channels, counted from the near end.
            seed: Seed of the survey.

        Returns:
            Coordinates and offsets, in metres.
        """
        random = np.random.default_rng([seed, _GEOMETRY_STREAM, position.sail_line])
        feather_rad = math.radians(
            random.normal(0.0, 1.5) + 1.5 * math.sin(0.012 * position.shot + random.uniform(0.0, 2 * math.pi))
        )
        near_offset_m = self.scale * (_FULL_NEAR_OFFSET_M + random.uniform(-15.0, 15.0))
        spacing_m = self.scale * _FULL_CABLE_SPACING_M
        cable_y_m = (position.cable - (self.cables + 1) / 2) * spacing_m
        # Two sources fire in turn, one on either side of the vessel.
        source_side_m = (0.25 if position.shot % 2 else -0.25) * spacing_m
        source_x_m = 500_000.0 + position.shot * self.shot_interval_m
        line_y_m = self.line_y_m(position.sail_line)
        source_y_m = line_y_m + source_side_m
        along_m = np.arange(traces) * self.channel_interval_m
        receiver_x_m = source_x_m - near_offset_m - along_m * math.cos(feather_rad)
        receiver_y_m = line_y_m + cable_y_m + along_m * math.sin(feather_rad)
        offset_m = np.hypot(receiver_x_m - source_x_m, receiver_y_m - source_y_m)
        return Geometry(
            sail_line=position.sail_line,
            shot=position.shot,
            cable=position.cable,
            sample_interval_s=self.sample_interval_s,
            channel=np.arange(1, traces + 1, dtype=np.int32),
            offset_m=offset_m.astype(np.float32),
            source_x_m=source_x_m,
            source_y_m=source_y_m,
            receiver_x_m=receiver_x_m,
            receiver_y_m=receiver_y_m,
        )


@lru_cache(maxsize=4)
def _shuffled(gathers: int, seed: int, turn: int) -> np.ndarray:
    return np.random.default_rng([seed, _GEOMETRY_STREAM, 0, turn]).permutation(gathers)
