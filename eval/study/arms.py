"""The arms of a study: ways to make a fold's training set. Add one as a class here and a name in `eval.study.names`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from eval.study.makers import MAKERS, PIXEL_MIXING, SMOTE, TRACE_BLOCKS
from eval.study.material import Arm, Material, TrainingSet
from eval.study.smote import NEIGHBOURS, smote_pairs
from glowseis.export.flow import SavedFlow
from glowseis.models.grey_levels import from_levels
from glowseis.survey.amplitudes.bands import CORNER_HZ
from glowseis.survey.batches.labelled import LabelledGathers
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.render import ZERO_LEVEL, amplitudes
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import Pair, child_of, draw_pairs, interpolate_pairs, recombine_levels, synthesise_prior
from glowseis.transplant import (
    LOW_BAND,
    Move,
    bands_gather,
    check_one_interval,
    draw_moves,
    move_noise,
    onto,
    transplants,
)

_OVERSAMPLING_STREAM, _SYMMETRIC_STREAM = 2, 3

_AT_ONCE = 4
"""Gathers that a flow makes at a time, as in `glowseis.synthesis`."""


class Unchanged:
    """The recorded gathers alone."""

    name: ClassVar[str] = "none"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), _class_weights(given))


class ClassWeights:
    """The recorded gathers; each class is weighted in inverse proportion to its gathers."""

    name: ClassVar[str] = "class-weights"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), "balanced")


class LogitAdjustment:
    """The recorded gathers; the loss is adjusted for the classes' frequencies (Menon et al. 2021, arXiv 2007.07314)."""

    name: ClassVar[str] = "logit-adjustment"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), "none", logit_adjustment=True)


class Oversampling:
    """Rare gathers are repeated, drawn at random."""

    name: ClassVar[str] = "oversampling"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        again = _repeats(given)[:first]
        return TrainingSet(given.recorded(given.of_rows(again)), _class_weights(given), len(again))


class Synthetic(ABC):
    """Adds rare gathers that are made from the fold's rare training gathers."""

    name: ClassVar[str]

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        count = given.augmentations if first is None else first
        again = _repeats(given)[: round(given.recipe.study.repeated * count)]
        added = [self.added(given, count - len(again))]
        if len(again):
            added.append(given.of_rows(again))
        return TrainingSet(given.recorded(*added), _class_weights(given), count)

    def added(self, given: Material, count: int) -> LabelledGathers:
        """The first `count` of the gathers to add."""
        return given.of_synthetic(self.made(given), count)

    @abstractmethod
    def made(self, given: Material) -> Survey:
        """Make the gathers to add, through `Material.synthetic`."""


class PixelMixing(Synthetic):
    """Mixes grey levels, with the same pairs and weights as the flow."""

    name: ClassVar[str] = PIXEL_MIXING

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        return given.synthetic(
            self.name, _about(given), lambda: mixed(given, given.pairs(given.augmentations), self.name)
        )


class Smote(Synthetic):
    """Gathers between a rare one and one of its nearest rare neighbours in pixel space (Chawla et al. 2002)."""

    name: ClassVar[str] = SMOTE

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            pairs = smote_pairs(given.survey, given.rare, given.augmentations, given.seed)
            return mixed(given, pairs, self.name)

        return given.synthetic(self.name, _about(given, neighbours=NEIGHBOURS), make)


class TraceBlocks(Synthetic):
    """Blocks of a rare gather's traces in place of another gather's (`makers.block`)."""

    name: ClassVar[str] = TRACE_BLOCKS

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            moves = draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed)
            pairs = [Pair(move.host, move.donor, move.moved) for move in moves]
            return (replace(child, label=given.label) for child in mixed(given, pairs, self.name))

        return given.synthetic(self.name, _about(given), make)


class LowBand(Synthetic):
    """The noise of rare gathers on the earths of all training gathers (`glowseis.transplant`)."""

    name: ClassVar[str] = LOW_BAND

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            return transplants(
                given.survey,
                given.label,
                given.augmentations,
                given.seed,
                hosts=np.arange(len(given.survey)),
                donors=given.rare,
            )

        return given.synthetic(self.name, _about(given, corner_hz=CORNER_HZ), make)


class FreshLowBand(LowBand):
    """The same, but other gathers in every pass over the training set; those of the first are `LowBand`'s."""

    name: ClassVar[str] = "low-band-fresh"

    def added(self, given: Material, count: int) -> LabelledGathers:
        """See `Synthetic`."""

        def draw(number: int) -> list[Pair]:
            hosts = np.arange(len(given.survey))
            moves = draw_moves(hosts, given.rare, count, given.seed, first=number * count)
            return [Pair(move.host, move.donor, move.moved) for move in moves]

        return given.fresh(self.name, LOW_BAND, draw)


class Symmetric:
    """Half of every class is synthetic, so that being synthetic tells nothing; the last quarter is as `Oversampling`.

    The rare class is repeated and gets the gathers of `LowBand`. Half of each other class, drawn at random, is replaced
    by its events with the low bands of the other half.
    """

    name: ClassVar[str] = "symmetric"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        count = given.augmentations if first is None else first
        again = _repeats(given)[:count]
        within = self._within_classes(given)
        moves = [
            *within,
            *draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed),
        ]
        made = given.synthetic(
            self.name,
            _about(given, corner_hz=CORNER_HZ),
            lambda: move_noise(given.survey, moves, given.seed, self.name),
        )
        rare = min((len(given.rare) + count) // 2, count)
        gathers = given.watched(
            given.of_rows(np.setdiff1d(np.arange(len(given.survey)), [move.host for move in within])),
            given.of_synthetic(made, len(within) + rare),
            given.of_rows(again[: count - rare]),
        )
        recorded = given.recorded(given.of_rows(again))
        return TrainingSet(gathers, _class_weights(given), count, last_quarter=recorded)

    def _within_classes(self, given: Material) -> list[Move]:
        """Half of the gathers of every other class as hosts of the other half's noise, each of which is used once."""
        moves = []
        for number, label in enumerate(given.recipe.study.labels):
            if label != given.label:
                random = np.random.default_rng([given.seed, number, _SYMMETRIC_STREAM])
                rows = random.permutation(given.survey.select(labels=[label]))
                half = len(rows) // 2
                shares = random.uniform(size=half)
                triples = zip(rows[:half].tolist(), rows[half : 2 * half].tolist(), shares.tolist(), strict=True)
                moves += [Move(*one) for one in triples]
        return moves


class NoiseFlow(Synthetic):
    """New noise on the earths of all training gathers: a flow of low bands interpolates those of rare gathers.

    The noise's loudness is interpolated between its parents', as its latents are.
    """

    name: ClassVar[str] = "noise-flow"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, noise, path = given.flow("noise"), given.noise("noise"), given.recipe.study.path

        def make() -> Iterator[Gather]:
            rare = noise.select(labels=[given.label])
            pairs = draw_pairs(rare, given.augmentations, given.seed, given.recipe.study.farthest)
            moves = draw_moves(np.arange(len(given.survey)), np.array([-1]), given.augmentations, given.seed)
            bands = interpolate_pairs(flow, noise, given.label, pairs, given.seed, path)
            for number, (band, pair, move) in enumerate(zip(bands, pairs, moves, strict=True)):
                clips = [noise.read(row).clip_amplitude for row in (pair.first, pair.second)]
                louder = (clips[1] / clips[0]) ** pair.alpha
                host = given.survey.read(move.host)
                check_one_interval(host, band)
                valid = np.s_[: band.valid_samples, : band.valid_traces]
                made = onto(host, louder * amplitudes(band)[valid], given.label, move.moved)
                parents = (host.gather_id, *band.origin.parents)
                yield replace(
                    made,
                    gather_id=f"{self.name}-seed{given.seed}-{number:06d}",
                    source=band.source,
                    origin=replace(band.origin, parents=parents),
                )

        about = _about(given, flow=[flow.name, flow.about["run"]], path=path, corner_hz=CORNER_HZ)
        return given.synthetic(self.name, about, make)


class NoiseTransplant(Synthetic):
    """The moves of `LowBand`, by a flow of the low band given the rest.

    A donor's low band, encoded under its own higher frequencies, is decoded under those of the host: what of it belongs
    to the donor's events becomes the host's. The donor is moved along the cable before.
    """

    name: ClassVar[str] = "noise-transplant"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, bands = given.flow("transplant"), given.noise("transplant")

        def make() -> Iterator[Gather]:
            moves = draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed)
            ids = given.survey.index["gather_id"].to_numpy()
            for start in range(0, len(moves), _AT_ONCE):
                some = moves[start : start + _AT_ONCE]
                hosts = [given.survey.read(move.host) for move in some]
                donors = [bands.read(ids[move.donor]) for move in some]
                noises = _transplanted(flow, hosts, donors, [move.moved for move in some])
                for number, parts in enumerate(zip(hosts, donors, noises, some, strict=True), start=start):
                    host, donor, noise, move = parts
                    parents = (host.gather_id, donor.gather_id)
                    yield replace(
                        onto(host, noise, given.label),
                        gather_id=f"{self.name}-seed{given.seed}-{number:06d}",
                        source=f"glowseis {flow.name}",
                        origin=Origin(parents, move.moved, given.seed, flow.name, "transplanted"),
                    )

        about = _about(given, flow=[flow.name, flow.about["run"]], corner_hz=CORNER_HZ)
        return given.synthetic(self.name, about, make)


class FlowInterpolation(Synthetic):
    """The paper's arm: pairs are interpolated in the latent space of a flow trained on the rare class alone."""

    name: ClassVar[str] = "flow"
    which: ClassVar[Literal["rare", "all"]] = "rare"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, path = given.flow(self.which), given.recipe.study.path

        def make() -> Iterator[Gather]:
            pairs = given.pairs(given.augmentations)
            return interpolate_pairs(flow, given.survey, given.label, pairs, given.seed, path)

        return given.synthetic(self.name, _about(given, flow=[flow.name, flow.about["run"]], path=path), make)


class FlowOfAll(FlowInterpolation):
    """The same with a flow trained on all classes first."""

    name: ClassVar[str] = "flow-all"
    which: ClassVar[Literal["rare", "all"]] = "all"


class LatentLevels(Synthetic):
    """Recombined latents by a flow of all classes: the finest level of a rare gather, the others of any other gather.

    The finest level's latents keep low-frequency noise where it was, fainter, and leave the other gather's events; more
    of the fine levels break the events, and coarse ones turn the noise to speckle.
    """

    name: ClassVar[str] = "latent-levels"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, levels = given.flow("all"), [1]

        def make() -> Iterator[Gather]:
            moves = draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed)
            pairs = [Pair(move.host, move.donor, 0.0) for move in moves]
            return recombine_levels(flow, given.survey, given.label, pairs, given.seed, levels)

        about = _about(given, flow=[flow.name, flow.about["run"]], levels=levels)
        return given.synthetic(self.name, about, make)


class FlowPrior(Synthetic):
    """Samples of the flow trained on the rare class alone."""

    name: ClassVar[str] = "flow-prior"

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        flow, temperature = given.flow("rare"), given.recipe.study.temperature

        def make() -> Iterator[Gather]:
            survey, label = given.survey, given.label
            return synthesise_prior(flow, survey, label, given.augmentations, given.seed, temperature, rows=given.rare)

        about = _about(given, flow=[flow.name, flow.about["run"]], temperature=temperature)
        return given.synthetic(self.name, about, make)


_EVERY: tuple[Callable[[], Arm], ...] = (
    Unchanged,
    ClassWeights,
    Oversampling,
    PixelMixing,
    Smote,
    FlowInterpolation,
    FlowOfAll,
    LatentLevels,
    FlowPrior,
    LogitAdjustment,
    TraceBlocks,
    LowBand,
    FreshLowBand,
    Symmetric,
    NoiseFlow,
    NoiseTransplant,
)

ARM_CLASSES: dict[str, Callable[[], Arm]] = {one().name: one for one in _EVERY}
"""Arms by name; `ARM_CLASSES[name]()` makes one. The names are those of `eval.study.names.ARMS`."""


def mixed(given: Material, pairs: list[Pair], maker: str) -> Iterator[Gather]:
    """Make gathers from the grey levels of pairs (`makers.MAKERS`).

    Args:
        given: The material that the pairs are from.
        pairs: Parents and weights.
        maker: What to write in `Origin.model`.

    Yields:
        Gathers with the geometry and valid region of the first parent.
    """
    survey = given.survey
    for number, pair in enumerate(pairs):
        first, second = survey.read(pair.first), survey.read(pair.second)
        levels = MAKERS[maker](first, second, pair.alpha)
        origin = Origin((first.gather_id, second.gather_id), pair.alpha, given.seed, maker, "pixels")
        name = f"{maker}-seed{given.seed}-{number:06d}"
        yield child_of(first, levels, name, maker, origin)


def _transplanted(
    flow: SavedFlow, hosts: Sequence[Gather], donors: Sequence[Gather], moved: Sequence[float]
) -> list[np.ndarray]:
    """Low bands of donors' bands under the higher frequencies of hosts, amplitudes `[time, trace]` of the hosts."""
    rolled, seen = [], []
    for host, donor, share in zip(hosts, donors, moved, strict=True):
        check_one_interval(host, donor)
        image, traces = donor.image.copy(), donor.valid_traces
        image[:, :traces] = np.roll(image[:, :traces], -round(share * traces), axis=1)
        rolled.append(image)
        # Loudness must mean the same above and below.
        seen.append(bands_gather(host, donor.clip_amplitude).image[len(host.image) :])
    latents = flow.signatures["encode"](image=np.stack(rolled)[..., np.newaxis])
    condition = from_levels(np.stack(seen)[..., np.newaxis])
    made = flow.signatures["decode"](**{**latents, "condition": condition})["image"].numpy()[..., 0]
    noises = []
    for host, donor, image in zip(hosts, donors, made, strict=True):
        levels = image[: host.valid_samples, : host.valid_traces].astype(np.float32) - ZERO_LEVEL
        noises.append(levels / ZERO_LEVEL * np.float32(donor.clip_amplitude))
    return noises


def _repeats(given: Material) -> np.ndarray:
    """Rows of rare gathers to repeat, drawn at random, the same for all arms."""
    random = np.random.default_rng([given.seed, _OVERSAMPLING_STREAM])
    return random.choice(given.rare, given.augmentations)


def _about(given: Material, **settings: Any) -> dict[str, Any]:
    farthest = given.recipe.study.farthest
    return {"label": given.label, "count": given.augmentations, "farthest": farthest, **settings}


def _class_weights(given: Material) -> Any:
    return given.recipe.study.training.class_weights
