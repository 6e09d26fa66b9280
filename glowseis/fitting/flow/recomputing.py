"""Gradients of a stack of flow steps without stored activations: each step is run again in the backward pass."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from glowseis.layers.step_stack import Step, Template
from glowseis.layers.types import Tensor


def recomputing_steps(template: Template, count: int) -> Step:
    """A way through a stack's steps whose gradient needs only each step's input.

    A step's input is much smaller than its hidden activations. The gradient is that of steps with stored activations,
    up to the rounding of sums, with conditioners of any precision. The steps run in TensorFlow loops: written out in
    one graph, the operations of many steps are interleaved and their activations pile up.

    Args:
        template: The step, built.
        count: Number of steps.

    Returns:
        `Way.all_forward` of the stack: `forward(stacked, x) -> (y, log_det)`.

    Source: Chen et al. (2016), "Training deep nets with sublinear memory cost". The paper's section 2 names inversion
    for the same purpose (see docs/decisions.md).
    """

    def forward(stacked: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        @tf.custom_gradient
        def steps(x: Tensor, *stacked: Tensor) -> tuple[tuple[Tensor, Tensor], Callable[..., tuple[Tensor, ...]]]:
            def step(
                index: Tensor, y: Tensor, log_det: Tensor, inputs: tf.TensorArray
            ) -> tuple[Tensor, Tensor, Tensor, tf.TensorArray]:
                inputs = inputs.write(index, y)
                y, one = template.forward(_slice(stacked, index), y)
                return index + 1, y, log_det + one, inputs

            inputs = tf.TensorArray(x.dtype, count, element_shape=x.shape)
            start = (0, x, tf.zeros(tf.shape(x)[:1], x.dtype), inputs)
            _, y, log_det, inputs = tf.while_loop(lambda index, *_: index < count, step, start, parallel_iterations=1)
            kept = inputs.stack()

            def gradient(dy: Tensor, dlog_det: Tensor) -> tuple[Tensor, ...]:
                def step_back(
                    index: Tensor, dh: Tensor, arrays: list[tf.TensorArray]
                ) -> tuple[Tensor, Tensor, list[tf.TensorArray]]:
                    dh, dvalues = _again(template, _slice(stacked, index), kept[index], dh, dlog_det)
                    arrays = [array.write(index, value) for array, value in zip(arrays, dvalues, strict=True)]
                    return index - 1, dh, arrays

                trainable = [weight.trainable for weight in template.step.weights]
                arrays = [
                    tf.TensorArray(weights.dtype, count, element_shape=weights.shape[1:])
                    for weights, wanted in zip(stacked, trainable, strict=True)
                    if wanted
                ]
                start = (count - 1, dy, arrays)
                _, dx, arrays = tf.while_loop(lambda index, *_: index >= 0, step_back, start, parallel_iterations=1)
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
