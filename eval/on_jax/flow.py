"""Fitting flows with JAX: one for each of several surveys at the same time, from a study's recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from eval.on_jax.material import Material
from glowseis.models.glow import CENTRE, Glow
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.recipe import FlowSection, Phase, TrainingSection

CHUNK = 4
"""Steps of a call; weights are judged between calls."""

SHIFTED_BY = 8
"""As in `glowseis.survey.batches.augment`."""

AT_ONCE = 60
"""Gathers that are interpolated at a time."""

JUDGES = 16
"""Gathers that judge weights are counted in multiples of this, so that flows with few and many run one program."""


@dataclass(frozen=True)
class FittedFlow:
    """A fitted flow.

    Attributes:
        values: Values of its variables.
        bits: Bits per dimension of the gathers that judge it, with these weights.
        step: The step of these weights.
        steps: Steps done in all.
    """

    values: list[np.ndarray]
    bits: float
    step: int
    steps: int


class FlowTrainer:
    """Fits flows of one architecture and interpolates with them.

    Batches, learning rates, clipping, ActNorm's adaptation and the choice of weights are those of
    `glowseis.fitting.flow.fitting`; the random numbers of order, changes and dequantisation are others.

    Args:
        size: Samples and traces of the images.
        section: The flow's settings.
        training: How it is fitted; `keep` must be `best`.
    """

    def __init__(self, size: tuple[int, int], section: FlowSection, training: TrainingSection):
        self._size, self._section, self._training = size, section, training
        flow = self._flow = self._made(0)
        self._trained, self._fixed = flow.trainable_variables, flow.non_trainable_variables
        clipping = {"global_clipnorm": training.clip_norm} if training.clip_norm else {}
        optimizer = keras.optimizers.Adam(1.0, **clipping)
        optimizer.build(self._trained)
        self._state = [np.asarray(variable.value) for variable in optimizer.variables]

        def exact(function: Callable[..., Any]) -> Callable[..., Any]:
            """Products in float32, because a map and its inverse must agree."""

            def run(*given: Any) -> Any:
                with jax.default_matmul_precision("float32"):
                    return function(*given)

            return run

        def scope(values: Any, fixed: Any) -> keras.StatelessScope:
            pairs = [*zip(self._trained, values, strict=True), *zip(self._fixed, fixed, strict=True)]
            return keras.StatelessScope(pairs)

        def bits_of(values: Any, fixed: Any, x: Any, each: Any) -> Any:
            with scope(values, fixed):
                return jnp.sum(each * flow.bits_per_dimension(flow.log_prob(x[..., None])))

        def mirrored(places: Any, last: Any) -> Any:
            return jnp.clip(last - jnp.abs(last - jnp.abs(places)), 0, last)

        def changed(image: Any, valid: Any, key: Any) -> Any:
            """A gather shifted and perhaps turned, and spread over the intervals of its grey levels."""
            time, trace, sign, noise = jax.random.split(key, 4)
            for axis, (one, side) in enumerate(zip((time, trace), size, strict=True)):
                shift = jax.random.randint(one, (), -SHIFTED_BY, SHIFTED_BY + 1)
                places, last = jnp.arange(side), valid[axis] - 1
                image = jnp.take(image, jnp.where(places <= last, mirrored(places - shift, last), places), axis=axis)
            turned = jnp.minimum(256 - image.astype(jnp.int32), 255)
            levels = jnp.where(jax.random.bernoulli(sign), turned, image.astype(jnp.int32))
            fine = jax.random.randint(noise, size, 0, 2**16)
            return (levels * 2**16 + fine).astype(jnp.float32) * 2.0**-24

        def advance(values: Any, fixed: Any, state: Any, batches: Any) -> Any:
            def step(carry: Any, given: Any) -> Any:
                values, state = carry
                image, valid, each, key, rate, active = given
                x = jax.vmap(changed)(image, valid, jax.random.split(key, image.shape[0]))
                bits, gradients = jax.value_and_grad(bits_of)(values, fixed, x, each)
                # Variables of Keras' Adam: iteration, learning rate, moments.
                new = optimizer.stateless_apply([state[0], rate, *state[2:]], gradients, values)
                # A flow whose phase has fewer steps waits for the others.
                kept = jax.tree.map(lambda old, one: jnp.where(active, one, old), (list(values), list(state)), new)
                return kept, bits

            return jax.lax.scan(step, (values, state), batches)

        def adapted(values: Any, fixed: Any, x: Any, each: Any) -> Any:
            """Values with ActNorm set from images, whose weights sum to 1."""
            with scope(values, fixed) as now:
                h = x[..., None] - CENTRE
                for squeeze, stack, factor_out in flow._levels():
                    h, _ = squeeze(h)
                    for index in range(stack.count):
                        mean = jnp.sum(each[:, None] * jnp.mean(h, axis=(1, 2)), axis=0)
                        variance = jnp.sum(each[:, None] * jnp.mean((h - mean) ** 2, axis=(1, 2)), axis=0)
                        stack.adapt_step(index, mean, variance)
                        h, _ = stack.step(index, h)
                    if factor_out is not None:
                        (h, _), _ = factor_out(h)
                return [now.get_current_value(variable) for variable in self._trained]

        def between(values: Any, fixed: Any, first: Any, second: Any, alpha: Any) -> Any:
            with scope(values, fixed):
                start, end = (from_levels(one[..., None]) for one in (first, second))
                return to_levels(flow.interpolate(start, end, alpha))[..., 0]

        self._advance = jax.jit(exact(jax.vmap(advance)), donate_argnums=(0, 2))
        self._bits = jax.jit(exact(jax.vmap(bits_of)))
        self._adapt, self._between = jax.jit(exact(adapted)), jax.jit(exact(between))

    def _made(self, seed: int) -> Glow:
        # On the processor, where the many small programs that draw weights compile quicker.
        with keras.device("cpu:0"):
            keras.utils.set_random_seed(seed)
            flow = Glow(image_shape=(*self._size, 1), **self._section.model_dump())
            flow.build()
        return flow

    def first_values(self, material: Material) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Values of a flow's trained and fixed variables before its first step, with ActNorm set from its gathers."""
        made = self._made(material.seed)
        values, fixed = (
            [np.asarray(one.value) for one in some] for some in (made.trainable_variables, made.non_trainable_variables)
        )
        random = np.random.default_rng([material.seed, 41])
        most, images = self._training.adapt_gathers, material.phases[0]
        count = min(most, len(images))
        # Only whole batches, as in fitting.
        batch = min(self._training.batch, count)
        chosen = images[random.permutation(len(images))[: count // batch * batch]]
        x, each = np.zeros((most, *self._size), np.float32), np.zeros(most, np.float32)
        x[: len(chosen)], each[: len(chosen)] = _spread(chosen, random), 1.0 / len(chosen)
        return [np.asarray(one) for one in self._adapt(values, fixed, x, each)], fixed

    def fit(self, materials: Sequence[Material], phases: Sequence[Phase]) -> list[FittedFlow]:
        """Fit one flow per material, all in the same steps.

        Args:
            materials: What each learns from.
            phases: Epochs and learning rates, one phase after another; the same for all.
        """
        started = [self.first_values(one) for one in materials]
        values, fixed = ([jnp.stack(one) for one in zip(*some, strict=True)] for some in zip(*started, strict=True))
        state = [jnp.broadcast_to(jnp.asarray(one), (len(materials), *np.shape(one))) for one in self._state]
        judges, of_judges = _judging(materials)
        best, bits = [jnp.copy(one) for one in values], np.full(len(materials), np.inf)
        done, best_steps = np.zeros(len(materials), int), np.zeros(len(materials), int)
        every = self._training.evaluate_every_epochs
        for number, phase in enumerate(phases):
            drawn = [_Epochs(one, number, phase, self._training.batch) for one in materials]
            longest = max(one.steps_per_epoch for one in drawn)
            for epoch in range(0, phase.epochs, every):
                together = min(every, phase.epochs - epoch)
                blocks = [one.steps(epoch, together, longest) for one in drawn]
                length = together * longest
                for start in range(0, length, CHUNK):
                    idle = max(start + CHUNK - length, 0)
                    chunk = [[*each[start : start + CHUNK], *[_idle(each[-1])] * idle] for each in blocks]
                    given = [np.array([[step[part] for step in steps] for steps in chunk]) for part in range(6)]
                    (values, state), _ = self._advance(values, fixed, state, tuple(map(jnp.asarray, given)))
                done += [one.steps_per_epoch * together for one in drawn]
                found = np.asarray(self._bits(values, fixed, judges, of_judges))
                better = found < bits
                if better.any():
                    mask = jnp.asarray(better)
                    best = [jnp.where(_along(mask, new), new, old) for new, old in zip(values, best, strict=True)]
                    bits, best_steps = np.where(better, found, bits), np.where(better, done, best_steps)
        kept = [np.asarray(one) for one in best]
        return [
            FittedFlow(
                [one[number] for one in kept] + [np.asarray(one)[number] for one in fixed],
                float(bits[number]),
                int(best_steps[number]),
                int(done[number]),
            )
            for number in range(len(materials))
        ]

    def interpolated(self, fitted: FittedFlow, first: np.ndarray, second: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Images between pairs of images on the spherical path, uint8 `[pair, time, trace]`."""
        split = len(self._trained)
        values, fixed = fitted.values[:split], fitted.values[split:]
        made = []
        for start in range(0, len(alpha), AT_ONCE):
            some = np.arange(start, start + AT_ONCE).clip(max=len(alpha) - 1)
            made.append(np.asarray(self._between(values, fixed, first[some], second[some], alpha[some])))
        return np.concatenate(made)[: len(alpha)]


class _Epochs:
    """The steps of a phase of one flow: images, valid regions, weights, key, learning rate, whether it takes part."""

    def __init__(self, material: Material, number: int, phase: Phase, batch: int):
        self._images, self._valid = material.phases[number], material.valid[number]
        self._phase, self._batch, self._seed = phase, batch, (material.seed, number)
        self.steps_per_epoch = max(1, len(self._images) // batch)

    def steps(self, first: int, epochs: int, longest: int) -> list[tuple[Any, ...]]:
        """Those of some epochs, each followed by idle ones up to the longest."""
        found: list[tuple[Any, ...]] = []
        for epoch in range(first, first + epochs):
            random = np.random.default_rng([*self._seed, epoch, 43])
            order = random.permutation(len(self._images))
            for step in range(self.steps_per_epoch):
                rows = order[step * self._batch : (step + 1) * self._batch]
                padded = np.resize(rows, self._batch)
                weights = (np.arange(self._batch) < len(rows)) / np.float32(len(rows))
                key = random.integers(0, 2**32, 2, np.uint32)
                rate = self._rate(epoch * self.steps_per_epoch + step)
                found.append(
                    (
                        self._images[padded],
                        self._valid[padded].astype(np.int32),
                        weights.astype(np.float32),
                        key,
                        np.float32(rate),
                        np.bool_(True),
                    )
                )
            found += [_idle(found[-1])] * (longest - self.steps_per_epoch)
        return found

    def _rate(self, step: int) -> float:
        """As `glowseis.fitting.flow.schedule.WarmUpThenDecay`."""
        phase, steps = self._phase, self._phase.epochs * self.steps_per_epoch
        if step < phase.warmup_steps:
            return phase.learning_rate * (step + 1) / phase.warmup_steps
        progress = min((step - phase.warmup_steps) / max(steps - phase.warmup_steps, 1), 1.0)
        fallen = (1 - progress) ** phase.decay_power
        return phase.end_learning_rate + (phase.learning_rate - phase.end_learning_rate) * fallen


def _judging(materials: Sequence[Material]) -> tuple[Any, Any]:
    """Images that judge each flow, float32 `[flow, gather, time, trace]`, and their weights, `[flow, gather]`."""
    count = -(-max(len(one.judges) for one in materials) // JUDGES) * JUDGES
    images = np.zeros((len(materials), count, *materials[0].judges.shape[1:]), np.float32)
    weights = np.zeros(images.shape[:2], np.float32)
    for number, one in enumerate(materials):
        images[number, : len(one.judges)] = _spread(one.judges, np.random.default_rng([one.seed, 42]))
        weights[number, : len(one.judges)] = 1.0 / len(one.judges)
    return jnp.asarray(images), jnp.asarray(weights)


def _idle(step: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*step[:-1], np.bool_(False))


def _along(mask: Any, values: Any) -> Any:
    return mask.reshape(-1, *[1] * (values.ndim - 1))


def _spread(levels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Grey levels spread over their intervals, float32 `[gather, time, trace]`, as `grey_levels.dequantise`."""
    fine = random.integers(0, 2**16, levels.shape, np.uint16)
    return (levels.astype(np.float32) * 2**16 + fine) * np.float32(2**-24)
