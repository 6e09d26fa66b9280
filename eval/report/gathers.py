"""The report's gathers: synthetic ones between their parents, and beside the nearest real ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.study.names import ARMS
from glowseis.pages.page import Part
from glowseis.pages.pictures import Card, Picture, png_source
from glowseis.pages.table import Table
from glowseis.survey.content.gather_plot import pixels_of_row
from glowseis.survey.gather import Gather
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import PRIOR

BETWEEN = ("spherical", "linear", "pixels")
"""Paths of gathers that lie between two parents, alpha of the way from the first."""

FAMILIES = 3
"""How many synthetic gathers of an arm, the first ones, are shown with their parents; as many beside their nearest."""

LOOKED_AT = 100
"""How many synthetic gathers of an arm, the first ones, are compared with the real ones."""

LONGEST_SIDE = 448
"""Pixels of the longer side of a gather on the page; larger ones are shrunk."""


@dataclass(frozen=True)
class Nearest:
    """How close an arm's synthetic gathers are to the real ones that they were made from.

    Attributes:
        synthetic: Row numbers of the synthetic gathers that were compared, the nearest first, `[gather]`.
        real: Row number of the rare training gather nearest to each, `[gather]`.
        distance: Their root mean square difference in grey levels, `[gather]`.
    """

    synthetic: np.ndarray
    real: np.ndarray
    distance: np.ndarray


def distances(image: np.ndarray, survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Root mean square differences between an image and images of a survey.

    Args:
        image: Grey levels, uint8 `[time, trace]`.
        survey: The survey, of the same size.
        rows: Row numbers of its images.

    Returns:
        The differences, in grey levels, float64 `[row]`.
    """
    wide = image.astype(np.float32)
    # Read one by one: hundreds at the paper's size would take gigabytes.
    others = (survey.read_images([int(row)])[0] for row in rows)
    return np.array([np.sqrt(np.mean((wide - other) ** 2, dtype=np.float64)) for other in others])


def nearest(synthetic: Survey, survey: Survey, rows: np.ndarray) -> Nearest:
    """Find the nearest rare training gather of each synthetic one.

    Args:
        synthetic: The synthetic gathers; the first `LOOKED_AT` are compared.
        survey: The real gathers.
        rows: Row numbers of the rare training gathers among them.
    """
    places = np.arange(min(len(synthetic), LOOKED_AT))
    between = np.array([distances(synthetic.read_images([int(place)])[0], survey, rows) for place in places])
    found, smallest = between.argmin(axis=1), between.min(axis=1)
    order = np.argsort(smallest, kind="stable")
    return Nearest(places[order], rows[found[order]], smallest[order])


def typical_distances(survey: Survey, rows: np.ndarray) -> tuple[float, float]:
    """How far rare training gathers are from each other, in grey levels.

    Args:
        survey: The real gathers.
        rows: Row numbers of two or more gathers; the first `LOOKED_AT` are compared with all.

    Returns:
        The median distance to the nearest other gather, and to any other.
    """
    others = np.array([distances(survey.read_images([row])[0], survey, rows[rows != row]) for row in rows[:LOOKED_AT]])
    return float(np.median(others.min(axis=1))), float(np.median(others))


def families(arm: str, synthetic: Survey, survey: Survey) -> list[Part]:
    """Some synthetic gathers of an arm, each between its parents.

    Args:
        arm: The arm.
        synthetic: Its synthetic gathers.
        survey: The survey that holds their parents.
    """
    cards = []
    for row in range(min(len(synthetic), FAMILIES)):
        child = synthetic.read(row)
        shown = [_shown(parent, "parent, recorded") for parent in map(survey.read, child.origin.parents)]
        shown.insert(min(1, len(shown)), _shown(child, "synthetic"))
        cards.append(Card(shown, _made_of(child)))
    return [Part("heading", ARMS[arm].title), Part("cards", cards)]


def neighbours(arm: str, synthetic: Survey, survey: Survey, found: Nearest) -> list[Part]:
    """The synthetic gathers of an arm that are closest to a real one, side by side with it.

    Args:
        arm: The arm.
        synthetic: Its synthetic gathers.
        survey: The real gathers.
        found: The nearest ones.
    """
    cards = []
    for row, real, distance in list(zip(found.synthetic, found.real, found.distance, strict=True))[:FAMILIES]:
        child, other = synthetic.read(int(row)), survey.read(int(real))
        kin = "one of its parents" if other.gather_id in child.origin.parents else "not one of its parents"
        words = f"{distance:.1f} grey levels apart; {other.gather_id} is {kin}."
        cards.append(Card([_shown(child, "synthetic"), _shown(other, "nearest recorded")], words))
    return [Part("heading", ARMS[arm].title), Part("cards", cards)]


def nearest_table(found: dict[str, Nearest], typical: tuple[float, float], rare: str) -> Table:
    """Distances of each arm's synthetic gathers to the nearest real ones, beside those between real ones.

    Args:
        found: The nearest gathers, by arm.
        typical: As `typical_distances` returns them.
        rare: The rare class.
    """
    rows = [
        [ARMS[arm].title, str(len(one.distance)), f"{one.distance.min():.1f}", f"{np.median(one.distance):.1f}"]
        for arm, one in found.items()
    ]
    return Table(
        "nearest",
        "Root mean square difference between a synthetic gather and the nearest recorded rare training gather, in "
        "grey levels of 256",
        pd.DataFrame(rows, columns=["arm", "looked at", "smallest", "median"]),
        (
            f"Between two recorded {rare} gathers it is {typical[1]:.1f} (median of all pairs), and {typical[0]:.1f} "
            "to the nearest other one (median). A synthetic gather with a value far below that is a copy.",
        ),
    )


def _shown(gather: Gather, what: str) -> Picture:
    """A gather with its axes, as a picture that holds its own data."""
    words = f"{what}: {gather.gather_id}"
    size = f"{gather.valid_samples} samples downwards, {gather.valid_traces} traces"
    shown = pixels_of_row([gather], LONGEST_SIDE)
    height, width = shown.shape[:2]
    return Picture(png_source(shown), width, height, words, f"{words}; label {gather.label or 'none'}, {size}")


def _made_of(child: Gather) -> str:
    origin = child.origin
    if origin.path not in BETWEEN and origin.path != PRIOR:
        return "Made of the recorded gathers beside it."
    if len(origin.parents) == 2:
        where = "grey levels" if origin.path == "pixels" else "latent space"
        return (
            f"{100 * (1 - origin.alpha):.0f} % of the left, {100 * origin.alpha:.0f} % of the right parent, in {where}."
        )
    if origin.path == PRIOR:
        return "A sample of the flow's prior; only its geometry is from the recorded gather."
    return "Made from one recorded gather."
