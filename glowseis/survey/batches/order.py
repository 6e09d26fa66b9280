"""Orders of epochs and seeds of draws: pure functions of a seed, an epoch and gather ids."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np


def numbered_names(gather_ids: Iterable[str]) -> list[str]:
    """Gather ids, repeated ones with the number of earlier occurrences: names for `id_order`."""
    before: Counter[str] = Counter()
    names = []
    for gather_id in gather_ids:
        # No id contains this character.
        names.append(f"{gather_id}#{before[gather_id]}" if before[gather_id] else gather_id)
        before[gather_id] += 1
    return names


def id_order(names: list[str], seed: int, epoch: int) -> np.ndarray:
    """Order of an epoch: places in `names` sorted by the hash of (seed, epoch, name), int64 `[name]`."""
    digests = [digest("order", seed, epoch, name) for name in names]
    return np.array(sorted(range(len(names)), key=digests.__getitem__), np.int64)


def digest(purpose: str, seed: int, epoch: int, name: str) -> bytes:
    """16 bytes that an epoch draws for a gather; another purpose draws different ones."""
    return hashlib.blake2b(f"{purpose}/{seed}/{epoch}/{name}".encode(), digest_size=16).digest()


def uniforms(purpose: str, seed: int, epoch: int, names: Sequence[str], count: int) -> np.ndarray:
    """Uniform numbers in [0, 1) that an epoch draws for gathers, float32 `[name, count]`; at most 16 for each."""
    joined = b"".join(
        hashlib.blake2b(f"{purpose}/{seed}/{epoch}/{name}".encode(), digest_size=4 * count).digest() for name in names
    )
    # The 24 bits that float32 holds, so that none is rounded up to 1.
    words = np.frombuffer(joined, "<u4").reshape(len(names), count) >> 8
    return words.astype(np.float32) * np.float32(2.0**-24)
