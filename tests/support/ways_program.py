"""Gradients of a saved flow on torch: `ways_program.py MATERIAL RESULT WAY ...`.

The material holds the flow's weights in order, images and, as JSON, the flow's settings. Written are bits and gradients
of each way, as `WAY bits` and `WAY INDEX`, and the largest errors of decoding what was encoded: as `round trip`, and as
`adapted round trip` that of new weights, adapted to the images.
"""

import json
import sys
from contextlib import ExitStack, contextmanager

import keras
import numpy as np

from glowseis.models.flow_trainer import training_way
from glowseis.models.glow import Glow


def main() -> None:
    material, result, *ways = sys.argv[1:]
    with np.load(material) as kept:
        flow = Glow(**json.loads(str(kept["settings"])))
        x = keras.ops.convert_to_tensor(kept["images"])
        flow.adapt([x])
        found = {"adapted round trip": largest(flow.decode(flow.encode(x)) - x)}
        flow.set_weights([kept[f"weight {index}"] for index in range(len(flow.weights))])
    for way in ways:
        with running(flow, way):
            bits, gradients = with_torch(flow, x)
        found[f"{way} bits"] = np.asarray(bits)
        found.update({f"{way} {index}": np.asarray(gradient) for index, gradient in enumerate(gradients)})
    found["round trip"] = largest(flow.decode(flow.encode(x)) - x)
    np.savez(result, **found)


@contextmanager
def running(flow, way):
    """A context in which the flow's steps run this way."""
    with ExitStack() as contexts:
        for stack in flow.stacks:
            activations, *lowered = way.split("-")
            contexts.enter_context(stack.running(training_way(stack, activations, *lowered)))
        yield


def largest(difference):
    return np.abs(keras.ops.convert_to_numpy(difference)).max()


def bits_of(flow, x):
    return keras.ops.mean(flow.bits_per_dimension(flow.log_prob(x)))


def with_torch(flow, x):
    import torch

    bits = bits_of(flow, x)
    gradients = torch.autograd.grad(bits, [one.value for one in flow.trainable_variables])
    return bits.detach().cpu(), [gradient.cpu() for gradient in gradients]


if __name__ == "__main__":
    main()
