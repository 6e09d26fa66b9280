"""The paper's own numbers: tables 1 and 2 of its section 5.4, ten stratified folds.

The paper's text gives other gains than its tables; these are from the tables.
"""

from dataclasses import dataclass

FOLDS = 10

ACCURACY_NOTE = "The paper prints no accuracy; weighted recall is the same figure."
TABLE_2_NOTE = "The paper's table 2 prints its errors as fractions, such as 94.4 ± .003; here they are in per cent."


@dataclass(frozen=True)
class Published:
    """One of the paper's rows; figures are pairs of mean and standard error, in per cent.

    Attributes:
        title: Its name in tables.
        classes: Precision, recall and F1 of each class (table 1).
        average: Their averages (table 2).
    """

    title: str
    classes: dict[str, tuple[tuple[float, float], ...]]
    average: tuple[tuple[float, float], ...]


PUBLISHED = (
    Published(
        "paper, not augmented",
        {
            "good": ((95.1, 0.57), (97.1, 0.73), (96.0, 0.25)),
            "medium": ((90.9, 1.23), (88.6, 1.46), (89.6, 0.55)),
            "bad": ((65.3, 4.51), (42.5, 4.69), (49.0, 3.82)),
        },
        ((93.6, 0.2), (93.7, 0.2), (93.5, 0.2)),
    ),
    Published(
        "paper, augmented with 600",
        {
            "good": ((95.4, 0.47), (97.4, 0.32), (96.4, 0.21)),
            "medium": ((92.8, 0.54), (88.7, 1.17), (90.6, 0.59)),
            "bad": ((68.3, 4.34), (70.4, 2.47), (68.5, 2.84)),
        },
        ((94.4, 0.3), (94.3, 0.3), (94.2, 0.3)),
    ),
)
