"""Whether synthetic gathers are as noisy, before the first arrivals, as recorded ones with the same label."""

import numpy as np
import pandas as pd

from eval.report.gathers import BETWEEN
from eval.study.names import ARMS
from glowseis.pages.page import Part
from glowseis.pages.table import Table
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.simulate.likeness import SPECTRUM_SAMPLES, first_rows, measure_noise
from glowseis.survey.store.survey import Survey

GATHERS = 200
"""How many gathers of each kind are measured, at most."""

EVENT_LEVELS = 8.0
"""There is an event where the median gather is farther than this from mid-grey."""

MARGIN_SAMPLES = 3

NEAR, HALF_WAY = 0.15, 0.3
"""A child is near a parent if alpha is within the first of 0 or 1, half-way if farther than the second from both."""


def noise_table(synthetic: dict[str, Survey], survey: Survey, training: np.ndarray) -> Part:
    """Noise of recorded gathers by label and of synthetic ones by arm, as a table.

    Args:
        synthetic: Synthetic gathers by arm.
        survey: The recorded gathers.
        training: Rows of the training gathers.

    Returns:
        The table; a sentence if no trace is quiet for long enough.

    Raises:
        InputError: A record is damaged.
    """
    quiet = quiet_rows(survey, training)
    if (quiet < SPECTRUM_SAMPLES).all():
        return Part("words", "These gathers have no quiet part before the first arrivals, where noise can be measured.")
    labels = survey.index["label"].to_numpy()[training]
    measured = {f"recorded {label}": _medians(survey, training[labels == label], quiet) for label in survey.labels}
    for arm, children in synthetic.items():
        for where, rows in _places(children).items():
            measured[f"{ARMS[arm].title}{where}"] = _medians(children, rows, quiet)
    cells = [
        [name, str(count), f"{level:.1f}", f"{loudest:.1f}"]
        for name, (count, level, loudest) in measured.items()
        if count
    ]
    table = Table(
        "noise",
        "Noise before the first arrivals, medians over gathers: its root mean square in grey levels, and the loudest "
        "trace's over the background's",
        pd.DataFrame(cells, columns=["gathers", "looked at", "level", "loudest / background"]),
        (
            "If children are less noisy than their parents, their label may be wrong. "
            f"Near a parent: alpha within {NEAR:g} of it; half-way: farther than {HALF_WAY:g} from both.",
        ),
    )
    return Part("table", table)


def quiet_rows(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """How many rows of each trace, from its first, hold no event in the median of many gathers, int `[trace]`.

    Args:
        survey: The recorded gathers.
        rows: Rows of the gathers; the first `GATHERS` are used.

    Raises:
        InputError: A record is damaged.
    """
    images = survey.read_images(rows[:GATHERS]).astype(np.int16)
    typical = np.median(np.abs(images - ZERO_LEVEL), axis=0).astype(np.int16) + ZERO_LEVEL
    return np.maximum(first_rows(typical, EVENT_LEVELS) - MARGIN_SAMPLES, 0)


def _places(children: Survey) -> dict[str, np.ndarray]:
    """Rows of children by their place between their parents."""
    alpha, every = children.index["alpha"].to_numpy(), np.arange(len(children))
    if not children.index["path"].isin(BETWEEN).all():
        return {"": every}
    nearest = np.minimum(alpha, 1 - alpha)
    return {", near a parent": every[nearest < NEAR], ", half-way": every[nearest > HALF_WAY]}


def _medians(survey: Survey, rows: np.ndarray, quiet: np.ndarray) -> tuple[int, float, float]:
    """The number of gathers measured, and the medians of their noise level and of their loudest trace's ratio."""
    images = survey.read_images(rows[:GATHERS])
    noise = [measure_noise(image, quiet) for image in images]
    if not noise:
        return 0, np.nan, np.nan
    return (
        len(noise),
        float(np.median([one.level for one in noise])),
        float(np.median([one.loudest_ratio for one in noise])),
    )
