"""Over-samplers in a pipeline of imbalanced-learn, before the same classifier, on divisions of a set of pictures."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from eval.pictures.sets import Pictures, PictureSet
from eval.pictures.trials import Trial, trials
from eval.study.names import BASELINE, PRIMARY, RIVAL
from glowseis.scoring import fraction_weights, scores

SMOTE = "smote"

ARMS = (BASELINE, RIVAL, SMOTE, PRIMARY)
"""No sampler, RandomOverSampler, SMOTE, FlowSampler."""


def compared(pictures: Pictures, chosen: PictureSet, seed: int, first: int | None = None) -> Iterator[dict[str, Any]]:
    """Cross-validate a support vector machine behind each sampler.

    A sampler brings the rare class to the mean number of the others'. The rare pictures that judge a flow in
    `eval.elsewhere` train here, in all arms.

    Args:
        pictures: The pictures.
        chosen: What is fixed for them: divisions, rare classes, the flow's levels and steps.
        seed: Seed of divisions and samplers.
        first: How many trials; all when None.

    Yields:
        The outcome of an arm in a trial: what tells it apart, and its figures as fractions.
    """
    from imblearn.pipeline import Pipeline
    from sklearn.model_selection import cross_validate
    from sklearn.svm import SVC

    flat = pictures.images.reshape(len(pictures.images), -1) / 256
    for trial in list(trials(pictures, chosen, seed))[:first]:
        rows = np.concatenate([trial.training, trial.judges])
        classes = pictures.classes[rows]
        wanted = {trial.rare: round(float(np.mean(np.delete(np.bincount(classes), trial.rare))))}
        for arm in ARMS:
            began, used = time.monotonic(), time.process_time()
            sampler = _sampler(arm, wanted, pictures.size, chosen, trial.seed)
            found = cross_validate(
                Pipeline([("more", sampler), ("classify", SVC())]),
                flat,
                pictures.classes,
                cv=[(rows, trial.test)],
                scoring=_figures(pictures, trial, np.bincount(classes)),
                error_score="raise",
            )
            yield {
                "rare": pictures.labels[trial.rare],
                "fold": trial.fold,
                "arm": arm,
                "rare_training": int((classes == trial.rare).sum()),
                **{name.removeprefix("test_"): float(found[name][0]) for name in found if name.startswith("test_")},
                "seconds": time.monotonic() - began,
                "processor_seconds": time.process_time() - used,
            }


def _sampler(arm: str, wanted: dict[int, int], size: tuple[int, int], chosen: PictureSet, seed: int) -> Any:
    from imblearn import over_sampling

    from glowseis.sampler import FlowSampler

    settings: dict[str, Any] = {"sampling_strategy": wanted, "random_state": seed}
    if arm == PRIMARY:
        return FlowSampler(image_shape=size, levels=chosen.levels, training_steps=chosen.flow_steps, **settings)
    return {BASELINE: lambda **_: "passthrough", RIVAL: over_sampling.RandomOverSampler, SMOTE: over_sampling.SMOTE}[
        arm
    ](**settings)


def _figures(pictures: Pictures, trial: Trial, counts: np.ndarray) -> Callable[..., dict[str, float]]:
    """A scorer whose test pictures are weighted to the classes' fractions in the training set."""

    def figures(pipeline: Any, images: np.ndarray, classes: np.ndarray) -> dict[str, float]:
        decided = pipeline.decision_function(images)
        judged = np.stack([-decided, decided], axis=1) if decided.ndim == 1 else decided
        graded = pipeline.predict(images)
        weights = fraction_weights(classes, counts.tolist())
        found = scores(classes, graded, pictures.labels, probabilities=judged, weights=weights)
        return {
            "f1_rare": float(found.f1[trial.rare]),
            "average_precision_rare": float(found.average_precision[trial.rare]),
            "f1_others": float(np.delete(found.f1, trial.rare).mean()),
        }

    return figures
