"""A small flow's settings, and pictures that it can learn."""

import numpy as np

from glowseis.models.grey_levels import dequantise

SMALL = {"image_shape": (16, 24, 1), "levels": 3, "steps": 2, "filters": 8, "attention_levels": 1, "heads": 2}


def gathers(count=6, shape=(16, 24), seed=0):
    """Grey levels, uint8 `[gather, time, trace]`, as a flow can learn them: smooth, with noise of a few levels."""
    random = np.random.default_rng(seed)
    time = np.arange(shape[0])[:, None] - np.arange(shape[1]) * 0.4
    waves = [40 * np.sin(time / 2.5 + phase) for phase in random.uniform(0, 6, count)]
    return np.clip(128 + np.array(waves) + random.normal(0, 4, (count, *shape)), 0, 255).astype("uint8")


def dequantised(images, seed=1):
    """Those, dequantised, float32 `[gather, time, trace, 1]`."""
    return dequantise(images, seed)
