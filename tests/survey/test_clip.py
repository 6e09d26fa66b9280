"""The clip of a picture is found by a short cut; it is the quantile, to the bit."""

import dataclasses

import numpy as np
import pytest

from glowseis.survey.amplitudes.measured import CLIPPED_FRACTION, FLOAT_MAX, MEASURED_FROM
from glowseis.survey.render import render_recording
from tests.support.random_gathers import random_recording


def plainly(amplitude, dead):
    """Clip amplitude and grey levels of amplitudes about zero, as their definitions have them."""
    size = np.abs(amplitude[:, ~dead] if not dead.all() else amplitude)
    clip_amplitude = np.float32(
        np.quantile(size, 1 - CLIPPED_FRACTION, method="higher") or size.max() or 1.0,
    )
    with np.errstate(over="ignore"):
        level = np.rint(128 + 128 * (amplitude / clip_amplitude))
    return clip_amplitude, np.clip(level, 0, 255).astype(np.uint8)


KINDS = {
    "noise": lambda generator, shape: generator.normal(size=shape),
    "decay": lambda generator, shape: (
        generator.normal(size=shape) * np.exp(-np.linspace(0, 20, shape[0]))[:, np.newaxis]
    ),
    "late": lambda generator, shape: generator.normal(size=shape) * (np.arange(shape[0]) > 0.97 * shape[0])[:, None],
    "few values": lambda generator, shape: generator.integers(-3, 4, shape),
    "zeros": lambda generator, shape: np.zeros(shape),
    "spikes": lambda generator, shape: generator.normal(size=shape) * (1 + 1e3 * (generator.random(shape) < 0.01)),
    "huge": lambda generator, shape: 3e38 * generator.uniform(-1, 1, shape),
    "tiny": lambda generator, shape: 1e-40 * generator.normal(size=shape),
    "one trace": lambda generator, shape: generator.normal(size=shape) * (np.arange(shape[1]) == 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_what_its_definition_says(kind):
    generator = np.random.default_rng(sum(map(ord, kind)))
    for shape in [(1, 1), (1, 7), (7, 1), (5, 5), (25, 1), (26, 1), (60, 70), (99, 101), (300, 200), (876, 636)]:
        for order in "CF":
            amplitude = np.asarray(KINDS[kind](generator, shape), np.float32, order=order)
            recording = dataclasses.replace(random_recording(0, *shape), amplitude=amplitude)
            gather = render_recording(recording, *shape)
            with np.errstate(over="ignore"):
                about = np.clip(amplitude - gather.zero_amplitude, -FLOAT_MAX, FLOAT_MAX)
            is_constant = (amplitude == amplitude[:1]).all(axis=0) & (amplitude.size >= MEASURED_FROM)
            about[:, is_constant] = 0
            wanted, level = plainly(about, is_constant | ~amplitude.any(axis=0))
            assert gather.clip_amplitude == wanted, (shape, order)
            assert np.array_equal(gather.image, level), (shape, order)
