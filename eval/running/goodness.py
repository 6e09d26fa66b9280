"""Whether synthetic gathers are good gathers: every measure of one set of them beside recorded ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.results.quality import NEIGHBOURS, density_and_coverage, nearer_than_held_out, nearest_distances
from eval.running.told_apart import STEPS, Sample, told_apart
from glowseis.errors import InputError
from glowseis.export.classifier import load_classifier
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.simulate.likeness import SPECTRUM_SAMPLES, first_rows, measure_band, measure_noise

EVENT_LEVELS, MARGIN_SAMPLES = 8.0, 3
"""There is an event where the median gather is this far from mid-grey; rows that close before it are left out."""

_AT_ONCE = 64

Features = Callable[[np.ndarray], np.ndarray]
"""Gives features of images, float32 `[gather, feature]`, from uint8 `[gather, time, trace]`."""


@dataclass(frozen=True)
class Recorded:
    """The recorded gathers of one class that synthetic ones are measured against.

    Attributes:
        held_out: Gathers that nothing was made from.
        features: Their features, `[gather, feature]`.
        training: Images of the class that synthetic gathers were made from, uint8 `[gather, time, trace]`.
        every: Images of all classes that synthetic gathers may have been made from.
        distances: Distances of held-out gathers to the nearest of `training` and of `every`, each `[gather]`.
        interval_s: Time between two samples, in seconds; NaN if unknown.
    """

    held_out: Sample
    features: np.ndarray
    training: np.ndarray
    every: np.ndarray
    distances: tuple[np.ndarray, np.ndarray]
    interval_s: float

    @classmethod
    def of(
        cls, held_out: Sample, training: np.ndarray, every: np.ndarray, interval_s: float, features: Features
    ) -> "Recorded":
        """Measure recorded gathers once for all sets of synthetic ones.

        Args:
            held_out: As above; without any, recorded gathers stand for themselves, none being its own nearest.
            training: As above.
            every: As above.
            interval_s: As above.
            features: Gives features of images.
        """
        apart = held_out.images is training
        nearest = tuple(nearest_distances(held_out.images, others, apart=apart) for others in (training, every))
        return cls(held_out, features(held_out.images), training, every, (nearest[0], nearest[1]), interval_s)


def measure(
    made: Sample, recorded: Recorded, features: Features, seed: int = 0, steps: int = STEPS
) -> dict[str, float]:
    """All figures of one set of synthetic gathers of one class.

    Args:
        made: The gathers.
        recorded: What they are measured against.
        features: Gives features of images.
        seed: Seed of the classifier that tells them apart.
        steps: Its optimiser steps; 0 leaves it out.

    Returns:
        Figures by name; NaN for those that so few gathers do not allow.
    """
    figures = spread(features(made.images), recorded.features)
    found = told_apart(recorded.held_out, made, seed, steps) if steps else None
    figures |= {"auc": np.nan, "auc_low": np.nan, "auc_high": np.nan}
    if found:
        figures |= {"auc": found.value, "auc_low": found.low, "auc_high": found.high}
    figures |= memorised(made.images, recorded)
    return figures | bands(made.images, recorded.held_out.images, recorded.interval_s)


def spread(made: np.ndarray, recorded: np.ndarray) -> dict[str, float]:
    """Density and coverage, from features; NaN if there are too few recorded gathers."""
    if len(recorded) <= NEIGHBOURS:
        return dict.fromkeys(("density", "coverage", "coverage_expected"), np.nan)
    found = density_and_coverage(recorded, made)
    return {"density": found.density, "coverage": found.coverage, "coverage_expected": found.expected}


def memorised(images: np.ndarray, recorded: Recorded) -> dict[str, float]:
    """How near gathers are to training gathers of their class, and of any, beside how near held-out ones are."""
    figures: dict[str, float] = {}
    for name, others, held_out in zip(
        ("", "_any"), (recorded.training, recorded.every), recorded.distances, strict=True
    ):
        found = nearest_distances(images, others)
        figures |= {
            f"nearest{name}": float(np.median(found)),
            f"nearest{name}_held_out": float(np.median(held_out)),
            f"nearer{name}": nearer_than_held_out(found, held_out),
            f"copies{name}": float(np.mean(found == 0)),
        }
    return figures


def bands(images: np.ndarray, recorded: np.ndarray, interval_s: float) -> dict[str, float]:
    """Band of whole gathers, and noise before their first arrivals: medians over gathers.

    Source: the measures by which simulated gathers are calibrated (`glowseis.survey.simulate.likeness`).

    Args:
        images: Grey levels, uint8 `[gather, time, trace]`.
        recorded: Recorded gathers, which say where the first arrivals are.
        interval_s: Time between two samples, in seconds; frequencies are NaN if it is.
    """
    known, interval = np.isfinite(interval_s) and interval_s > 0, interval_s
    if not known:
        interval = 1.0
    away = np.abs(recorded.astype(np.int16) - ZERO_LEVEL)
    typical = np.median(away, axis=0).astype(np.int16) + ZERO_LEVEL
    quiet = np.maximum(first_rows(typical, EVENT_LEVELS) - MARGIN_SAMPLES, 0)
    figures: dict[str, list[float]] = {}

    def add(**found: float) -> None:
        for name, value in found.items():
            figures.setdefault(name, []).append(value if known or not name.endswith("_hz") else np.nan)

    for image in images:
        if image.shape[0] >= SPECTRUM_SAMPLES and np.ptp(image):
            band = measure_band(image, slice(None), slice(None), interval)
            add(low_hz=band.low_hz, middle_hz=band.middle_hz, high_hz=band.high_hz, level=band.level)
        if (quiet >= SPECTRUM_SAMPLES).any():
            noise = measure_noise(image, quiet, interval)
            add(
                noise_level=noise.level,
                noise_loudest=noise.loudest_ratio,
                noisy_traces_percent=noise.noisy_percent,
                noise_low_hz=noise.low_hz,
                noise_peak_hz=noise.peak_hz,
                noise_high_hz=noise.high_hz,
                noise_correlation=noise.correlation[0],
            )
    order = ("low_hz", "middle_hz", "high_hz", "level", "noise_level", "noise_loudest", "noisy_traces_percent")
    names = (*order, "noise_low_hz", "noise_peak_hz", "noise_high_hz", "noise_correlation")
    values = {name: [one for one in figures.get(name, []) if not np.isnan(one)] for name in names}
    return {name: float(np.median(one)) if one else np.nan for name, one in values.items()}


def features_of(path: Path) -> Features:
    """Features of a saved classifier, as `measure` uses them.

    Args:
        path: Its SavedModel. Its code is run: use only models from people you trust.

    Returns:
        A function of images.

    Raises:
        InputError: It is no classifier, or one that gives no features.
    """
    classifier = load_classifier(path)
    if classifier.look(np.full((1, *classifier.size), ZERO_LEVEL, np.uint8)).features is None:
        raise InputError(f"{path}: gives no features, as an older glowseis wrote it; give another --features")

    def features(images: np.ndarray) -> np.ndarray:
        # Some at a time: activations of hundreds at once would take gigabytes.
        parts = (classifier.look(images[first : first + _AT_ONCE]) for first in range(0, len(images), _AT_ONCE))
        return np.concatenate([one.features for one in parts if one.features is not None])

    return features
