"""Sets of pictures with a rare class: where they come from, and how a study treats them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eval.study.makers import PIXEL_MIXING, TRACE_BLOCKS
from eval.study.names import BASELINE, PRIMARY, RIVAL
from glowseis.errors import InputError

DETAIL = "fine-detail"
"""The arm that moves fine structure; it makes no sense where fine and coarse structure are the same, as in digits."""

CELL = 64
"""Height and width of a solar cell's picture, in pixels."""


@dataclass(frozen=True)
class Pictures:
    """Pictures in memory.

    Attributes:
        images: Grey levels, uint8 `[picture, height, width]`.
        classes: Numbers of their classes, int32 `[picture]`.
        labels: Names of the classes.
        kinds: What a picture shows besides its class, `[picture]`; each part of a division has the same share of each.
    """

    images: np.ndarray
    classes: np.ndarray
    labels: tuple[str, ...]
    kinds: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        _, height, width = self.images.shape
        return height, width


@dataclass(frozen=True)
class PictureSet:
    """A set of pictures and what is fixed for it; docs/protocol-elsewhere.md says why.

    Attributes:
        load: Returns the pictures.
        rare: Classes that take turns as the rare one.
        kept: Pictures of the rare class that a training set keeps; 0 for all.
        folds: Parts of a division: one tests, the others train.
        arms: The arms.
        steps: Steps of a classifier.
        shift: Largest shift of a training picture in pixels, each way.
        mirrored: Whether training pictures are mirrored at random, left to right and top to bottom.
        levels: Levels of the flow.
        flow_steps: Steps of the flow.
        enlarged: Height and width of the square as which the classifier sees a pixel.
        smooth: Standard deviation of the Gaussian that separates fine from coarse structure, in pixels.
        milder: Classes that the rare class's fine structure may be moved to, including the rare class.
    """

    load: Callable[[], Pictures]
    rare: tuple[int, ...]
    kept: int
    folds: int
    arms: tuple[str, ...]
    steps: int
    shift: int
    mirrored: bool
    levels: int
    flow_steps: int
    enlarged: int = 1
    smooth: float = 0.0
    milder: tuple[int, ...] = ()


def digits() -> Pictures:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8, 17 grey levels spread over 256."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)
    return Pictures(images, found.target.astype(np.int32), tuple("0123456789"), np.zeros(len(images), int))


def cells() -> Pictures:
    """The 2,624 solar cells of the package elpv-dataset, reduced to `CELL` by averages over areas.

    Cells of defect probability 0 and 1/3 are functioning, of 2/3 probably defective, of 1 defective.

    Raises:
        InputError: The package is not installed, or its pictures cannot be read.
    """
    images, probabilities, kinds = _cells()
    classes = np.searchsorted([0.5, 0.9], probabilities).astype(np.int32)
    return Pictures(images, classes, ("functioning", "probably defective", "defective"), kinds)


def sure_cells() -> Pictures:
    """The solar cells that judges were sure of: defect probability 0 or 1.

    Raises:
        InputError: As for `cells`.
    """
    images, probabilities, kinds = _cells()
    sure = np.isin(probabilities, (0.0, 1.0))
    return Pictures(images[sure], probabilities[sure].astype(np.int32), ("functioning", "defective"), kinds[sure])


def _cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reduced pictures, defect probabilities and types of all cells."""
    from PIL import Image

    mend = "run pip install -e '.[elpv]'"
    try:
        from elpv_dataset.utils import load_dataset

        found, probabilities, kinds = load_dataset()
    except ImportError:
        raise InputError(f"the solar cells need the package elpv-dataset; {mend}") from None
    except (OSError, ValueError) as wrong:
        raise InputError(f"the pictures of the package elpv-dataset cannot be read ({wrong}); {mend}") from None
    reduced = [np.asarray(Image.fromarray(one).resize((CELL, CELL), Image.Resampling.BOX)) for one in found]
    return np.stack(reduced), probabilities, kinds


_OF_CELLS = (RIVAL, PIXEL_MIXING, TRACE_BLOCKS, PRIMARY, DETAIL)

SETS = {
    "digits": PictureSet(
        digits,
        rare=tuple(range(10)),
        kept=16,
        folds=2,
        arms=(BASELINE, RIVAL, PIXEL_MIXING, TRACE_BLOCKS, PRIMARY),
        steps=600,
        shift=1,
        mirrored=False,
        levels=2,
        flow_steps=300,
        enlarged=3,
    ),
    "cells": PictureSet(
        cells,
        rare=(1,),
        kept=0,
        folds=5,
        arms=_OF_CELLS,
        steps=500,
        shift=4,
        mirrored=True,
        levels=4,
        flow_steps=400,
        smooth=3.0,
        milder=(0, 1),
    ),
}
SETS["defects"] = replace(SETS["cells"], load=sure_cells, kept=30)
"""The sets by name."""
