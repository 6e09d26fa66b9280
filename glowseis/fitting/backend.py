"""The Keras backend that fitting needs."""

import keras

from glowseis.errors import InputError


def require_tensorflow() -> None:
    """Make sure that Keras runs on TensorFlow.

    Raises:
        InputError: It runs on another backend.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"Keras runs on {backend} here, but fitting needs TensorFlow; set KERAS_BACKEND=tensorflow before Keras is "
            "imported (glowseis.layers and glowseis.models run on any backend, glowseis.FlowTrainer also on jax and "
            "torch)"
        )
