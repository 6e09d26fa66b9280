"""Adam, one operation per weight."""

import keras
import tensorflow as tf
from keras import ops

from glowseis.layers.types import Tensor


@keras.saving.register_keras_serializable("glowseis")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam on TensorFlow, with each weight updated by one operation instead of some twenty.

    Keras builds the update from operations that every backend has. TensorFlow has one operation with the same formula:
    results differ by rounding, weights and moments are read and written once, and a classifier's step is traced in half
    the time. With `weight_decay` it is AdamW. Checkpoints are those of Keras' Adam.

    Args and Raises: as in `keras.optimizers.Adam`; a ValueError with `amsgrad`, which the operation does not have.

    Source: Kingma and Ba 2015, arXiv 1412.6980, algorithm 1 with the order of computation at the end of section 2.
    """

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("FusedAdam has no amsgrad; use keras.optimizers.Adam")

    def update_step(self, gradient: Tensor, variable: tf.Variable, learning_rate: Tensor) -> None:
        """Update a weight and its two moments.

        Args:
            gradient: Of the weight's shape.
            variable: The weight.
            learning_rate: A scalar.
        """
        step = ops.cast(self.iterations + 1, variable.dtype)
        place = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=ops.cast(gradient, variable.dtype),
        )
