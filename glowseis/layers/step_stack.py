"""The steps of one level as one layer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.actnorm import adapted
from glowseis.layers.flow_step import FlowStep
from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.types import Shape, Tensor

Step = Callable[[list[Tensor], Tensor], tuple[Tensor, Tensor]]
"""`function(values, x) -> (y, log_det)`, where `values` are weights."""


@dataclass(frozen=True)
class Way:
    """How the steps of a stack are run, for example compiled by the backend.

    Attributes:
        forward: One step with one step's weights.
        inverse: Its inverse.
        all_forward: All steps in order, with the stacked weights, each `[count, *shape]`, in the order of the
            template's weights; if None, `forward` is called once per step.
    """

    forward: Step
    inverse: Step
    all_forward: Step | None = None


@keras.saving.register_keras_serializable("glowseis")
class StepStack(InvertibleLayer):
    """`count` flow steps of one shape, with their weights stacked along a leading axis.

    forward: `y = step[count - 1](... step[0](x))`
    log-det: the sum over the steps
    inverse: the steps' inverses in reversed order
    log-det: the sum over the inverses

    All steps of a level have the same shapes, so one template step runs them all, each time with its own slice of the
    weights. Compared with one layer per step, an optimiser updates some twenty times fewer variables, and a backend
    that compiles can trace the step once. FlowJAX's `Scan` is the precedent. `running` switches to another way through
    the steps, compiled or without stored activations for the gradient.

    Args:
        step: The flow step to repeat; each repetition starts from its own random weights. It is copied by its
            configuration, so a conditioner of your own must be registered
            (`keras.saving.register_keras_serializable`).
        count: Number of steps.

    Shapes:
        x, y: `[batch, time, trace, channel]`, an even number of channels; log_det: `[batch]`.

    Source: the paper's section 4 ("a series of stacked flow blocks").
    """

    def __init__(self, step: FlowStep, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        if count < 1:
            raise ValueError(f"StepStack repeats its step at least once; it received count={count}.")
        self.count = count
        self._use(Template(step, None))

    def _use(self, template: "Template") -> None:
        self.template = template
        self._way = Way(template.forward, template.inverse)

    def build(self, input_shape: Shape) -> None:
        """Draw the weights of every step and stack them."""
        config = self.template.step.get_config()
        steps = [type(self.template.step).from_config(config) for _ in range(self.count)]
        for step in steps:
            step.build(input_shape)
        self._use(Template(steps[0], input_shape))
        self._stacked = [
            self.add_weight(
                name="_".join(weight.path.split("/")[1:]),
                shape=(self.count, *weight.shape),
                dtype=weight.dtype,
                trainable=weight.trainable,
                initializer=_stack_of([step.weights[index] for step in steps]),
            )
            for index, weight in enumerate(steps[0].weights)
        ]

    @contextmanager
    def running(self, way: Way) -> Iterator[None]:
        """A context in which the steps are run in this way."""
        before, self._way = self._way, way
        try:
            yield
        finally:
            self._way = before

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The steps in order."""
        if self._way.all_forward is not None:
            return self._way.all_forward(self._tensors(), x)
        return in_order(self._way.forward, self._tensors(), x)

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The steps' inverses in reversed order."""
        log_det = self._zero_log_det(y)
        for values in reversed(unstacked(self._tensors())):
            y, change = self._way.inverse(values, y)
            log_det = log_det + change
        return y, log_det

    def step(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run one step forward: `(y, log_det)`."""
        return self._way.forward([weight[index] for weight in self._stacked], x)

    def adapt_step(self, index: int, mean: Tensor, variance: Tensor) -> None:
        """Set one step's ActNorm from the statistics of that step's input (see `ActNorm.adapt`).

        Args:
            index: Number of the step, from 0.
            mean: Mean of each channel, `[channel]`.
            variance: Variance of each channel, `[channel]`.
        """
        actnorm = self.template.step.actnorm
        log_scale, bias = adapted(mean, variance, self.variable_dtype)
        for weight, value in ((actnorm.log_scale, log_scale), (actnorm.bias, bias)):
            stacked = self._stacked[_index_of(weight, self.template.step.weights)]
            stacked.assign(ops.slice_update(stacked.value, (index, 0), value[None]))

    def _tensors(self) -> list[Tensor]:
        return [ops.convert_to_tensor(weight) for weight in self._stacked]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        step = keras.saving.serialize_keras_object(self.template.step)
        return {**super().get_config(), "step": step, "count": self.count}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the layer from `get_config`'s dictionary."""
        return cls(**{**config, "step": keras.saving.deserialize_keras_object(config["step"])})


class Template:
    """A step that is run with weights given from outside.

    Keras does not see into it: the step's own weights are never trained or saved.

    Args:
        step: The flow step, built before it is run.
        input_shape: The shape it was built for.
    """

    def __init__(self, step: FlowStep, input_shape: Shape | None):
        self.step = step
        self.input_shape = input_shape

    def with_conditioner_of(self, policy: str) -> "Template":
        """The same step with its conditioner in another precision, such as `mixed_bfloat16`.

        Args:
            policy: Name of a Keras dtype policy. The step's own maps keep theirs.

        Raises:
            ValueError: The step is not built.
        """
        if self.input_shape is None:
            raise ValueError("A stack's step can be copied only once the stack is built; build it, or call it, first.")
        config = self.step.get_config()
        config["conditioner"]["config"]["dtype"] = policy
        step = type(self.step).from_config(config)
        step.build(self.input_shape)
        return Template(step, self.input_shape)

    def forward(self, values: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """The step, `(y, log_det)`, with `values` as its weights."""
        with self.with_weights(values):
            return self.step(x)

    def inverse(self, values: list[Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
        """The step's inverse, `(x, log_det)`, with `values` as its weights."""
        with self.with_weights(values):
            return self.step(y, inverse=True)

    def with_weights(self, values: Sequence[Tensor]) -> AbstractContextManager[Any]:
        """A context in which the step's weights are `values`, in the order of `step.weights`."""
        return keras.StatelessScope(list(zip(self.step.weights, values, strict=True)))


def in_order(step: Step, stacked: Sequence[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Run `step(values, x) -> (y, log_det)` with each step's slice of the stacked weights; sum the log-dets."""
    log_dets = []
    for values in unstacked(stacked):
        x, log_det = step(values, x)
        log_dets.append(log_det)
    return x, sum(log_dets)


def unstacked(stacked: Sequence[Tensor]) -> list[list[Tensor]]:
    """Each step's weights, taken from the stacked weights."""
    # Unstacked, not indexed: the gradient of each index would be as large as the whole stack.
    columns = [ops.unstack(weight, axis=0) for weight in stacked]
    return [list(values) for values in zip(*columns, strict=True)]


def _stack_of(variables: Sequence[keras.Variable]) -> Callable[..., Tensor]:
    def initializer(shape: Shape, dtype: str | None = None) -> Tensor:
        return ops.reshape(ops.stack([ops.cast(variable.value, dtype) for variable in variables]), shape)

    return initializer


def _index_of(weight: keras.Variable, weights: Sequence[keras.Variable]) -> int:
    return next(index for index, candidate in enumerate(weights) if candidate is weight)
