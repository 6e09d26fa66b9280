"""The former address of `glowseis.FlowTrainer`, for scripts that were written before the rooms."""

from glowseis.fitting.flow.trainer import FlowTrainer

__all__ = ["FlowTrainer"]
