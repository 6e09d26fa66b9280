"""`model.keras` beside a SavedModel: the network as Keras keeps it, from which a training can start."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from glowseis.export.folders import damaged, model_name, read_about, version_folder
from glowseis.models.glow import Glow
from glowseis.models.miniception import Miniception

NETWORK = Path("model.keras")
"""The file, in the version's folder. It holds settings and weights, and no code: Keras loads it in its safe mode."""


def load_network(path: str | Path, kind: str | None = None) -> Miniception | Glow:
    """Load the network of a SavedModel, to train it on; no code of the SavedModel is run.

    >>> from glowseis.export.network import load_network
    >>> load_network("savedmodels/robust").count_params()
    112175

    SavedModels of an older glowseis have no `model.keras`; their variables are in the order of the network's weights.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.
        kind: `flow` or `classifier`; either when None.

    Returns:
        The network, built, with the weights that were kept.

    Raises:
        InputError: There is no such SavedModel, or it is of another kind, or damaged.
    """
    folder = version_folder(Path(path))
    about = read_about(folder, kind)
    try:
        if (folder / NETWORK).is_file():
            network = keras.saving.load_model(folder / NETWORK, compile=False, safe_mode=True)
        else:
            network = _from_variables(folder, about)
        if not isinstance(network, Glow if about["kind"] == "flow" else Miniception):
            raise TypeError(f"its network is a {type(network).__name__}")
    # For damaged files Keras, h5py and TensorFlow raise errors of many kinds.
    except Exception as wrong:
        raise damaged(folder, about["kind"], wrong) from None
    return network


def _from_variables(folder: Path, about: dict[str, Any]) -> Miniception | Glow:
    kind = about["kind"]
    settings = about["recipe"][kind]
    network = (
        Glow(about["image_shape"], **settings) if kind == "flow" else Miniception(len(about["labels"]), **settings)
    )
    network.build()
    variables = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    there = [name for name in variables.get_variable_to_shape_map() if name.startswith("variables_of_the_")]
    if len(there) != len(network.weights):
        raise ValueError(f"it has {len(there)} variables, but {model_name(folder)} has {len(network.weights)} weights")
    names = (f"variables_of_the_{kind}/{number}/.ATTRIBUTES/VARIABLE_VALUE" for number in range(len(there)))
    network.set_weights([variables.get_tensor(name) for name in names])
    return network
