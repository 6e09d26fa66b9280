"""A trained flow as a bijector and a distribution of TensorFlow Probability (`pip install 'glowseis[tfp]'`)."""

import math
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.export.network import load_network
from glowseis.fitting.backend import require_tensorflow
from glowseis.layers.types import Tensor
from glowseis.models.glow import Glow

require_tensorflow()

import tensorflow as tf  # noqa: E402, after the line about another backend

try:
    from tensorflow_probability import bijectors as tfb
    from tensorflow_probability import distributions as tfd
except ImportError as wrong:
    raise InputError(
        "glowseis.distribution needs TensorFlow Probability and tf-keras, its Keras 2; install both with "
        f"pip install 'glowseis[tfp]' ({str(wrong).strip().splitlines()[0]})"
    ) from None


class FlowBijector(tfb.Bijector):
    """A flow as a bijector from latent vectors to images; the weights are the flow's own, so training changes both.

    >>> import glowseis, numpy as np
    >>> from glowseis.distribution import FlowBijector
    >>> flow = glowseis.Glow((8, 8, 1), levels=1, steps=1, filters=4, attention_levels=0)
    >>> x = np.random.default_rng(1).random((2, 8, 8, 1), np.float32)
    >>> bijector = FlowBijector(flow)
    >>> z = bijector.inverse(x)
    >>> tuple(z.shape), bool(np.abs(bijector.forward(z) - x).max() < 1e-5)
    ((2, 64), True)

    forward: `x = f^-1(z)`
    log-det: that of the flow's inverse
    inverse: `z = f(x)`, the flow's latents, each flattened, level 1 first
    log-det: that of the flow

    One pass through the flow gives both a result and its log-det, which TensorFlow Probability keeps with the result.
    As with all its bijectors, what was computed of a tensor is kept while you hold the tensor: after training, or for a
    gradient tape that did not see it computed, give it `tf.identity` of the tensor.

    Args:
        flow: The flow, or the folder of its SavedModel (its `model.keras` is loaded, and none of its code is run).
        validate_args: See `tfb.Bijector`.
        name: Its name.

    Shapes:
        z: `[..., time * trace * channel]`, with any number of batch dimensions, also none.
        x: `[..., time, trace, channel]`, grey levels as fractions in [0, 1).
        log_det: `[...]`.

    Raises:
        InputError: There is no such SavedModel, it is not a flow, or the flow has a condition.

    Source: Dillon et al. (2017), "TensorFlow Distributions", for what a bijector is.
    """

    def __init__(self, flow: Glow | str | Path, validate_args: bool = False, name: str = "flow"):
        parameters = dict(locals())
        if not isinstance(flow, Glow):
            flow = load_network(flow, "flow")
        if flow.condition:
            raise InputError(
                "this flow has a condition: it models halves of images given the other halves; TensorFlow Probability "
                "gets flows of whole images alone"
            )
        flow.build()
        with tf.name_scope(name) as scope:
            super().__init__(
                forward_min_event_ndims=1,
                inverse_min_event_ndims=3,
                dtype=tf.as_dtype(flow.variable_dtype),
                validate_args=validate_args,
                parameters=parameters,
                name=scope,
            )
        # tf.Module does not look for variables inside Keras' models.
        self._variables_of_the_flow = [weight.value for weight in flow.weights]
        self._flow = self._no_dependency(flow)
        self._sizes = [math.prod(shape) for shape in flow.latent_shapes]

    @property
    def flow(self) -> Glow:
        """The flow."""
        return self._flow

    @property
    def size(self) -> int:
        """Length of a latent vector: as many numbers as an image has."""
        return sum(self._sizes)

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def _forward(self, z: Tensor) -> Tensor:
        batch = tf.shape(z)[:-1]
        parts = tf.split(tf.reshape(z, (-1, self.size)), self._sizes, axis=-1)
        latents = [tf.reshape(part, (-1, *shape)) for part, shape in zip(parts, self._flow.latent_shapes, strict=True)]
        x, log_det = self._flow.decode_with_log_det(latents)
        self._cache.forward_attributes(z)["ildj"] = self._shaped(-log_det, batch, z.shape[:-1])
        return self._shaped(x, batch, z.shape[:-1])

    def _inverse(self, x: Tensor) -> Tensor:
        batch = tf.shape(x)[:-3]
        latents, log_det = self._flow.encode_with_log_det(tf.reshape(x, (-1, *self._flow.image_shape)))
        self._cache.inverse_attributes(x)["ildj"] = self._shaped(log_det, batch, x.shape[:-3])
        flat = [tf.reshape(eps, (-1, size)) for eps, size in zip(latents, self._sizes, strict=True)]
        return self._shaped(tf.concat(flat, axis=-1), batch, x.shape[:-3])

    def _inverse_log_det_jacobian(self, x: Tensor) -> Tensor:
        _, log_det = self._flow.encode_with_log_det(tf.reshape(x, (-1, *self._flow.image_shape)))
        return self._shaped(log_det, tf.shape(x)[:-3], x.shape[:-3])

    def _shaped(self, flat: Tensor, batch: Tensor, known: tf.TensorShape) -> Tensor:
        """A tensor `[item, ...]` as `[*batch, ...]`."""
        shaped = tf.reshape(flat, tf.concat([batch, tf.shape(flat)[1:]], axis=0))
        shaped.set_shape([*known, *flat.shape[1:]] if known.rank is not None else None)
        return shaped

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return self._of_event(shape, (self.size,), self._flow.image_shape)

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return self._of_event(shape, self._flow.image_shape, (self.size,))

    def _forward_event_shape_tensor(self, shape: Tensor) -> Tensor:
        return tf.concat([shape[:-1], self._flow.image_shape], axis=0)

    def _inverse_event_shape_tensor(self, shape: Tensor) -> Tensor:
        return tf.concat([shape[:-3], [self.size]], axis=0)

    def _of_event(self, shape: tf.TensorShape, given: tuple[int, ...], made: tuple[int, ...]) -> tf.TensorShape:
        if shape.rank is None:
            return shape
        if not shape[-len(given) :].is_compatible_with(given):
            raise ValueError(f"{self.name} takes events of shape {given}; it received {tuple(shape)}")
        return tf.TensorShape([*shape[: -len(given)], *made])


def flow_distribution(
    flow: Glow | str | Path | FlowBijector, base: Any = None, temperature: float = 1.0, name: str = "flow_distribution"
) -> Any:
    """The density of images that a flow has learned, as a `tfd.TransformedDistribution`.

    >>> import glowseis, numpy as np
    >>> from glowseis.distribution import flow_distribution
    >>> flow = glowseis.Glow((8, 8, 1), levels=1, steps=1, filters=4, attention_levels=0)
    >>> density = flow_distribution(flow)
    >>> x = density.sample(2, seed=1)
    >>> tuple(x.shape), bool(np.allclose(density.log_prob(x), flow.log_prob(x), rtol=1e-4))
    ((2, 8, 8, 1), True)

    Args:
        flow: The flow, the folder of its SavedModel, or its bijector.
        base: Distribution of the latent vectors, events `[time * trace * channel]`, with any batch shape; when None
            independent normals of standard deviation `temperature`, as `tfd.Independent`. With another base, or another
            temperature, the density is not that of `Glow.log_prob`.
        temperature: Standard deviation of the default base.
        name: Its name.

    Returns:
        A distribution over images, `[time, trace, channel]`, grey levels as fractions in [0, 1). A sample may lie
        outside that range, like `Glow.sample`'s.

    Raises:
        InputError: As for `FlowBijector`.
        ValueError: The temperature is not above 0 and finite, or the base's events are not latent vectors.
    """
    bijector = flow if isinstance(flow, FlowBijector) else FlowBijector(flow)
    if base is None:
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; give a number above 0, such as 0.7")
        zeros = tf.zeros(bijector.size, bijector.dtype)
        base = tfd.Independent(tfd.Normal(zeros, tf.constant(temperature, bijector.dtype)), 1)
    elif not (base.event_shape.rank and base.event_shape[-1:].is_compatible_with((bijector.size,))):
        raise ValueError(
            f"the base's events have the shape {tuple(base.event_shape)}; those of this flow are vectors of "
            f"{bijector.size} numbers, such as tfd.Independent(tfd.Normal(tf.zeros({bijector.size}), 1.0), 1)"
        )
    return tfd.TransformedDistribution(base, bijector, name=name)
