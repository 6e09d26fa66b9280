"""The steps of one level as one layer."""

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
    compiles can trace the step once (`wrap_step`). FlowJAX's `Scan` is the precedent.

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
        # Held where Keras does not see it: the template's own weights are never trained or saved.
        self._template = _Untracked(step)
        self._run_forward = self._step_forward
        self._run_inverse = self._step_inverse

    def build(self, input_shape):
        """Draw the weights of every step and stack them."""
        config = self._template.step.get_config()
        steps = [type(self._template.step).from_config(config) for _ in range(self.count)]
        for step in steps:
            step.build(input_shape)
        self._template = _Untracked(steps[0])
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
        self._run_forward = wrapper(self._step_forward)
        self._run_inverse = wrapper(self._step_inverse)

    def forward(self, x):
        """The steps in order."""
        log_det = self._zero_log_det(x)
        for values in self._values():
            x, change = self._run_forward(values, x)
            log_det = log_det + change
        return x, log_det

    def inverse(self, y):
        """The steps' inverses in reversed order."""
        log_det = self._zero_log_det(y)
        for values in reversed(self._values()):
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
        actnorm = self._template.step.actnorm
        log_scale, bias = adapted(mean, variance, self.variable_dtype)
        for weight, value in ((actnorm.log_scale, log_scale), (actnorm.bias, bias)):
            stacked = self._stacked[_index_of(weight, self._template.step.weights)]
            stacked.assign(ops.slice_update(stacked.value, (index, 0), value[None]))

    def _values(self):
        # Unstacked, not indexed: the gradient of an index is as large as the whole stack, for every step anew.
        columns = [ops.unstack(ops.convert_to_tensor(weight), axis=0) for weight in self._stacked]
        return [list(values) for values in zip(*columns, strict=True)]

    def _step_forward(self, values, x):
        with keras.StatelessScope(self._mapping(values)):
            return self._template.step(x)

    def _step_inverse(self, values, y):
        with keras.StatelessScope(self._mapping(values)):
            return self._template.step(y, inverse=True)

    def _mapping(self, values):
        return list(zip(self._template.step.weights, values, strict=True))

    def get_config(self):
        """The constructor's arguments."""
        step = keras.saving.serialize_keras_object(self._template.step)
        return {**super().get_config(), "step": step, "count": self.count}

    @classmethod
    def from_config(cls, config):
        """Make the layer from `get_config`'s dictionary."""
        return cls(**{**config, "step": keras.saving.deserialize_keras_object(config["step"])})


class _Untracked:
    """Holds a layer without making it part of the layer that holds it."""

    def __init__(self, step):
        self.step = step


def _stack_of(variables):
    def initializer(shape, dtype=None):
        return ops.reshape(ops.stack([ops.cast(variable.value, dtype) for variable in variables]), shape)

    return initializer


def _index_of(weight, weights):
    return next(index for index, candidate in enumerate(weights) if candidate is weight)
