"""Changes by recorder and processing before anyone sees a gather: gain, filters, mutes, order, word length.

None of them says how noisy a gather is. They differ from acquisition to acquisition, so that a classifier trained on
several cannot mistake them for signs of noise.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from glowseis.survey.gather import Geometry
from glowseis.survey.simulate.acquisition import WATER_VELOCITY_M_S, Acquisition
from glowseis.survey.simulate.instruments import Recorder

_TAPER_SAMPLES = 8
_QUIET = 0.1
"""Loudness below which the gain control stops rising, as a share of the gather's root mean square."""
_FULL_SCALE = 8.0
"""Loudest amplitude that a recorder of few bits can hold, as a multiple of the clip."""


def time_gain(acquisition: Acquisition) -> np.ndarray:
    """Factors of the samples by time, 1 at three tenths of the record.

    Args:
        acquisition: Gives the power and the record.

    Returns:
        float32 `[time]`.
    """
    recorder, length_s = acquisition.recorder, acquisition.record_length_s
    second = recorder.start_s + np.arange(acquisition.samples) * acquisition.sample_interval_s
    # A gain that rises from the first sample would leave nothing of the direct wave.
    relative = (np.maximum(second, 0.0) + 0.05 * length_s) / (0.35 * length_s)
    return (relative**recorder.gain_power).astype(np.float32)


def hum(traces: int, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """Mains hum in the cable: one frequency on all traces, each with its own level.

    Args:
        traces: Traces of the gather.
        acquisition: Gives frequency, level and samples.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    recorder = acquisition.recorder
    turns = recorder.hum_hz * acquisition.sample_interval_s * np.arange(acquisition.samples)
    phase = 2.0 * math.pi * (turns + random.random())
    level = recorder.hum_microbar * random.lognormal(0.0, 0.5, traces) * math.sqrt(2.0)
    return (level[:, None] * np.sin(phase)[None, :]).astype(np.float32)


def recorded(
    pressure: np.ndarray, geometry: Geometry, water_s: float, recorder: Recorder, random: np.random.Generator
) -> tuple[np.ndarray, Geometry]:
    """The gather as it is in a file: with mutes, gain control, polarity, word length, missing traces and their order.

    Args:
        pressure: Events and noise with the gain on them, float32 `[trace, time]`.
        geometry: Geometry of these traces, near trace first.
        water_s: Two-way time to the sea floor, in seconds.
        recorder: The changes to make.
        random: Source of randomness.

    Returns:
        Amplitudes, float32 `[trace, time]`, and the geometry of their traces.
    """
    amplitude = _balanced(_muted(pressure, geometry, water_s, recorder), geometry.sample_interval_s, recorder)
    size = np.abs(amplitude[::2, ::3])
    clip = max(float(np.quantile(size, 0.96)), 1e-12)
    if recorder.clipped_share:
        most = np.float32(max(float(np.quantile(size, 1.0 - recorder.clipped_share)), 1e-12))
        amplitude = np.clip(amplitude, -most, most)
    if recorder.bits:
        step = np.float32(_FULL_SCALE * clip / 2 ** (recorder.bits - 1))
        amplitude = np.rint(amplitude / step) * step
    amplitude = recorder.polarity * amplitude
    if recorder.constant:
        amplitude = amplitude + np.float32(recorder.constant * clip)
    kept = np.flatnonzero(random.random(len(amplitude)) >= recorder.missing)
    order = kept[::-1] if recorder.far_first else kept
    if len(order) == len(amplitude) and not recorder.far_first:
        return amplitude.astype(np.float32, copy=False), geometry
    return amplitude[order].astype(np.float32), replace(
        geometry,
        channel=geometry.channel[order],
        offset_m=geometry.offset_m[order],
        receiver_x_m=geometry.receiver_x_m[order],
        receiver_y_m=geometry.receiver_y_m[order],
    )


def _balanced(pressure: np.ndarray, sample_interval_s: float, recorder: Recorder) -> np.ndarray:
    """Each trace over its own loudness within a window; where it is quiet, less is made of it."""
    if not recorder.balance:
        return pressure
    power = gaussian_filter1d(pressure.astype(np.float32) ** 2, 0.5 * recorder.balance_s / sample_interval_s, axis=1)
    quiet = max(_QUIET * float(np.sqrt(np.mean(power))), 1e-12)
    return (pressure / (np.sqrt(power) + quiet) ** recorder.balance).astype(np.float32)


def _muted(pressure: np.ndarray, geometry: Geometry, water_s: float, recorder: Recorder) -> np.ndarray:
    if recorder.mute == "none":
        return pressure
    direct_s = np.abs(geometry.offset_m) / WATER_VELOCITY_M_S
    first_s = direct_s if recorder.mute == "top" else 0.97 * np.hypot(water_s, direct_s)
    first = (first_s - recorder.start_s) / geometry.sample_interval_s - _TAPER_SAMPLES
    rise = (np.arange(pressure.shape[1])[None, :] - first[:, None]) / _TAPER_SAMPLES
    return (pressure * np.sin(0.5 * np.pi * np.clip(rise, 0.0, 1.0)) ** 2).astype(np.float32)
