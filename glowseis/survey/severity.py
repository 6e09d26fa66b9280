"""The order of labels: which of two is the worse grade. Capitals make no difference."""

from collections.abc import Iterable

from glowseis.survey.gather import LABELS


def by_severity(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels in order.

    Args:
        labels: Labels, in any order and capitals.

    Returns:
        Each once: the paper's classes, the mildest first, then all others, whose severity is unknown, by the alphabet.
    """
    return tuple(sorted(set(labels), key=lambda label: (_rank(label), label)))


def of_unknown_severity(labels: Iterable[str]) -> list[str]:
    """Labels that are none of the paper's classes, so that nothing tells how severe they are, by the alphabet."""
    return [label for label in by_severity(labels) if _rank(label) == len(LABELS)]


def alike(label: str, others: Iterable[str]) -> str | None:
    """The first label among others that differs from one in capitals alone; None when there is none."""
    return next((other for other in others if other != label and other.casefold() == label.casefold()), None)


def _rank(label: str) -> int:
    return LABELS.index(label.casefold()) if label.casefold() in LABELS else len(LABELS)
