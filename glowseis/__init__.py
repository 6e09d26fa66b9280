"""Rare-class seismic shot gathers from a normalising flow (Glow), after the paper "SeismoGlow".

Importing this package is quick: each name in `__all__` is loaded on first use, with Keras or TensorFlow if it needs
them. All of them work on arrays or paths.

    import glowseis

    gathers = glowseis.read_gathers("line12.segy")
    glowseis.plot_gather(gathers[0])
"""

import importlib
from typing import TYPE_CHECKING, Any

from glowseis.version import __version__

if TYPE_CHECKING:
    from glowseis.errors import InputError
    from glowseis.export.classifier import load_classifier
    from glowseis.export.flow import load_flow
    from glowseis.fitting.flow.trainer import FlowTrainer
    from glowseis.models.glow import Glow
    from glowseis.models.miniception import Miniception
    from glowseis.sampler import FlowSampler
    from glowseis.survey.content.gather_plot import plot_gather
    from glowseis.survey.formats.writing import write_gathers
    from glowseis.survey.ingestion.in_memory import read_gathers
    from glowseis.survey.labels.overlay import open_survey
    from glowseis.survey.simulate.survey import simulate_gathers
    from glowseis.synthesis import synthesise
    from glowseis.testing.maps import check_invertible
else:

    def __getattr__(name: str) -> Any:
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            room = _ROOMS[name]
            if name in _ELSEWHERE and importlib.import_module("keras").backend.backend() != "tensorflow":
                room = _ELSEWHERE[name]
            value = getattr(importlib.import_module(f"{__name__}.{room}"), name)
        except ModuleNotFoundError as missing:
            # Keras, too, imports it unless KERAS_BACKEND names another.
            if str(missing.name).split(".")[0] != "tensorflow":
                raise
            from glowseis.errors import InputError

            raise InputError(
                f"glowseis.{name} needs TensorFlow, which is not installed; install it with pip install tensorflow "
                "(glowseis.layers, glowseis.models and FlowTrainer run without it if KERAS_BACKEND is jax or torch)"
            ) from None
        globals()[name] = value
        return value


__all__ = [
    "FlowSampler",
    "FlowTrainer",
    "Glow",
    "InputError",
    "Miniception",
    "__version__",
    "check_invertible",
    "load_classifier",
    "load_flow",
    "open_survey",
    "plot_gather",
    "read_gathers",
    "simulate_gathers",
    "synthesise",
    "write_gathers",
]

_ROOMS = {
    "FlowSampler": "sampler",
    "FlowTrainer": "fitting.flow.trainer",
    "Glow": "models.glow",
    "InputError": "errors",
    "Miniception": "models.miniception",
    "check_invertible": "testing.maps",
    "load_classifier": "export.classifier",
    "load_flow": "export.flow",
    "open_survey": "survey.labels.overlay",
    "plot_gather": "survey.content.gather_plot",
    "read_gathers": "survey.ingestion.in_memory",
    "simulate_gathers": "survey.simulate.survey",
    "synthesise": "synthesis",
    "write_gathers": "survey.formats.writing",
}
"""The module of each name."""

_ELSEWHERE = {"FlowTrainer": "models.flow_trainer"}
"""The module of a name if Keras does not run on TensorFlow."""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
