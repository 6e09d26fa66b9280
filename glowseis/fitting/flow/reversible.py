"""Gradients of a stack of flow steps without stored activations: each step is run again in the backward pass."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from glowseis.layers.coupling import change, change_back
from glowseis.layers.invertible import sum_per_item
from glowseis.layers.step_stack import Step, Template
from glowseis.layers.types import Tensor


def recomputing_steps(template: Template, count: int, *, inverted: bool) -> Step:
    """A way through a stack's steps whose gradient needs each step's input, or only the last one's output.

    Steps whose inputs are kept give the gradient of steps with stored activations, up to the rounding of sums, with
    conditioners of any precision; an input is much smaller than a step's hidden activations. If inverted, not even
    inputs are kept: each is recomputed from the step's output, and a step's network is evaluated once, for both the
    step's inverse and the gradient. The steps run in TensorFlow loops: written out in one graph, the operations of many
    steps are interleaved and their activations pile up.

    Args:
        template: The step, built.
        count: Number of steps.
        inverted: Whether inputs are recomputed from outputs instead of being kept.

    Returns:
        `Way.all_forward` of the stack: `forward(stacked, x) -> (y, log_det)`.

    Source: the paper's section 2 names the inversion; Gomez et al. (2017), "The reversible residual network:
    backpropagation without storing activations". Kept inputs: Chen et al. (2016), "Training deep nets with sublinear
    memory cost".
    """

    def forward(stacked: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        @tf.custom_gradient
        def steps(x: Tensor, *stacked: Tensor) -> tuple[tuple[Tensor, Tensor], Callable[..., tuple[Tensor, ...]]]:
            def step(index: Tensor, y: Tensor, log_det: Tensor, *inputs: tf.TensorArray) -> tuple[Any, ...]:
                inputs = tuple(array.write(index, y) for array in inputs)
                y, one = template.forward(_slice(stacked, index), y)
                return index + 1, y, log_det + one, *inputs

            keeping = () if inverted else (tf.TensorArray(x.dtype, count, element_shape=x.shape),)
            start = (0, x, tf.zeros(tf.shape(x)[:1], x.dtype), *keeping)
            _, y, log_det, *inputs = tf.while_loop(lambda index, *_: index < count, step, start, parallel_iterations=1)
            kept = [array.stack() for array in inputs]

            def gradient(dy: Tensor, dlog_det: Tensor) -> tuple[Tensor, ...]:
                def step_back(
                    index: Tensor, h: Tensor, dh: Tensor, arrays: list[tf.TensorArray]
                ) -> tuple[Tensor, Tensor, Tensor, list[tf.TensorArray]]:
                    values = _slice(stacked, index)
                    if kept:
                        dh, dvalues = _again(template, values, kept[0][index], dh, dlog_det)
                    else:
                        h, dh, dvalues = _back(template, values, h, dh, dlog_det)
                    arrays = [array.write(index, value) for array, value in zip(arrays, dvalues, strict=True)]
                    return index - 1, h, dh, arrays

                trainable = [weight.trainable for weight in template.step.weights]
                arrays = [
                    tf.TensorArray(weights.dtype, count, element_shape=weights.shape[1:])
                    for weights, wanted in zip(stacked, trainable, strict=True)
                    if wanted
                ]
                start = (count - 1, y, dy, arrays)
                *_, dx, arrays = tf.while_loop(lambda index, *_: index >= 0, step_back, start, parallel_iterations=1)
                found = iter(arrays)
                return dx, *(next(found).stack() if wanted else None for wanted in trainable)

            return (y, log_det), gradient

        # Tensors, because a custom gradient requires special treatment of variables that it sees.
        y, log_det = steps(x, *map(tf.convert_to_tensor, stacked))
        return y, log_det

    return forward


def _slice(stacked: Sequence[Tensor], index: Tensor) -> list[Tensor]:
    return [weights[index] for weights in stacked]


def _again(
    template: Template, values: list[Tensor], x: Tensor, dy: Tensor, dlog_det: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of one step's input and of its trainable weights, from its input and its output's gradient."""
    trainable = [value for value, weight in zip(values, template.step.weights, strict=True) if weight.trainable]
    with tf.GradientTape() as tape:
        tape.watch([x, *trainable])
        ends = list(template.forward(values, x))
    # Attention with one position has no gradient by its queries and keys.
    dx, *dvalues = tape.gradient(
        ends, [x, *trainable], [dy, dlog_det], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return dx, dvalues


def _back(
    template: Template, values: list[Tensor], y: Tensor, dy: Tensor, dlog_det: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """One step's input, its gradient, and the gradients of its trainable weights, from the output and its gradient."""
    step = template.step
    trainable = [value for value, weight in zip(values, step.weights, strict=True) if weight.trainable]
    with template.with_weights(values):
        kept, changed = step.coupling.halves(y)
        dkept, dchanged = step.coupling.halves(dy)
        with tf.GradientTape() as tape:
            tape.watch([kept, *trainable])
            log_scale, shift = step.coupling.scale_and_shift(kept)
            with tape.stop_recording():
                before = change_back(changed, log_scale, shift)
            tape.watch(before)
            ends = [change(before, log_scale, shift), sum_per_item(log_scale)]
        dmore, dbefore, *of_coupling = tape.gradient(ends, [kept, before, *trainable], [dchanged, dlog_det])
        mixed, dmixed = tf.concat([kept, before], axis=-1), tf.concat([dkept + dmore, dbefore], axis=-1)
        x, _ = step.unmix(mixed)
        with tf.GradientTape() as tape:
            tape.watch([x, *trainable])
            ends = list(step.mix(x))
        dx, *of_mixing = tape.gradient(ends, [x, *trainable], [dmixed, dlog_det])
    return x, dx, [_sum(*both) for both in zip(of_coupling, of_mixing, strict=True)]


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one + other
