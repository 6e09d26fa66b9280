"""The steps of one level as one layer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.actnorm import adapted
from glowseis.layers.flow_step import FlowStep, mixing, unmixing
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
        all_inverse: All steps' inverses in reversed order, likewise.
    """

    forward: Step
    inverse: Step
    all_forward: Step | None = None
    all_inverse: Step | None = None


@keras.saving.register_keras_serializable("glowseis")
class StepStack(InvertibleLayer):
    """`count` flow steps of one shape, with their weights stacked along a leading axis.

    forward: `y = step[count - 1](... step[0](x))`
    log-det: the sum over the steps
    inverse: the steps' inverses in reversed order
    log-det: the sum over the inverses

    All steps of a level have the same shapes, so one template step runs them all, each time with its own slice of the
    weights. Compared with one layer per step, an optimiser updates some twenty times fewer variables, and a backend
    that compiles can trace the step once. FlowJAX's `Scan` is the precedent. On JAX the steps are one loop
    (`way_through`). `running` switches to another way through the steps, compiled or without stored activations for the
    gradient.

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
        self._way = way_through(template)

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
        if self._way.all_inverse is not None:
            return self._way.all_inverse(self._tensors(), y)
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
            mean: Mean of each channel, `[channel]`; of a condition's, which come first, none is used.
            variance: Variance of each channel, `[channel]`.
        """
        actnorm, first = self.template.step.actnorm, self.template.step.condition
        log_scale, bias = adapted(mean[first:], variance[first:], self.variable_dtype)
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

    def advance(self, at: tuple[Tensor, Tensor], values: tuple[Tensor, ...]) -> tuple[tuple[Tensor, Tensor], None]:
        """The step as the body of a loop, from `(x, log_det)` to `(y, log_det)`, without the mixing's own log-det.

        Args:
            at: Where the loop is, and the log-det so far.
            values: The mixing's matrix and bias, then the coupling's weights.
        """
        x, log_det = at
        matrix, bias, *coupling = values
        with self._coupling_with(coupling):
            y, change = self.step.coupling(self.step.multiply(x, matrix, bias))
        return (y, log_det + change), None

    def retreat(self, at: tuple[Tensor, Tensor], values: tuple[Tensor, ...]) -> tuple[tuple[Tensor, Tensor], None]:
        """The inverse, likewise, with the matrix and bias of the mixing's inverse."""
        y, log_det = at
        matrix, bias, *coupling = values
        with self._coupling_with(coupling):
            mixed, change = self.step.coupling(y, inverse=True)
        return (self.step.multiply(mixed, matrix, bias), log_det + change), None

    def apart(self, values: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The weights of the mixing, in the order of `FlowStep.mixing_weights`, and those of the coupling."""
        of_mixing = [_index_of(weight, self.step.weights) for weight in self.step.mixing_weights]
        return (
            [values[index] for index in of_mixing],
            [value for index, value in enumerate(values) if index not in of_mixing],
        )

    def _coupling_with(self, values: Sequence[Tensor]) -> AbstractContextManager[Any]:
        return keras.StatelessScope(list(zip(self.apart(self.step.weights)[1], values, strict=True)))

    def with_weights(self, values: Sequence[Tensor]) -> AbstractContextManager[Any]:
        """A context in which the step's weights are `values`, in the order of `step.weights`."""
        return keras.StatelessScope(list(zip(self.step.weights, values, strict=True)))


def way_through(template: Template, *, recomputed: bool = False) -> Way:
    """The backend's way through a level's steps.

    On JAX they are one loop: its body is traced and compiled once, so that the graph and the time to compile it do not
    depend on the number of steps. What depends on weights alone, the matrices of all steps' mixings, is computed before
    the loop, for all steps at once. On the other backends the step is called once per step.

    Args:
        template: The step; its conditioner may be in another precision (`Template.with_conditioner_of`).
        recomputed: Whether a gradient keeps each step's input alone and runs the step again. Nothing is inverted, so
            that it suits conditioners of any precision.
    """
    if keras.backend.backend() != "jax":
        forward = keras.remat(template.forward) if recomputed else template.forward
        return Way(template.forward, template.inverse, all_forward=partial(in_order, forward) if recomputed else None)
    # Made once: JAX knows by the body's identity that it has traced a loop before.
    advance, retreat = keras.remat(template.advance) if recomputed else template.advance, template.retreat

    def loop(body: Callable[..., Any], multiplied: Callable[..., Any], reverse: bool) -> Step:
        def run(stacked: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
            of_mixing, of_coupling = template.apart(stacked)
            matrices, biases, log_dets = multiplied(*of_mixing)
            log_det = template.step._constant_log_det(x, ops.sum(log_dets))
            at, _ = ops.scan(body, (x, log_det), (matrices, biases, *of_coupling), reverse=reverse)
            return at

        return run

    return Way(template.forward, template.inverse, loop(advance, mixing, False), loop(retreat, unmixing, True))


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
