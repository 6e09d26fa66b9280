"""One measurement of a peer's Glow, in a process of its own: `python -m benchmarks.flow_peers TASK` (see `measures`).

It runs in an environment that has only the peers, nothing of ours: `pip install torch normflows FrEIA`.

The same as ours: levels, steps per level, squeeze, split and hidden channels; conditioners of 3x3, 1x1 and 3x3
convolutions with ReLU; Adam; the loss, bits per dimension; perturbed weights; one untimed step first. Different, in the
peers' favour except for the last two:

- Conditioners are convolutional on all levels; ours have attention on the last two.
- There is no layer normalisation in the conditioners.
- The half that is factored out has a standard normal prior; ours is standardised by a convolution of the other half.
- FrEIA's `AllInOneBlock` mixes channels by a fixed rotation; ours and normflows' learn it in LU form. (FrEIA's
  `GLOWCouplingBlock` is left out because it changes both halves with a network each, which is twice the work.)
- normflows and FrEIA store activations; neither can recompute them in training.
- Scales are bounded by a sigmoid (normflows) or tanh (FrEIA), ours by tanh.

There are as many threads as cores. If tuned, kernels of the conditioners are in channels-last order, Adam is fused and
subnormal numbers are flushed. `torch.compile` is not used: it compiles for minutes. A torch built for GPUs takes more
memory than one for CPUs only, which counts in the peers' peak.
"""

import math
import time
from typing import Any

import FrEIA.framework as ff
import FrEIA.modules as fm
import normflows as nf
import torch
from torch import Tensor, nn

from benchmarks.measures import TUNED, Answer, Task, answer, timed

PERTURBATION = 1e-3


class Normflows(nn.Module):
    """normflows' `GlowBlock` in a `MultiscaleFlow`, deepest level first, as in its own example."""

    def __init__(self, size: tuple[int, int], levels: int, steps: int, filters: int):
        super().__init__()
        bases, flows, merges = [], [], []
        for level in range(levels, 0, -1):
            channels = 2 ** (level + 1)
            flows.append([*(nf.flows.GlowBlock(channels, filters) for _ in range(steps)), nf.flows.Squeeze()])
            leaving = channels if level == levels else channels // 2
            shape = (leaving, size[0] >> level, size[1] >> level)
            bases.append(nf.distributions.DiagGaussian(shape, trainable=False))
            if level < levels:
                merges.append(nf.flows.Merge())
        self.flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of images, `[batch]`."""
        return self.flow.log_prob(x, None)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Latents, the deepest level's first."""
        return self.flow.inverse_and_log_det(x)[0]

    def decode(self, latents: list[Tensor]) -> Tensor:
        """Images from latents."""
        return self.flow.forward_and_log_det(latents)[0]


class Freia(nn.Module):
    """FrEIA's `AllInOneBlock` in a `GraphINN`, with i-RevNet's squeeze and splits."""

    def __init__(self, size: tuple[int, int], levels: int, steps: int, filters: int):
        super().__init__()
        nodes: list[Any] = [ff.InputNode(1, *size)]
        ends = []
        settings = {
            "subnet_constructor": lambda channels, out: _conditioner(channels, out, filters),
            "global_affine_type": "EXP",
            "permute_soft": True,
        }
        source = nodes[0]
        for level in range(1, levels + 1):
            nodes.append(ff.Node(source, fm.IRevNetDownsampling, {}))
            for _ in range(steps):
                nodes.append(ff.Node(nodes[-1], fm.AllInOneBlock, settings))
            if level < levels:
                nodes.append(ff.Node(nodes[-1], fm.Split, {}))
                ends.append(ff.OutputNode(nodes[-1].out1))
                source = nodes[-1].out0
        ends.append(ff.OutputNode(nodes[-1]))
        # A tuple even if there is only one latent.
        self.flow = ff.GraphINN([*nodes, *ends], force_tuple_output=True)

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of images, `[batch]`."""
        latents, log_det = self.flow(x)
        normal = sum(-0.5 * (eps**2 + math.log(2 * math.pi)).flatten(1).sum(1) for eps in latents)
        return normal + log_det

    def encode(self, x: Tensor) -> list[Tensor]:
        """Latents, the first level's first."""
        return list(self.flow(x, jac=False)[0])

    def decode(self, latents: list[Tensor]) -> Tensor:
        """Images from latents."""
        return self.flow(latents, rev=True, jac=False)[0][0]


def _conditioner(channels: int, out: int, filters: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, out, 3, padding=1),
    )


def make_peer(task: Task, device: str = "cpu") -> Normflows | Freia:
    """A peer's flow with perturbed weights."""
    torch.manual_seed(1)
    kinds = {"normflows": Normflows, "FrEIA": Freia}
    peer = kinds[task.contender.removesuffix(TUNED)](task.size, task.levels, task.steps, task.filters)
    with torch.no_grad():
        for weight in peer.parameters():
            if weight.requires_grad:
                weight.add_(PERTURBATION * torch.randn_like(weight))
    return peer.to(device, memory_format=torch.channels_last if _tuned(task) else torch.contiguous_format)


def _tuned(task: Task) -> bool:
    return task.contender.endswith(TUNED)


def bits_per_dimension(peer: Normflows | Freia, x: Tensor) -> Tensor:
    """Mean bits per dimension of 8-bit images in [0, 1)."""
    return 8 - peer.log_prob(x - 0.5).mean() / (math.log(2) * x[0].numel())


def measure(task: Task) -> Answer:
    """Measure one task."""
    torch.set_num_threads(task.cores)
    torch.set_flush_denormal(_tuned(task))
    peer = make_peer(task)
    return training(task, peer) if task.what == "training" else throughput(task, peer)


def training(task: Task, peer: Normflows | Freia) -> Answer:
    """Seconds of the first and later steps, and MB of weights and Adam's moments."""
    weights = [weight for weight in peer.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(weights, 1e-4, fused=_tuned(task))
    images = torch.rand(task.batch, 1, *task.size)

    def step() -> None:
        optimiser.zero_grad()
        bits = bits_per_dimension(peer, images)
        bits.backward()
        optimiser.step()
        if not math.isfinite(float(bits.detach())):
            raise SystemExit("training gives NaN or infinity")

    start_s = time.perf_counter()
    step()
    first_step_s = time.perf_counter() - start_s
    state_mb = 3 * sum(weight.numel() for weight in weights) * 4 / 1e6
    return {"first_step_s": first_step_s, "steps_s": timed(task.count, step), "state_mb": state_mb}


def throughput(task: Task, peer: Normflows | Freia) -> Answer:
    """Seconds of each pass: log-density of images, images from latents, images half-way between two others."""
    with torch.inference_mode():
        first, second = (torch.rand(task.batch, 1, *task.size) - 0.5 for _ in range(2))
        # normflows' ActNorm initialises itself from the first batch.
        peer.log_prob(first)
        latents = peer.encode(first)

        def generate() -> Tensor:
            ends = zip(peer.encode(first), peer.encode(second), strict=True)
            return peer.decode([0.5 * one + 0.5 * other for one, other in ends])

        passes = {
            "encode_s": lambda: peer.log_prob(first),
            "decode_s": lambda: peer.decode(latents),
            "generate_s": generate,
        }
        seconds = {}
        for name, run in passes.items():
            run()
            seconds[name] = timed(task.count, run)
    return seconds


if __name__ == "__main__":
    answer(measure)
