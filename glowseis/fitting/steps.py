"""How TensorFlow runs the steps of a flow: called or written out, with stored activations or without."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import tensorflow as tf

from glowseis.fitting.reversible import reversible
from glowseis.layers import ConvolutionalConditioner
from glowseis.models.glow import Glow


class Steps:
    """Runs the steps of a flow.

    Args:
        flow: The flow, built.
        reversible: Whether training recomputes activations instead of storing them.
        written_out: Whether every step is written out in the graph, for XLA. XLA inlines all calls anyway; given calls,
            it takes what a step's forward function hands to its backward function for constants of the compilation,
            and compiles anew in every training step. Else the step of each level is traced once, as a function
            that is called: inlined, the 90 steps of the paper's flow make one graph of tens of thousands of operations,
            whose optimisation alone takes longer than a training step.
    """

    def __init__(self, flow: Glow, *, reversible: bool = False, written_out: bool = False):
        self._flow = flow
        on_cpu = not tf.config.list_physical_devices("GPU")
        wrap = (lambda step: step) if written_out else _called
        for stack in flow.stacks:
            conditioner = stack.template.step.coupling.conditioner
            if isinstance(conditioner, ConvolutionalConditioner):
                conditioner.work_in_parts(on_cpu and not written_out)
            stack.wrap_step(wrap)
        self._training = [_reversible(stack, wrap) for stack in flow.stacks] if reversible else []

    @contextmanager
    def training(self) -> Iterator[None]:
        """A context in which the flow is run as training runs it."""
        with ExitStack() as contexts:
            for stack, forward in zip(self._flow.stacks, self._training, strict=bool(self._training)):
                contexts.enter_context(stack.running(forward))
            yield


def _called(step):
    return tf.function(step, experimental_attributes={"_noinline": True})


_reversible = reversible
