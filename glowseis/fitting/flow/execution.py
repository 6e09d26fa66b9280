"""How TensorFlow runs the steps of a flow: called or written out, with or without stored activations."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

import tensorflow as tf

from glowseis.fitting.flow.reversible import reversible_steps
from glowseis.layers.step_stack import StepStack, Way, in_order
from glowseis.layers.thin_convolutions import working_in_parts
from glowseis.models.glow import Glow

Precision = Literal["float32", "bfloat16"]


class Steps:
    """Ways of running a flow's steps, used within `running`; the flow itself does not change.

    Args:
        flow: The flow, built.
        reversible: Whether training recomputes activations instead of storing them.
        conditioners: Precision of the networks inside couplings in training. Everything else keeps the flow's
            precision.
        written_out: Whether every step is written out in the graph, for XLA. XLA inlines all calls anyway; given calls,
            it treats what a step's forward function passes to its backward function as constants of the compilation,
            and compiles again in every training step. If False, the step of each level is traced once, as a function
            that is called: inlined, the 90 steps of the paper's flow make one graph of tens of thousands of operations,
            whose optimisation alone takes longer than a training step.

    Raises:
        ValueError: The precision is unknown; or both reversible and bfloat16: rounded to 8 bits, a network gives
            different results for the recomputed input and for the original one.
    """

    def __init__(
        self,
        flow: Glow,
        *,
        reversible: bool = False,
        conditioners: Precision = "float32",
        written_out: bool = False,
    ):
        if conditioners not in get_args(Precision):
            raise ValueError(f"conditioners is {conditioners!r}; give one of {', '.join(get_args(Precision))}")
        if reversible and conditioners != "float32":
            raise ValueError(
                f"Steps with {conditioners} conditioners cannot be inverted closely enough to train without stored "
                "activations. Give reversible=False, or conditioners='float32'."
            )
        self._flow = flow
        self._in_parts = not written_out and not tf.config.list_physical_devices("GPU")
        wrap = (lambda step: step) if written_out else _called
        self._ways = [Way(wrap(stack.template.forward), wrap(stack.template.inverse)) for stack in flow.stacks]
        self._training = [
            _training_way(stack, way, wrap, reversible, conditioners)
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


def _training_way(
    stack: StepStack, way: Way, wrap: Callable[[Any], Any], reversible: bool, conditioners: Precision
) -> Way:
    if reversible:
        return replace(way, all_forward=reversible_steps(stack))
    if conditioners == "float32":
        return way
    lowered = stack.template.with_conditioner_of(f"mixed_{conditioners}")
    return replace(way, all_forward=partial(in_order, wrap(lowered.forward)))


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
