"""How well gathers were graded: the usual figures per class and overall, by scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scores:
    """Figures of a graded set; fractions between 0 and 1.

    A class that was never predicted has a precision of 0, one without gathers a recall of 0, and either an F1 of 0
    (scikit-learn's `zero_division=0`).

    Attributes:
        labels: Names of the classes, in the order of all that follows.
        precision: Share of the gathers graded as a class that belong to it, `[class]`.
        recall: Share of the gathers of a class that were graded as it, `[class]`.
        f1: Harmonic mean of the two, `[class]`.
        support: Gathers of each class, or the sum of their weights, `[class]`.
        average_precision: Area under each class's precision-recall curve against all others, as scikit-learn's
            average precision, `[class]`; NaN without probabilities, or if all or none of the gathers are of the class.
        confusion: Gathers, or the sum of their weights, `[class, graded as]`.
        accuracy: Share of gathers graded correctly.
        balanced_accuracy: Mean recall of the classes that have gathers.
        weighted_precision: Mean over classes, weighted by support, as in the paper's table 2.
        weighted_recall: The same for recall; equal to accuracy.
        weighted_f1: The same for F1.
    """

    labels: tuple[str, ...]
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    average_precision: np.ndarray
    confusion: np.ndarray
    accuracy: float
    balanced_accuracy: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float

    def table(self) -> "pd.DataFrame":
        """Precision, recall, F1, average precision and support: one row per class, then the weighted average."""
        import pandas as pd

        classes = pd.DataFrame(
            {
                "precision": self.precision,
                "recall": self.recall,
                "f1": self.f1,
                "average_precision": self.average_precision,
                "support": self.support,
            },
            index=pd.Index(self.labels, name="label"),
        )
        classes.loc["weighted average"] = [
            self.weighted_precision,
            self.weighted_recall,
            self.weighted_f1,
            np.nan,
            self.support.sum(),
        ]
        return classes

    def text(self) -> str:
        """The table in percent, the accuracies and the confusion matrix, for a terminal."""
        import pandas as pd

        table = self.table()
        shown = table.drop(columns="support") * 100
        text = shown.rename(columns={"average_precision": "PR-AUC", "f1": "F1"}).map(_percent)
        # What is zero by zero: shares of a class that no gather has, or of a grade that none was given.
        text.loc[(table["support"] == 0).to_numpy(), ["recall", "F1"]] = "-"
        text.loc[[*(self.confusion.sum(axis=0) == 0), False], "precision"] = "-"
        text["gathers"] = table["support"].map("{:.10g}".format)
        confusion = pd.DataFrame(self.confusion, self.labels, [f"as {label}" for label in self.labels])
        return "\n".join(
            [
                text.rename_axis(None).to_string(),
                f"accuracy {_percent(100 * self.accuracy)}, balanced {_percent(100 * self.balanced_accuracy)}",
                confusion.map("{:.10g}".format).to_string(),
            ]
        )

    def record(self) -> dict[str, object]:
        """All figures, for JSON; NaN becomes None."""
        return {name: _plain(value) for name, value in vars(self).items()}


def scores(
    classes: Sequence[int] | np.ndarray,
    predicted: Sequence[int] | np.ndarray,
    labels: Sequence[str],
    *,
    probabilities: np.ndarray | None = None,
    weights: Sequence[float] | np.ndarray | None = None,
) -> Scores:
    """Score grades against the truth.

    Args:
        classes: The class of each gather: the number of its label, `[gather]`.
        predicted: The grade of each gather, likewise, `[gather]`.
        labels: Names of the classes, in order of severity.
        probabilities: Of each class, `[gather, class]`, for the precision-recall curves.
        weights: The weight of each gather, `[gather]`; see `fraction_weights`.

    Returns:
        The figures.

    Raises:
        ValueError: There are no gathers, there are numbers beyond the labels, or lengths differ.
    """
    from sklearn import metrics

    truth, graded = np.asarray(classes), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != graded.shape or not len(truth):
        raise ValueError(f"classes have shape {truth.shape}, predicted {graded.shape}; give one of each per gather")
    if min(truth.min(), graded.min()) < 0 or max(truth.max(), graded.max()) >= len(labels):
        raise ValueError(f"there are classes beyond 0 to {len(labels) - 1}, the numbers of the labels")
    if probabilities is not None and np.shape(probabilities) != (len(truth), len(labels)):
        raise ValueError(f"probabilities have shape {np.shape(probabilities)}, not ({len(truth)}, {len(labels)})")
    numbers = np.arange(len(labels))
    each = metrics.precision_recall_fscore_support(
        truth, graded, labels=numbers, sample_weight=weights, zero_division=0
    )
    average = metrics.precision_recall_fscore_support(
        truth, graded, labels=numbers, average="weighted", sample_weight=weights, zero_division=0
    )
    confusion = metrics.confusion_matrix(truth, graded, labels=numbers, sample_weight=weights)
    support = confusion.sum(axis=1)
    precision, recall, f1 = (np.asarray(values, np.float64) for values in each[:3])
    return Scores(
        labels=tuple(labels),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        average_precision=_average_precision(truth, probabilities, len(labels), weights),
        confusion=confusion,
        accuracy=float(metrics.accuracy_score(truth, graded, sample_weight=weights)),
        balanced_accuracy=float(recall[support > 0].mean()),
        weighted_precision=float(average[0]),
        weighted_recall=float(average[1]),
        weighted_f1=float(average[2]),
    )


def fraction_weights(classes: Sequence[int] | np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Weights that give a set other class fractions, such as the paper's.

    A test set rich in rare gathers can then represent a survey where they are rare.

    Args:
        classes: The number of each gather's class, `[gather]`.
        fractions: Wanted shares of the classes, in any unit.

    Returns:
        One weight per gather, float64 `[gather]`, 1 on average.

    Raises:
        ValueError: A class with a wanted share above 0 has no gathers, or there are not enough or no valid fractions.
    """
    classes = np.asarray(classes)
    wanted = np.asarray(fractions, np.float64)
    counts = np.bincount(classes, minlength=len(wanted))
    if len(counts) > len(wanted) or not (np.isfinite(wanted).all() and (wanted >= 0).all() and wanted.sum() > 0):
        raise ValueError(
            f"fractions are {list(fractions)}; give each of the {len(counts)} classes one, at least 0 and not all 0"
        )
    if (wanted[counts == 0] > 0).any():
        raise ValueError(
            f"class {int(np.argmax((counts == 0) & (wanted > 0)))} has no gathers to weight; give it the fraction 0"
        )
    return (wanted / wanted.sum() * len(classes) / np.maximum(counts, 1))[classes]


def _average_precision(
    truth: np.ndarray,
    probabilities: np.ndarray | None,
    count: int,
    weights: Sequence[float] | np.ndarray | None,
) -> np.ndarray:
    from sklearn.metrics import average_precision_score

    result = np.full(count, np.nan)
    if probabilities is None:
        return result
    for number in range(count):
        one = truth == number
        if one.any() and not one.all():
            result[number] = average_precision_score(one, probabilities[:, number], sample_weight=weights)
    return result


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.1f}"


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(part) for part in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and np.isnan(value) else value
