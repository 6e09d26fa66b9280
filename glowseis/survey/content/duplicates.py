"""Gathers that are in a survey twice: equal ones, and ones that differ by less than two recordings would.

Neighbouring shots and cables see the same geology: in simulated lines their images correlate by 0.98 to 0.998. What
distinguishes them is their noise, which no two recordings share. Two images are near duplicates if, after a shift of
at most two samples and the best gain between 0.5 and 2, the pixels that neither clips differ by less than one grey
level and by less than 5 % of the image, both root mean square. Rounding to grey levels makes 0.3 to 0.4 of a level;
the ambient noise of two good gathers 2.8.

Comparing all pairs in this way would take days. A sketch of 128 numbers per gather, a random projection that keeps
angles to within a few per cent (Johnson and Lindenstrauss, 1984), tells which pairs are worth comparing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from glowseis.survey.content.digests import image_digest, valid_region
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.store.survey import Survey

LARGEST_SHIFT = 2
"""Samples by which a near duplicate may be shifted."""

LARGEST_DIFFERENCE, LARGEST_SHARE = 1.0, 0.05
"""Difference of near duplicates, root mean square: grey levels, and a share of the image's own."""

LARGEST_GAIN = 2.0
"""Largest gain between near duplicates, in either direction."""

CANDIDATE_COSINE = 0.998
"""Pairs of sketches at a larger angle are not compared. A gain of 1.1, which clips other pixels, is just within."""

LARGEST_WORK = 10_000_000_000
"""Most pixels that are compared; if there are more candidates, the most similar are compared."""

_TIMES, _TRACES = 16, 8
_BLOCK_BYTES = 64_000_000


@dataclass(frozen=True)
class NearDuplicate:
    """Two gathers that differ by less than two recordings would.

    Attributes:
        rows: Their row numbers.
        shift_samples: Samples by which the second one comes later.
        gain: Factor that turns the second one into the first.
        difference: Root mean square of what is left, in grey levels.
    """

    rows: tuple[int, int]
    shift_samples: int
    gain: float
    difference: float


class Sketcher:
    """Makes sketches of gathers of one size: unit vectors whose angles are nearly those of the images.

    A sketch is A (x - 128) B, with x the valid region without its last two samples and A and B matrices of random
    signs; and the same for x shifted to begin at its second and its third sample.

    Attributes:
        length: Numbers of a sketch, for each shift.
    """

    length = _TIMES * _TRACES

    def __init__(self, size: tuple[int, int]):
        random = np.random.default_rng(1984)
        self._times = random.choice(np.array([-1, 1], np.float32), (_TIMES, size[0]))
        self._traces = random.choice(np.array([-1, 1], np.float32), (size[1], _TRACES))

    def sketch(self, valid: np.ndarray) -> np.ndarray:
        """Sketch one gather.

        Args:
            valid: Grey levels of the valid region, uint8 `[time, trace]`.

        Returns:
            float32 `[LARGEST_SHIFT + 1, 128]`, one row per shift; zero where nothing differs from mid-grey.
        """
        projected = (valid.astype(np.float32) - ZERO_LEVEL) @ self._traces[: valid.shape[1]]
        samples = max(len(projected) - LARGEST_SHIFT, 0)
        made = np.stack(
            [self._times[:, :samples] @ projected[shift : shift + samples] for shift in range(LARGEST_SHIFT + 1)]
        ).reshape(LARGEST_SHIFT + 1, -1)
        length = np.linalg.norm(made, axis=1, keepdims=True)
        return np.divide(made, length, out=np.zeros_like(made), where=length > 0)


def exact_duplicates(digests: Sequence[str]) -> list[list[int]]:
    """Group gathers whose digests are equal.

    Args:
        digests: One per gather.

    Returns:
        Row numbers of each group of at least two, in the order of their first ones.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        rows_of[digest].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def equal_gathers(survey: Survey, rows: np.ndarray) -> list[list[int]]:
    """Group gathers whose images are equal, without reading them all: equal ones have the same clip amplitude.

    Args:
        survey: The survey.
        rows: Gathers to compare with each other.

    Returns:
        Row numbers of each group of at least two.

    Raises:
        InputError: A record is damaged.
    """
    facts = survey.index.iloc[rows][["clip_amplitude", "valid_samples", "valid_traces"]]
    groups = []
    for places in facts.groupby(list(facts), dropna=False, sort=False).indices.values():
        alike = np.asarray(rows)[places]
        if len(alike) > 1:
            digests = [image_digest(survey.read_images([row])[0]) for row in alike]
            groups += [[int(alike[place]) for place in group] for group in exact_duplicates(digests)]
    return groups


def candidates(sketches: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of gathers with similar sketches.

    Args:
        sketches: float32 `[gather, shift, 128]`.
        rows: Gathers to compare with each other.

    Returns:
        Rows and shift of each pair, int64 `[pair, 3]`, the second gather being the one that comes later by the shift;
        and the cosine of each, the most similar first.
    """
    found, cosines = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.float32)]
    first = sketches[rows, 0]
    block = max(1, _BLOCK_BYTES // (4 * max(len(rows), 1)))
    for shift in range(LARGEST_SHIFT + 1):
        later = sketches[rows, shift]
        for start in range(0, len(rows), block):
            cosine = first[start : start + block] @ later.T
            one, other = np.nonzero(cosine > CANDIDATE_COSINE)
            # Unshifted pairs occur twice, and each gather is similar to itself.
            kept = (one + start < other) if not shift else (one + start != other)
            one, other = one[kept], other[kept]
            found.append(np.stack([rows[one + start], rows[other], np.full(len(one), shift)], axis=1))
            cosines.append(cosine[one, other])
    pairs, cosine = np.concatenate(found), np.concatenate(cosines)
    order = np.argsort(-cosine, kind="stable")
    return pairs[order], cosine[order]


def near_duplicates(
    survey: Survey, sketches: np.ndarray, exact: Sequence[Sequence[int]]
) -> tuple[list[NearDuplicate], int, int]:
    """Find the near duplicates of a survey; the first of several equal gathers represents all of them.

    Args:
        survey: The survey from which images of candidates are read.
        sketches: float32 `[gather, shift, 128]`.
        exact: Rows of groups of equal gathers.

    Returns:
        What was found, in the order of the survey; how many candidates were compared; and how many there were.

    Raises:
        InputError: A record is damaged.
    """
    repeated = {row for rows in exact for row in rows[1:]}
    rows = np.array([row for row in range(len(survey)) if row not in repeated], np.int64)
    pairs, _ = candidates(sketches, rows)
    height, width = survey.size
    compared = pairs[: max(1, LARGEST_WORK // (height * width))]
    # Pairs with the same first gather are consecutive, so that it is read once.
    compared = compared[np.lexsort((compared[:, 1], compared[:, 0]))]
    found: dict[tuple[int, int], NearDuplicate] = {}
    for (one, other, shift), first, second in _read_pairs(survey, compared):
        found_here = compare(first, second, shift)
        rows_here = (min(one, other), max(one, other))
        if found_here is None or (rows_here in found and found[rows_here].difference <= found_here[1]):
            continue
        gain, difference = found_here
        # The first sample of the later one is sample `shift` of the earlier one.
        found[rows_here] = NearDuplicate((one, other), shift, gain, difference)
    return [found[key] for key in sorted(found)], len(compared), len(pairs)


def compare(first: np.ndarray, second: np.ndarray, shift: int = 0) -> tuple[float, float] | None:
    """Whether two images are near duplicates by the rule above.

    Args:
        first: Grey levels of the valid region, uint8 `[time, trace]`.
        second: Those of another gather.
        shift: Samples by which the second one comes later.

    Returns:
        Gain and difference, root mean square in grey levels; None if they are not.
    """
    samples = min(len(first), len(second) - shift)
    traces = min(first.shape[1], second.shape[1])
    if samples < 1 or traces < 1:
        return None
    first, second = first[:samples, :traces], second[shift : shift + samples, :traces]
    inside = (first > 0) & (first < 255) & (second > 0) & (second < 255)
    if 2 * inside.sum() < inside.size:
        return None
    one = first[inside].astype(np.float32) - ZERO_LEVEL
    other = second[inside].astype(np.float32) - ZERO_LEVEL
    power = float(other @ other)
    gain = float(one @ other) / power if power else 0.0
    if not 1 / LARGEST_GAIN <= gain <= LARGEST_GAIN:
        return None
    difference = float(np.sqrt(np.mean((one - gain * other) ** 2)))
    if difference >= min(LARGEST_DIFFERENCE, LARGEST_SHARE * float(np.sqrt(np.mean(one**2)))):
        return None
    return gain, difference


def families(count: int, exact: Sequence[Sequence[int]], near: Sequence[NearDuplicate]) -> list[list[int]]:
    """Join everything that is a duplicate of something into groups.

    Args:
        count: Gathers of the survey.
        exact: Rows of groups of equal gathers.
        near: Near duplicates.

    Returns:
        Row numbers of each group of at least two.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = [(rows[0], row) for rows in exact for row in rows[1:]] + [pair.rows for pair in near]
    if not pairs:
        return []
    one, other = np.array(pairs).T
    _, group = connected_components(
        coo_array((np.ones(len(pairs)), (one, other)), shape=(count, count)), directed=False
    )
    members: dict[int, list[int]] = defaultdict(list)
    for row in np.unique([one, other]):
        members[int(group[row])].append(int(row))
    return list(members.values())


def _read_pairs(survey: Survey, pairs: np.ndarray) -> Iterator[tuple[tuple[int, int, int], np.ndarray, np.ndarray]]:
    """Images of pairs, one pair after another; the first image is kept for the next pair."""
    last, first = -1, np.zeros((0, 0), np.uint8)
    for one, other, shift in pairs.tolist():
        if one != last:
            last, first = one, valid_region(survey.read(one))
        yield (one, other, shift), first, valid_region(survey.read(other))
