"""Faults of single channels and of modules. Each function changes a gather `[trace, time]` in place.

Source: Dondurur 2018, on quality control: dead, weak, reversed, spiky and saturated channels, cross-feed on modules.
"""

import math

import numpy as np

from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.events import CLIP_MICROBAR
from glowseis.survey.simulate.noise.spectra import bursts, coloured, frequencies_hz
from glowseis.survey.simulate.plan import MODULE_CHANNELS

_LEAK_CHANNELS = 8.0


def crossfeed(pressure: np.ndarray, modules: tuple[int, ...], random: np.random.Generator) -> None:
    """Channels of a module leak into each other: each gets a share of its neighbours', fainter with their distance.

    Source: Dondurur 2018, cross-feed (cross-talk) between the channels of one 24-channel module.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        modules: Numbers of the modules, from 0 at the near end.
        random: Source of randomness.
    """
    for module in modules:
        channels = slice(module * MODULE_CHANNELS, min((module + 1) * MODULE_CHANNELS, pressure.shape[0]))
        own = pressure[channels]
        place = np.arange(own.shape[0])
        leak = np.exp(-np.abs(np.subtract.outer(place, place)) / _LEAK_CHANNELS)
        np.fill_diagonal(leak, 0.0)
        leak *= random.uniform(1.0, 3.0) / max(leak.sum(axis=1).max(), 1e-12)
        pressure[channels] = own + leak.astype(np.float32) @ own


def rumble(pressure: np.ndarray, acquisition: Acquisition, random: np.random.Generator) -> None:
    """Channels that rumble by themselves for the whole record, some heard on the few beside them.

    One such channel does not make a gather bad, however loud it is. Source: as measured on the published good gather of
    acquisition B, whose 322nd channel has 17 times the median's amplitude below 5 Hz, and still 13 times four channels
    away; the other levels and spectra are ours.

    Args:
        pressure: A gather before the recorder's gain, float32 `[trace, time]`; it is changed.
        acquisition: How often a channel does so, sample interval and record length.
        random: Source of randomness.
    """
    traces = pressure.shape[0]
    frequency = frequencies_hz(acquisition)
    for channel in random.integers(traces, size=random.binomial(traces, acquisition.recorder.rumbling)):
        corner_hz, reach, level = (
            math.exp(random.uniform(math.log(low), math.log(high)))
            for low, high in ((1.5, 25.0), (0.15, 3.0), (0.01, 0.7))
        )
        amplitude = 1.0 / np.hypot(1.0, (frequency / corner_hz) ** random.uniform(1.5, 4.0))
        amplitude *= np.minimum(frequency, 1.0)  # recorders have a low-cut
        away = np.abs(np.arange(traces) - channel)
        near = np.flatnonzero(away <= 4.0 * reach)
        own = random.uniform(0.1, 0.9)
        noise = own * coloured(near.size, amplitude, acquisition, random) + (1.0 - own) * coloured(
            1, amplitude, acquisition, random
        )
        noise *= bursts(1, random.uniform(0.0, 0.5), 0.6, acquisition, random)
        pressure[near] += (
            np.float32(level * CLIP_MICROBAR) * np.exp(-away[near, None] / reach).astype(np.float32) * noise
        )


def weaken(pressure: np.ndarray, traces: tuple[int, ...], random: np.random.Generator) -> None:
    """Weak channels: hydrophones of a group are out of order. Source: Dondurur 2018, weak traces.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        traces: Which channels.
        random: Source of randomness.
    """
    for trace in traces:
        pressure[trace] *= random.uniform(0.03, 0.3)


def reverse(pressure: np.ndarray, traces: tuple[int, ...]) -> None:
    """Channels of wrong polarity: wires are crossed. Source: Dondurur 2018, reversed traces.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        traces: Which channels.
    """
    pressure[list(traces)] *= -1.0


def add_spikes(pressure: np.ndarray, traces: tuple[int, ...], loud: float, random: np.random.Generator) -> None:
    """Channels with spikes, single wild samples: leaking water or a bad contact. Source: Dondurur 2018, spiky traces.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        traces: Which channels.
        loud: Standard deviation of the spikes.
        random: Source of randomness.
    """
    for trace in traces:
        spikes = random.integers(pressure.shape[1], size=1 + random.poisson(6.0))
        pressure[trace, spikes] += loud * random.standard_normal(spikes.size)


def saturate(pressure: np.ndarray, traces: tuple[int, ...], loud: float, random: np.random.Generator) -> None:
    """Channels recorded too loudly: they stick at the recorder's limit. Source: Dondurur 2018, saturated traces.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        traces: Which channels.
        loud: The limit.
        random: Source of randomness.
    """
    for trace in traces:
        pressure[trace] = np.clip(pressure[trace] * random.uniform(6.0, 30.0), -loud, loud)


def silence(pressure: np.ndarray, traces: tuple[int, ...]) -> None:
    """Dead channels: nothing at all. Source: Dondurur 2018, dead traces.

    Args:
        pressure: A gather, float32 `[trace, time]`; it is changed.
        traces: Which channels.
    """
    pressure[list(traces)] = 0.0
