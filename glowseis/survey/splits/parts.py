"""Parts of labelled gathers in which each label keeps its share, optionally in whole sail lines.

Unlabelled gathers are left out, and so are synthetic ones: a child of a test gather must never train, and never tests.
"""

import warnings
from fractions import Fraction

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import source_text
from glowseis.survey.store.survey import Survey

FINEST_SHARE = 20
"""A share of sail lines is approximated by a fraction with at most this denominator."""


def hold_out(
    survey: Survey,
    rows: np.ndarray,
    share: float,
    seed: int,
    *,
    grouped: bool = False,
    rare: str | None = None,
    few: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Take a stratified part of some rows, such as a validation part of a fold's training rows.

    Args:
        survey: The survey.
        rows: Row numbers of labelled gathers, each once.
        share: Share to take, between 0 and 1; whole sail lines come as close to it as possible.
        seed: Seed of the draw, 0 to 2^32 - 1.
        grouped: Whether sail lines stay together; gathers of unknown line (0) count as one line.
        rare: The label that both parts must hold; the one with the fewest gathers among the rows when None.
        few: Whether either part may lack a label, if gathers are taken singly.

    Returns:
        Remaining rows and taken rows, both in the order of the survey, int64 `[gather]`.

    Raises:
        InputError: There are too few gathers or sail lines for both parts to hold rare ones.
        ValueError: The share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; give a number between 0 and 1")
    check_seed(seed)
    rows = np.sort(np.asarray(rows, np.int64))
    if few and not grouped:
        taken = _taken(labels_of(survey, rows), share, seed, least=0)
        return rows[~taken], rows[taken]
    rare = rare_label(survey, rows, rare)
    labels, lines = labels_of(survey, rows), lines_of(survey, rows)
    check_enough(survey, labels == rare, lines if grouped else None, 2, rare)
    taken = _lines_taken(labels, lines, share, seed, rare) if grouped else _taken(labels, share, seed)
    for part in (taken, ~taken):
        if not (labels[part] == rare).any():
            raise InputError(
                f"{survey.path}: {(labels == rare).sum()} {rare} gathers are too few to hold out {share:.3g} of them; "
                "hold out another share, or give another seed"
            )
    return rows[~taken], rows[taken]


def labelled_rows(survey: Survey) -> np.ndarray:
    """Rows that belong to folds: labelled and not synthetic, int64 `[gather]`."""
    recorded = recorded_rows(survey)
    return recorded[(survey.index["label"] != "").to_numpy()[recorded]]


def recorded_rows(survey: Survey) -> np.ndarray:
    """Rows of gathers that are not synthetic, labelled or not, int64 `[gather]`."""
    return np.flatnonzero((survey.index["parents"] == "").to_numpy()).astype(np.int64)


def _taken(labels: np.ndarray, share: float, seed: int, least: int = 1) -> np.ndarray:
    """Which gathers are held out: the share of each label, rounded, at least `least`; one remains on the other side."""
    random = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_label = random.permutation(np.flatnonzero(labels == label))
        count = np.clip(round(share * len(of_label)), min(least, len(of_label) - 1), max(len(of_label) - 1, 0))
        taken[of_label[:count]] = True
    return taken


def _lines_taken(labels: np.ndarray, lines: np.ndarray, share: float, seed: int, rare: str) -> np.ndarray:
    """Which gathers are held out, in whole lines: the candidate whose labels come closest to the share."""
    from sklearn.model_selection import StratifiedGroupKFold

    # scikit-learn makes no more folds than the most frequent label has gathers.
    finest = min(len(np.unique(lines)), FINEST_SHARE, int(np.unique(labels, return_counts=True)[1].max()))
    wanted = Fraction(share).limit_denominator(finest)
    wanted = min(max(wanted, Fraction(1, finest)), Fraction(finest - 1, finest))
    splitter = StratifiedGroupKFold(wanted.denominator, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folds = [test for _, test in splitter.split(labels, labels, lines)]
    best, best_distance = np.zeros(len(labels), bool), np.inf
    for first in range(len(folds)):
        taken = np.zeros(len(labels), bool)
        for fold in (*folds, *folds)[first : first + wanted.numerator]:
            taken[fold] = True
        distance = sum(abs(taken[labels == label].mean() - share) for label in np.unique(labels))
        # A part without rare gathers is useless, however close it comes.
        if distance < best_distance and 0 < taken[labels == rare].mean() < 1:
            best, best_distance = taken, distance
    return best


def check_seed(seed: int) -> None:
    """Make sure that scikit-learn accepts a seed."""
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: give a number from 0 to {2**32 - 1}")


def rare_label(survey: Survey, rows: np.ndarray, rare: str | None) -> str:
    """The rare label; it and another label must be present."""
    names, counts = np.unique(labels_of(survey, rows), return_counts=True)
    where = source_text(survey.path)
    if len(names) < 2:
        raise InputError(
            f"{where}: folds need gathers of at least two labels that are not synthetic; found {len(names)}"
        )
    if rare is None:
        return str(names[np.argmin(counts)])
    if rare not in names:
        there = ", ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True))
        raise InputError(f"{where}: no gather is labelled {rare!r}; choose from its labels: {there}")
    return rare


def labels_of(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Labels of some rows, `[row]`."""
    return survey.index["label"].to_numpy(str)[rows]


def ids_of(survey: Survey, rows: np.ndarray) -> list[str]:
    """Gather ids of some rows."""
    return [str(name) for name in survey.index["gather_id"].to_numpy()[rows]]


def lines_of(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Sail lines of some rows, `[row]`; 0 if unknown."""
    return survey.index["sail_line"].to_numpy()[rows]


def check_enough(survey: Survey, rare_ones: np.ndarray, lines: np.ndarray | None, parts: int, rare: str) -> None:
    """Make sure that each part can have a rare gather, from its own line if lines stay together."""
    count, of_what = int(rare_ones.sum()), f"{rare} gathers"
    if lines is not None:
        count, of_what = len(np.unique(lines[rare_ones])), f"sail lines with {rare} gathers"
    if count < parts:
        raise InputError(
            f"{source_text(survey.path)}: {count} {of_what} for {parts} parts, each of which must have some; ask for "
            f"fewer folds{' or ungrouped ones' if lines is not None else ''}"
        )
