"""The steps of one level as one layer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from glowseis.layers.actnorm import adapted
from glowseis.layers.flow_step import FlowStep
from glowseis.layers.invertible import InvertibleLayer


@keras.saving.register_keras_serializable("glowseis")
class StepStack(InvertibleLayer):
    """`count` flow steps of one shape, their weights stacked along a leading axis.

    forward: `y = step[count - 1](... step[0](x))`
    log-det: the sum over the steps
    inverse: the steps' inverses in reversed order
    log-det: the sum over the inverses

    All steps of a level have the same shapes, so one template step runs them all, each time with its own slice of the
    weights. Against one layer a step this makes an optimiser's update some twenty times smaller, and a backend that
    compiles can trace the step once (`wrap_step`). FlowJAX's `Scan` is the precedent. Another way through all the
    steps, such as one that stores no activations for its gradient, takes the place of `forward` by `running`.

    Args:
        step: The flow step to repeat; each repetition starts from its own random weights. It is copied by its
            configuration, so a conditioner of your own must be registered
            (`keras.saving.register_keras_serializable`).
        count: Number of steps.

    Shapes:
        x, y: `[batch, time, trace, channel]`, an even number of channels; log_det: `[batch]`.

    Source: the paper's section 4 ("a series of stacked flow blocks").
    """

    def __init__(self, step: FlowStep, count: int, **kwargs):
        super().__init__(**kwargs)
        if count < 1:
            raise ValueError(f"StepStack repeats its step at least once; it received count={count}.")
        self.count = count
        self._use(Template(step, None))
        self._other_forward: Callable[[list[Any], Any], tuple[Any, Any]] | None = None

    def _use(self, template):
        self.template = template
        self._run_forward = template.forward
        self._run_inverse = template.inverse

    def build(self, input_shape):
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

    def wrap_step(self, wrapper):
        """Run every step through `wrapper(function)`, such as a compiler of the backend.

        Args:
            wrapper: Takes `function(values, x) -> (y, log_det)`, where `values` are one step's weights, and returns a
                function of the same meaning. It is called once for the step and once for its inverse.
        """
        self._run_forward = wrapper(self.template.forward)
        self._run_inverse = wrapper(self.template.inverse)

    @contextmanager
    def running(self, forward: Callable[[list[Any], Any], tuple[Any, Any]]) -> Iterator[None]:
        """Within this context `forward(stacked, x) -> (y, log_det)` takes the place of the steps in order.

        Args:
            forward: Its `stacked` are the weights of all steps in the order of the template's, each
                `[count, *shape]`.
        """
        self._other_forward = forward
        try:
            yield
        finally:
            self._other_forward = None

    def _forward(self, x):
        """The steps in order."""
        if self._other_forward is not None:
            return self._other_forward(self._tensors(), x)
        return in_order(self._run_forward, self._tensors(), x)

    def _inverse(self, y):
        """The steps' inverses in reversed order."""
        log_det = self._zero_log_det(y)
        for values in reversed(unstacked(self._tensors())):
            y, change = self._run_inverse(values, y)
            log_det = log_det + change
        return y, log_det

    def step(self, index, x):
        """Run one step forward: `(y, log_det)`."""
        return self._run_forward([weight[index] for weight in self._stacked], x)

    def adapt_step(self, index, mean, variance):
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

    def _tensors(self):
        return [ops.convert_to_tensor(weight) for weight in self._stacked]

    def get_config(self):
        """The constructor's arguments."""
        step = keras.saving.serialize_keras_object(self.template.step)
        return {**super().get_config(), "step": step, "count": self.count}

    @classmethod
    def from_config(cls, config):
        """Make the layer from `get_config`'s dictionary."""
        return cls(**{**config, "step": keras.saving.deserialize_keras_object(config["step"])})


class Template:
    """A step that is run with weights from elsewhere.

    Keras does not see into it: the step's own weights are never trained or saved.

    Args:
        step: The flow step, built before it is run.
        input_shape: What it was built for.
    """

    def __init__(self, step: FlowStep, input_shape):
        self.step = step
        self.input_shape = input_shape

    def with_conditioner_of(self, policy: str) -> "Template":
        """The same step with its conditioner in another precision, such as `mixed_bfloat16`.

        Args:
            policy: Name of a Keras dtype policy. The step's own maps keep theirs.
        """
        config = self.step.get_config()
        config["conditioner"]["config"]["dtype"] = policy
        step = type(self.step).from_config(config)
        step.build(self.input_shape)
        return Template(step, self.input_shape)

    def forward(self, values, x):
        """The step, `(y, log_det)`, with `values` as its weights."""
        with self.with_weights(values):
            return self.step(x)

    def inverse(self, values, y):
        """The step's inverse, `(x, log_det)`, with `values` as its weights."""
        with self.with_weights(values):
            return self.step(y, inverse=True)

    def with_weights(self, values: Sequence[Any]):
        """A context in which the step's weights are `values`, in the order of `step.weights`."""
        return keras.StatelessScope(list(zip(self.step.weights, values, strict=True)))


def in_order(step, stacked, x):
    """Run `step(values, x) -> (y, log_det)` with each step's slice of the stacked weights; sum the log-dets."""
    log_dets = []
    for values in unstacked(stacked):
        x, log_det = step(values, x)
        log_dets.append(log_det)
    return x, sum(log_dets)


def unstacked(stacked):
    """Each step's weights of stacks of them."""
    # Unstacked, not indexed: the gradient of an index is as large as the whole stack, for every step anew.
    columns = [ops.unstack(weight, axis=0) for weight in stacked]
    return [list(values) for values in zip(*columns, strict=True)]


def _stack_of(variables):
    def initializer(shape, dtype=None):
        return ops.reshape(ops.stack([ops.cast(variable.value, dtype) for variable in variables]), shape)

    return initializer


def _index_of(weight, weights):
    return next(index for index, candidate in enumerate(weights) if candidate is weight)
