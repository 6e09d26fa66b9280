"""The multiply-adds of a flow's forward pass, counted from its layers' shapes."""

import math

from glowseis.layers import AttentionConditioner
from glowseis.models.glow import Glow


def multiply_adds(flow: Glow) -> int:
    """Multiply-adds from an image to its latents.

    Every kernel of a convolution or projection is applied at every position of its level; the mixing of channels is
    one more; attention adds its scores and their weighted sum, each positions^2 x filters. Element-wise operations
    (activations, normalisation, coupling) are not counted, nor what an implementation adds: kernels of ones and zeros
    that move neighbours, matrices made from factors, recomputed activations. A training step has three times as many:
    the gradients of inputs and of weights each take as many as the forward pass.

    Args:
        flow: The flow, built.
    """
    total = 0
    time, trace, _ = flow.image_shape
    for level, stack in enumerate(flow.stacks, start=1):
        positions = (time >> level) * (trace >> level)
        step = stack.template.step
        conditioner = step.coupling.conditioner
        of_step = positions * (math.prod(step.convolution.factors.shape) + _kernels(conditioner))
        if isinstance(conditioner, AttentionConditioner):
            of_step += 2 * positions**2 * conditioner.filters
        total += stack.count * of_step
        if level < flow.levels:
            total += positions * _kernels(flow.factor_outs[level - 1])
    return total


def _kernels(layer) -> int:
    return sum(math.prod(weight.shape) for weight in layer.weights if weight.name == "kernel")
