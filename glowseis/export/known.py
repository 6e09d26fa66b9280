"""Gathers that trained a model, recognised by their ids or by their images."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glowseis.survey.content.digests import image_digest, valid_region
from glowseis.survey.gather import Gather

IDS = ("training_ids", "validation_ids", "held_out_ids", "earlier_ids")
"""Keys of the ids of gathers that trained a model, chose its weights, or trained the one that it started from."""

DIGESTS = "known_digests"
"""Key of the digests of the same gathers' images; a model of an older glowseis has none."""


@dataclass(frozen=True)
class KnownGathers:
    """Gathers that trained a model or chose its weights, or did so for the one that it started from.

    Attributes:
        ids: Their ids.
        digests: Digests of their images (`image_digest`), as the model sees them.
    """

    ids: frozenset[str]
    digests: frozenset[str]

    def __contains__(self, gather: Gather) -> bool:
        return self.has(gather.gather_id, lambda: gather)

    def has(self, gather_id: str, read: Callable[[], Gather]) -> bool:
        """Whether a gather is among them; it is read only if its id does not tell.

        Args:
            gather_id: Its id.
            read: Gives the gather, as the model sees it.
        """
        return gather_id in self.ids or (bool(self.digests) and image_digest(valid_region(read())) in self.digests)


def known_gathers(about: Mapping[str, Any]) -> KnownGathers:
    """The gathers that a model knows.

    Args:
        about: Its SavedModel's record.
    """
    ids = (str(name) for part in IDS for name in about.get(part, ()))
    return KnownGathers(frozenset(ids), frozenset(map(str, about.get(DIGESTS, ()))))


def known_digests(images: Iterable[np.ndarray], *earlier: KnownGathers) -> dict[str, list[str]]:
    """What a SavedModel records of the images that it knows.

    Args:
        images: Grey levels of the valid regions, uint8 `[time, trace]`.
        earlier: What other models know that took part.
    """
    # An image of one level tells nothing of where it is from.
    found = {image_digest(image) for image in images if image.size and image.min() < image.max()}
    return {DIGESTS: sorted(found.union(*(one.digests for one in earlier)))}


def optimism(gathers: str, name: str) -> str:
    """What is said of the grades of gathers that trained a classifier.

    Args:
        gathers: How many they are, such as `3 gathers` or `3 of the 20 records`.
        name: The classifier's name.
    """
    return f"{gathers} trained {name} or chose its weights (same id or same image): such grades are optimistic"
