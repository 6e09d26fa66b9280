"""What a flow of `eval.on_jax.flow` learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Material:
    """What a flow learns from.

    Attributes:
        phases: Gathers of each phase, uint8 `[gather, time, trace]`.
        valid: Samples and traces of their valid regions, likewise, `[gather, 2]`.
        judges: Gathers that judge its weights, uint8 `[gather, time, trace]`.
        seed: Seed of everything that is drawn.
    """

    phases: Sequence[np.ndarray]
    valid: Sequence[np.ndarray]
    judges: np.ndarray
    seed: int
