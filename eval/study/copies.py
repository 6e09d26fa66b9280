"""Copies of a fold's validation and test gathers are found by their images, whatever their ids."""

import hashlib

import numpy as np

from glowseis.survey.content.digests import valid_region
from glowseis.survey.content.duplicates import CANDIDATE_COSINE, Sketcher, compare
from glowseis.survey.gather import Gather
from glowseis.survey.store.survey import Survey


class CopyFinder:
    """Finds copies of validation and test gathers, whatever their ids."""

    def __init__(self, size: tuple[int, int]):
        self._sketcher = Sketcher(size)
        self._each: list[np.ndarray] = []
        self._places: list[tuple[Survey, int, str]] = []
        self._of_digest: dict[bytes, int] = {}

    def add(self, survey: Survey, row: int, gather: Gather, role: str) -> None:
        """Add a gather."""
        self._of_digest.setdefault(image_digest(gather.image), len(self._places))
        self._places.append((survey, row, f"{role}, {gather.gather_id}"))
        self._each.append(self._sketcher.sketch(valid_region(gather)))

    def _sketches(self) -> np.ndarray:
        """All sketches, float32 `[gather and shift, number]`."""
        self._each = [np.concatenate(self._each)] if len(self._each) > 1 else self._each
        return self._each[0]

    def equal(self, digest: bytes) -> str:
        """The gather whose image has this digest, as a reason to refuse; empty if there is none."""
        place = self._of_digest.get(digest)
        return "" if place is None else f"a copy of {self._places[place][2]}"

    def like(self, gather: Gather) -> str:
        """The gather with an equal or nearly equal image (`glowseis.survey.content.duplicates`); empty if none."""
        found = self.equal(image_digest(gather.image))
        if found or not self._places:
            return found
        valid = valid_region(gather)
        # The valid region that a gather claims may be wrong.
        for levels in (valid,) if valid.shape == gather.image.shape else (valid, gather.image):
            cosine = self._sketches() @ self._sketcher.sketch(levels).T
            cosine = cosine.reshape(len(self._places), len(cosine) // len(self._places), -1)
            # Either of the two may be shifted.
            earlier, later = cosine[:, :, 0], cosine[:, 0]
            for place, shift in np.argwhere(np.maximum(later, earlier) > CANDIDATE_COSINE).tolist():
                survey, row, name = self._places[place]
                judge = valid_region(survey.read(row))
                if compare(judge, levels, shift) or compare(levels, judge, shift):
                    return f"nearly a copy of {name}"
        return ""


def image_digest(image: np.ndarray) -> bytes:
    """A digest of an image, uint8 `[time, trace]`, 16 bytes."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
