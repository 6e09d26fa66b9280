"""Fitting Miniception with JAX, many steps in one call."""

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
    """Fits Miniception, again and again, and grades with it.

    Args:
        size: Samples and traces of the images.
        alpha: Width of the network.
        companded: As for `glowseis.models.miniception.Miniception`.
        shifts: Largest shifts in samples and traces.
        chunk: Steps of a call.

    Attributes:
        changed: One gather's amplitudes as a fraction of full scale, float32 `[time, trace]`, from its image, its valid
            region and numbers drawn for `CHANGES`.
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
            """One gather, as `augment_graded.augmented` changes it."""
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

        self.changed = jax.jit(changed)
        self._run = jax.jit(run, donate_argnums=(3, 4))
        self._grade = jax.jit(
            lambda weights, image: jax.nn.softmax(logits(weights, (image.astype(jnp.float32) - 128.0) / 128.0))
        )

    def fit(
        self,
        images: np.ndarray,
        valid: np.ndarray,
        classes: np.ndarray,
        batches: Batches,
        rates: np.ndarray,
        seed: int,
    ) -> tuple[list[Any], np.ndarray]:
        """Fit a network.

        Args:
            images: Grey levels, uint8 `[gather, time, trace]`.
            valid: Samples and traces of their valid regions, `[gather, 2]`.
            classes: Numbers of their labels, `[gather]`.
            batches: What each step takes of them.
            rates: Learning rate of each step.
            seed: Seed of the first weights.

        Returns:
            Its weights, and the loss of each step, float32 `[step]`.
        """
        random = np.random.default_rng([seed, 9])
        weights: Any = [jnp.asarray(glorot(one.shape, random)) for one in self._model.trainable_variables]
        state: Any = [jnp.asarray(one) for one in self._state]
        there = [jnp.asarray(images), jnp.asarray(valid, jnp.int32), jnp.asarray(classes, jnp.int32)]
        losses = []
        for start in range(0, len(rates), self._chunk):
            part = np.s_[start : start + self._chunk]
            given = tuple(jnp.asarray(one[part]) for one in (batches.rows, batches.weights, batches.drawn))
            (weights, state), loss = self._run(*there, weights, state, given, jnp.asarray(rates[part], jnp.float32))
            losses.append(loss)
        return weights, np.concatenate([np.asarray(one) for one in losses])

    def grade(self, weights: list[Any], images: np.ndarray) -> np.ndarray:
        """Probabilities, float32 `[gather, class]`."""
        parts = [images[start : start + GRADED] for start in range(0, len(images), GRADED)]
        return np.concatenate([np.asarray(self._grade(weights, part)) for part in parts])


def glorot(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A weight as Keras starts it: uniform after Glorot, or zeros for a bias."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    field = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
    return random.uniform(-limit, limit, shape).astype(np.float32)
