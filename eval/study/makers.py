"""Ways to make gathers from two parents and a number without a flow, so that the guard can repeat them."""

from collections.abc import Callable

import numpy as np

from glowseis.survey.gather import Gather
from glowseis.transplant import LOW_BAND, transplant

PIXEL_MIXING, SMOTE, TRACE_BLOCKS = "pixel-mixing", "smote", "trace-blocks"
"""`Origin.model` of gathers that were made from their parents' pixels."""

LEAST_BLOCK = 0.5
"""Least share of the traces that a block covers; below it, what makes a gather bad may be left out."""


def mixture(first: np.ndarray, second: np.ndarray, alpha: float) -> np.ndarray:
    """Mix the grey levels of two images, `(1 - alpha) first + alpha second`, rounded."""
    return np.rint((1.0 - alpha) * first + alpha * second).astype(np.uint8)


def block(host: np.ndarray, donor: np.ndarray, alpha: float) -> np.ndarray:
    """Put a block of one image's traces into another, at the same offsets.

    Source: Park et al. 2022, "The majority can help the minority" (CMO, arXiv 2112.00412), whose boxes are here blocks
    of whole traces and whose mixed labels are here the donor's.

    Args:
        host: Grey levels, uint8 `[time, trace]`.
        donor: Grey levels likewise.
        alpha: In [0, 1): the block covers `LEAST_BLOCK` of the traces and this share of the rest. Its further digits
            say where it lies.
    """
    traces = host.shape[1]
    width = round((LEAST_BLOCK + (1.0 - LEAST_BLOCK) * alpha) * traces)
    first = int((1e4 * alpha % 1.0) * (traces - width + 1))
    pasted = host.copy()
    pasted[:, first : first + width] = donor[:, first : first + width]
    return pasted


MAKERS: dict[str, Callable[[Gather, Gather, float], np.ndarray]] = {
    PIXEL_MIXING: lambda first, second, alpha: mixture(first.image, second.image, alpha),
    SMOTE: lambda first, second, alpha: mixture(first.image, second.image, alpha),
    TRACE_BLOCKS: lambda host, donor, alpha: block(host.image, donor.image, alpha),
    LOW_BAND: lambda host, donor, moved: transplant(host, donor, moved).image,
}
"""Grey levels of a gather by `Origin.model`, from its parents and `alpha`."""
