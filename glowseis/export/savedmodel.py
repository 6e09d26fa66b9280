"""What SavedModels of flows and classifiers share: writing, finding and loading them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from glowseis.export.folders import ABOUT, damaged, read_about, version_folder
from glowseis.export.network import NETWORK
from glowseis.files import whole_folder

SIGNATURES = {
    "flow": ("encode", "decode", "log_prob", "sample", "interpolate", "interpolate_spherical"),
    "classifier": ("classify",),
}
"""Signatures of each kind of model."""

LATER = {"flow": ("serving_default",), "classifier": ("features", "serving_default")}
"""Signatures that older SavedModels do not have; TensorFlow Serving takes `serving_default` if none is named."""


def write_savedmodel(
    module: tf.Module,
    network: keras.Model,
    kind: str,
    folder: Path,
    about: dict[str, Any],
    arrays: Mapping[Path, Mapping[str, np.ndarray]] | None = None,
) -> None:
    """Write a module's functions as the signatures of its kind, and beside them the network that they come from.

    Args:
        module: A module with a function for each signature.
        network: The network, built.
        kind: `flow` or `classifier`.
        folder: The folder to make: `savedmodels/NAME/VERSION`.
        about: What it was made from, as JSON.
        arrays: Arrays stored with it, by the names of their `.npz` files in the folder.

    Raises:
        InputError: `folder` exists already.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    signatures = {name: getattr(module, name) for name in (*SIGNATURES[kind], *LATER[kind])}
    with whole_folder(folder) as unfinished:
        tf.saved_model.save(module, str(unfinished), signatures=signatures)
        network.save(unfinished / NETWORK)
        path = unfinished / ABOUT
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"kind": kind, **about}, indent=2) + "\n")
        for name, each in (arrays or {}).items():
            with (unfinished / name).open("wb") as file:
                np.savez(file, allow_pickle=False, **each)


def read_savedmodel(path: Path, kind: str) -> tuple[Path, dict[str, Any], Any]:
    """Load a SavedModel and make sure that it has the signatures of a kind.

    TensorFlow runs the code in it, which can do anything, including reading and writing files. Only its record
    (`glowseis.export.about`) is read without running code. Load only models from people you trust.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.
        kind: `flow` or `classifier`.

    Returns:
        The version's folder, its record, and TensorFlow's module.

    Raises:
        InputError: There is no such SavedModel, or it is damaged, of another kind, or not made by glowseis.
    """
    folder = version_folder(path)
    about = read_about(folder, kind)
    try:
        module = tf.saved_model.load(str(folder))
        lacking = set(SIGNATURES[kind]) - set(module.signatures)
    # For damaged files TensorFlow raises errors of many kinds.
    except Exception as wrong:
        raise damaged(folder, kind, wrong) from None
    if lacking:
        raise damaged(folder, kind, ValueError(f"it lacks the signatures {', '.join(sorted(lacking))}"))
    return folder, about, module
