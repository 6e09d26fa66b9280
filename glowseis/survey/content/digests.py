"""Short digests of images, by which equal ones are found without keeping them."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from glowseis.survey.gather import Gather
from glowseis.survey.store.survey import Survey

DIGEST_BYTES = 16
"""Bytes of a digest: among a million different images, two have the same with a probability below 1e-26."""


def valid_region(gather: Gather) -> np.ndarray:
    """Grey levels of what was recorded, uint8 `[valid_samples, valid_traces]`."""
    return gather.image[: gather.valid_samples, : gather.valid_traces]


def valid_images(survey: Survey, rows: Iterable[int]) -> Iterator[np.ndarray]:
    """The valid regions of some gathers of a survey, one after another.

    Args:
        survey: The survey.
        rows: Row numbers.

    Raises:
        InputError: A record is damaged.
    """
    return (valid_region(survey.read(int(row))) for row in rows)


def image_digest(valid: np.ndarray) -> str:
    """The BLAKE2b digest of an image and its shape, as hexadecimal digits.

    Args:
        valid: Grey levels of the valid region, uint8 `[time, trace]`.

    """
    key = str(valid.shape).encode()
    return hashlib.blake2b(np.ascontiguousarray(valid).data, digest_size=DIGEST_BYTES, key=key).hexdigest()
