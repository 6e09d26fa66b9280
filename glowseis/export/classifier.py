"""Trained classifiers as SavedModels."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.export.about import profile_in
from glowseis.export.folders import damaged, model_name
from glowseis.export.savedmodel import read_savedmodel, write_savedmodel
from glowseis.judging.calibration import Calibration, calibration_from
from glowseis.judging.combination import Combination, combination_from, mean_of_windows
from glowseis.judging.decision import MOST_PROBABLE, Decision, decision_from
from glowseis.judging.gathers import Seen
from glowseis.judging.prior import reweighted, shares_text, trained_fractions
from glowseis.judging.unlike import Unlikeness, unlikeness_from
from glowseis.models.miniception import Miniception, from_grey_levels
from glowseis.survey.matching.profile import Profile

UNLIKE = Path("assets.extra") / "unlike.npz"
"""Where a SavedModel keeps what its training gathers look like."""


def export_classifier(
    model: Miniception,
    labels: Sequence[str],
    folder: Path,
    about: dict[str, Any],
    *,
    combination: Combination | None = None,
    unlikeness: Unlikeness | None = None,
    calibration: Calibration | None = None,
    decision: Decision | None = None,
) -> None:
    """Write a classifier as a SavedModel that needs no glowseis to be loaded, with its network as `model.keras`.

    Its signatures take images, uint8 `[N, time, trace, 1]`, of any number, height and width:

    - `classify(image) -> probabilities`, float32 `[N, class]`; `class_index`, int32 `[N]`, the likeliest class;
      `label`, string `[N]`, its name; `labels`, string `[class]`, the names of all classes in order of severity
    - `serving_default`: `classify` without `labels`, so that each output has a row for each image
    - `features(image) -> features`, float32 `[N, 32 alpha]`, the activations before its last layer; with
      `probabilities` and `log_probabilities`, float32 `[N, class]`, so that one pass gives all three

    Args:
        model: The trained classifier.
        labels: Names of the classes, in order of severity.
        folder: The folder to make: `savedmodels/NAME/VERSION`.
        about: What it was made from, as JSON; `image_shape` is the size it was trained at, `trained_on` what it was
            trained on (a record of `glowseis.survey.matching.profile.Profile`).
        combination: The rule for gathers with several windows; the mean when None.
        unlikeness: Measures how far a gather is from the training data; None if it cannot be measured.
        calibration: Makes its probabilities hold for the survey that it was trained on; None leaves them as they are.
        decision: How probabilities become grades; the most probable class when None.

    Raises:
        InputError: `folder` exists already.
        OSError: The disk is full or not writable; nothing is left behind.
        ValueError: There is not one label per class.
    """
    if len(labels) != model.classes:
        raise ValueError(f"there are {len(labels)} labels for {model.classes} classes")
    record = {
        **about,
        "labels": list(labels),
        "combination": (combination or mean_of_windows(model.classes)).record(),
        "unlike": unlikeness is not None,
        **({"calibration": calibration.record()} if calibration else {}),
        **({"decision": decision.record()} if decision else {}),
    }
    arrays = {UNLIKE: unlikeness.arrays()} if unlikeness else {}
    write_savedmodel(_served(model, list(labels)), model, "classifier", folder, record, arrays)


def _served(model: Miniception, labels: list[str]) -> tf.Module:
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = model(from_grey_levels(image))
        index = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        names = tf.constant(labels)
        return {
            "probabilities": probabilities,
            "class_index": index,
            "label": tf.gather(names, index),
            "labels": names,
        }

    def by_image(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: found for name, found in module.classify(image).items() if name != "labels"}

    def features(image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = model.features(from_grey_levels(image))
        logits = model.output_head(found)
        return {
            "features": found,
            "probabilities": tf.nn.softmax(logits),
            "log_probabilities": tf.nn.log_softmax(logits),
        }

    module = tf.Module()
    # Only the variables are tracked, each once: tracking the layers would save them twice.
    module.variables_of_the_classifier = [weight.value for weight in model.weights]
    images = tf.TensorSpec((None, None, None, 1), tf.uint8, name="image")
    module.classify = tf.function(classify, input_signature=[images], autograph=False)
    module.serving_default = tf.function(by_image, input_signature=[images], autograph=False)
    module.features = tf.function(features, input_signature=[images], autograph=False)
    return module


@dataclass(frozen=True)
class SavedClassifier:
    """A SavedModel of a classifier, loaded.

    Attributes:
        name: Its name and version, such as `classifier/1`.
        labels: Names of the classes, in order of severity.
        size: Height in samples and width in traces of the images, or windows of them, that it was trained on.
        about: What it was made from.
        module: TensorFlow's module, with its signatures.
        combination: The rule for gathers with several windows.
        profile: What it was trained on; None if an older glowseis wrote it.
        unlikeness: Measures how far a gather is from the training data; None if an older glowseis wrote it.
        calibration: Makes probabilities hold for the survey that it was trained on; None if an older glowseis wrote it.
        decision: How probabilities become grades.
    """

    name: str
    labels: tuple[str, ...]
    size: tuple[int, int]
    about: dict[str, Any]
    module: Any
    combination: Combination
    profile: Profile | None = None
    unlikeness: Unlikeness | None = None
    calibration: Calibration | None = None
    decision: Decision = MOST_PROBABLE

    def calibrated(self, probabilities: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
        """Probabilities of gathers as `classify` gives them.

        Args:
            probabilities: From the rule for windows, `[..., class]`.
            prior: Class fractions to expect, `[class]`; `fractions` when None.

        Returns:
            float64 `[..., class]`, summing to 1.

        Raises:
            InputError: There is a prior, and the classifier did not record the fractions that it was trained on.
        """
        found = self.calibration.probabilities(probabilities) if self.calibration else probabilities
        return found if prior is None else reweighted(found, self.fractions(), prior)

    def fractions(self) -> np.ndarray:
        """The class fractions that calibrated probabilities assume, float64 `[class]`.

        Raises:
            InputError: They are not recorded, or a class had no weight in the training.
        """
        if self.calibration:
            return self.calibration.fractions
        return trained_fractions(self.name, self.profile, self.labels)

    def assumed(self, prior: np.ndarray | None = None) -> str:
        """Which class fractions calibrated probabilities assume, in words; empty if that is not recorded.

        Args:
            prior: Class fractions that were given instead, `[class]`.
        """
        fractions, why = prior, "as given with --prior"
        if fractions is None:
            try:
                fractions = self.fractions()
            except InputError:
                return ""
            why = "the model's own assumption; use --prior for the fractions that you expect"
        return f"{shares_text(self.labels, fractions)} ({why})"

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Grade images.

        Args:
            images: Grey levels, uint8 `[gather, time, trace]`.

        Returns:
            Probabilities of the labels, float32 `[gather, class]`.
        """
        return self.module.signatures["classify"](image=tf.constant(images[..., np.newaxis]))["probabilities"].numpy()

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Symmetries that its training removed: its grades are means over mirror images (see `Symmetric`)."""
        return tuple(map(str, self.about.get("symmetries", ())))

    def look(self, images: np.ndarray) -> Seen:
        """Grade images, and return their features as well.

        Args:
            images: Grey levels, uint8 `[image, time, trace]`.

        Returns:
            Probabilities and features; no features if the SavedModel does not give them.
        """
        if "features" not in self.module.signatures:
            probabilities = self.probabilities(images)
            return Seen(probabilities, np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), None)
        found = self.module.signatures["features"](image=tf.constant(images[..., np.newaxis]))
        return Seen(*(found[name].numpy() for name in ("probabilities", "log_probabilities", "features")))


def load_classifier(path: str | Path) -> SavedClassifier:
    """Load a classifier's SavedModel. Loading runs its code: load only models from people you trust.

    >>> import glowseis, numpy as np
    >>> classifier = glowseis.load_classifier("savedmodels/robust")
    >>> classifier.labels
    ('good', 'medium', 'bad')
    >>> classifier.probabilities(np.zeros((2, 64, 64), np.uint8)).shape
    (2, 3)

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.

    Raises:
        InputError: There is no such SavedModel, or it is damaged or not a classifier of glowseis.
    """
    folder, about, module = read_savedmodel(Path(path), "classifier")
    try:
        height, width, _ = (int(side) for side in about["image_shape"])
        labels = tuple(str(label) for label in about["labels"])
        known = module.signatures["classify"].structured_outputs["labels"].shape
        if min(height, width) < 1 or len(labels) != known[0]:
            raise ValueError(f"it records {len(labels)} labels and images of {height}x{width}")
        rule = about.get("combination")
        combination = combination_from(rule, len(labels)) if rule else mean_of_windows(len(labels))
        profile = profile_in(about)
        unlikeness = _unlikeness(folder / UNLIKE, len(labels)) if about.get("unlike") else None
        corrected = about.get("calibration")
        calibration = calibration_from(corrected, len(labels)) if corrected else None
        decision = decision_from(about["decision"]) if about.get("decision") else MOST_PROBABLE
    except (KeyError, TypeError, ValueError, AttributeError, OSError, zipfile.BadZipFile) as wrong:
        raise damaged(folder, "classifier", wrong) from None
    return SavedClassifier(
        model_name(folder),
        labels,
        (height, width),
        about,
        module,
        combination,
        profile,
        unlikeness,
        calibration,
        decision,
    )


def _unlikeness(path: Path, classes: int) -> Unlikeness:
    with np.load(path, allow_pickle=False) as arrays:
        return unlikeness_from(dict(arrays), classes)
