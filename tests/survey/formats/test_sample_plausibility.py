"""Sound samples of every kind pass; the tests of the readers show what does not."""

import numpy as np
import pytest

from glowseis.survey.formats.sample_plausibility import Reading, better_reading
from glowseis.survey.formats.segy_samples import FORMATS, IBM
from tests.support.trace_files import ibm, swell

TRACES, SAMPLES = 16, 300
TIME = np.arange(SAMPLES) / SAMPLES


def sounds():
    """Amplitudes about 1 in size, by name."""
    generator = np.random.default_rng(5)
    smooth, white = swell(TRACES, SAMPLES), generator.normal(size=(TRACES, SAMPLES))
    every = np.arange(TRACES)[:, np.newaxis]
    return {
        "white": white,
        "smooth": smooth,
        "uniform": generator.uniform(-1, 1, white.shape),
        "Laplace": generator.laplace(size=white.shape),
        "120 dB of decay": smooth * 10 ** (-6 * TIME),
        "spikes": smooth * np.where(generator.random(white.shape) < 0.01, 1e6, 1),
        "muted": smooth * (TIME > 0.4),
        "sparse": white * (generator.random(white.shape) < 0.1),
        "gains": smooth * 10 ** generator.uniform(-6, 6, (TRACES, 1)),
        "dead traces": smooth * (every % 3 == 0),
        "one live trace": smooth * (every == 7),
        "zeros": 0 * smooth,
        "sine": np.sin(40 * TIME) + 0 * smooth,
        "square": np.sign(np.sin(40 * TIME)) + 0 * smooth,
        "saturated": np.clip(4 * smooth, -0.3, 0.3),
        "about a constant": 2.3 + 0.05 * smooth,
        "about a large constant": 1000 + smooth,
        "32 bits and a constant of 64": smooth.astype(np.float32).astype(np.float64) + 0.7,
        "32 bits and a large constant of 64": smooth.astype(np.float32).astype(np.float64) + 10.1,
        "positive": np.abs(smooth),
        "velocities": np.linspace(1500, 5000, SAMPLES) + 0 * smooth,
        "cubes": smooth**3,
        "loud and faint": np.sign(white) * np.exp(3 * generator.normal(size=white.shape)),
    }


@pytest.mark.parametrize("name", sounds())
@pytest.mark.parametrize("order", [">", "<"])
def test_sound_samples_are_never_doubted(name, order):
    sound = sounds()[name]
    for form in FORMATS:
        whole = form.kind[0] in "iu" and form is not IBM
        for scale in (1, 1e6) if whole else (1e-30, 1, 1e20):
            several = [sound * scale]
            if whole:
                limits = np.iinfo(form.kind)
                middle = 2.0 ** (limits.bits - 1) if form.kind[0] == "u" else 0
                # The largest 64-bit integers have no float; those of int8 saturate.
                top = np.nextafter(float(limits.max), 0) if limits.bits == 64 else limits.max
                several = [np.clip(np.rint(sound * scale) + middle, limits.min, top)]
            else:
                loudest = np.abs(sound).max() or 1
                several += [np.rint(sound * scale), 0.37 * np.rint(200 * sound / loudest)]
            for amplitude in several:
                with np.errstate(over="ignore"):
                    words = ibm(amplitude) if form is IBM else amplitude.astype(form.kind)
                raw = np.ascontiguousarray(words.astype(order + form.kind)).view(np.uint8)
                better = better_reading(raw.reshape(TRACES, -1), Reading(form, order))
                assert better is None, (form.name, scale, better)


def test_few_samples_tell_nothing():
    raw = np.random.default_rng(1).integers(0, 256, (3, 80)).astype(np.uint8)
    for form in FORMATS:
        assert better_reading(raw[:, :16], Reading(form, ">")) is None
