"""Gradients of a stack of flow steps without stored activations: each step's input is recomputed from its output."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from glowseis.layers.coupling import change, change_back
from glowseis.layers.invertible import sum_per_item
from glowseis.layers.step_stack import Step, StepStack, Template
from glowseis.layers.types import Tensor


def reversible_steps(stack: StepStack) -> Step:
    """A way through a stack's steps whose gradient needs only its output.

    In the backward pass a step's network is evaluated once, for both the step's inverse and the gradient. The steps run
    in TensorFlow loops: written out in one graph, the operations of many steps are interleaved and their activations
    pile up.

    Args:
        stack: The steps, built.

    Returns:
        `Way.all_forward` of the stack: `forward(stacked, x) -> (y, log_det)`.

    Source: the paper's section 2 names it; Gomez et al. (2017), "The reversible residual network: backpropagation
    without storing activations".
    """
    template, count = stack.template, stack.count

    def forward(stacked: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        @tf.custom_gradient
        def steps(x: Tensor, *stacked: Tensor) -> tuple[tuple[Tensor, Tensor], Callable[..., tuple[Tensor, ...]]]:
            def step(index: Tensor, y: Tensor, log_det: Tensor) -> tuple[Tensor, Tensor, Tensor]:
                y, one = template.forward(_slice(stacked, index), y)
                return index + 1, y, log_det + one

            start = (0, x, tf.zeros(tf.shape(x)[:1], x.dtype))
            _, y, log_det = tf.while_loop(lambda index, *_: index < count, step, start, parallel_iterations=1)

            def gradient(dy: Tensor, dlog_det: Tensor) -> tuple[Tensor, ...]:
                def step_back(
                    index: Tensor, h: Tensor, dh: Tensor, arrays: list[tf.TensorArray]
                ) -> tuple[Tensor, Tensor, Tensor, list[tf.TensorArray]]:
                    h, dh, dvalues = _back(template, _slice(stacked, index), h, dh, dlog_det)
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


def _back(
    template: Template, values: list[Tensor], y: Tensor, dy: Tensor, dlog_det: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """One step's input, its gradient, and the gradients of its trainable weights, from the output and its gradient."""
    step = template.step
    trainable = [value for value, weight in zip(values, step.weights, strict=True) if weight.trainable]
    with template.with_weights(values):
        kept, changed = tf.split(y, 2, axis=-1)
        dkept, dchanged = tf.split(dy, 2, axis=-1)
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
