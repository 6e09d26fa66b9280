"""Gradients of a stack of flow steps without its activations: each step's input is worked out from its output."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from glowseis.layers.coupling import change, change_back
from glowseis.layers.invertible import sum_per_item
from glowseis.layers.step_stack import StepStack, Template, in_order, unstacked

Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def reversible_steps(
    stack: StepStack, wrap: Wrapper
) -> Callable[[list[tf.Tensor], tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A way through a stack's steps whose gradient needs its output alone.

    Going back, a step's network is evaluated once, for the step's inverse and for the gradient both. Memory does not
    grow with the number of steps as long as `wrap` keeps a step's operations together: written out in one graph, those
    of many steps are interleaved and their activations pile up.

    Args:
        stack: The steps, built.
        wrap: What runs a step's function and its gradient's, such as `tf.function` without inlining.

    Returns:
        What `StepStack.running` takes: `forward(stacked, x) -> (y, log_det)`.

    Source: the paper's section 2 names it; Gomez et al. (2017), "The reversible residual network: backpropagation
    without storing activations".
    """
    template = stack.template
    step_forward = wrap(template.forward)
    step_back = wrap(lambda values, *state: _back(template, values, *state))

    def forward(stacked, x):
        @tf.custom_gradient
        def steps(x, *stacked):
            y, log_det = in_order(step_forward, stacked, x)

            def gradient(dy, dlog_det):
                h, dh, changes = y, dy, []
                for values in reversed(unstacked(stacked)):
                    h, dh, dvalues = step_back(values, h, dh, dlog_det)
                    changes.append(dvalues)
                of_trainable = iter([tf.stack(column[::-1]) for column in zip(*changes, strict=True)])
                return dh, *(next(of_trainable) if one.trainable else None for one in template.step.weights)

            return (y, log_det), gradient

        # Tensors: variables that a custom gradient sees, it wants to treat by itself.
        return steps(x, *map(tf.convert_to_tensor, stacked))

    return forward


def _back(template: Template, values, y, dy, dlog_det):
    """One step's input, its gradient, and the gradients of the step's trainable weights, from those of its output."""
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
            ends = step.mix(x)
        dx, *of_mixing = tape.gradient(ends, [x, *trainable], [dmixed, dlog_det])
    return x, dx, [_sum(*both) for both in zip(of_coupling, of_mixing, strict=True)]


def _sum(one, other):
    return other if one is None else one if other is None else one + other
