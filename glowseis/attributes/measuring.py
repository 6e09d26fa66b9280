"""All attributes of one gather."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from glowseis.attributes import crossfeed, faults, first_arrivals, levels, spectra
from glowseis.attributes.bands import NoiseBand, noise_bands, scaled
from glowseis.attributes.windows import Window, channel_numbers, parse_window
from glowseis.errors import InputError
from glowseis.machine import cores
from glowseis.survey.amplitudes.measured import constant_traces, measure
from glowseis.survey.gather import Geometry, Picture, Recording
from glowseis.survey.matching.trace_order import blank_offsets
from glowseis.survey.render import ZERO_LEVEL, check_middle, trace_states

Thing = TypeVar("Thing")

GUARD_S = 0.06
"""How long before a first arrival its noise window ends, in seconds: onsets are as exact as that."""

TARGET_S = 1.0
"""Length of the target window after the first arrival, if none is given."""

MODULE_CHANNELS = 24
"""Channels that share electronics, if nothing else is given."""

OFF_ZERO = 0.2
"""Mean of a trace, as a share of its root mean square, from which its zero is measured: noise has less."""

SAME_ZERO = 1e-3
"""The same of the traces' common zero from which it is subtracted."""

FAR_OUT = 1e4
"""Largest amplitude, in root mean squares of the gather's middle trace, that may be a fill value."""

MOST_LAG_S = 0.04
"""Longest time between neighbouring traces within which they are compared."""

MOST_ASIDE = 24
"""Most samples within which a spike is looked for on the traces beside it."""

FAR_APART = 1.5
"""Distance of two traces, in those of neighbours, from which their polarities are not compared."""

MUTED = 0.5
"""Share of exact zeros from which a window of noise is muted: what is left says nothing. Fewer zeros do not count."""

LEAST_ZEROS_S = 0.1
"""Shortest stretch of zeros, at either end of all traces, that is no part of the record."""

_SMALL, _LARGE = 1e-12, 1e12
_SHORTEST_SAMPLES = 16


@dataclass(frozen=True)
class Settings:
    """What is measured, and where.

    Attributes:
        target: The target window; the second after the first arrival when None.
        noise: The window of the noise; what is before the first arrival when None.
        module_channels: Channels that share electronics; 0 if none do.
        zero_level: The value that stands for zero amplitude in the file; measured when None.
    """

    target: Window | None = None
    noise: Window | None = None
    module_channels: int = MODULE_CHANNELS
    zero_level: float | None = None

    @property
    def noise_text(self) -> str:
        """Where the noise is measured, in words."""
        return f"in the window {self.noise.text}" if self.noise else "before the first arrival"


def settings_of(target: str, noise: str, module_channels: int, zero_level: float | None = None) -> Settings:
    """What users write, as settings.

    Args:
        target: The target window, as `glowseis.attributes.windows.parse_window` reads it; empty for none.
        noise: The window of the noise, in the same form.
        module_channels: Channels that share electronics.
        zero_level: The value that stands for zero amplitude in the file; measured when None.

    Raises:
        InputError: A window is none, or modules are too small for cross-feed to be told from neighbours alike.
    """
    if 0 < module_channels < crossfeed.SMALLEST_MODULE:
        raise InputError(
            f"--module {module_channels}: cross-feed is found in modules of at least {crossfeed.SMALLEST_MODULE} "
            "channels; give 0 not to look for it"
        )
    signal = parse_window(target, "--target") if target else None
    before = parse_window(noise, "--noise") if noise else None
    return Settings(signal, before, module_channels, zero_level)


@dataclass(frozen=True)
class Measured:
    """The attributes of a gather. Levels are in the units of its amplitudes, such as microbar.

    Attributes:
        traces: By attribute, `[trace]` each: numbers are float64 and NaN where they cannot be measured, `FAULTS` and
            `crossfeed` are bool, and `band` is the number of the noise band that a trace lies in, from 1, or 0.
        bands: Its bands of noise.
        modules: Its leaking modules, from 0.
    """

    traces: dict[str, np.ndarray]
    bands: list[NoiseBand] = field(default_factory=list)
    modules: list[int] = field(default_factory=list)


NUMBERS = (
    "first_arrival_s",
    "noise_rms",
    "target_rms",
    "tail_rms",
    "low_rms",
    "signal_to_noise_db",
    "peak_hz",
    "low_share",
    "limit_share",
)
"""Names of the attributes of traces that are numbers."""

MOST_THREADS = 16
"""Most gathers measured at once: the thread that reads them is hardly fast enough for more, and each takes memory."""

MARKS = (*faults.FAULTS, "crossfeed")
"""Names of the attributes of traces that are true or false."""


def measure_gathers(
    things: Iterable[Thing], settings: Settings, gather_of: Callable[[Thing], Recording | Picture]
) -> Iterator[tuple[Thing, Measured]]:
    """Measure gathers one after another, on several cores: a few are measured while the first of them is used.

    Args:
        things: Gathers, or things that hold one; memory holds two more of them than there are threads.
        settings: What is measured, and where.
        gather_of: The gather that a thing holds.

    Yields:
        The things in their order, each with the attributes of its gather.

    Raises:
        InputError: As `measure_gather`.
    """
    at_once = min(cores(), MOST_THREADS)
    ahead: deque[tuple[Thing, Future[Measured]]] = deque()
    # NumPy lets other threads run while it computes; processes would spend longer on handing gathers over. Threads of
    # BLAS would compete with these; its products here are small.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(at_once) as threads:
        try:
            for thing in things:
                ahead.append((thing, threads.submit(measure_gather, gather_of(thing), settings)))
                if len(ahead) > at_once:
                    first, measured = ahead.popleft()
                    yield first, measured.result()
            while ahead:
                first, measured = ahead.popleft()
                yield first, measured.result()
        finally:
            threads.shutdown(cancel_futures=True)


def measure_gather(found: Recording | Picture, settings: Settings) -> Measured:
    """Measure the attributes of every trace of a gather, its noise bands and its leaking modules.

    Args:
        found: Its amplitudes as recorded, `[time, trace]`; grey levels about 128 if it is a picture.
        settings: What is measured, and where.

    Returns:
        The attributes. Levels, frequencies and arrivals of a trace that is constant or broken are NaN.

    Raises:
        InputError: Its sample interval is unknown, it has fewer than 16 samples, or its middle is not a zero.
    """
    geometry = found.geometry
    interval_s = geometry.sample_interval_s
    where = f"gather {found.gather_id} of {found.source}"
    if not interval_s > 0:
        raise InputError(f"{where}: has no sample interval; pass --sample-interval in milliseconds")
    traces, peak, constant, scale = _about_zero(found, settings.zero_level)
    samples = traces.shape[1]
    if samples < _SHORTEST_SAMPLES:
        raise InputError(f"{where}: has {samples} samples, too few to measure; give at least {_SHORTEST_SAMPLES}")
    begin, end = _recorded(traces, ~constant, interval_s)
    if end - begin >= _SHORTEST_SAMPLES:
        traces, samples = traces[:, begin:end], end - begin
        geometry = replace(geometry, start_s=geometry.start_s + begin * interval_s)
    offset_m = np.abs(np.asarray(geometry.offset_m, np.float64))
    offset_m[blank_offsets(offset_m)] = np.nan
    arrival_s, noise, target, tail = _levels(geometry, offset_m, settings, traces, ~constant, begin > 0)
    spectrum = spectra.spectra(traces)
    power = spectra.power(spectrum)
    frequency_hz = spectra.frequencies_hz(samples, interval_s)
    low, low_step_s = spectra.low_traces(spectrum, samples, interval_s)
    numbers = {
        "first_arrival_s": arrival_s,
        "noise_rms": noise * scale,
        "target_rms": target * scale,
        "tail_rms": tail * scale,
        "low_rms": np.sqrt(np.einsum("ts,ts->t", low, low) / low.shape[1], dtype=np.float64) * scale,
        "signal_to_noise_db": levels.signal_to_noise_db(target, noise),
        "peak_hz": spectra.peak_hz(power, frequency_hz),
        "low_share": spectra.low_share(power, frequency_hz),
        "limit_share": faults.limit_share(traces, peak),
    }
    for values in numbers.values():
        values[constant] = np.nan
    heard, at_limit = np.stack([target, tail, noise]), numbers["limit_share"]
    marks = _faults(traces, peak, constant, heard, at_limit, geometry, (spectrum, frequency_hz))
    sound = ~np.any([marks[name] for name in ("dead", "weak", "wild", "spiky", "saturated")], axis=0)
    kept = slice(*np.searchsorted(frequency_hz, (spectra.LOWEST_HZ, spectra.BAND_HZ)))
    known = offset_m[np.isfinite(offset_m)]
    nearest = int(np.nanargmin(offset_m)) if np.unique(known).size > 1 else None
    found_bands = noise_bands(low, low_step_s, geometry.start_s, frequency_hz[kept], power[:, kept], sound, nearest)
    band = np.zeros(len(traces), np.int32)
    for number, one in enumerate(found_bands, start=1):
        band[one.first_trace : one.last_trace + 1] = number
    leaks, modules = _leaks(low, geometry.channel, sound & (band == 0), settings.module_channels)
    columns = {**numbers, **marks, "crossfeed": leaks, "band": band}
    return Measured(columns, [scaled(one, scale) for one in found_bands], modules)


def _faults(
    traces: np.ndarray,
    peak: np.ndarray,
    constant: np.ndarray,
    heard: np.ndarray,
    limit_share: np.ndarray,
    geometry: Geometry,
    spectrum: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:
    """Which traces have each fault, by name, bool `[trace]` each; the spectrum comes with its frequencies."""
    known = constant | faults.silent_traces(heard, constant)
    quieter, louder = faults.ratios(heard, ~known)
    dead = faults.dead_traces(quieter, known)
    interval_s, samples = geometry.sample_interval_s, traces.shape[1]
    live = ~dead
    saturated = faults.saturated_traces(limit_share, louder, samples, live)
    spacing_m = first_arrivals.spacing_or_usual(geometry.offset_m)
    lag_s = spacing_m / first_arrivals.SLOWEST_M_S
    aside = min(math.ceil(2 * lag_s / interval_s) + 1, MOST_ASIDE)
    block = max(8, round(faults.SPIKE_S / interval_s))
    spiky = ~saturated & faults.spiky_traces(traces, peak, aside, block, live)
    turned = np.zeros(len(traces), bool)
    told = live & ~saturated
    if np.count_nonzero(told) > 2:
        values, frequency_hz = spectrum
        alike = faults.neighbour_correlation(values[told], frequency_hz, min(lag_s + faults.LAG_S, MOST_LAG_S))
        steps_m = np.abs(np.diff(np.asarray(geometry.offset_m, np.float64)[told]))
        alike[steps_m > FAR_APART * spacing_m] = 0.0
        turned[told] = faults.reversed_traces(alike)
    return {
        "dead": dead,
        "weak": faults.weak_traces(quieter, louder, dead),
        "wild": faults.wild_traces(louder[1:], dead | saturated | spiky),
        "spiky": spiky,
        "reversed": turned,
        "saturated": saturated,
    }


def _about_zero(
    found: Recording | Picture, zero_level: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Amplitudes about zero, float32 `[trace, time]`, their largest, which are constant, and a factor back to units.

    Most recordings are about zero as they are. If a trace is not, or an amplitude may be a fill value, zeros and fill
    values are measured as for images, which takes longer.
    """
    if isinstance(found, Picture):
        traces = found.image.T.astype(np.float32, order="C") - np.float32(ZERO_LEVEL)
        return traces, *faults.extremes(traces), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        traces = np.ascontiguousarray(found.amplitude.T, np.float32)
        peak, constant = faults.extremes(traces)
        zero, off = _zero(traces[~constant] if constant.any() else traces, peak[~constant])
    if off or zero_level is not None or found.amplitude.dtype == np.float64:
        broken, dead = trace_states(found.amplitude)
        about = measure(
            found.amplitude,
            broken,
            dead | constant_traces(found.amplitude),
            zero_level,
            one_zero=found.one_zero,
            middle=found.middle,
        )
        check_middle(about, found, zero_level)
        traces = np.ascontiguousarray(about.amplitude.T)
        peak, still = faults.extremes(traces)
        constant |= still
    elif zero or constant.any():
        # Zeros are mutes; they stay.
        traces = np.subtract(
            traces, np.float32(zero), out=np.zeros_like(traces), where=(traces != 0) & ~constant[:, None]
        )
        peak, _ = faults.extremes(traces)
    largest = float(peak.max(initial=0))
    if not largest or _SMALL <= largest <= _LARGE:
        return traces, peak, constant, 1.0
    exponent = math.frexp(largest)[1]
    return np.ldexp(traces, -exponent), np.ldexp(peak, -exponent), constant, math.ldexp(1.0, exponent)


def _zero(traces: np.ndarray, peak: np.ndarray) -> tuple[float, bool]:
    """The zero that traces, float32 `[trace, time]`, share, and whether one may have its own or fill values."""
    if not traces.size:
        return 0.0, False
    rms = np.sqrt(np.einsum("ts,ts->t", traces, traces) / traces.shape[1])
    mean = traces.sum(axis=1) / traces.shape[1]
    middle = float(np.median(rms))
    zero = float(np.median(mean))
    wrong = (np.abs(mean) > OFF_ZERO * rms) | ~np.isfinite(rms) | (peak > FAR_OUT * middle)
    return zero if abs(zero) > SAME_ZERO * middle else 0.0, bool(wrong.any())


def _recorded(traces: np.ndarray, live: np.ndarray, interval_s: float) -> tuple[int, int]:
    """The samples between zeros that begin and end all live traces, float32 `[trace, time]`.

    They are padding, or a mute, where most traces begin or end together; a mute that follows the arrivals stays.
    """
    samples, least = traces.shape[1], math.ceil(LEAST_ZEROS_S / interval_s)
    begin, end = 0, samples
    if not all(ends[live].any() for ends in (traces[:, :least], traces[:, -least:])):
        shown = traces[live] != 0
        there = np.flatnonzero(shown.any(axis=0))
        if len(there):
            first, last = int(there[0]), int(there[-1]) + 1
            if first >= least and shown[:, first : first + least].any(axis=1).mean() > 0.5:
                begin = first
            if samples - last >= least and shown[:, max(last - least, 0) : last].any(axis=1).mean() > 0.5:
                end = last
    return begin, end


def _levels(
    geometry: Geometry,
    offset_m: np.ndarray,
    settings: Settings,
    traces: np.ndarray,
    live: np.ndarray,
    was_cut: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First arrivals, and root mean squares before them, in the target and in the tail, float64 `[trace]` each.

    Offsets are distances, NaN where they are unknown. Zeros may have been cut off before the record.
    """
    block = levels.block_samples(geometry.sample_interval_s)
    block_s = block * geometry.sample_interval_s
    sums = levels.block_sums(traces, block)
    count, blocks = sums.shape
    cumulated = np.zeros((count, blocks + 1))
    np.cumsum(sums, axis=1, dtype=np.float64, out=cumulated[:, 1:])
    arrival = first_arrivals.first_arrivals(cumulated, block_s, geometry.offset_m, live, was_cut)

    def measured(first: np.ndarray, last: np.ndarray, least_s: float) -> np.ndarray:
        return levels.window_rms(cumulated, first, last, block, max(1, round(least_s / block_s)))

    def edges(window: Window) -> tuple[np.ndarray, np.ndarray]:
        first, last = window.edges_s(offset_m, geometry.channel)
        return np.rint((first - geometry.start_s) / block_s), np.rint((last - geometry.start_s) / block_s)

    before = (np.zeros(count), np.floor(arrival - GUARD_S / block_s))
    first, last = before if settings.noise is None else edges(settings.noise)
    noise = measured(first, last, levels.LEAST_NOISE_S if settings.noise is None else 0.0)
    silent = levels.stretches((sums == 0) & live[:, None], math.ceil(LEAST_ZEROS_S / block_s))
    if silent.any():
        shown = np.where(np.isfinite(first) & np.isfinite(last), 1.0, np.nan)
        zeros = np.concatenate([np.zeros((count, 1)), np.cumsum(silent, axis=1, dtype=np.float64)], axis=1)
        share = levels.window_rms(zeros, first * shown, last * shown, 1) ** 2
        noise = np.where(share > MUTED, np.nan, noise / np.sqrt(1.0 - np.minimum(share, MUTED)))
    after = (arrival, arrival + TARGET_S / block_s)
    begin, end = after if settings.target is None else edges(settings.target)
    target = measured(begin, end, 0.0)
    tail_blocks = round(levels.TAIL_S / block_s)
    whole = np.full(count, float(blocks))
    tail = measured(whole - tail_blocks, whole, levels.TAIL_S)
    return geometry.start_s + arrival * block_s, noise, target, tail


def _leaks(low: np.ndarray, channel: np.ndarray, live: np.ndarray, channels: int) -> tuple[np.ndarray, list[int]]:
    """Traces in leaking modules, and these modules."""
    numbered = channel_numbers(channel)
    if len(np.unique(numbered)) < len(numbered) or (numbered < 1).any():
        numbered = np.arange(1, len(channel) + 1)
    modules = crossfeed.leaking_modules(low, numbered, live, channels) if channels else []
    return np.isin((numbered - 1) // max(channels, 1), modules), modules
