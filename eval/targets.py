"""Figures of the published gathers, one example of each class: the targets of the simulator's calibration.

They were measured on the group's published pictures at the paper's size, where a row is 8 ms and a column a trace. One
picture per class gives a centre, not a spread.
"""

from dataclasses import dataclass

from glowseis.survey.gather import LABELS


@dataclass(frozen=True)
class Target:
    """One published figure, and where to find the simulated one.

    Attributes:
        name: What is measured, with its unit.
        quantity: Its name among the measured figures.
        low: Smallest published value.
        high: Largest published value; equal to `low` if there is only one.
        label: The class that it belongs to, or `""` for gathers of all classes.
        full_size_alone: Whether it is only meaningful at the paper's size.
        digits: Decimal places worth printing.
    """

    name: str
    quantity: str
    low: float
    high: float
    label: str = ""
    full_size_alone: bool = False
    digits: int = 1

    def off_by(self, value: float) -> float:
        """How far a value lies outside the published range, with its sign; 0 inside."""
        return value - min(max(value, self.low), self.high)


_EVENTS: tuple[tuple[str, str, float, float, int], ...] = (
    ("direct wave at trace 0 (row)", "direct_row", 21.0, 21.0, 0),
    ("direct wave's slope at near traces (rows a trace)", "near_slope", 0.95, 0.95, 2),
    ("direct wave's asymptote (rows a trace)", "asymptote", 1.04, 1.04, 2),
    ("direct wave at the last trace (row)", "direct_far_row", 683.0, 694.0, 0),
    ("sea floor at trace 0 (row)", "sea_floor_row", 105.0, 122.0, 0),
    ("sea-floor reflection at the last trace (row)", "sea_floor_far_row", 683.0, 694.0, 0),
    ("head wave's slope (rows a trace)", "head_slope", 0.57, 0.57, 2),
    ("head wave at the last trace (row)", "head_far_row", 551.0, 551.0, 0),
)
_GREY_LEVELS: tuple[tuple[str, str, float, float, int], ...] = (
    ("black pixels (%)", "black_percent", 2.0, 2.0, 2),
    ("white pixels (%)", "white_percent", 2.0, 2.0, 2),
    ("median level", "median", 125.0, 126.0, 0),
    ("standard deviation (of full scale)", "deviation", 0.131, 0.138, 3),
)
NEAR_TRACES = slice(20, 120)
PARTS = {"early": slice(150, 400), "late": slice(400, 650)}
"""Traces and rows in which the band and the loudness of the events are measured."""

FIGURES = {
    "low_hz": "10 % of the power below",
    "middle_hz": "half of it below",
    "high_hz": "90 % of it below",
    "level": "RMS",
}
PUBLISHED_A: dict[str, dict[str, str]] = {
    "early": {"low_hz": "22 to 26", "middle_hz": "35 to 38", "high_hz": "45 to 46", "level": "92 to 96"},
    "late": {"low_hz": "26 to 33", "middle_hz": "30 to 37", "high_hz": "42", "level": "38 to 53"},
}
PUBLISHED_B: dict[str, dict[str, str]] = {
    "early": {"low_hz": "quiet", "middle_hz": "quiet", "high_hz": "quiet", "level": "1.4 to 1.8"},
    "late": {"low_hz": "22 to 24", "middle_hz": "39 to 40", "high_hz": "54", "level": "37 to 42"},
}
"""The same for the published gathers of both acquisitions; B's water is so deep that the early part is quiet."""

_BANDS: tuple[tuple[str, str, float, float, int], ...] = (
    ("rows 150 to 400: 10 % of the power below (Hz)", "early_low_hz", 22.0, 26.0, 0),
    ("rows 150 to 400: half of it below (Hz)", "early_middle_hz", 35.0, 38.0, 0),
    ("rows 150 to 400: 90 % of it below (Hz)", "early_high_hz", 45.0, 46.0, 0),
    ("rows 150 to 400: RMS (levels)", "early_level", 92.0, 96.0, 0),
    ("rows 400 to 650: 10 % of the power below (Hz)", "late_low_hz", 26.0, 33.0, 0),
    ("rows 400 to 650: half of it below (Hz)", "late_middle_hz", 30.0, 37.0, 0),
    ("rows 400 to 650: 90 % of it below (Hz)", "late_high_hz", 42.0, 42.0, 0),
    ("rows 400 to 650: RMS (levels)", "late_level", 38.0, 53.0, 0),
)
# Published for good, medium and bad; None where that class has no such figure.
_NOISE: tuple[tuple[str, str, tuple[float | None, ...], int], ...] = (
    ("RMS (levels)", "level", (1.95, 1.8, 2.9), 2),
    ("background (levels)", "background", (None, None, 4.7), 2),
    ("loudest trace over background", "loudest_ratio", (1.6, 29.0, 9.8), 1),
    ("noisy bands", "bands", (0.0, 7.0, 5.0), 0),
    ("narrowest band (traces)", "narrowest", (None, 3.0, 6.0), 0),
    ("widest band (traces)", "widest", (None, 26.0, 35.0), 0),
    ("traces in bands (%)", "noisy_percent", (0.0, 15.5, 15.3), 1),
    ("peak of the loudest (Hz)", "peak_hz", (None, 15.6, 3.9), 1),
    ("10 % of their power below (Hz)", "low_hz", (None, 15.6, 3.9), 1),
    ("90 % of their power below (Hz)", "high_hz", (None, 35.5, 23.0), 1),
    ("correlation, 1 trace apart", "correlation_1", (None, None, 0.92), 2),
    ("correlation, 3 traces apart", "correlation_3", (None, None, 0.65), 2),
    ("correlation, 6 traces apart", "correlation_6", (None, None, 0.31), 2),
)

TARGETS = (
    *(Target(name, quantity, low, high, "", True, digits) for name, quantity, low, high, digits in _EVENTS),
    *(Target(name, quantity, low, high, "", False, digits) for name, quantity, low, high, digits in _GREY_LEVELS),
    *(Target(name, quantity, low, high, "", True, digits) for name, quantity, low, high, digits in _BANDS),
    *(
        Target(name, quantity, value, value, label, False, digits)
        for place, label in enumerate(LABELS)
        for name, quantity, values, digits in _NOISE
        if (value := values[place]) is not None
    ),
)
"""Every target: events first, grey levels, then the noise of each class."""
