"""The flow's blocks: invertible maps and the networks inside their couplings. Imports keras alone."""

from glowseis.layers.actnorm import ActNorm
from glowseis.layers.conditioners import AttentionConditioner, ConvolutionalConditioner
from glowseis.layers.coupling import AffineCoupling
from glowseis.layers.factor_out import FactorOut
from glowseis.layers.flow_step import FlowStep
from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.invertible_conv import InvertibleConv1x1
from glowseis.layers.squeeze import Squeeze
from glowseis.layers.step_stack import StepStack

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "AttentionConditioner",
    "ConvolutionalConditioner",
    "FactorOut",
    "FlowStep",
    "InvertibleConv1x1",
    "InvertibleLayer",
    "Squeeze",
    "StepStack",
]
