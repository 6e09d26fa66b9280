"""Trained classifiers as SavedModels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glowseis.export.savedmodel import damaged, read_savedmodel, write_savedmodel
from glowseis.model_folder import model_name
from glowseis.models.miniception import Miniception, from_grey_levels


def export_classifier(model: Miniception, labels: Sequence[str], folder: Path, about: dict[str, Any]) -> None:
    """Write a classifier as a SavedModel that needs no glowseis to be loaded.

    Its signature takes grey levels, uint8 `[N, time, trace, 1]`, of any number, height and width:

    - `classify(image) -> probabilities`, float32 `[N, class]`; `class_index`, int32 `[N]`, of the likeliest class;
      `label`, string `[N]`, its name; `labels`, string `[class]`, the names of all classes in order of severity

    Args:
        model: The trained classifier.
        labels: Names of the classes, in order of severity.
        folder: To be made: `savedmodels/NAME/VERSION`.
        about: What it was made from, JSON; `image_shape` says at which size it was trained.

    Raises:
        InputError: Something stands at `folder` already.
        OSError: The disk is full or not writable; nothing is left behind.
        ValueError: There is not one label a class.
    """
    if len(labels) != model.classes:
        raise ValueError(f"there are {len(labels)} labels for {model.classes} classes")
    write_savedmodel(_served(model, list(labels)), "classifier", folder, {**about, "labels": list(labels)})


def _served(model: Miniception, labels: list[str]) -> tf.Module:
    def classify(image):
        probabilities = model(from_grey_levels(image))
        index = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        names = tf.constant(labels)
        return {
            "probabilities": probabilities,
            "class_index": index,
            "label": tf.gather(names, index),
            "labels": names,
        }

    module = tf.Module()
    # Only the variables are tracked, each once: the layers would bring them along again.
    module.variables_of_the_classifier = [weight.value for weight in model.weights]
    pictures = tf.TensorSpec((None, None, None, 1), tf.uint8, name="image")
    module.classify = tf.function(classify, input_signature=[pictures], autograph=False)
    return module


@dataclass(frozen=True)
class SavedClassifier:
    """A SavedModel of a classifier, loaded.

    Attributes:
        name: Its name and version, such as `classifier/1`.
        labels: Names of the classes, in order of severity.
        size: Height in samples and width in traces of the pictures that it was trained on.
        about: What it was made from.
        module: TensorFlow's module, with its signatures.
    """

    name: str
    labels: tuple[str, ...]
    size: tuple[int, int]
    about: dict[str, Any]
    module: Any

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Grade pictures.

        Args:
            images: Grey levels, uint8 `[gather, time, trace]`.

        Returns:
            Probabilities of the labels, float32 `[gather, class]`.
        """
        return self.module.signatures["classify"](image=tf.constant(images[..., np.newaxis]))["probabilities"].numpy()


def load_classifier(path: Path) -> SavedClassifier:
    """Load a classifier's SavedModel.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.

    Raises:
        InputError: There is no such SavedModel, or it is damaged or no classifier of ours.
    """
    folder, about, module = read_savedmodel(path, "classifier")
    try:
        height, width, _ = (int(side) for side in about["image_shape"])
        labels = tuple(str(label) for label in about["labels"])
        known = module.signatures["classify"].structured_outputs["labels"].shape
        if min(height, width) < 1 or len(labels) != known[0]:
            raise ValueError(f"it says {len(labels)} labels and pictures of {height}x{width}")
    except (KeyError, TypeError, ValueError) as wrong:
        raise damaged(folder, "classifier", wrong) from None
    return SavedClassifier(model_name(folder), labels, (height, width), about, module)
