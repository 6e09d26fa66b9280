"""New gathers of a rare class: pairs of real ones, interpolated in latent space."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.export.flow import SavedFlow, load_flow
from glowseis.export.folders import check_fits
from glowseis.models.interpolation import DEFAULT_PATH
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.matching.bringing import Bringing
from glowseis.survey.matching.profile import image_intervals_s, image_spacings_m
from glowseis.survey.matching.sameness import check_trained_on
from glowseis.survey.matching.windows import drawn_window, gather_window
from glowseis.survey.pairs import Pair, draw_pairs
from glowseis.survey.progress import progress
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.splits.parts import labelled_rows
from glowseis.survey.store.survey import Survey, open_survey

PATHS = {"spherical": "interpolate_spherical", "linear": "interpolate"}
"""Paths between two parents' latents, and the signatures that follow them."""


PLACE = 2
"""Tells the draw of a window's place from the others of a child."""

PRIOR = "prior"
"""`Origin.path` of prior samples, which do not lie between parents."""


def synthesise(
    flow: SavedFlow | Path | str,
    survey: Survey | Path | str,
    label: str | None = None,
    count: int = 1,
    seed: int = 1,
    path: str = DEFAULT_PATH,
    batch: int = 4,
    *,
    rows: np.ndarray | None = None,
    farthest: float = 1.0,
    say: Callable[[str], None] = warnings.warn,
) -> Iterator[Gather]:
    """Make new gathers of a label.

    >>> import glowseis
    >>> made = list(glowseis.synthesise("savedmodels/demo", "surveys/demo", "bad", count=2, seed=1))
    >>> made[0].image.shape, len(made[0].origin.parents)
    ((32, 32), 2)

    A child has its first parent's geometry, clip amplitude and valid region; outside that region it is exactly
    mid-grey, so that its border does not show that it is synthetic. A larger count begins with the children of a
    smaller one.

    If the flow was trained on windows, the parents are resampled to its sample interval, and a child is a window: its
    parents' windows lie at the same samples and traces, which are drawn for each child. Gathers that are too small, or
    have too few live traces, are no parents.

    Args:
        flow: A flow trained on such gathers, or the folder of its SavedModel.
        survey: The survey that holds the parents, or its folder.
        label: Label of parents and children; if None, the one that the flow was trained on.
        count: Number of gathers.
        seed: Seed of the pairs and weights.
        path: Path between the parents' latents, from `PATHS`. The spherical one keeps the noise that makes a gather
            bad; on the linear one it fades half-way.
        batch: Gathers made at a time; memory grows with it.
        rows: Rows of the possible parents, such as a fold's; if None, all of `possible_parents`.
        farthest: See `draw_pairs`.
        say: Called with lines that say how possible parents were matched to the flow, and which were left out.

    Returns:
        Gathers of the flow's size with their origin, made on iteration.

    Raises:
        InputError: There is no such flow or survey, the flow has another size or does not state its label, the survey
            has fewer than two such gathers, or one of `rows` is not a possible parent.

    Source: the paper's sections 1 and 5.4.
    """
    if not isinstance(flow, SavedFlow):
        flow = load_flow(flow)
    if not isinstance(survey, Survey):
        survey = open_survey(survey)
    label = label or trained_label(flow)
    possible = matched_parents(flow, survey, possible_parents(flow, survey, label, rows), say)
    pairs = draw_pairs(possible, count, seed, farthest)
    return interpolate_pairs(flow, survey, label, pairs, seed, path, batch)


def trained_label(flow: SavedFlow) -> str:
    """The label of the gathers that a flow was trained on.

    Args:
        flow: The flow.

    Raises:
        InputError: The flow does not state it.
    """
    label = flow.about.get("label")
    if not label:
        raise InputError(f"{flow.name}: does not say which gathers it was trained on; give a label")
    return str(label)


def interpolate_pairs(
    flow: SavedFlow,
    survey: Survey,
    label: str,
    pairs: Sequence[Pair],
    seed: int,
    path: str = DEFAULT_PATH,
    batch: int = 4,
) -> Iterator[Gather]:
    """Make one child of each given pair, otherwise like `synthesise`; other ways of mixing can share the pairs.

    Args:
        flow: A flow trained on such gathers.
        survey: The survey that holds the parents.
        label: Label of parents and children.
        pairs: Parents and weights.
        seed: Seed that the pairs were drawn with; it goes into the children's origin and ids.
        path: Path between the parents' latents, from `PATHS`.
        batch: Gathers made at a time; memory grows with it.

    Yields:
        Gathers of the flow's size with their origin, one per pair.

    Raises:
        InputError: The flow has another size, or a parent is not a possible one.
    """
    possible_parents(flow, survey, label, np.array([[pair.first, pair.second] for pair in pairs]))
    origin = Origin(seed=seed, model=flow.name, path=path)
    for start in range(0, len(pairs), batch):
        yield from _children(flow, survey, origin, start, pairs[start : start + batch])


def synthesise_prior(
    flow: SavedFlow,
    survey: Survey,
    label: str,
    count: int,
    seed: int,
    temperature: float,
    batch: int = 4,
    *,
    rows: np.ndarray | None = None,
) -> Iterator[Gather]:
    """Make gathers of a label from normal latents, each with geometry and valid region of a real gather, its parent.

    A larger count begins with the samples of a smaller one, whatever the batch.

    Args:
        flow: A flow trained on such gathers.
        survey: The survey that holds the parents.
        label: Label of parents and samples.
        count: Number of gathers.
        seed: Seed of latents and parents.
        temperature: Standard deviation of the latents.
        batch: Gathers made at a time; memory grows with it.
        rows: Rows of the possible parents; if None, all of `possible_parents`.

    Yields:
        Gathers of the survey's size with their origin: `path` is `PRIOR`, `alpha` the temperature.

    Raises:
        InputError: As `synthesise`.
        ValueError: The temperature is not positive.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature is {temperature}; give a number above 0")
    possible = possible_parents(flow, survey, label, rows)
    shapes = {
        name: tuple(spec.shape[1:]) for name, spec in flow.signatures["decode"].structured_input_signature[1].items()
    }
    origin = Origin(alpha=float(temperature), seed=seed, model=flow.name, path=PRIOR)
    for start in range(0, count, batch):
        drawn = [np.random.default_rng([seed, index, 1]) for index in range(start, min(start + batch, count))]
        chosen = [int(random.choice(possible)) for random in drawn]
        parents = [_seen(flow, survey, [row], seed, index)[0] for index, row in enumerate(chosen, start=start)]
        normal = [
            {name: random.standard_normal(shapes[name], np.float32) for name in sorted(shapes)} for random in drawn
        ]
        latents = {name: np.float32(temperature) * np.stack([one[name] for one in normal]) for name in shapes}
        made = flow.signatures["decode"](**latents)["image"].numpy()[..., 0]
        for number, (parent, levels) in enumerate(zip(parents, made, strict=True), start=start):
            name = f"{_maker(flow)}-prior-seed{seed}-{number:06d}"
            yield child_of(parent, levels, name, f"glowseis {flow.name}", replace(origin, parents=(parent.gather_id,)))


LEVELS = "levels"
"""`Origin.path` of children that have some levels' latents of one parent, and the others' of the other."""


def recombine_levels(
    flow: SavedFlow,
    survey: Survey,
    label: str,
    pairs: Sequence[Pair],
    seed: int,
    levels: Sequence[int],
    batch: int = 4,
) -> Iterator[Gather]:
    """Make one child of each given pair: some levels' latents of the second parent, the others' of the first.

    Args:
        flow: A flow trained on gathers like both.
        survey: The survey that holds the parents.
        label: Label of the children; the parents may have others.
        pairs: Parents; their weights are not used.
        seed: Seed that the pairs were drawn with; it goes into the children's origin and ids.
        levels: Numbers of the levels whose latents are the second parent's, from 1, the finest.
        batch: Gathers made at a time; memory grows with it.

    Yields:
        Gathers of the survey's size with their origin, one per pair, with geometry and valid region of the first
        parent: `path` is `LEVELS`, `alpha` the share of levels that are the second parent's.

    Raises:
        InputError: The flow has another size, or a parent is not a possible one.
        ValueError: The flow has no such level.
    """
    names = sorted(flow.signatures["decode"].structured_input_signature[1])
    chosen = {f"latent_{level}" for level in levels}
    if not chosen <= set(names):
        raise ValueError(f"levels are {list(levels)}; {flow.name} has levels 1 to {len(names)}")
    possible_parents(flow, survey, None, np.array([[pair.first, pair.second] for pair in pairs]))
    origin = Origin(alpha=len(chosen) / len(names), seed=seed, model=flow.name, path=LEVELS)
    for start in range(0, len(pairs), batch):
        parents = _pairs_seen(flow, survey, pairs[start : start + batch], seed, start)
        first, second = (
            flow.signatures["encode"](image=np.stack([one.image for one in side])[..., np.newaxis])
            for side in zip(*parents, strict=True)
        )
        latents = {name: (second if name in chosen else first)[name] for name in names}
        made = flow.signatures["decode"](**latents)["image"].numpy()[..., 0]
        for number, ((parent, other), image) in enumerate(zip(parents, made, strict=True), start=start):
            of = replace(origin, parents=(parent.gather_id, other.gather_id))
            name = f"{_maker(flow)}-levels-seed{seed}-{number:06d}"
            yield replace(child_of(parent, image, name, f"glowseis {flow.name}", of), label=label)


def possible_parents(flow: SavedFlow, survey: Survey, label: str | None, rows: np.ndarray | None = None) -> np.ndarray:
    """Row numbers of the gathers of a label that a flow may interpolate.

    Synthetic gathers are left out, so that all parents were recorded. So are, by their ids and in any survey, the
    gathers that the flow's training held out: what is judged on them must not have seen their children.

    Args:
        flow: The flow.
        survey: The survey that holds the gathers.
        label: Their label; None for any.
        rows: Rows to choose from, all of which must be possible; if None, all rows of the survey.

    Returns:
        Row numbers in the order of the survey, each once, int64 `[gather]`.

    Raises:
        InputError: The flow has another size or was trained at another sample interval or trace spacing, the survey
            has fewer than two gathers of the label, or one of `rows` is not a possible parent.
    """
    check_fits(flow.about, flow.name, survey)
    check_trained_on(
        flow.name,
        flow.profile,
        # Gathers of which windows are cut are resampled first.
        np.zeros(0) if flow.sees_windows else image_intervals_s(survey.index),
        image_spacings_m(survey.index),
        survey.path,
    )
    possible = np.intersect1d(survey.select(labels=None if label is None else [label]), labelled_rows(survey))
    labelled = "with a label" if label is None else f"labelled {label!r}"
    is_held_out = survey.index["gather_id"].isin(flow.about.get("held_out_ids", [])).to_numpy()
    possible = possible[~is_held_out[possible]]
    if rows is not None:
        rows = np.unique(np.asarray(rows, np.int64))
        other = np.setdiff1d(rows, possible)
        if len(other):
            raise InputError(
                f"{survey.path}: gather {survey.index['gather_id'].iat[other[0]]} cannot be a parent: only recorded "
                f"gathers {labelled} that training did not hold out can"
            )
        possible = rows
    if len(possible) < 2:
        raise InputError(
            f"{survey.path}: interpolation needs at least two recorded gathers {labelled} that training did "
            f"not hold out; there are {len(possible)}; give a survey with more"
        )
    return possible


def matched_parents(flow: SavedFlow, survey: Survey, rows: np.ndarray, say: Callable[[str], None]) -> np.ndarray:
    """Those of the possible parents from which a flow's windows can be cut once they are matched to it.

    Args:
        flow: The flow; all gathers are kept if it sees whole ones.
        survey: The survey that holds the gathers.
        rows: Their row numbers, from `possible_parents`.
        say: As for `synthesise`.

    Returns:
        The row numbers of those that are large enough, int64 `[gather]`.

    Raises:
        InputError: A gather cannot be matched, or fewer than two are large enough.
    """
    if not flow.sees_windows:
        return rows
    bringing = Bringing(flow.name, flow.profile, flow.size)
    shown = progress(rows, len(rows), "matching")
    kept = np.array([row for row in shown if bringing.keeps(bringing.gather(survey.read(int(row))))], np.int64)
    for line in bringing.lines():
        say(line)
    if len(kept) < 2:
        raise InputError(
            f"{survey.path}: interpolation needs at least two gathers that are large enough for {flow.name}, and of "
            f"{len(rows)} possible parents there are {len(kept)}; give a survey with more"
        )
    return kept


def child_of(parent: Gather, levels: np.ndarray, gather_id: str, source: str, origin: Origin) -> Gather:
    """A synthetic gather in the place of a real one, mid-grey outside the valid region.

    Args:
        parent: Gives label, geometry, clip amplitude and valid region. Its zero and its repairs are not passed on: a
            flow learns from images without them, and a child's amplitudes are about 0.
        levels: Grey levels, uint8 `[time, trace]`.
        gather_id: Id of the new gather.
        source: What made it.
        origin: How it was made.
    """
    image = np.full_like(levels, ZERO_LEVEL)
    valid = np.s_[: parent.valid_samples, : parent.valid_traces]
    image[valid] = levels[valid]
    return replace(
        parent,
        gather_id=gather_id,
        image=image,
        source=source,
        origin=origin,
        dead_traces=0,
        broken_traces=0,
        zero_amplitude=np.zeros((), np.float32),
        mended={},
    )


def _maker(flow: SavedFlow) -> str:
    """The flow's name and version as the beginning of ids, which have letters, digits, dots, hyphens, underscores."""
    return re.sub(r"[^\w.-]", "-", flow.name)


def _seen(flow: SavedFlow, survey: Survey, rows: Sequence[int], seed: int, number: int) -> list[Gather]:
    """Parents of one child as the flow sees them: whole gathers, or windows of them at one place.

    Raises:
        InputError: A parent cannot be matched to what the flow was trained on, or is too small.
    """
    gathers = [survey.read(row) for row in rows]
    if not flow.sees_windows:
        return gathers
    bringing = Bringing(flow.name, flow.profile, flow.size)
    gathers = [bringing.gather(gather) for gather in gathers]
    for (_, name), reason in bringing.left_out.items():
        raise InputError(f"{survey.path}: gather {name} would be a parent, but has {reason}; leave it out")
    common = [min(getattr(gather, side) for gather in gathers) for side in ("valid_samples", "valid_traces")]
    drawn = np.random.default_rng([seed, number, PLACE]).uniform(size=2).tolist()
    place = drawn_window((common[0], common[1]), flow.size, drawn)
    return [gather_window(gather, place, flow.size) for gather in gathers]


def _pairs_seen(
    flow: SavedFlow, survey: Survey, pairs: Sequence[Pair], seed: int, start: int
) -> list[tuple[Gather, Gather]]:
    """Both parents of each pair, as `_seen`; `start` is the number of the first child."""
    seen = [
        _seen(flow, survey, (pair.first, pair.second), seed, number) for number, pair in enumerate(pairs, start=start)
    ]
    return [(first, second) for first, second in seen]


def _children(flow: SavedFlow, survey: Survey, origin: Origin, start: int, pairs: Sequence[Pair]) -> Iterator[Gather]:
    parents = _pairs_seen(flow, survey, pairs, origin.seed, start)
    first, second = (
        np.stack([gather.image for gather in side])[..., np.newaxis] for side in zip(*parents, strict=True)
    )
    alpha = np.array([pair.alpha for pair in pairs], np.float32)
    made = flow.signatures[PATHS[origin.path]](first=first, second=second, alpha=alpha)["image"].numpy()[..., 0]
    for number, ((parent, other), pair, levels) in enumerate(zip(parents, pairs, made, strict=True), start=start):
        name = f"{_maker(flow)}-seed{origin.seed}-{number:06d}"
        of = replace(origin, parents=(parent.gather_id, other.gather_id), alpha=pair.alpha)
        yield child_of(parent, levels, name, f"glowseis {flow.name}", of)
