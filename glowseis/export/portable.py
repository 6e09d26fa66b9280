"""Networks as ONNX and LiteRT files, which run without TensorFlow, each checked against its network."""

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.export.folders import read_about, version_folder
from glowseis.files import whole_file

SUFFIXES = (".onnx", ".tflite")
"""Of ONNX and LiteRT files."""

NEEDED = ("onnx", "tf2onnx", "onnxruntime")
"""Packages that an ONNX file needs to be made and checked."""

LARGEST_DIFFERENCE = 1e-4
"""From the network's own numbers, at which a file is refused."""

CHECKED = 2
"""Images or latents that a file is checked on."""


def check_portable(path: Path, out: Path) -> dict[str, Any]:
    """Make sure, without loading TensorFlow, that a SavedModel's network can be converted.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.
        out: The file to make.

    Returns:
        What the SavedModel records about itself.

    Raises:
        InputError: There is no such SavedModel; the file's name ends in nothing known, or a flow's in .tflite; packages
            are missing.
    """
    if out.suffix not in SUFFIXES:
        raise InputError(f"{out}: ends in none of {' and '.join(SUFFIXES)}, for ONNX and LiteRT; give another --out")
    about = read_about(version_folder(path))
    if out.suffix == ".tflite" and about["kind"] == "flow":
        raise InputError(f"{path}: a flow is converted to ONNX only, not to LiteRT; let --out end in .onnx")
    missing = [name for name in NEEDED if out.suffix == ".onnx" and not find_spec(name)]
    if missing:
        raise InputError(f"ONNX needs {', '.join(missing)}; install with pip install 'glowseis[onnx]'")
    return about


def write_portable(path: Path, out: Path) -> float:
    """Write a classifier, or the decoder of a flow, as an ONNX file, or a classifier as a LiteRT file.

    A classifier's file takes `image`, uint8 `[N, time, trace, 1]`, and returns the probabilities of its network,
    float32 `[N, class]`; LiteRT fixes the size, that of the training. A flow's takes `latent_1` .. `latent_L` and, if
    it has one, `condition`, as the SavedModel's `decode`, and returns images, float32 `[N, time, trace, 1]`: grey
    levels are `floor(256 x)`, clipped.

    The network comes from `model.keras`; no code of the SavedModel is run.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.
        out: The file to make.

    Returns:
        The largest difference of the file's numbers from the network's.

    Raises:
        InputError: As for `check_portable`; `out` exists; the file's numbers differ by more than `LARGEST_DIFFERENCE`.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    about = check_portable(path, out)
    import keras

    from glowseis.export.network import load_network
    from glowseis.models.glow import Glow

    network = load_network(path)
    random = np.random.default_rng(1)
    if isinstance(network, Glow):
        shapes = {f"latent_{level}": shape for level, shape in enumerate(network.latent_shapes, start=1)}
        given = [random.standard_normal((CHECKED, *shape)).astype(np.float32) for shape in shapes.values()]
        if network.condition:
            shapes["condition"] = network.modelled_shape
            given.append(random.random((CHECKED, *network.modelled_shape), np.float32))
        specs: Any = [keras.InputSpec("float32", (None, *shape), name=name) for name, shape in shapes.items()]
        wrapped = _wrapped(network.decode)
    else:
        from glowseis.models.miniception import from_grey_levels

        size = tuple(about["image_shape"][:2])
        sides = size if out.suffix == ".tflite" else (None, None)
        specs = keras.InputSpec("uint8", (None, *sides, 1), name="image")
        given = [random.integers(0, 256, (CHECKED, *size, 1)).astype(np.uint8)]
        wrapped = _wrapped(lambda image: network(from_grey_levels(image)))
    with whole_file(out) as unfinished:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            kind = "onnx" if out.suffix == ".onnx" else "litert"
            wrapped.export(unfinished, format=kind, verbose=False, input_signature=[specs])
            found = (_onnx if kind == "onnx" else _litert)(unfinished, given)
        wanted = np.asarray(wrapped(given if isinstance(specs, list) else given[0]))
        difference = float(np.max(np.abs(found - wanted)))
        if not difference <= LARGEST_DIFFERENCE:
            raise InputError(
                f"{out}: its numbers would differ from the network's by up to {difference:.2g}, more than "
                f"{LARGEST_DIFFERENCE:g}; it was not kept. Please report this"
            )
    return difference


def _wrapped(function: Callable[[Any], Any]) -> Any:
    """A Keras model that calls a function, which is what Keras exports."""
    import keras

    class Wrapped(keras.Model):
        """The function as a model."""

        def call(self, given: Any) -> Any:
            """Call it."""
            return function(given)

    wrapped = Wrapped()
    wrapped.built = True
    return wrapped


def _onnx(path: Path, given: Sequence[np.ndarray]) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return np.asarray(session.run(None, dict(zip(names, given, strict=True)))[0])


def _litert(path: Path, given: Sequence[np.ndarray]) -> np.ndarray:
    import tensorflow as tf

    # Its own kernels: a delegate prints a line of its own.
    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(str(path), experimental_op_resolver_type=plain)
    (asked,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(asked["index"], given[0].shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(asked["index"], given[0])
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(answered["index"]))
