"""A last layer fitted to a survey's own labels, on top of a classifier's features, in well under a second.

It starts from the classifier: the fewer labels there are, the nearer its probabilities are to the classifier's own.
"""

from dataclasses import dataclass

import numpy as np

SPREAD = 0.1
"""Expected spread of the weights of standardised features: the regularisation."""

BIAS_SPREAD = 1.0
"""Expected spread of the weights of 1, and of how far the weight of the classifier's own logarithms is from 1."""

FEWEST = 2
"""Fewest gathers of each of at least two classes to fit one."""

FOLDS = 5
"""Folds of cross-validation."""


@dataclass(frozen=True)
class Head:
    """Corrections of a classifier's log-probabilities, linear in its features.

    Attributes:
        trust: Weight of the classifier's own log-probabilities.
        weights: Weights of the features and of 1, float64 `[feature + 1, class]`.
    """

    trust: float
    weights: np.ndarray

    def probabilities(self, log_probabilities: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Probabilities of the classes if all are equally common, float64 `[gather, class]`.

        Args:
            log_probabilities: The classifier's own, `[gather, class]`.
            features: Its features, as `standardised` returns them, `[gather, feature]`.
        """
        return np.exp(_log_softmax(self.trust * log_probabilities + _with_ones(features) @ self.weights))


def standardised(features: np.ndarray) -> np.ndarray:
    """Features of a survey's gathers with mean 0 and standard deviation 1; those that do not vary are 0.

    Args:
        features: Means over each gather's windows, `[gather, feature]`.

    Returns:
        float64 `[gather, feature]`.
    """
    features = np.asarray(features, np.float64)
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(
        spread > 1e-6 * max(spread.max(initial=0.0), 1e-12), spread, np.inf
    )


def fit_head(log_probabilities: np.ndarray, features: np.ndarray, classes: np.ndarray) -> Head | None:
    """Fit a head: a multinomial logistic regression with ridge penalty that starts from the classifier.

    Classes count the same, however many gathers they have, as the labels that are bought are no random sample.

    Args:
        log_probabilities: The classifier's own of the labelled gathers, `[gather, class]`.
        features: Their features, as `standardised` returns them, `[gather, feature]`.
        classes: Their classes, `[gather]`.

    Returns:
        The head; None if fewer than two classes have `FEWEST` gathers.
    """
    from scipy.optimize import minimize

    truth, count = np.asarray(classes, np.int64), log_probabilities.shape[1]
    there = np.bincount(truth, minlength=count)
    if (there >= FEWEST).sum() < 2:
        return None
    weights = len(truth) / ((there > 0).sum() * there[truth])
    inputs, target = _with_ones(features), np.eye(count)[truth]
    spreads = np.append(np.full(features.shape[1], SPREAD), BIAS_SPREAD)[:, np.newaxis]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        trust, own = flat[0], flat[1:].reshape(-1, count)
        found = _log_softmax(trust * log_probabilities + inputs @ own)
        wrong = weights[:, np.newaxis] * (np.exp(found) - target)
        value = -np.sum(weights * found[np.arange(len(truth)), truth])
        value += 0.5 * np.sum((own / spreads) ** 2) + 0.5 * ((trust - 1) / BIAS_SPREAD) ** 2
        slope = np.append(
            np.sum(wrong * log_probabilities) + (trust - 1) / BIAS_SPREAD**2, inputs.T @ wrong + own / spreads**2
        )
        return float(value), slope

    start = np.zeros(1 + inputs.shape[1] * count)
    start[0] = 1.0
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Head(float(found[0]), found[1:].reshape(-1, count))


def unseen_probabilities(
    log_probabilities: np.ndarray, features: np.ndarray, classes: np.ndarray, lines: np.ndarray, seed: int
) -> np.ndarray:
    """Probabilities of labelled gathers by heads that were fitted to others, of other sail lines if there are enough.

    Args:
        log_probabilities: As for `fit_head`; the classifier must not have been trained on these gathers.
        features: As for `fit_head`.
        classes: As for `fit_head`.
        lines: Sail line of each gather, `[gather]`.
        seed: Seed of the folds.

    Returns:
        float64 `[gather, class]`; the classifier's own where a fold has too few gathers for a head.
    """
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    found = np.exp(_log_softmax(log_probabilities))
    there = np.bincount(classes)[np.unique(classes)]
    if len(classes) < 2 * FOLDS:
        return found
    if len(np.unique(lines)) >= FOLDS <= there.max():
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, classes, lines)
    elif there.min() >= FOLDS:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, classes)
    else:
        folds = KFold(FOLDS, shuffle=True, random_state=seed).split(features)
    for known, asked in folds:
        if head := fit_head(log_probabilities[known], features[known], classes[known]):
            found[asked] = head.probabilities(log_probabilities[asked], features[asked])
    return found


def _with_ones(features: np.ndarray) -> np.ndarray:
    return np.column_stack([features, np.ones(len(features))])


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
