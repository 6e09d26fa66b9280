"""The arms of a study of independent surveys, made in memory: what each adds to a survey's training gathers.

They draw the same parents, shifts and weights as `eval.study.arms`, whose flows need TensorFlow.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from eval.on_jax.material import Material
from eval.on_jax.surveys import BAD, Gathers, Place, Processes, moved, with_noise, within
from eval.study.makers import PIXEL_MIXING, TRACE_BLOCKS, block, mixture
from eval.study.names import PRIMARY as FLOW
from eval.study.names import RIVAL as OVERSAMPLING
from eval.study.preparation import fold_seed
from eval.study.recipe import SettingSection, StudyRecipe
from eval.study.replicates import drawn_parts
from glowseis.survey.gather import LABELS
from glowseis.survey.pairs import draw_pairs
from glowseis.survey.render import ZERO_LEVEL
from glowseis.transplant import LOW_BAND, draw_moves

if TYPE_CHECKING:
    from eval.on_jax.flow import FittedFlow, FlowTrainer

NOISE_FLOW = "noise-flow"

OVERSAMPLING_STREAM = 2
"""As in `eval.study.synthetic`."""


class Replicate:
    """A setting's training gathers in one of the surveys, and what the arms add to them.

    Args:
        recipe: The study's recipe.
        setting: The setting.
        number: Number of the survey, from 0.
        place: Where its gathers come from.
        gathers: All of them, with low bands if an arm needs a flow of noise.

    Attributes:
        seed: Seed of pairs, moves, weights and orders, as for `eval.study.fold.Fold`.
        training: Rows of the training gathers, in order, int64 `[gather]`.
        judges: Rows of the rare gathers that judge flows.

    Raises:
        InputError: The survey has too few rare gathers.
    """

    def __init__(self, recipe: StudyRecipe, setting: SettingSection, number: int, place: Place, gathers: Gathers):
        self.recipe, self.setting, self.number, self.place, self.gathers = recipe, setting, number, place, gathers
        self.seed = fold_seed(recipe.seed, setting.name, number)
        where = f"the survey of seed {place.seed}"
        self.training, self.judges = drawn_parts(gathers.classes == BAD, gathers.lines, setting, recipe, number, where)
        self._rare = np.flatnonzero(gathers.classes[self.training] == BAD)

    @property
    def rare(self) -> np.ndarray:
        """Rows of the rare training gathers."""
        return self.training[self._rare]

    def repeats(self, arm: str) -> np.ndarray:
        """Rows of the rare gathers that an arm repeats."""
        study = self.recipe.study
        count = study.augmentations if arm == OVERSAMPLING else round(study.repeated * study.augmentations)
        random = np.random.default_rng([self.seed, OVERSAMPLING_STREAM])
        return self.training[random.choice(self._rare, study.augmentations)[:count]]

    def ids(self, arm: str) -> list[str]:
        """Ids of an arm's training gathers: the recorded ones, those that it makes, and those that it repeats."""
        made = [f"{arm}-seed{self.seed}-{number:06d}" for number in range(self.made(arm))]
        return [*self.gathers.ids[self.training], *made, *self.gathers.ids[self.repeats(arm)]]

    def rows(self, arm: str, first: int) -> np.ndarray:
        """Their places among the survey's images and those that arms make, an arm's beginning at `first`."""
        return np.concatenate([self.training, first + np.arange(self.made(arm)), self.repeats(arm)])

    def made(self, arm: str) -> int:
        """How many gathers an arm makes."""
        return self.recipe.study.augmentations - len(self.repeats(arm))

    def material(self, arm: str) -> Material:
        """What an arm's flow learns from."""
        phases = self.recipe.phases_of("noise" if arm == NOISE_FLOW else "rare")
        images = self.gathers.bands if arm == NOISE_FLOW else self.gathers.images
        labels = np.array(LABELS)[self.gathers.classes[self.training]]
        rows = [self.training[np.isin(labels, phase.labels)] for phase in phases]
        return Material(
            [images[one] for one in rows], [self.gathers.valid[one] for one in rows], images[self.judges], self.seed
        )

    def start(
        self, arm: str, processes: Processes, flow: "tuple[FlowTrainer, FittedFlow] | None" = None
    ) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """Start to make an arm's gathers: rows of those in whose places they are, and a function that waits for them.

        Args:
            arm: One of `eval.study.names.ON_JAX`.
            processes: They make what takes long.
            flow: The arm's flow, if it needs one.
        """
        count, gathers, training = self.made(arm), self.gathers, self.training
        if arm == LOW_BAND:
            moves = draw_moves(np.arange(len(training)), self._rare, count, self.seed)
            jobs = [(int(training[one.host]), int(training[one.donor]), one.moved) for one in moves]
            return training[[one.host for one in moves]], processes.made(moved, self.place, jobs)
        if arm == TRACE_BLOCKS:
            moves = draw_moves(np.arange(len(training)), self._rare, count, self.seed)
            hosts, donors = (training[[getattr(one, side) for one in moves]] for side in ("host", "donor"))
            levels = [
                block(gathers.images[host], gathers.images[donor], one.moved)
                for host, donor, one in zip(hosts, donors, moves, strict=True)
            ]
            return hosts, lambda: within(gathers.valid[hosts], np.stack(levels))
        if arm == OVERSAMPLING:
            return training[:0], lambda: np.zeros((0, *gathers.images.shape[1:]), np.uint8)
        pairs = draw_pairs(self.rare, count, self.seed, self.recipe.study.farthest)
        first, second = (np.array([getattr(one, side) for one in pairs]) for side in ("first", "second"))
        alpha = np.array([one.alpha for one in pairs])
        if arm == PIXEL_MIXING:
            mixed = [mixture(*one) for one in zip(gathers.images[first], gathers.images[second], alpha, strict=True)]
            return first, lambda: within(gathers.valid[first], np.stack(mixed))
        assert flow is not None
        images = gathers.bands if arm == NOISE_FLOW else gathers.images
        between = flow[0].interpolated(flow[1], images[first], images[second], alpha.astype(np.float32))
        if arm == FLOW:
            return first, lambda: within(gathers.valid[first], between)
        moves = draw_moves(np.arange(len(training)), np.array([-1]), count, self.seed)
        louder = []
        for one, number, other, share, move in zip(between, first, second, alpha, moves, strict=True):
            samples, traces = gathers.valid[number]
            clip = gathers.clips[number] * (gathers.clips[other] / gathers.clips[number]) ** share
            noise = (one[:samples, :traces].astype(np.float32) - ZERO_LEVEL) / ZERO_LEVEL * np.float32(clip)
            louder.append((int(training[move.host]), noise, move.moved))
        return training[[one.host for one in moves]], processes.made(with_noise, self.place, louder)
