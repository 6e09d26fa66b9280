"""What a fitting keeps between steps, in memory; `glowseis.fitting.checkpoints` keeps the same on disk."""

import math
from typing import Protocol

import keras
import numpy as np


class State(Protocol):
    """What a fitting keeps between steps, in memory or on disk (`glowseis.fitting.checkpoints`)."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def best_step(self) -> int:
        """The step of the best figure so far; 0 before the first."""

    def save(self, step: int) -> None:
        """Save the current state as that after `step` steps."""

    def offer(self, step: int, figure: float) -> bool:
        """Save the current weights as the best if their figure is the lowest; return whether it is."""

    def restore_best(self) -> None:
        """Restore the best weights."""

    @property
    def last_good(self) -> str:
        """Where the last saved state is, in words."""


class InMemory:
    """The state of a fitting that is never resumed: only the best weights."""

    def __init__(self, model: keras.Model):
        self.step = self.best_step = 0
        self._model = model
        self._best = math.inf
        self._weights: list[np.ndarray] = []

    def save(self, step: int) -> None:
        """Count the steps."""
        self.step = step

    def offer(self, step: int, figure: float) -> bool:
        """Save the current weights as the best if their figure is the lowest; return whether it is."""
        if figure >= self._best:
            return False
        self._best, self.best_step, self._weights = figure, step, self._model.get_weights()
        return True

    @property
    def last_good(self) -> str:
        """Nowhere."""
        return "no checkpoint is kept"

    def restore_best(self) -> None:
        """Restore the best weights."""
        self._model.set_weights(self._weights)
