"""One step of the flow."""

import keras

from glowseis.layers.actnorm import ActNorm
from glowseis.layers.coupling import AffineCoupling
from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.invertible_conv import InvertibleConv1x1


@keras.saving.register_keras_serializable("glowseis")
class FlowStep(InvertibleLayer):
    """ActNorm, then the invertible 1x1 convolution, then the affine coupling.

    forward: `y = coupling(convolution(actnorm(x)))`
    log-det: the sum of the three
    inverse: `x = actnorm^-1(convolution^-1(coupling^-1(y)))`
    log-det: the sum of the three inverses

    Args:
        conditioner: The network inside the coupling (see `AffineCoupling`).
        scale_cap: Bound of the coupling's log-scale.

    Shapes:
        x, y: `[batch, time, trace, channel]`, an even number of channels; log_det: `[batch]`.

    Source: the paper's section 4, figure 1.
    """

    def __init__(self, conditioner, scale_cap=2.0, **kwargs):
        super().__init__(**kwargs)
        self.actnorm = ActNorm(dtype=self.dtype_policy, name="actnorm")
        self.convolution = InvertibleConv1x1(dtype=self.dtype_policy, name="convolution")
        self.coupling = AffineCoupling(conditioner, scale_cap, dtype=self.dtype_policy, name="coupling")

    @property
    def maps(self):
        """The three maps, in forward order."""
        return (self.actnorm, self.convolution, self.coupling)

    def build(self, input_shape):
        """Build the three maps."""
        for layer in self.maps:
            layer.build(input_shape)

    def forward(self, x):
        """The maps in order."""
        log_det = self._zero_log_det(x)
        for layer in self.maps:
            x, change = layer(x)
            log_det = log_det + change
        return x, log_det

    def inverse(self, y):
        """The maps' inverses in reversed order."""
        log_det = self._zero_log_det(y)
        for layer in reversed(self.maps):
            y, change = layer(y, inverse=True)
            log_det = log_det + change
        return y, log_det

    def get_config(self):
        """The constructor's arguments."""
        conditioner = keras.saving.serialize_keras_object(self.coupling.conditioner)
        return {**super().get_config(), "conditioner": conditioner, "scale_cap": self.coupling.scale_cap}

    @classmethod
    def from_config(cls, config):
        """Make the layer from `get_config`'s dictionary."""
        conditioner = keras.saving.deserialize_keras_object(config["conditioner"])
        return cls(**{**config, "conditioner": conditioner})
