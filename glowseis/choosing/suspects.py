"""Labels that may be wrong, by confident learning, so that they come back for a second look."""

import warnings

import numpy as np


def suspected(classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Find gathers whose labels may be wrong.

    Args:
        classes: Class of each gather by its label, `[gather]`.
        probabilities: Probabilities of its classes by classifiers that did not see this label, `[gather, class]`.

    Returns:
        Their places, int64 `[suspect]`, those first whose label is least probable beside another.

    Source: Northcutt, Jiang and Chuang, Confident learning: estimating uncertainty in dataset labels, 2021,
    https://arxiv.org/abs/1911.00068, by their package cleanlab.
    """
    from cleanlab.filter import find_label_issues

    there, numbers = np.unique(classes, return_inverse=True)
    if len(there) < 2:
        return np.zeros(0, np.int64)
    known = probabilities[:, there]
    known = known / known.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = find_label_issues(numbers, known, return_indices_ranked_by="normalized_margin", n_jobs=1)
    return np.asarray(found, np.int64)
