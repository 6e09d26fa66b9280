"""Fitting Miniception with JAX: several networks at a time, many steps in one call."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from eval.on_jax.batches import UNCHANGED, Batches
from glowseis.models.miniception import Miniception

GRADED = 400
"""Gathers that are graded at a time."""


class Trainer:
    """Fits Miniceptions and grades with them.

    Args:
        size: Samples and traces of the images.
        alpha: Width of the network.
        companded: As for `glowseis.models.miniception.Miniception`.
        shifts: Largest shifts in samples and traces.
        chunk: Steps of a call.
    """

    def __init__(
        self,
        size: tuple[int, int],
        alpha: int,
        companded: bool = False,
        shifts: tuple[int, int] = (16, 8),
        chunk: int = 131,
    ):
        self._chunk = chunk
        model = self._model = Miniception(classes=3, alpha=alpha, companded=companded)
        model.build()
        variables = model.trainable_variables
        optimizer = keras.optimizers.Adam(1.0)
        optimizer.build(variables)
        self._state = [np.asarray(variable.value) for variable in optimizer.variables]

        def mirrored(places: Any, last: Any) -> Any:
            return jnp.clip(last - jnp.abs(last - jnp.abs(places)), 0, last)

        def changed(image: Any, valid: Any, drawn: Any) -> Any:
            """One gather's amplitudes in grey levels, as `augment_graded.augmented` changes them."""
            amplitude = image.astype(jnp.float32) - 128.0
            turned = amplitude * jnp.where(drawn[0] < UNCHANGED, -1.0, 1.0)
            places = [
                mirrored(jnp.arange(side) - (jnp.int32(draw * (2 * most + 1)) - most), one - 1)
                for side, one, draw, most in zip(size, valid, drawn[1:], shifts, strict=True)
            ]
            shifted = turned[places[0]][:, places[1]]
            inside = (jnp.arange(size[0]) < valid[0])[:, None] & (jnp.arange(size[1]) < valid[1])
            return jnp.where(inside, jnp.clip(shifted, -128.0, 127.0), amplitude) / 128.0

        def logits(weights: Any, x: Any) -> Any:
            with keras.StatelessScope(list(zip(variables, weights, strict=True))):
                return model.logits(x[..., None])

        def loss_of(weights: Any, x: Any, classes: Any, each: Any) -> Any:
            found = jax.nn.log_softmax(logits(weights, x))
            return -jnp.sum(each * jnp.take_along_axis(found, classes[:, None], 1)[:, 0])

        def run(images: Any, valid: Any, classes: Any, weights: Any, state: Any, batches: Any, rates: Any) -> Any:
            def step(carry: Any, given: Any) -> Any:
                weights, state = carry
                (rows, each, drawn), rate = given
                x = jax.vmap(changed)(images[rows], valid[rows], drawn)
                loss, gradients = jax.value_and_grad(loss_of)(weights, x, classes[rows], each)
                # Variables of Keras' Adam: iteration, learning rate, moments.
                state = [state[0], rate, *state[2:]]
                return optimizer.stateless_apply(state, gradients, weights), loss

            return jax.lax.scan(step, (weights, state), (batches, rates))

        several = jax.vmap(run, in_axes=(None, None, None, 0, 0, 0, None))
        self._run = jax.jit(several, donate_argnums=(3, 4))
        self._grade = jax.jit(
            jax.vmap(
                lambda weights, image: jax.nn.softmax(logits(weights, (image.astype(jnp.float32) - 128.0) / 128.0)),
                in_axes=(0, None),
            )
        )

    def fit(
        self,
        images: np.ndarray,
        valid: np.ndarray,
        classes: np.ndarray,
        batches: Sequence[Batches],
        rates: np.ndarray,
        seed: int,
    ) -> tuple[list[Any], np.ndarray]:
        """Fit as many networks as there are batches, from the same first weights.

        Args:
            images: Grey levels, uint8 `[gather, time, trace]`.
            valid: Samples and traces of their valid regions, `[gather, 2]`.
            classes: Numbers of their labels, `[gather]`.
            batches: The batches of each network.
            rates: Learning rate of each step.
            seed: Seed of the first weights.

        Returns:
            Weights, `[network, ..]` each, and losses, float32 `[network, step]`.
        """
        random, count = np.random.default_rng([seed, 9]), len(batches)
        first = [glorot(variable.shape, random) for variable in self._model.trainable_variables]
        repeated = [jnp.asarray(np.broadcast_to(one, (count, *one.shape))) for one in (*first, *self._state)]
        carry = (repeated[: len(first)], repeated[len(first) :])
        there = [jnp.asarray(images), jnp.asarray(valid, jnp.int32), jnp.asarray(classes, jnp.int32)]
        every = [np.stack([getattr(one, name) for one in batches]) for name in ("rows", "weights", "drawn")]
        losses = []
        for start in range(0, len(rates), self._chunk):
            part = np.s_[start : start + self._chunk]
            given = tuple(jnp.asarray(one[:, part]) for one in every)
            carry, loss = self._run(*there, *carry, given, jnp.asarray(rates[part], jnp.float32))
            losses.append(loss)
        return carry[0], np.concatenate([np.asarray(one) for one in losses], axis=1)

    def grade(self, weights: list[Any], images: np.ndarray) -> np.ndarray:
        """Probabilities, float32 `[network, gather, class]`."""
        parts = [images[start : start + GRADED] for start in range(0, len(images), GRADED)]
        return np.concatenate([np.asarray(self._grade(weights, part)) for part in parts], axis=1)


def glorot(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A weight as Keras starts it: uniform after Glorot, or zeros for a bias."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    field = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
    return random.uniform(-limit, limit, shape).astype(np.float32)
