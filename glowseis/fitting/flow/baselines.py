"""Baselines for a flow's bits per dimension: lossless picture formats and a Gaussian on patches."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

PATCH = 8
"""Side of the Gaussian's patches, in samples and traces."""


def lossless_bits(images: np.ndarray, kind: str) -> float:
    """Bits per pixel of images in a lossless format at its strongest setting.

    Args:
        images: Grey levels, uint8 `[gather, time, trace]`.
        kind: `PNG` or `WEBP`. WebP has no grey mode, but three equal channels cost next to nothing.
    """
    return 8 * float(np.sum([_bytes(image, kind) for image in images])) / images.size


def _bytes(image: np.ndarray, kind: str) -> int:
    stream = io.BytesIO()
    if kind == "PNG":
        Image.fromarray(image).save(stream, kind, optimize=True)
    else:
        Image.fromarray(image).convert("RGB").save(stream, kind, lossless=True, quality=100, method=6)
    return stream.tell()


def patch_gaussian_bits(training: Iterable[np.ndarray], held_out: np.ndarray, seed: int = 0) -> float | None:
    """Bits per dimension of a full-covariance Gaussian on 8 x 8 patches of dequantised images.

    It is fitted to the patches of the training images at a stride of four, and measured on the patches that tile the
    held-out ones; incomplete patches at the bottom and the right are left out.

    Args:
        training: Grey levels of one gather after another, uint8 `[time, trace]` each.
        held_out: Grey levels, uint8 `[gather, time, trace]`.
        seed: Seed of the dequantisation noise.

    Returns:
        Bits per dimension; None if there are too few patches for a covariance, or the images are smaller than one.
    """
    if min(held_out.shape[1:]) < PATCH:
        return None
    random = np.random.default_rng(seed)
    # Image by image, so that the patches of a full survey never fill memory.
    count, total, products = 0, np.zeros(PATCH**2), np.zeros((PATCH**2, PATCH**2))
    for image in training:
        patches = _patches(image, PATCH // 2, random)
        count += len(patches)
        total += patches.sum(axis=0)
        products += patches.T @ patches
    if count <= PATCH**2:
        return None
    mean = total / count
    covariance = (products - count * np.outer(mean, mean)) / (count - 1)
    precision = np.linalg.inv(covariance)
    tiles = (_patches(image, PATCH, random) - mean for image in held_out)
    distance = np.mean([np.einsum("ij,jk,ik->i", tile, precision, tile, optimize=True).mean() for tile in tiles])
    _, log_det = np.linalg.slogdet(covariance)
    nats = 0.5 * (distance + log_det + PATCH**2 * np.log(2 * np.pi))
    # Levels are counted in units of one grey level, so there is no further term for the discretisation.
    return float(nats / (PATCH**2 * np.log(2)))


def _patches(image: np.ndarray, stride: int, random: np.random.Generator) -> np.ndarray:
    """Dequantised patches of an image, float64 `[patch, 64]`, about mid-grey."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))[::stride, ::stride]
    levels = windows.reshape(-1, PATCH**2).astype(np.float64)
    return levels - 128 + random.uniform(size=levels.shape)
