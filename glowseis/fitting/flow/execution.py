"""How TensorFlow runs the steps of a flow: called or written out, with stored activations or without."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Literal

import tensorflow as tf

from glowseis.fitting.flow.reversible import reversible_steps
from glowseis.layers import ConvolutionalConditioner
from glowseis.layers.step_stack import Template, in_order
from glowseis.models.glow import Glow

Precision = Literal["float32", "bfloat16"]


class Steps:
    """Runs the steps of a flow.

    Args:
        flow: The flow, built.
        reversible: Whether training recomputes activations instead of storing them.
        conditioners: Precision of the networks inside couplings in training. All else, and all that is not training,
            stays as the flow is.
        written_out: Whether every step is written out in the graph, for XLA. XLA inlines all calls anyway; given calls,
            it takes what a step's forward function hands to its backward function for constants of the compilation,
            and compiles anew in every training step. Else the step of each level is traced once, as a function
            that is called: inlined, the 90 steps of the paper's flow make one graph of tens of thousands of operations,
            whose optimisation alone takes longer than a training step.

    Raises:
        ValueError: Both reversible and bfloat16: rounded to 8 bits, a network gives other numbers for the input that
            was worked out than for the one that was.
    """

    def __init__(
        self,
        flow: Glow,
        *,
        reversible: bool = False,
        conditioners: Precision = "float32",
        written_out: bool = False,
    ):
        if reversible and conditioners != "float32":
            raise ValueError(
                f"Steps with {conditioners} conditioners cannot be inverted closely enough to train without stored "
                "activations. Give reversible=False, or conditioners='float32'."
            )
        self._flow = flow
        self._training = []
        in_parts = not written_out and not tf.config.list_physical_devices("GPU")
        wrap = (lambda step: step) if written_out else _called
        for stack in flow.stacks:
            _work_in_parts(stack.template, in_parts)
            stack.wrap_step(wrap)
            if reversible:
                self._training.append(reversible_steps(stack))
            elif conditioners != "float32":
                lowered = stack.template.with_conditioner_of(f"mixed_{conditioners}")
                _work_in_parts(lowered, in_parts)
                self._training.append(partial(in_order, wrap(lowered.forward)))

    @contextmanager
    def training(self) -> Iterator[None]:
        """A context in which the flow is run as training runs it."""
        with ExitStack() as contexts:
            if self._training:
                for stack, forward in zip(self._flow.stacks, self._training, strict=True):
                    contexts.enter_context(stack.running(forward))
            yield


def stored_bytes(flow: Glow, batch: int) -> int:
    """About how much the activations take that training with stored ones keeps, in bytes."""
    hidden = sum(
        steps * filters * time * trace
        for steps, filters, (time, trace, _) in zip(flow.steps, flow.filters, flow.latent_shapes, strict=True)
    )
    # Measured on the paper's flow: some four tensors of a step's hidden size, in float32.
    return batch * hidden * 4 * 4


def _work_in_parts(template: Template, yes: bool) -> None:
    conditioner = template.step.coupling.conditioner
    if isinstance(conditioner, ConvolutionalConditioner):
        conditioner.work_in_parts(yes)


def _called(step):
    return tf.function(step, experimental_attributes={"_noinline": True})
