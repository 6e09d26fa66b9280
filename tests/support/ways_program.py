"""Gradients of a saved flow on the backend that KERAS_BACKEND names: `ways_program.py MATERIAL RESULT WAY ...`.

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
        found, backend = {"adapted round trip": largest(flow.decode(flow.encode(x)) - x)}, keras.backend.backend()
        flow.set_weights([kept[f"weight {index}"] for index in range(len(flow.weights))])
    for way in ways:
        with running(flow, way):
            bits, gradients = {"jax": with_jax, "torch": with_torch}[backend](flow, x)
        found[f"{way} bits"] = np.asarray(bits)
        found.update({f"{way} {index}": np.asarray(gradient) for index, gradient in enumerate(gradients)})
    found["round trip"] = largest(again(flow, x) - x)
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


def again(flow, x):
    """What decoding gives of what was encoded."""
    if keras.backend.backend() != "jax":
        return flow.decode(flow.encode(x))
    import jax

    return jax.jit(lambda x: flow.decode(flow.encode(x)))(x)


def bits_of(flow, x):
    return keras.ops.mean(flow.bits_per_dimension(flow.log_prob(x)))


def with_jax(flow, x):
    import jax

    variables = flow.trainable_variables
    called = jax.eval_shape(
        lambda *values: flow.stateless_call(*values, x)[0],
        [one.value for one in variables],
        [one.value for one in flow.non_trainable_variables],
    )
    assert called[1].shape == x.shape[:1]

    def loss(values):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return bits_of(flow, x)

    return jax.jit(jax.value_and_grad(loss))([one.value for one in variables])


def with_torch(flow, x):
    import torch

    bits = bits_of(flow, x)
    gradients = torch.autograd.grad(bits, [one.value for one in flow.trainable_variables])
    return bits.detach().cpu(), [gradient.cpu() for gradient in gradients]


if __name__ == "__main__":
    main()
