"""Noise that the sea, the vessels and the instruments add to a gather. Each function is one kind of noise.

Kinds and frequencies follow Dondurur, "Acquisition and Processing of Marine Seismic Data" (2018); widths,
spectra and lateral correlation follow the published example of each class. Pressures are in microbar, float32
`[trace, time]`.
"""

import numpy as np

from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.noise.cable import bird, loud_columns, strum, tug
from glowseis.survey.simulate.noise.channels import (
    add_spikes,
    crossfeed,
    reverse,
    rumble,
    saturate,
    silence,
    weaken,
)
from glowseis.survey.simulate.noise.sea import ambient, swell
from glowseis.survey.simulate.noise.vessels import interference, propeller
from glowseis.survey.simulate.plan import NoisePlan, with_tails
from glowseis.survey.simulate.recorder import hum, time_gain
from glowseis.survey.simulate.settings import NOISE_KINDS

__all__ = [
    "add_spikes",
    "ambient",
    "bird",
    "crossfeed",
    "disturb",
    "interference",
    "loud_columns",
    "propeller",
    "reverse",
    "rumble",
    "saturate",
    "silence",
    "strum",
    "swell",
    "tug",
    "weaken",
]

_TAILED = ("swell", "columns")


def disturb(pressure: np.ndarray, plan: NoisePlan, acquisition: Acquisition, random: np.random.Generator) -> np.ndarray:
    """A gather's pressure with all of a plan's noise.

    The sea's noise passes through the recorder's gain with the events; instruments affect channels after it.

    Args:
        pressure: The seismic events with that gain, float32 `[trace, time]`, in microbar.
        plan: How much of each kind.
        acquisition: Sample interval and record length.
        random: Source of randomness.

    Returns:
        Pressure, float32 `[trace, time]`, in microbar.
    """
    traces = pressure.shape[0]
    # Every kind has its own random stream, so that switching one off does not change the others.
    stream = dict(zip(NOISE_KINDS, random.spawn(len(NOISE_KINDS)), strict=True))
    noisy = np.zeros_like(pressure, dtype=np.float32, order="C")
    if plan.ambient_microbar:
        level_microbar = acquisition.recorder.ambient * plan.ambient_microbar
        noisy += ambient(traces, level_microbar, acquisition, stream["ambient"])
        if acquisition.recorder.hum_hz:
            noisy += hum(traces, acquisition, stream["ambient"])
    for kind, bands, make in (
        ("swell", plan.swell, swell),
        ("columns", plan.columns, loud_columns),
        ("bird", plan.birds, bird),
    ):
        for band in (with_tails(each, traces) for each in bands) if kind in _TAILED else bands:
            noisy[band.first : band.first + band.traces] += make(band, acquisition, stream[kind])
    for kind, level_microbar, add in (
        ("tug", plan.tug_microbar, tug),
        ("strum", plan.strum_microbar, strum),
        ("propeller", plan.propeller_microbar, propeller),
        ("interference", plan.interference_microbar, interference),
    ):
        if level_microbar:
            noisy += add(traces, level_microbar, acquisition, stream[kind])
    if acquisition.recorder.rumbling:
        rumble(noisy, acquisition, random.spawn(1)[0])
    noisy *= time_gain(acquisition)
    noisy += pressure
    crossfeed(noisy, plan.crossfeed, stream["crossfeed"])
    loud = 2.0 * float(np.quantile(np.abs(noisy[::2, ::3]), 0.98))
    weaken(noisy, plan.weak, stream["weak"])
    reverse(noisy, plan.reversed)
    add_spikes(noisy, plan.spiky, loud, stream["spiky"])
    saturate(noisy, plan.saturated, loud, stream["saturated"])
    silence(noisy, plan.dead)
    return noisy
