"""The order of labels: which of two is the worse grade. Case is ignored."""

from collections.abc import Iterable

from glowseis.survey.gather import LABELS


def by_severity(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels in order.

    Args:
        labels: Labels, in any order and case.

    Returns:
        Each once: the paper's classes, the mildest first, then all others, of unknown severity, alphabetically.
    """
    return tuple(sorted(set(labels), key=lambda label: (_rank(label), label)))


def of_unknown_severity(labels: Iterable[str]) -> list[str]:
    """Labels that are none of the paper's classes, so that their severity is unknown, alphabetically."""
    return [label for label in by_severity(labels) if _rank(label) == len(LABELS)]


def alike(label: str, others: Iterable[str]) -> str | None:
    """The first label among others that differs from one only in case; None if there is none."""
    return next((other for other in others if other != label and other.casefold() == label.casefold()), None)


def _rank(label: str) -> int:
    return LABELS.index(label.casefold()) if label.casefold() in LABELS else len(LABELS)
