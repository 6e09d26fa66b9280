"""Where the source and the cables are: the geometry of a simulated towed-streamer survey."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import Geometry
from glowseis.survey.simulate.instruments import Recorder, Sea, Signature

WATER_VELOCITY_M_S = 1500.0
FULL_HEIGHT, FULL_WIDTH = 896, 640
FULL_SAMPLES, FULL_FEWEST_TRACES, FULL_MOST_TRACES = 876, 632, 639
SMALLEST_HEIGHT, SMALLEST_WIDTH = 48, 32

_GEOMETRY_STREAM = 11
_FULL_NEAR_OFFSET_M = 224.0
_FULL_WATER_S, _FULL_REFRACTOR_S = (0.85, 0.94), (0.93, 1.05)
_FULL_CABLE_SPACING_M = 60.0
_FULL_CHANNEL_INTERVAL_M = 12.5
# Longest spread: of a smaller acquisition, in the paper's against its record, which the direct wave then just fills;
# of a drawn one, in what the direct wave travels in the record, so that its farthest traces may end before it comes.
_LONGEST_SPREAD = 1.25
_FULL_SHOT_INTERVAL_M = 25.0
PAPER_SIGNATURE, PAPER_RECORDER, PAPER_SEA = Signature(), Recorder(gain_power=0.6), Sea()
"""Calibrated on the published gathers (`python -m eval.calibration`)."""
_ACQUISITION_STREAM = 14
LINES_APART = 1000
"""Sail lines of acquisition n count from 1000 n + 1, so that no two acquisitions share one."""


@dataclass(frozen=True)
class Position:
    """One gather's place in the survey: sail line, shot and cable, all counted from 1."""

    sail_line: int
    shot: int
    cable: int


@dataclass(frozen=True)
class Acquisition:
    """A towed-streamer survey whose gathers fill an image of a given size.

    A smaller size is a smaller acquisition: one row stays 8 ms and one column 12.5 m, while record, cable,
    near offset and water depth shrink together, as in a shallow-water high-resolution survey. Shrinking the
    image instead would remove the signal (8 ms to 64 ms leaves 7.8 Hz). Sizes much wider relative to their height than
    the paper's have channels closer together, so that the direct wave stays on the record.

    Attributes:
        height: Rows of the image that a gather fills.
        width: Columns of that image.
        samples: Samples recorded on a trace.
        fewest_traces: Fewest traces of a gather; the far end of a cable loses some.
        most_traces: Most traces of a gather.
        scale: Record length as a fraction of the paper's 7 s; the length scale of earth and geometry.
        sample_interval_s: Time between two samples, in seconds.
        channel_interval_m: Distance between two channels of a cable, in metres.
        sail_lines: Lines of the survey.
        shots_per_line: Shots of a line.
        cables: Streamers behind the vessel.
        number: Number of the drawn acquisition; 0 is the paper's.
        near_offset_m: Distance from the source to the first channel, in metres; it differs a little from line to line.
        source_depth_m: Depth of the guns, in metres.
        streamer_depth_m: Mean depth of the cables, in metres.
        water_s: Least and most two-way time to the sea floor, in seconds; a line has one.
        refractor_s: Least and most two-way time from the sea floor to the refractor, in seconds.
        refractor_velocity_m_s: Least and most velocity of the refractor.
        directivity: Power of the cosine of the angle at the sea surface by which arrays weaken oblique arrivals.
        quality: Factor of the earth's quality factors; below 1 it absorbs more.
        signature: The source's pulse.
        recorder: How gathers are recorded and prepared.
        sea: How swell shakes the cables.
        weather: How far the weather of its line and hour decides a gather's label: 0 not at all, every gather has its
            own; 1 completely, bad gathers cluster on few stretches of few lines.
        in_order: Whether gathers follow each other as they are shot, line by line, instead of being drawn at random.
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
    number: int = 0
    near_offset_m: float = _FULL_NEAR_OFFSET_M
    source_depth_m: float = 6.0
    streamer_depth_m: float = 8.0
    water_s: tuple[float, float] = _FULL_WATER_S
    refractor_s: tuple[float, float] = _FULL_REFRACTOR_S
    refractor_velocity_m_s: tuple[float, float] = (2690.0, 2790.0)
    directivity: float = 7.0
    quality: float = 0.8
    signature: Signature = PAPER_SIGNATURE
    recorder: Recorder = PAPER_RECORDER
    sea: Sea = PAPER_SEA
    weather: float = 0.0
    in_order: bool = False

    @classmethod
    def of_size(cls, height: int, width: int) -> "Acquisition":
        """The acquisition whose gathers fill an image of this size; 896 x 640 is the paper's (section 5.1).

        Args:
            height: Rows of the image, 48 to 896.
            width: Columns of the image, 32 to 640.

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
        scale = samples / FULL_SAMPLES
        return cls(
            height=height,
            width=width,
            samples=samples,
            fewest_traces=round(width * FULL_FEWEST_TRACES / FULL_WIDTH),
            most_traces=round(width * FULL_MOST_TRACES / FULL_WIDTH),
            scale=scale,
            near_offset_m=scale * _FULL_NEAR_OFFSET_M,
            water_s=(scale * _FULL_WATER_S[0], scale * _FULL_WATER_S[1]),
            refractor_s=(scale * _FULL_REFRACTOR_S[0], scale * _FULL_REFRACTOR_S[1]),
            channel_interval_m=_FULL_CHANNEL_INTERVAL_M
            * min(1.0, _LONGEST_SPREAD * (height / FULL_HEIGHT) / (width / FULL_WIDTH)),
        )

    @classmethod
    def drawn(cls, height: int, width: int, number: int) -> "Acquisition":
        """An acquisition whose water, source, cable, recorder and processing are drawn at random.

        Records and cables may be shorter than the image, down to a third of its height and a sixth of its
        width. Ranges are those of the trade (Dondurur 2018) and wide enough to hold the published gathers of both
        acquisitions that show some: water of 0.12 to 3.4 s two-way at the paper's size, sources and cables towed at 4
        to 10 m and 5 to 25 m, pulses from 2.5 to 26 Hz up to 36 to 90 Hz, channels 6.25 to 25 m apart, amplitudes
        multiplied by up to the 2.2nd power of time. Swell noise is 0.6 to 2 times as loud; in three acquisitions of
        five, waves of 25 to 125 m/s carry it (a cable of some 5 kg/m, with the water that moves with it, under 3 to
        80 kN).

        Args:
            height: Rows of the image, 48 to 896.
            width: Columns of the image, 32 to 640.
            number: Its number, from 1; the same number gives the same acquisition, scaled to the size.

        Returns:
            The acquisition.

        Raises:
            InputError: The size is outside those bounds, or the number is below 1.
        """
        if number < 1:
            raise InputError(f"acquisition {number}: give a number of at least 1")
        whole = cls.of_size(height, width)
        random = np.random.default_rng([_ACQUISITION_STREAM, number])
        # The same amount of numbers is always drawn, so that an acquisition has the same traits at any size.
        long, wide = random.random(2) < (0.45, 0.4)
        samples = max(round(whole.samples * (1.0 if long else random.uniform(0.34, 1.0))), SMALLEST_HEIGHT * 3 // 4)
        traces = max(round(whole.most_traces * (1.0 if wide else random.uniform(0.16, 1.0))), SMALLEST_WIDTH * 3 // 4)
        length_s = samples * whole.sample_interval_s
        interval_m = whole.channel_interval_m * random.choice([0.5, 1.0, 1.0, 1.0, 1.5, 2.0])
        interval_m = min(interval_m, _LONGEST_SPREAD * length_s * WATER_VELOCITY_M_S / traces)
        water_s = min(whole.scale * math.exp(random.uniform(math.log(0.12), math.log(3.4))), 0.55 * length_s)
        refractor_s = whole.scale * random.uniform(0.4, 1.6)
        velocity_m_s = random.uniform(2300.0, 3300.0)
        low_hz = math.exp(random.uniform(math.log(2.5), math.log(26.0)))
        return replace(
            whole,
            samples=samples,
            fewest_traces=max(traces - max(round(traces * 0.012), 1), 1),
            most_traces=traces,
            channel_interval_m=interval_m,
            number=number,
            near_offset_m=whole.scale * random.uniform(60.0, 350.0),
            source_depth_m=random.uniform(4.0, 10.0),
            streamer_depth_m=random.uniform(5.0, 12.0) if random.random() < 0.75 else random.uniform(12.0, 25.0),
            water_s=(0.96 * water_s, 1.04 * water_s),
            refractor_s=(0.94 * refractor_s, 1.06 * refractor_s),
            refractor_velocity_m_s=(velocity_m_s - 50.0, velocity_m_s + 50.0),
            directivity=random.uniform(0.0, 8.0),
            quality=math.exp(random.normal(-0.1, 0.3)),
            signature=Signature(
                low_hz=low_hz,
                low_order=random.uniform(1.5, 4.0),
                high_hz=random.uniform(36.0, 90.0),
                corner_hz=random.uniform(8.0, 40.0),
                slope=1.6 * random.random() ** 2,
                bubble=random.uniform(0.05, 0.4),
                bubble_s=random.uniform(0.07, 0.16),
            ),
            recorder=_drawn_recorder(random, whole.scale),
            sea=_drawn_sea(random),
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
        """The place of gather `index` in a random draw, without repeats, from all shots and cables, or in their order.

        Args:
            index: Number of the gather in the labelled set, from 0.
            seed: Seed of the survey. An index beyond the survey's last gather starts a new draw.

        Returns:
            Line, shot and cable.
        """
        turn, place = divmod(index, self.gathers)
        rest, cable = divmod(place if self.in_order else int(_shuffled(self.gathers, seed, turn)[place]), self.cables)
        line, shot = divmod(rest, self.shots_per_line)
        return Position(LINES_APART * self.number + line + 1, shot + 1, cable + 1)

    def line_y_m(self, sail_line: int) -> float:
        """Cross-line coordinate at which the vessel sails.

        Args:
            sail_line: Number of the line.

        Returns:
            The coordinate, in metres.
        """
        # Each acquisition's first line lies where the paper's does: further away, no header could hold its coordinates.
        number = sail_line - self.number * LINES_APART
        return 6_500_000.0 + number * self.cables * self.scale * _FULL_CABLE_SPACING_M / 2

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
        near_offset_m = self.near_offset_m + self.scale * random.uniform(-15.0, 15.0)
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
            start_s=self.recorder.start_s,
        )


def acquisitions(
    height: int, width: int, count: int = 0, first: int = 1, weather: float = 0.0
) -> tuple[Acquisition, ...]:
    """The acquisitions of a survey.

    Args:
        height: Rows of the images.
        width: Columns of the images.
        count: How many are drawn; 0 for only the paper's.
        first: Number of the first drawn one.
        weather: See `Acquisition`.

    Returns:
        One acquisition or `count` of them.

    Raises:
        InputError: The size, the numbers or the weather are out of range.
    """
    if count < 0 or first < 1 or not 0.0 <= weather <= 1.0:
        raise InputError(
            f"acquisitions {count}, first acquisition {first}, weather {weather:g}: give at least 0, at least 1, and a "
            "weather from 0 to 1"
        )
    if not count:
        return (replace(Acquisition.of_size(height, width), weather=weather),)
    drawn = (Acquisition.drawn(height, width, number) for number in range(first, first + count))
    # They share a survey's lines. With many, each has one, so that keeping lines together keeps acquisitions together.
    lines = max(1, round(Acquisition.sail_lines / count))
    return tuple(replace(one, weather=weather, sail_lines=lines) for one in drawn)


def _drawn_recorder(random: np.random.Generator, scale: float) -> Recorder:
    """How the gathers of a drawn acquisition are recorded and prepared."""
    starts, humming, worded, clipped, shifted, sparse, muted = random.random(7)
    drawn = Recorder(
        start_s=scale * random.uniform(-0.15, 0.3) if starts < 0.3 else 0.0,
        gain_power=random.uniform(0.0, 2.2),
        polarity=int(random.choice([-1, 1])),
        hum_hz=float(random.choice([50.0, 60.0])) if humming < 0.2 else 0.0,
        hum_microbar=0.35 * random.lognormal(0.0, 0.6),
        ambient=random.lognormal(0.0, 0.45),
        bits=int(random.integers(9, 17)) if worded < 0.3 else 0,
        clipped_share=random.uniform(0.01, 0.08) if clipped < 0.4 else 0.0,
        constant=random.uniform(-0.2, 0.2) if shifted < 0.4 else 0.0,
        far_first=bool(random.random() < 0.4),
        missing=random.uniform(0.002, 0.05) if sparse < 0.3 else 0.0,
        mute=("top", "water")[int(random.integers(2))] if muted < 0.15 else "none",
    )
    rumbles, share, balanced, power, window = random.spawn(1)[0].random(5)
    return replace(
        drawn,
        rumbling=0.001 * 12.0**share if rumbles < 0.5 else 0.0,
        balance=0.4 + 0.6 * power if balanced < 0.25 else 0.0,
        balance_s=scale * (0.4 + 1.6 * window),
    )


def _drawn_sea(random: np.random.Generator) -> Sea:
    """How swell shakes the cables of a drawn acquisition."""
    waves, velocity, loudness, broadband = random.random(4)
    return Sea(
        loudness=1.8 ** (2.0 * loudness - 0.8),
        waves_m_s=25.0 * 5.0**velocity if waves < 0.6 else 0.0,
        broadband=0.08 * 5.0**broadband,
    )


@lru_cache(maxsize=128)
def _shuffled(gathers: int, seed: int, turn: int) -> np.ndarray:
    return np.random.default_rng([seed, _GEOMETRY_STREAM, 0, turn]).permutation(gathers)
