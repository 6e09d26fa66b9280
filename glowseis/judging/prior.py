"""Probabilities for class fractions other than those of the training."""

from collections.abc import Sequence

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.matching.profile import Profile


def reweighted(probabilities: np.ndarray, trained: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Convert probabilities from the class fractions of the training to others, by Bayes' rule.

    Args:
        probabilities: `[..., class]`.
        trained: Fractions that they assume, `[class]`, all above 0.
        wanted: Fractions to expect instead, `[class]`.

    Returns:
        float64 `[..., class]`, summing to 1; unchanged where all new probabilities would be 0.
    """
    found = np.asarray(probabilities, np.float64)
    weighed = found * (np.asarray(wanted, np.float64) / np.asarray(trained, np.float64))
    total = weighed.sum(axis=-1, keepdims=True)
    return np.where(total > 0, weighed / np.where(total > 0, total, 1), found)


def parse_prior(text: str, labels: Sequence[str]) -> np.ndarray:
    """Read fractions such as `66,31,2`, one per label, in any unit.

    Args:
        text: What the user gave.
        labels: The classifier's labels.

    Returns:
        Fractions, float64 `[class]`, summing to 1.

    Raises:
        InputError: They are not fractions of these labels.
    """
    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.zeros(0)
    if len(values) != len(labels) or not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise InputError(
            f"--prior {text}: give one number of at least 0 for each of {', '.join(labels)}, in this order, separated "
            f"by commas, such as {','.join(['66', '31', '2', *['1'] * len(labels)][: len(labels)])}"
        )
    return values / values.sum()


def trained_fractions(name: str, profile: Profile | None, labels: Sequence[str]) -> np.ndarray:
    """The class fractions that a classifier's probabilities assume.

    Args:
        name: The classifier's name.
        profile: What it was trained on.
        labels: Its labels.

    Returns:
        Fractions, float64 `[class]`, all above 0.

    Raises:
        InputError: They are not recorded, or a class had no weight.
    """
    fractions = profile.fractions if profile else None
    if not fractions or set(fractions) != set(labels):
        raise InputError(
            f"--prior needs the class fractions that {name} was trained on, which it did not record; train it again, "
            "or leave --prior out"
        )
    values = np.array([fractions[label] for label in labels], np.float64)
    if not (values > 0).all():
        nothing = labels[int(np.argmin(values))]
        raise InputError(f"--prior: {nothing} had no weight in the training of {name}; leave --prior out")
    return values


def shares_text(labels: Sequence[str], fractions: np.ndarray) -> str:
    """Class fractions in words, such as `good 66 %, medium 31 %, bad 2 %`.

    Args:
        labels: The classes.
        fractions: `[class]`, of 1.
    """
    return ", ".join(f"{label} {100 * share:.3g} %" for label, share in zip(labels, fractions, strict=True))
