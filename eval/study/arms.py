"""The arms of a study: ways to make a fold's training set. Add one as a class here and a name in `eval.study.names`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from eval.study.flow_arms import FlowInterpolation, FlowOfAll, FlowPrior, LatentLevels, NoiseFlow, NoiseTransplant
from eval.study.makers import PIXEL_MIXING, SMOTE, TRACE_BLOCKS
from eval.study.material import Arm, Material, TrainingSet
from eval.study.smote import NEIGHBOURS, smote_pairs
from eval.study.synthetic import Synthetic, about_of, class_weights_of, mixed, repeats
from glowseis.survey.amplitudes.bands import CORNER_HZ
from glowseis.survey.batches.labelled import LabelledGathers
from glowseis.survey.gather import Gather
from glowseis.survey.pairs import Pair
from glowseis.survey.store.survey import Survey
from glowseis.transplant import LOW_BAND, Move, draw_moves, move_noise, transplants

_SYMMETRIC_STREAM = 3


class Unchanged:
    """The recorded gathers alone."""

    name: ClassVar[str] = "none"

    def training_set(self, given: Material, first: int | None = None) -> TrainingSet:
        """See `Arm`."""
        return TrainingSet(given.recorded(), class_weights_of(given))


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
        again = repeats(given)[:first]
        return TrainingSet(given.recorded(given.of_rows(again)), class_weights_of(given), len(again))


class PixelMixing(Synthetic):
    """Mixes grey levels, with the same pairs and weights as the flow."""

    name: ClassVar[str] = PIXEL_MIXING

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""
        return given.synthetic(
            self.name, about_of(given), lambda: mixed(given, given.pairs(given.augmentations), self.name)
        )


class Smote(Synthetic):
    """Gathers between a rare one and one of its nearest rare neighbours in pixel space (Chawla et al. 2002)."""

    name: ClassVar[str] = SMOTE

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            pairs = smote_pairs(given.survey, given.rare, given.augmentations, given.seed)
            return mixed(given, pairs, self.name)

        return given.synthetic(self.name, about_of(given, neighbours=NEIGHBOURS), make)


class TraceBlocks(Synthetic):
    """Blocks of a rare gather's traces in place of another gather's (`makers.block`)."""

    name: ClassVar[str] = TRACE_BLOCKS

    def made(self, given: Material) -> Survey:
        """See `Synthetic`."""

        def make() -> Iterator[Gather]:
            moves = draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed)
            pairs = [Pair(move.host, move.donor, move.moved) for move in moves]
            return (replace(child, label=given.label) for child in mixed(given, pairs, self.name))

        return given.synthetic(self.name, about_of(given), make)


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

        return given.synthetic(self.name, about_of(given, corner_hz=CORNER_HZ), make)


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
        again = repeats(given)[:count]
        within = self._within_classes(given)
        moves = [
            *within,
            *draw_moves(np.arange(len(given.survey)), given.rare, given.augmentations, given.seed),
        ]
        made = given.synthetic(
            self.name,
            about_of(given, corner_hz=CORNER_HZ),
            lambda: move_noise(given.survey, moves, given.seed, self.name),
        )
        rare = min((len(given.rare) + count) // 2, count)
        gathers = given.watched(
            given.of_rows(np.setdiff1d(np.arange(len(given.survey)), [move.host for move in within])),
            given.of_synthetic(made, len(within) + rare),
            given.of_rows(again[: count - rare]),
        )
        recorded = given.recorded(given.of_rows(again))
        return TrainingSet(gathers, class_weights_of(given), count, last_quarter=recorded)

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
