"""New gathers of a rare class: pairs of real ones, interpolated in latent space."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from glowseis.errors import InputError
from glowseis.export import SavedFlow
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.parts import labelled_rows
from glowseis.survey.records import Survey
from glowseis.survey.render import ZERO_LEVEL


@dataclass(frozen=True)
class Pair:
    """Two parents and the weight of the second.

    Attributes:
        first: Row number of the parent that gives geometry and valid region.
        second: Row number of the other one.
        alpha: Weight of the second in latent space, in [0, 1).
    """

    first: int
    second: int
    alpha: float


def draw_pairs(rows: np.ndarray, count: int, seed: int) -> list[Pair]:
    """Draw pairs of distinct gathers and their weights, all uniform.

    The first pairs of a longer draw are those of a shorter one with the same seed.

    Args:
        rows: Row numbers of the possible parents, at least two.
        count: Number of pairs.
        seed: Seed of the draw.
    """
    pairs = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        first, second = random.choice(rows, 2, replace=False)
        pairs.append(Pair(int(first), int(second), float(random.uniform())))
    return pairs


PATHS = {"spherical": "interpolate_spherical", "linear": "interpolate"}
"""Ways between two parents' latents, and the signatures that take them."""


def synthesise(
    flow: SavedFlow, survey: Survey, label: str, count: int, seed: int, path: str = "spherical", batch: int = 4
) -> Iterator[Gather]:
    """Make new gathers of a label.

    A child has its first parent's geometry, clip amplitude and valid region; outside of that it is exactly mid-grey, so
    that its border is no sign of its making.

    Args:
        flow: A flow trained on such gathers.
        survey: Where the parents are.
        label: The parents' label, and the children's.
        count: Number of gathers.
        seed: Seed of the pairs and weights.
        path: Way between the parents' latents, from `PATHS`. The spherical one keeps the noise that makes a gather bad;
            half-way on the linear one it fades.
        batch: Gathers made at a time; memory grows with it.

    Yields:
        Gathers of the survey's size with their origin.

    Raises:
        InputError: The flow has another size, or the survey has fewer than two such gathers.

    Source: the paper's sections 1 and 5.4.
    """
    pairs = draw_pairs(possible_parents(flow, survey, label), count, seed)
    for start in range(0, count, batch):
        yield from _children(flow, survey, Origin(seed=seed, model=flow.name, path=path), start, pairs[start:][:batch])


def possible_parents(flow: SavedFlow, survey: Survey, label: str) -> np.ndarray:
    """Row numbers of the gathers of a label that a flow may interpolate.

    Synthetic ones are left out, so that a child's parents were recorded. So are, on the survey that the flow was
    trained on, gathers that its training held out: whatever is judged on them has not seen their children.

    Raises:
        InputError: The flow has another size, or the survey has fewer than two gathers of the label.
    """
    if flow.size != tuple(survey.size):
        raise InputError(
            f"{flow.name}: this SavedModel is for gathers of {flow.size[0]}x{flow.size[1]}, and {survey.path} has "
            f"{survey.size[0]}x{survey.size[1]}; train one on this survey"
        )
    rows = np.intersect1d(survey.select(labels=[label]), labelled_rows(survey))
    if flow.about.get("survey_checksum") == survey.checksum:
        rows = np.setdiff1d(rows, survey.select(ids=flow.about.get("held_out_ids", [])))
    if len(rows) < 2:
        raise InputError(
            f"{survey.path}: interpolation needs at least two recorded gathers labelled {label!r} that training did "
            f"not hold out; there are {len(rows)}"
        )
    return rows


def _children(flow: SavedFlow, survey: Survey, origin: Origin, start: int, pairs: list[Pair]) -> Iterator[Gather]:
    first = [survey.read(pair.first) for pair in pairs]
    second = [survey.read(pair.second) for pair in pairs]
    made = flow.signatures[PATHS[origin.path]](
        first=np.stack([gather.image for gather in first])[..., np.newaxis],
        second=np.stack([gather.image for gather in second])[..., np.newaxis],
        alpha=np.array([pair.alpha for pair in pairs], np.float32),
    )["image"].numpy()[..., 0]
    for number, (parent, other, pair, levels) in enumerate(zip(first, second, pairs, made, strict=True), start=start):
        image = np.full_like(levels, ZERO_LEVEL)
        valid = np.s_[: parent.valid_samples, : parent.valid_traces]
        image[valid] = levels[valid]
        yield replace(
            parent,
            gather_id=f"{flow.name.replace('/', '-')}-seed{origin.seed}-{number:06d}",
            image=image,
            source=f"glowseis {flow.name}",
            origin=replace(origin, parents=(parent.gather_id, other.gather_id), alpha=pair.alpha),
            dead_traces=0,
            broken_traces=0,
        )
