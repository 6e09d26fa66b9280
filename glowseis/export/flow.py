"""Trained flows as SavedModels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from glowseis.export.about import profile_in
from glowseis.export.folders import damaged, model_name
from glowseis.export.savedmodel import read_savedmodel, write_savedmodel
from glowseis.fitting.flow.execution import Steps
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.models.interpolation import between
from glowseis.survey.matching.profile import Profile
from glowseis.survey.render import ZERO_LEVEL


def export_flow(flow: Glow, folder: Path, about: dict[str, Any]) -> None:
    """Write a flow as a SavedModel that needs no glowseis to be loaded, with its network as `model.keras`.

    Its signatures take and return images, uint8 `[N, time, trace, 1]`, with any N:

    - `encode(image) -> latent_1 .. latent_L`, float32 `[N, time / 2^l, trace / 2^l, channel]`
    - `decode(latent_1 .. latent_L) -> image`
    - `log_prob(image) -> log_prob` in nats of images in [0, 1), and `bits_per_dimension`, each `[N]`
    - `sample(count, temperature, seed[2]) -> image`, stateless: the same seed gives the same images; raises an error
      if the temperature is NaN, below 0 or infinite
    - `interpolate(first, second, alpha[N]) -> image`, on a line between their latents
    - `interpolate_spherical(first, second, alpha[N]) -> image`, on an arc (see `glowseis.models.interpolation.between`)

    A conditional flow's latents end with `condition`, float32 `[N, time, trace, 1]` in [0, 1). Its samples have the
    condition of a gather without signal, its interpolated images that of the first ones.

    Args:
        flow: The trained flow.
        folder: The folder to make: `savedmodels/NAME/VERSION`.
        about: What it was made from, as JSON.

    Raises:
        InputError: `folder` exists already.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    flow.build()
    with Steps(flow).running():
        write_savedmodel(_served(flow), flow, "flow", folder, {**about, "image_shape": flow.image_shape})


def _served(flow: Glow) -> tf.Module:
    images = tf.TensorSpec((None, *flow.image_shape), tf.uint8)
    shapes = {f"latent_{level}": shape for level, shape in enumerate(flow.latent_shapes, start=1)}
    if flow.condition:
        shapes["condition"] = flow.modelled_shape
    names = list(shapes)
    latent_specs = {name: tf.TensorSpec((None, *shape), tf.float32, name=name) for name, shape in shapes.items()}

    # Most of an export is tracing the flow: once each way, whatever the number of signatures.
    encoded = _traced(lambda image: flow.encode(from_levels(image)), [images])
    decoded = _traced(lambda *latents: to_levels(flow.decode(latents)), list(latent_specs.values()))

    def encode(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, encoded(image), strict=True))

    def decode(**latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": decoded(*(latents[name] for name in names))}

    def log_prob(image: tf.Tensor) -> dict[str, tf.Tensor]:
        nats = flow.log_prob(from_levels(image))
        return {"log_prob": nats, "bits_per_dimension": flow.bits_per_dimension(nats)}

    def sample(count: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        sound = tf.debugging.Assert((temperature >= 0) & (temperature < math.inf), ["temperature is", temperature])
        with tf.control_dependencies([sound]):
            temperature = tf.identity(temperature)
        seeds = [tf.random.experimental.stateless_fold_in(seed, level, alg="philox") for level in range(flow.levels)]
        latents = [
            temperature * tf.random.stateless_normal((count, *shape), one, alg="philox")
            for shape, one in zip(flow.latent_shapes, seeds, strict=True)
        ]
        if flow.condition:
            latents.append(from_levels(tf.fill((count, *flow.modelled_shape), ZERO_LEVEL)))
        return {"image": decoded(*latents)}

    def interpolate(path: str) -> Callable[..., dict[str, tf.Tensor]]:
        def function(first: tf.Tensor, second: tf.Tensor, alpha: tf.Tensor) -> dict[str, tf.Tensor]:
            one, other = encoded(first), encoded(second)
            latents = between(one[: flow.levels], other[: flow.levels], alpha, path)
            return {"image": decoded(*latents, *one[flow.levels :])}

        return function

    module = tf.Module()
    # Only the variables are tracked, each once: tracking the layers would save them twice.
    module.variables_of_the_flow = [weight.value for weight in flow.weights]
    alpha = tf.TensorSpec((None,), tf.float32)
    module.encode = _traced(encode, [images])
    module.decode = tf.function(decode, autograph=False).get_concrete_function(**latent_specs)
    module.log_prob = _traced(log_prob, [images])
    scalars = [tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32), tf.TensorSpec((2,), tf.int32)]
    module.sample = _traced(sample, scalars)
    pair = [images, images, alpha]
    module.interpolate = _traced(interpolate("linear"), pair)
    module.interpolate_spherical = _traced(interpolate("spherical"), pair)
    return module


def _traced(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Any:
    return tf.function(function, input_signature=signature, autograph=False)


@dataclass(frozen=True)
class SavedFlow:
    """A SavedModel of a flow, loaded.

    Attributes:
        name: Its name and version, such as `demo/1`.
        about: What it was made from.
        signatures: TensorFlow functions by name (see `export_flow`).
        module: TensorFlow's module, which keeps the variables alive.
        profile: What it was trained on; None if an older glowseis wrote it.
    """

    name: str
    about: dict[str, Any]
    signatures: dict[str, Any]
    module: Any
    profile: Profile | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height in samples and width in traces of its images."""
        time, trace, _ = self.about["image_shape"]
        return time, trace

    @property
    def sees_windows(self) -> bool:
        """Whether its images are windows of gathers, which may be larger."""
        return bool(self.about.get("window"))


def load_flow(path: str | Path) -> SavedFlow:
    """Load a flow's SavedModel. Loading runs its code: load only models from people you trust.

    >>> import glowseis, numpy as np
    >>> flow = glowseis.load_flow("savedmodels/demo")
    >>> images = np.zeros((2, *flow.size, 1), np.uint8)
    >>> tuple(flow.signatures["log_prob"](image=images)["bits_per_dimension"].shape)
    (2,)

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.

    Raises:
        InputError: There is no such SavedModel, or it is damaged or not a flow of glowseis.
    """
    folder, about, module = read_savedmodel(Path(path), "flow")
    try:
        flow = SavedFlow(model_name(folder), about, dict(module.signatures), module, profile_in(about))
        height, width = flow.size
        if not (height > 0 and width > 0):
            raise ValueError(f"its images are {height}x{width}")
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise damaged(folder, "flow", wrong) from None
    return flow
