"""The flow and its peer with torch, for `benchmarks.backends`."""

import argparse
from collections.abc import Callable
from typing import Any

import keras
import torch
from keras.src.backend.torch.core import get_device

from benchmarks.backends_shared import COPIED, LEARNING_RATE, Calls, mean_bits, rate, training
from benchmarks.measures import Task


class Torch:
    """torch, eagerly."""

    def __init__(self, products: str):
        if products != "default":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = products == "tf32"
        torch.backends.cudnn.benchmark = True
        self._gpu = torch.cuda.is_available()
        self.device = torch.cuda.get_device_name() if self._gpu else "cpu"
        if self._gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def calls(self, flow: Any, contender: str, images: Any) -> Calls:
        """Functions without arguments, by name."""
        weights = [variable.value for variable in flow.trainable_variables]
        x = keras.ops.convert_to_tensor(images)

        def step() -> Any:
            with training(flow, contender):
                return updated(lambda: mean_bits(flow, x), weights)

        latents: list[Any] = []

        @torch.no_grad()
        def decode() -> Any:
            latents[:] = latents or flow.encode(x)
            return flow.decode(latents)

        return {"step": step, "forward": torch.no_grad()(lambda: flow.log_prob(x)), "decode": decode}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        if self._gpu:
            torch.cuda.synchronize()

    def about_step(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def peak(self) -> dict[str, Any]:
        """Peak memory of this row; nothing on a CPU."""
        return {"peak_mb": torch.cuda.max_memory_allocated() / 1e6} if self._gpu else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        one = torch.ones(COPIED // 4, device="cuda" if self._gpu else "cpu")
        other = torch.empty_like(one)
        return rate(lambda: other.copy_(one), self.wait)


def updated(bits_of: Callable[[], Any], weights: list[Any]) -> Any:
    """One step of gradient descent with torch; its bits."""
    bits = bits_of()
    gradients = torch.autograd.grad(bits, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(LEARNING_RATE * gradient)
    return bits.detach()


def calls_of_peer(peer: str, words: argparse.Namespace, size: tuple[int, ...], images: Any) -> Calls:
    """Functions of the peer, without arguments, by name."""
    # Not everyone has the peers.
    from benchmarks.flow_peers import bits_per_dimension, make_peer

    task = Task(peer, "training", (size[0], size[1]), words.levels, words.steps, words.filters)
    model = make_peer(task, get_device())
    x = torch.as_tensor(images).permute(0, 3, 1, 2).to(get_device())
    with torch.no_grad():
        # normflows' ActNorm initialises itself from the first batch.
        model.log_prob(x - 0.5)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    latents: list[Any] = []

    @torch.no_grad()
    def decode() -> Any:
        latents[:] = latents or model.encode(x - 0.5)
        return model.decode(latents)

    return {
        "step": lambda: updated(lambda: bits_per_dimension(model, x), weights),
        "forward": torch.no_grad()(lambda: model.log_prob(x - 0.5)),
        "decode": decode,
    }
