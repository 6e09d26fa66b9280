"""Fitting with TensorFlow: `flow/`, `classifier/`, the devices they run on, checkpoints, logs, stopping."""

import importlib.util

from glowseis.errors import InputError

if importlib.util.find_spec("tensorflow") is None:
    raise InputError(
        "fitting needs TensorFlow, which is not installed; install it with pip install tensorflow (glowseis.layers and "
        "glowseis.models do not need it; they run on any Keras backend)"
    )
