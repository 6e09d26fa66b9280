"""Grades that do not depend on symmetries which say nothing about noise: means over an image and its mirror images."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from glowseis.judging.gathers import Looker, Seen
from glowseis.survey.render import ZERO_LEVEL


def turned_order(images: np.ndarray) -> np.ndarray:
    """Images with their traces in the other order, grey levels uint8 `[image, time, trace]`.

    Mid-grey columns at either end, whether padding or dead traces, end up on the right, where padding belongs. Turned
    twice, an image is unchanged except for that.
    """
    live = (images != ZERO_LEVEL).any(axis=1)
    if live[:, -1].all():
        return images[:, :, ::-1]
    last = images.shape[2] - live[:, ::-1].argmax(axis=1)
    trace = np.arange(images.shape[2])
    place = np.where(trace < last[:, np.newaxis], last[:, np.newaxis] - 1 - trace, trace)
    return np.take_along_axis(images, place[:, np.newaxis, :], axis=2)


def turned_polarity(images: np.ndarray) -> np.ndarray:
    """Images with their polarity reversed about mid-grey; black becomes the lightest grey.

    Turned twice, an image is unchanged, except that black is 1, as far from mid-grey as the lightest.
    """
    return np.minimum(2 * ZERO_LEVEL - images.astype(np.int16), 255).astype(np.uint8)


SYMMETRIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"trace_order": turned_order, "polarity": turned_polarity}
"""Mirror images by the name of the augmentation that teaches a classifier to grade them alike."""


class Symmetric:
    """A classifier that returns the mean over every image and its mirror images.

    A grade then does not depend on them at all; training alone only makes it depend little. What an image loses when
    it is turned twice is removed first: the place of dead traces at its ends, and the difference between black and the
    lightest grey.

    Args:
        looker: The classifier.
        names: Names from `SYMMETRIES`; others are ignored.
    """

    def __init__(self, looker: Looker, names: Sequence[str]):
        self._looker = looker
        self._turns = [turn for name, turn in SYMMETRIES.items() if name in names]

    def look(self, images: np.ndarray) -> Seen:
        """Look at windows, grey levels uint8 `[window, time, trace]`; the mean of probabilities and of features."""
        if not self._turns:
            return self._looker.look(images)
        for turn in self._turns:
            images = turn(turn(images))
        parts = []
        for chosen in itertools.product((False, True), repeat=len(self._turns)):
            turned = images
            for turn, wanted in zip(self._turns, chosen, strict=True):
                turned = turn(turned) if wanted else turned
            parts.append(self._looker.look(turned))
        probabilities = np.stack([part.probabilities for part in parts]).mean(axis=0)
        logarithms = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        known = [part.features for part in parts if part.features is not None]
        return Seen(probabilities, logarithms, np.stack(known).mean(axis=0) if known else None)
