"""Trained flows as SavedModels: written, found and loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from glowseis.errors import InputError
from glowseis.models.glow import Glow, from_levels, to_levels
from glowseis.survey.output import whole_folder

ABOUT = Path("assets.extra") / "glowseis.json"
"""Where a SavedModel says what it was made from; the folder is TensorFlow's for files that it does not read."""

SIGNATURES = ("encode", "decode", "log_prob", "sample", "interpolate", "interpolate_spherical")


def export_flow(flow: Glow, folder: Path, about: dict[str, Any]) -> None:
    """Write a flow as a SavedModel that needs no glowseis to be loaded.

    Its signatures take and give pictures as grey levels, uint8 `[N, time, trace, 1]`, with any N:

    - `encode(image) -> latent_1 .. latent_L`, float32 `[N, time / 2^l, trace / 2^l, channel]`
    - `decode(latent_1 .. latent_L) -> image`
    - `log_prob(image) -> log_prob` in nats of pictures in [0, 1), and `bits_per_dimension`, each `[N]`
    - `sample(count, temperature, seed[2]) -> image`, stateless: the same seed gives the same pictures
    - `interpolate(first, second, alpha[N]) -> image`, on a line between their latents
    - `interpolate_spherical(first, second, alpha[N]) -> image`, on an arc (see `glowseis.models.glow.between`)

    Args:
        flow: The trained flow.
        folder: To be made: `savedmodels/NAME/VERSION`.
        about: What it was made from; JSON.

    Raises:
        InputError: Something stands at `folder` already.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    module = _served(flow)
    signatures = {name: getattr(module, name) for name in SIGNATURES}
    with whole_folder(folder) as unfinished:
        tf.saved_model.save(module, str(unfinished), signatures=signatures)
        path = unfinished / ABOUT
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**about, "image_shape": flow.image_shape}, indent=2) + "\n")


def _served(flow: Glow) -> tf.Module:
    pictures = tf.TensorSpec((None, *flow.image_shape), tf.uint8)
    names = [f"latent_{level}" for level in range(1, flow.levels + 1)]
    latent_specs = {
        name: tf.TensorSpec((None, *shape), tf.float32, name=name)
        for name, shape in zip(names, flow.latent_shapes, strict=True)
    }

    def encode(image):
        return dict(zip(names, flow.encode(from_levels(image)), strict=True))

    def decode(**latents):
        return {"image": to_levels(flow.decode([latents[name] for name in names]))}

    def log_prob(image):
        nats = flow.log_prob(from_levels(image))
        return {"log_prob": nats, "bits_per_dimension": flow.bits_per_dimension(nats)}

    def sample(count, temperature, seed):
        seeds = [tf.random.experimental.stateless_fold_in(seed, level, alg="philox") for level in range(flow.levels)]
        latents = [
            temperature * tf.random.stateless_normal((count, *shape), one, alg="philox")
            for shape, one in zip(flow.latent_shapes, seeds, strict=True)
        ]
        return {"image": to_levels(flow.decode(latents))}

    def interpolate(path):
        def function(first, second, alpha):
            return {"image": to_levels(flow.interpolate(from_levels(first), from_levels(second), alpha, path))}

        return function

    module = tf.Module()
    # Only the variables are tracked, each once: the layers would bring them along again.
    module.variables_of_the_flow = [weight.value for weight in flow.weights]
    alpha = tf.TensorSpec((None,), tf.float32)
    module.encode = tf.function(encode, input_signature=[pictures])
    module.decode = tf.function(decode).get_concrete_function(**latent_specs)
    module.log_prob = tf.function(log_prob, input_signature=[pictures])
    scalars = [tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32), tf.TensorSpec((2,), tf.int32)]
    module.sample = tf.function(sample, input_signature=scalars)
    pair = [pictures, pictures, alpha]
    module.interpolate = tf.function(interpolate("linear"), input_signature=pair)
    module.interpolate_spherical = tf.function(interpolate("spherical"), input_signature=pair)
    return module


@dataclass(frozen=True)
class SavedFlow:
    """A SavedModel of a flow, loaded.

    Attributes:
        name: Its name and version, such as `demo/1`.
        about: What it was made from.
        signatures: TensorFlow functions by name (see `export_flow`).
        module: What keeps the variables alive.
    """

    name: str
    about: dict[str, Any]
    signatures: dict[str, Any]
    module: Any

    @property
    def size(self) -> tuple[int, int]:
        """Height in samples and width in traces of its pictures."""
        time, trace, _ = self.about["image_shape"]
        return time, trace


def load_flow(path: Path) -> SavedFlow:
    """Load a flow's SavedModel.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.

    Raises:
        InputError: There is no such SavedModel, or it is damaged or no flow of ours.
    """
    folder = newest_version(path) or path
    if not (folder / "saved_model.pb").is_file():
        raise InputError(
            f"{path}: no SavedModel there; python -m glowseis.train makes one under savedmodels/NAME/VERSION"
        )
    try:
        about = json.loads((folder / ABOUT).read_text())
        module = tf.saved_model.load(str(folder))
        flow = SavedFlow("/".join(folder.resolve().parts[-2:]), about, dict(module.signatures), module)
        if not set(SIGNATURES) <= set(flow.signatures) or len(flow.size) != 2:
            raise KeyError(f"it has not all of {', '.join(SIGNATURES)}")
    # Of damaged files TensorFlow complains in errors of many kinds.
    except Exception as wrong:
        reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
        raise InputError(
            f"{folder}: not a SavedModel of a glowseis flow, or damaged ({reason}); train it again"
        ) from None
    return flow


def newest_version(path: Path) -> Path | None:
    """The version folder with the highest number in `savedmodels/NAME`; None when there is none."""
    versions = [entry for entry in path.iterdir() if entry.name.isdecimal() and entry.is_dir()] if path.is_dir() else []
    return max(versions, key=lambda entry: int(entry.name), default=None)
