"""Whether samples make sense as what a file says they are.

A wrong format code or byte order still gives numbers, but these would take too many bits: true amplitudes are close to
each other, while those of a wrong reading jump over the whole range of exponents or integers. IBM and IEEE floats of
one byte order differ little; there the first hexadecimal digit of the fraction decides, which is never 0 in IBM floats
(they are normalised to base 16) but about once in a dozen IEEE floats. Floats, or integers of the other signedness,
that are read as integers are recognised by a gap about zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from glowseis.survey.formats.segy_samples import FORMATS, IBM, IEEE, SampleFormat

FEWEST = 64
"""Non-zero samples needed for a decision."""

FEWEST_KINDS = 8
"""Fewest different samples of a usable trace, whose two commonest values are at most half of all: a square wave, such
as a saturated trace, is not evidence."""

MARGIN_BITS = 3.0
"""Bits per sample that another reading must save."""

MARGIN_OF_DOUBLES_BITS = 16.0
"""The same for integers of the other byte order in place of 64-bit floats. Amplitudes of 32 bits about a constant of 64
resemble them, because the last digits of most samples are those of the constant: they save up to 13 bits."""

FEWEST_HOLLOW = 200
"""Fewest integers to decide whether small ones are missing."""

FEWEST_EXPONENTS, FEWEST_DIGITS = 4, 20
"""Fewest exponents of IEEE floats, and floats whose first digit is 1, to decide by the digits."""


class Reading(NamedTuple):
    """A way to read samples: their format and their byte order, `>` or `<`."""

    form: SampleFormat
    order: str

    def __str__(self) -> str:
        """The reading in words."""
        if self.form.size_bytes == 1:
            return self.form.text
        return f"{'big' if self.order == '>' else 'little'}-endian {self.form.text}"


def better_reading(
    samples: np.ndarray, declared: Reading, *, other_formats: bool = True, other_orders: bool = True
) -> Reading | None:
    """Look for a reading under which samples make sense, if they do not as declared.

    Args:
        samples: Bytes of some traces, uint8 `[trace, samples x size]`.
        declared: What the file says they are.
        other_formats: Whether the format may be wrong.
        other_orders: Whether the byte order may be wrong.

    Returns:
        The better reading; None if the declared one is fine, or there are too few samples to tell.
    """
    size = declared.form.size_bytes
    words = samples.view(f">u{size}").astype(f"u{size}")
    words = words[[_is_telling(row) for row in words]]
    if np.count_nonzero(words) < FEWEST:
        return None
    orders: Sequence[str] = (declared.order, *(("<" if declared.order == ">" else ">",) if other_orders else ()))
    forms = [each for each in FORMATS if each.size_bytes == size] if other_formats else [declared.form]
    readings = [Reading(form, order) for order in orders[: 1 if size == 1 else 2] for form in forms]
    # A wrong reading gives any numbers, NaN and infinity included.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        cost = {reading: bits_a_sample(words, reading) for reading in readings}
    best = min(cost, key=lambda reading: cost[reading])
    # Random bits make no sense in any format, not even as loud integers.
    swapped = best.order != declared.order and best.form.kind[0] != "f"
    margin_bits = MARGIN_OF_DOUBLES_BITS if swapped and declared.form.kind == "f8" else MARGIN_BITS
    enough = cost[best] <= min(cost[declared] - margin_bits, 8 * size - 1)
    chosen = best if enough and not _twins(best, declared) else declared
    if other_formats and chosen.form is not IBM and chosen.form.kind[0] in "iu":
        chosen = Reading(_not_integers(words, chosen, cost) or chosen.form, chosen.order)
    if chosen.form in (IBM, IEEE) and other_formats:
        chosen = Reading(_ibm_or_ieee(words, chosen, cost), chosen.order)
    return None if chosen == declared else chosen


def _is_telling(trace: np.ndarray) -> bool:
    """Whether a trace is usable as evidence."""
    kinds, counts = np.unique(trace[trace != 0], return_counts=True)
    return len(kinds) >= FEWEST_KINDS and bool(np.sort(counts)[-2:].sum() <= counts.sum() / 2)


def _twins(one: Reading, other: Reading) -> bool:
    """Whether two readings are IBM and IEEE floats of one byte order, which bit counts do not distinguish."""
    return one.order == other.order and {one.form, other.form} == {IBM, IEEE}


def bits_a_sample(words: np.ndarray, reading: Reading) -> float:
    """How many bits a sample would take, to its last digit, if a reading were right.

    Each trace is coded as values or as differences of neighbours, whichever is shorter, under a Cauchy density scaled
    by their median size, so that spikes cost little. Digits that are 0 in nearly all samples cost nothing.

    Args:
        words: Big-endian words, unsigned `[trace, sample]`.
        reading: How they are read.

    Returns:
        Bits, the median over traces.
    """
    words = words if reading.order == ">" else words.byteswap()
    value, step, fraction = _decoded(words, reading.form)
    finite = np.isfinite(value)
    width = 8.0 * words.itemsize
    odd = ~finite
    # A valid file has one kind of NaN; many kinds are something else read as floats.
    many_kinds = len(np.unique(words[odd])) > 4
    zeros = np.where(fraction != 0, _trailing_zeros(fraction), 64)
    costs = []
    for row in range(len(words)):
        good = finite[row] & (value[row] != 0)
        if good.sum() < 4:
            costs.append(width if many_kinds else np.nan)
            continue
        grain = step[row] + min(np.sort(zeros[row][good])[good.sum() // 10], width)
        plain = _bits(value[row], grain, good)
        steps = _bits(np.diff(value[row]), grain[1:], good[1:] & finite[row][:-1])
        cost = min(plain, steps)
        if many_kinds:
            share = np.mean(odd[row])
            cost = cost * (1 - share) + width * share
        costs.append(cost)
    known = [each for each in costs if not np.isnan(each)]
    return float(np.median(known)) if known else width


def _bits(value: np.ndarray, grain: np.ndarray, good: np.ndarray) -> float:
    """Bits of the good values, each to a precision whose binary logarithm is given."""
    size = np.abs(value[good])
    some = np.sort(size[size > 0])
    if not some.size:
        return 1.0 if size.size else np.inf
    with np.errstate(divide="ignore"):
        relative = np.log2(size) - np.log2(some[some.size // 2])
    return float(np.mean(np.log2(np.pi) + np.log2(some[some.size // 2]) + np.logaddexp2(0, 2 * relative) - grain[good]))


def _decoded(words: np.ndarray, form: SampleFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, binary logarithms of the steps between neighbouring values, and fractions whose last digits matter."""
    if form is IBM:
        exponent = 4 * ((words >> 24 & 0x7F).astype(np.int64) - 64) - 24
        fraction = words & 0xFFFFFF
        sign = np.where(words >> 31, -1.0, 1.0)
        return sign * np.ldexp(fraction.astype(np.float64), exponent), exponent.astype(np.float64), fraction
    if form.kind[0] == "f":
        digits, most, bias = (23, 0xFF, 150) if form.size_bytes == 4 else (52, 0x7FF, 1075)
        exponent = (words >> digits & most).astype(np.int64)
        fraction = words & words.dtype.type((1 << digits) - 1)
        hidden = np.where(exponent > 0, words.dtype.type(1 << digits), words.dtype.type(0))
        return (
            words.view(form.kind).astype(np.float64),
            np.maximum(exponent, 1).astype(np.float64) - bias,
            fraction | hidden,
        )
    value = words.view(form.kind).astype(np.float64)
    return value, np.zeros(words.shape), words


def _trailing_zeros(words: np.ndarray) -> np.ndarray:
    lowest = words & (~words + words.dtype.type(1))
    return np.log2(np.maximum(lowest, 1).astype(np.float64))


def _not_integers(words: np.ndarray, reading: Reading, cost: dict[Reading, float]) -> SampleFormat | None:
    """What integers really are, if there are loud ones of both signs and none about zero."""
    words = words if reading.order == ">" else words.byteswap()
    words = words[words != 0]
    if not _is_hollow(words, reading.form):
        return None
    size = reading.form.size_bytes
    signs = [form for form in FORMATS if form.size_bytes == size and form.kind[0] in "iu" and form is not IBM]
    for form in signs:
        if not _is_hollow(words, form) and cost[Reading(form, reading.order)] <= cost[reading]:
            return form
    floats = [form for form in FORMATS if form.size_bytes == size and form not in signs]
    digits = 52 if size == 8 else 23
    counts = np.bincount((words >> digits & 0x7F).astype(np.int64))
    if not floats or np.count_nonzero(counts > 0.01 * len(words)) < FEWEST_EXPONENTS:
        return None
    return min(floats, key=lambda form: cost[Reading(form, reading.order)])


def _is_hollow(words: np.ndarray, form: SampleFormat) -> bool:
    """Whether integers have both signs and large values but almost no small ones, unlike any recording."""
    value = words.view(form.kind).astype(np.float64)
    if form.kind[0] == "u":
        value -= 2.0 ** (8 * form.size_bytes - 1)
    middle = np.median(np.abs(value))
    both = 0.05 <= np.mean(value < 0) <= 0.95
    few = np.mean(np.abs(value) < middle / 8) < 0.002
    return bool(len(words) >= FEWEST_HOLLOW and middle >= 64 and both and few)


def _ibm_or_ieee(words: np.ndarray, reading: Reading, cost: dict[Reading, float]) -> SampleFormat:
    """Distinguish IBM from IEEE floats by the first hexadecimal digit of the fraction."""
    words = words if reading.order == ">" else words.byteswap()
    other = Reading(IEEE if reading.form is IBM else IBM, reading.order)
    exponent = words >> 23 & 0xFF
    words = words[(exponent > 0) & (exponent < 255)]
    digit = words >> 20 & 0xF
    counts = np.bincount(digit, minlength=16)
    if reading.form is IBM:
        # Zeros with an exponent are not evidence of IEEE floats.
        unnormalised = np.count_nonzero((digit == 0) & (words & 0xFFFFFF != 0))
        wrong = unnormalised >= 5 and unnormalised > 0.02 * len(words) and cost[other] <= cost[reading] + 2
    else:
        # Amplitudes about a large constant have few exponents and first digits, and none may be 0.
        spread = np.count_nonzero(np.bincount(words >> 23 & 0xFF) > 0.01 * len(words)) >= FEWEST_EXPONENTS
        many = spread and np.count_nonzero(counts[1:] > 0.01 * len(words)) >= FEWEST_KINDS
        wrong = (
            many and counts[1] >= FEWEST_DIGITS and counts[0] <= 0.01 * counts[1] and cost[other] <= cost[reading] + 6
        )
    return other.form if wrong and cost[other] <= 8 * words.itemsize - 1 else reading.form
