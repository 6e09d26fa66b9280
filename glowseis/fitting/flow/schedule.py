"""The learning rate: warm-up and polynomial decay in each phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.types import Tensor
from glowseis.recipe import Phase


@dataclass(frozen=True)
class PlannedPhase:
    """A phase with its place in the run.

    Attributes:
        phase: The recipe's settings.
        start: Number of steps before it.
        steps_per_epoch: Steps per epoch, from the number of gathers and the batch.
    """

    phase: Phase
    start: int
    steps_per_epoch: int

    @property
    def end(self) -> int:
        """Number of steps at its end."""
        return self.start + self.phase.epochs * self.steps_per_epoch


@keras.saving.register_keras_serializable("glowseis")
class WarmUpThenDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a maximum, then polynomial decay to an end value.

    `maximum * (step + 1) / warmup_steps` in the warm-up, then
    `end + (maximum - end) * (1 - (step - warmup_steps) / (steps - warmup_steps))^power`.

    Args:
        maximum: Highest learning rate.
        steps: Total number of steps.
        warmup_steps: Steps of the warm-up.
        power: Power of the decay; the paper does not state it, 1 is our reading.
        end: Learning rate after the last step; the paper does not state it, 0 is our reading.

    Source: the paper's section 5.2 (maximum 1e-4, warm-up 456 steps).
    """

    def __init__(self, maximum: float, steps: int, warmup_steps: int = 0, power: float = 1.0, end: float = 0.0):
        self.maximum = maximum
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.end = end

    def __call__(self, step: Tensor) -> Tensor:
        """Learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        warming = self.maximum * (step + 1) / max(self.warmup_steps, 1)
        progress = ops.clip((step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1), 0, 1)
        decaying = self.end + (self.maximum - self.end) * (1 - progress) ** self.power
        return ops.where(step < self.warmup_steps, warming, decaying)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("maximum", "steps", "warmup_steps", "power", "end")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("glowseis")
class InSequence(keras.optimizers.schedules.LearningRateSchedule):
    """Schedules in sequence.

    Args:
        schedules: Each counts its own steps from 0.
        starts: The step at which each begins, in rising order from 0.
    """

    def __init__(self, schedules: Sequence[WarmUpThenDecay], starts: Sequence[int]):
        self.schedules = list(schedules)
        self.starts = list(starts)

    def __call__(self, step: Tensor) -> Tensor:
        """Learning rate of a step, counted from 0."""
        rate = self.schedules[0](step)
        for schedule, start in zip(self.schedules[1:], self.starts[1:], strict=True):
            rate = ops.where(ops.cast(step, "int64") < start, rate, schedule(step - start))
        return rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        schedules = [keras.saving.serialize_keras_object(schedule) for schedule in self.schedules]
        return {"schedules": schedules, "starts": self.starts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the schedule from `get_config`'s dictionary."""
        return cls([keras.saving.deserialize_keras_object(one) for one in config["schedules"]], config["starts"])


def plan(phases: Sequence[Phase], gathers: Sequence[int], batch: int) -> list[PlannedPhase]:
    """Place phases one after another.

    Args:
        phases: The recipe's phases.
        gathers: Number of training gathers of each.
        batch: Gathers per step. Gathers that do not fill a batch at the end of an epoch are left out of that epoch; a
            phase with fewer gathers than a batch makes one smaller batch of them.
    """
    planned: list[PlannedPhase] = []
    for phase, count in zip(phases, gathers, strict=True):
        start = planned[-1].end if planned else 0
        planned.append(PlannedPhase(phase, start, max(1, count // batch)))
    return planned


def learning_rate(planned: Sequence[PlannedPhase]) -> InSequence:
    """The learning rate of a whole run."""
    schedules = [
        WarmUpThenDecay(
            one.phase.learning_rate,
            one.end - one.start,
            one.phase.warmup_steps,
            one.phase.decay_power,
            one.phase.end_learning_rate,
        )
        for one in planned
    ]
    return InSequence(schedules, [one.start for one in planned])
