"""The former location of `glowseis.FlowTrainer`, for older scripts."""

from glowseis.fitting.flow.trainer import FlowTrainer

__all__ = ["FlowTrainer"]
