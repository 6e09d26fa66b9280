"""How TensorFlow runs the steps of a flow: called or in a loop, with or without stored activations."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import tensorflow as tf

from glowseis.fitting.flow.recomputing import recomputing_steps
from glowseis.layers.step_stack import Step, StepStack, Way, in_order
from glowseis.layers.thin_convolutions import working_in_parts
from glowseis.layers.types import Tensor
from glowseis.models.flow_trainer import Activations, Precision, check_ways
from glowseis.models.glow import Glow


class Steps:
    """Ways of running a flow's steps, used within `running`; the flow itself does not change.

    Args:
        flow: The flow, built.
        activations: Whether training stores activations or recomputes them.
        conditioners: Precision of the networks inside couplings in training. Everything else keeps the flow's
            precision.
        looped: Whether a level's steps are one loop, for XLA, which compiles its body once. XLA inlines all calls;
            given calls, it treats what a step's forward function passes to its backward function as constants of the
            compilation, and compiles again in every training step. If False, the step of each level is traced once, as
            a function that is called, which runs quicker without XLA: inlined, the 90 steps of the paper's flow make
            one graph of tens of thousands of operations, whose optimisation alone takes longer than a training step.

    Raises:
        ValueError: A setting is unknown.
    """

    def __init__(
        self,
        flow: Glow,
        *,
        activations: Activations = "stored",
        conditioners: Precision = "float32",
        looped: bool = False,
    ):
        check_ways(activations, conditioners)
        self._flow = flow
        self._in_parts = not looped and not tf.config.list_physical_devices("GPU")
        self._ways = [_looped_way(stack) if looped else _called_way(stack) for stack in flow.stacks]
        self._training = [
            _training_way(stack, way, looped, activations, conditioners)
            for stack, way in zip(flow.stacks, self._ways, strict=True)
        ]

    @contextmanager
    def running(self, training: bool = False) -> Iterator[None]:
        """A context in which the flow is run this way; as in training if `training`.

        Compute gradients within it too.
        """
        with ExitStack() as contexts:
            contexts.enter_context(working_in_parts(self._in_parts))
            for stack, way in zip(self._flow.stacks, self._training if training else self._ways, strict=True):
                contexts.enter_context(stack.running(way))
            yield


def _training_way(stack: StepStack, way: Way, looped: bool, activations: Activations, conditioners: Precision) -> Way:
    template = stack.template
    if conditioners != "float32":
        template = template.with_conditioner_of(f"mixed_{conditioners}")
    if activations != "stored":
        return replace(way, all_forward=recomputing_steps(template, stack.count))
    if template is stack.template:
        return way
    forward = _looped(template.forward, stack.count) if looped else partial(in_order, _called(template.forward))
    return replace(way, all_forward=forward)


def _called_way(stack: StepStack) -> Way:
    return Way(_called(stack.template.forward), _called(stack.template.inverse))


def _looped_way(stack: StepStack) -> Way:
    forward, inverse = stack.template.forward, stack.template.inverse
    return Way(forward, inverse, _looped(forward, stack.count), _looped(inverse, stack.count, backward=True))


def _looped(step: Step, count: int, backward: bool = False) -> Step:
    """All steps, from the first or from the last, as one loop."""

    def run(stacked: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        def body(done: Tensor, x: Tensor, log_det: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            index = count - 1 - done if backward else done
            y, one = step([weights[index] for weights in stacked], x)
            return done + 1, y, log_det + one

        start = (0, x, tf.zeros(tf.shape(x)[:1], x.dtype))
        # XLA reserves what the gradient needs for the most iterations that there may be.
        _, y, log_det = tf.while_loop(
            lambda done, *_: done < count, body, start, parallel_iterations=1, maximum_iterations=count
        )
        return y, log_det

    return run


def stored_bytes(flow: Glow, batch: int) -> int:
    """Approximate bytes of the activations that training stores when it does not recompute them."""
    hidden = sum(
        steps * filters * time * trace
        for steps, filters, (time, trace, _) in zip(flow.steps, flow.filters, flow.latent_shapes, strict=True)
    )
    # Measured on the paper's flow: about four tensors of a step's hidden size, in float32.
    return batch * hidden * 4 * 4


def _called(step: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(step, autograph=False, experimental_attributes={"_noinline": True})
