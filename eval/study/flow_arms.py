"""The arms whose gathers a flow makes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from eval.study.material import Material
from eval.study.synthetic import Synthetic, about_of
from glowseis.export.flow import SavedFlow
from glowseis.models.grey_levels import from_levels
from glowseis.survey.amplitudes.bands import CORNER_HZ
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.pairs import Pair, draw_pairs
from glowseis.survey.render import ZERO_LEVEL, amplitudes
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import interpolate_pairs, recombine_levels, synthesise_prior
from glowseis.transplant import bands_gather, check_one_interval, draw_moves, onto

_AT_ONCE = 4
"""Gathers that a flow makes at a time, as in `glowseis.synthesis`."""


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

        about = about_of(given, flow=[flow.name, flow.about["run"]], path=path, corner_hz=CORNER_HZ)
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

        about = about_of(given, flow=[flow.name, flow.about["run"]], corner_hz=CORNER_HZ)
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

        return given.synthetic(self.name, about_of(given, flow=[flow.name, flow.about["run"]], path=path), make)


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

        about = about_of(given, flow=[flow.name, flow.about["run"]], levels=levels)
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

        about = about_of(given, flow=[flow.name, flow.about["run"]], temperature=temperature)
        return given.synthetic(self.name, about, make)


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
