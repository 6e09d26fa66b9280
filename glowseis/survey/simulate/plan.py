"""How much of each kind of noise a gather gets, and where on the cable."""

import math
from dataclasses import dataclass

import numpy as np

from glowseis.survey.simulate.settings import NoiseSettings

MODULE_CHANNELS = 24
"""Channels that share electronics; a depth controller hangs where two modules meet, every 300 m."""

# How a survey's noise is spread: shares of gathers, medians in microbar, spreads of logarithms.
ROUGH_SHARE = 0.06
LOUD_SHARE = 0.31
AMBIENT = (0.85, 0.6)
ROUGH_AMBIENT = 1.5
"""How much louder the noise on every trace is in a heavy sea; far less than its variation from gather to gather."""
ROUGH_SWELL, CALM_SWELL = (1.8, 0.35), (0.06, 0.6)
LOUD_COLUMNS, CALM_COLUMNS = (1.45, 0.4), (0.035, 0.85)
TUG, STRUM, PROPELLER, INTERFERENCE, BIRDS = (3.0, 0.4), (0.8, 0.4), (0.8, 0.4), (4.0, 0.4), (1.1, 0.4)
OFTEN = {"tug": 0.15, "strum": 0.15, "propeller": 0.2, "interference": 0.06, "bird": 0.15}

_SWELL_WIDTH_TRACES, _SWELL_BAND_SPREAD = (6, 35), 0.2
_COLUMN_WIDTH_TRACES, _COLUMN_BAND_SPREAD = (3, 26), 0.5
_ROUGH_COVER, _CALM_SWELL_COVER, _LOUD_COVER, _CALM_COLUMNS_COVER = 0.2, 0.06, 0.28, 0.04
# Spread of the cover's logarithm: a rough sea shakes a few traces hard or most of the cable a little.
_ROUGH_COVER_SPREAD, _COVER_SPREAD = 0.6, 0.4
_MOST_COVER = 0.9
_TAIL = 0.2
"""Length of a band's tail on either side, as a share of its width."""
_BIRD_WIDTH_TRACES = 3
_FULL_TRACES = 640
# Channels of a full cable that are out of order, on average.
_SPOILT_CHANNELS = {"dead": 0.25, "weak": 0.5, "reversed": 0.15, "spiky": 0.3, "saturated": 0.15}
_CROSSFEED_MODULES = 0.008
_ALL_ON = NoiseSettings()


@dataclass(frozen=True)
class Band:
    """Neighbouring noisy traces.

    Attributes:
        first: Index of the first trace.
        traces: How many.
        level_microbar: Root mean square of the noise on them.
    """

    first: int
    traces: int
    level_microbar: float


@dataclass(frozen=True)
class NoisePlan:
    """How much of each kind of noise a gather gets. A level of 0 or an empty tuple means none.

    Attributes:
        traces: Traces of the gather.
        ambient_microbar: Root mean square of the noise on every trace.
        swell: Bands of swell noise.
        columns: Bands of loud traces of higher frequency.
        birds: Bands of noise about depth controllers.
        tug_microbar: Largest pressure of jerks, at the end of the cable where they start.
        strum_microbar: Root mean square, at the near end, of the lead-in's vibration.
        propeller_microbar: Root mean square, at the near end, of the propeller's noise.
        interference_microbar: Largest pressure of another vessel's shot.
        dead: Indices of traces without signal.
        weak: Indices of traces recorded too weakly.
        reversed: Indices of traces of wrong polarity.
        spiky: Indices of traces with spikes.
        saturated: Indices of traces recorded too loudly.
        crossfeed: Numbers of modules, from 0 at the near end, whose channels leak into each other.
    """

    traces: int
    ambient_microbar: float = 0.0
    swell: tuple[Band, ...] = ()
    columns: tuple[Band, ...] = ()
    birds: tuple[Band, ...] = ()
    tug_microbar: float = 0.0
    strum_microbar: float = 0.0
    propeller_microbar: float = 0.0
    interference_microbar: float = 0.0
    dead: tuple[int, ...] = ()
    weak: tuple[int, ...] = ()
    reversed: tuple[int, ...] = ()
    spiky: tuple[int, ...] = ()
    saturated: tuple[int, ...] = ()
    crossfeed: tuple[int, ...] = ()

    @property
    def swell_microbar(self) -> float:
        """Root mean square that swell adds to the whole gather."""
        return _gather_level(self.swell, self.traces)

    @property
    def columns_microbar(self) -> float:
        """Root mean square that loud columns and depth controllers add to the whole gather."""
        return _gather_level(self.columns + self.birds, self.traces)

    @property
    def anomalous_share(self) -> float:
        """Share of dead, weak, reversed, spiky and saturated traces."""
        return len({*self.dead, *self.weak, *self.reversed, *self.spiky, *self.saturated}) / self.traces


def draw_any_noise(traces: int, random: np.random.Generator, settings: NoiseSettings = _ALL_ON) -> NoisePlan:
    """Draw noise as in a survey: mostly calm, loud columns in a third of the gathers, at times a heavy sea.

    The same amount of numbers is always drawn, so that switching off one kind does not change the others.

    Args:
        traces: Traces of the gather.
        random: Source of randomness.
        settings: Factors of the kinds of noise.

    Returns:
        The noise, whatever its label.
    """
    rough, loud = random.random() < ROUGH_SHARE, random.random() < LOUD_SHARE
    swell_microbar = _level(ROUGH_SWELL if rough else CALM_SWELL, random)
    columns_microbar = _level(LOUD_COLUMNS if loud else CALM_COLUMNS, random)
    swell_cover = (_ROUGH_COVER, _ROUGH_COVER_SPREAD) if rough else (_CALM_SWELL_COVER, _COVER_SPREAD)
    columns_cover = (_LOUD_COVER if loud else _CALM_COLUMNS_COVER, _COVER_SPREAD)
    swell = _bands(swell_microbar, swell_cover, _SWELL_WIDTH_TRACES, _SWELL_BAND_SPREAD, traces, random)
    columns = _bands(columns_microbar, columns_cover, _COLUMN_WIDTH_TRACES, _COLUMN_BAND_SPREAD, traces, random)
    careless = 6.0 if random.random() < 0.04 else 1.0
    spoilt = {
        kind: _indices(random.random(traces) < getattr(settings, kind) * careless * often / _FULL_TRACES)
        for kind, often in _SPOILT_CHANNELS.items()
    }
    modules = max(traces // MODULE_CHANNELS, 1)
    leaking = random.random(modules) < settings.crossfeed * _CROSSFEED_MODULES * MODULE_CHANNELS / _FULL_TRACES
    at_times = {
        kind: _level(level, random) * (random.random() < OFTEN[kind])
        for kind, level in (
            ("tug", TUG),
            ("strum", STRUM),
            ("propeller", PROPELLER),
            ("interference", INTERFERENCE),
            ("bird", BIRDS),
        )
    }
    return NoisePlan(
        traces=traces,
        ambient_microbar=settings.ambient * _level(AMBIENT, random) * (ROUGH_AMBIENT if rough else 1.0),
        swell=_scaled(swell, settings.swell),
        columns=_scaled(columns, settings.columns),
        birds=_scaled(_birds(at_times["bird"], traces, random), settings.bird),
        tug_microbar=settings.tug * at_times["tug"],
        strum_microbar=settings.strum * at_times["strum"],
        propeller_microbar=settings.propeller * at_times["propeller"],
        interference_microbar=settings.interference * at_times["interference"],
        crossfeed=_indices(leaking),
        **spoilt,
    )


def _level(median_and_spread: tuple[float, float], random: np.random.Generator) -> float:
    median, spread = median_and_spread
    return median * math.exp(spread * random.standard_normal())


def _birds(level_microbar: float, traces: int, random: np.random.Generator) -> tuple[Band, ...]:
    """Bands about the depth controllers, which are not all equally loud."""
    first = np.arange(MODULE_CHANNELS, traces - _BIRD_WIDTH_TRACES, MODULE_CHANNELS) - _BIRD_WIDTH_TRACES // 2
    level = level_microbar * random.lognormal(0.0, 0.5, first.size) * (random.random(first.size) < 0.6)
    return tuple(
        Band(int(start), _BIRD_WIDTH_TRACES, float(one)) for start, one in zip(first, level, strict=True) if one
    )


def _bands(
    level_microbar: float,
    cover: tuple[float, float],
    width: tuple[int, int],
    spread: float,
    traces: int,
    random: np.random.Generator,
) -> tuple[Band, ...]:
    """Bands over a share of the traces, drawn by its median and spread, that together add this level to the gather."""
    wanted = traces * min(_level(cover, random), _MOST_COVER)
    narrow, wide = min(width[0], traces), min(width[1], traces)
    places: list[tuple[int, int, float]] = []
    covered = 0
    while covered < wanted:
        count = min(int(random.integers(narrow, wide + 1)), max(narrow, math.ceil(wanted - covered)))
        # Centres over the whole cable, so that a band may be cut off at either end.
        start = int(random.integers(-(count // 2), traces - count // 2))
        first, last = max(start, 0), min(start + count, traces)
        places.append((first, last - first, random.lognormal(0.0, spread)))
        covered += last - first
    power = sum(count * weight**2 for _, count, weight in places) / traces
    scale = level_microbar / math.sqrt(power)
    return tuple(Band(first, count, weight * scale) for first, count, weight in places)


def with_tails(band: Band, traces: int) -> Band:
    """A band including the tails of its noise on either side, with the same total power.

    Args:
        band: Where the noise is loud, and how loud on average.
        traces: Traces of the gather.

    Returns:
        A wider band, within the gather.
    """
    tail = round(_TAIL * band.traces)
    first, last = max(band.first - tail, 0), min(band.first + band.traces + tail, traces)
    return Band(first, last - first, band.level_microbar * math.sqrt(band.traces / (last - first)))


def _scaled(bands: tuple[Band, ...], factor: float) -> tuple[Band, ...]:
    if not factor:
        return ()
    return tuple(Band(band.first, band.traces, factor * band.level_microbar) for band in bands)


def _indices(chosen: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(chosen).tolist())


def _gather_level(bands: tuple[Band, ...], traces: int) -> float:
    return math.sqrt(sum(band.traces * band.level_microbar**2 for band in bands) / traces)
