"""Which gathers to label next: a mixture of several reasons, several shots apart."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from glowseis.errors import InputError

RANDOM, SECOND_LOOK, RARE, UNCERTAIN, DIFFERENT = "random", "second look", "rare class", "uncertain", "different"

DISPUTED = f"{SECOND_LOOK} (judges disagree)"

REASONS = {
    RANDOM: "drawn at random, whatever it is; class fractions are estimated from these alone",
    SECOND_LOOK: "its label may be wrong",
    DISPUTED: "judges gave it different labels, and none of them has judged it twice",
    RARE: "most likely to be of the rare class",
    UNCERTAIN: "its two most probable classes are almost equally probable",
    DIFFERENT: "farthest from all labelled gathers in the classifier's features",
}
"""Why a gather is chosen."""

JUDGED = "judged"
"""The column of a table of choices that says when a gather had last been judged; empty if never or unknown."""

SHARES = {RANDOM: 0.2, SECOND_LOOK: 0.08, RARE: 0.08, UNCERTAIN: 0.56, DIFFERENT: 0.08}
"""Share of each reason."""

APART = 10
"""Fewest shots between two gathers of a line and cable."""

AT_ONCE = 256
"""Centres whose distances are computed together."""

ORDER_STREAM = 31


@dataclass(frozen=True)
class Choice:
    """A gather to label.

    Attributes:
        row: Its row in the survey.
        reason: One of `REASONS`.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class Known:
    """What is known of a survey's gathers; all arrays are in its order.

    Attributes:
        probabilities: Of the classes, for the class fractions of the survey, float64 `[gather, class]`.
        features: The classifier's, standardised, `[gather, feature]`.
        order: Row numbers in random order, as `glowseis.choosing.fractions.random_order` gives them.
        judged: Whether each was judged, bool `[gather]`.
        open: Whether it may be chosen, bool `[gather]`; not if it was judged.
        lines: Sail line of each, `[gather]`.
        shots: Its shot; 0 if unknown.
        cables: Its cable.
        suspects: Rows of those whose labels may be wrong, the most suspicious first.
        rare: Number of the rare class.
        disputed: Rows of those on which judges disagree, in the order in which they come back.
    """

    probabilities: np.ndarray
    features: np.ndarray
    order: np.ndarray
    judged: np.ndarray
    open: np.ndarray
    lines: np.ndarray
    shots: np.ndarray
    cables: np.ndarray
    suspects: np.ndarray
    rare: int
    disputed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def parse_shares(words: Iterable[str]) -> dict[str, float]:
    """Read shares such as `random=0.5`.

    Args:
        words: Texts of a reason, an equals sign and a number; blanks in a reason may be hyphens.

    Returns:
        Shares of all reasons, in any unit; those that are not named keep theirs of `SHARES`.

    Raises:
        InputError: There is no such reason, its share is not a number of at least 0, or all are 0.
    """
    shares = dict(SHARES)
    for word in words:
        name, equals, text = word.partition("=")
        reason = name.strip().replace("-", " ")
        if not equals:
            raise InputError(f"--share {word}: write REASON=SHARE, such as random=0.5")
        if reason not in shares:
            known = ", ".join(one.replace(" ", "-") for one in SHARES)
            raise InputError(f"--share {word}: there is no reason {name.strip()!r}; choose from {known}")
        try:
            shares[reason] = float(text)
        except ValueError:
            shares[reason] = math.nan
        if not 0 <= shares[reason] < math.inf:
            raise InputError(f"--share {word}: {text!r} is not a share; give 0 or more, such as {name}=0.5")
    if not sum(shares.values()) > 0:
        raise InputError("--share: all shares are 0; give at least one reason a share above 0")
    return shares


def numbers_of(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many gathers each reason gets, by largest remainders.

    Args:
        count: How many there are in all.
        shares: Share of each reason, in any unit.
    """
    total = sum(shares.values())
    exact = {reason: count * share / total for reason, share in shares.items()}
    numbers = {reason: int(one) for reason, one in exact.items()}
    left = sorted(exact, key=lambda reason: numbers[reason] - exact[reason])
    for reason in left[: count - sum(numbers.values())]:
        numbers[reason] += 1
    return numbers


def choose(known: Known, count: int, shares: Mapping[str, float], apart: int, seed: int) -> list[Choice]:
    """Choose gathers to label.

    Random choices are the next of the random order. If some of them are judged already, other reasons get more gathers.
    Choices keep their distance along a line from each other and from judged gathers, until no such gathers are left;
    random ones and second looks need not. A reason that runs out of gathers leaves the rest to the rare class, the
    uncertain and the different.

    Args:
        known: What is known of the survey's gathers.
        count: How many to choose; fewer if fewer are left.
        shares: Share of each reason, as `parse_shares` gives them.
        apart: Fewest shots between two gathers of a line and cable.
        seed: Seed of the order of the choices, in which reasons are mixed; random ones keep the random order.

    Returns:
        The choices, each gather once.
    """
    numbers = numbers_of(count, shares)
    reasons: dict[int, str] = {}
    for row in _drawn(known, numbers[RANDOM]):
        reasons[row] = RANDOM
    reasons |= _second_looks(known)[: numbers[SECOND_LOOK]]
    wanted = {reason: shares[reason] for reason in (RARE, UNCERTAIN, DIFFERENT)}
    free = count - len(reasons)
    own = numbers_of(free, wanted) if any(wanted.values()) else {}
    if not own and numbers[RANDOM]:
        # Whoever wants random gathers alone gets the next ones for those that are judged already.
        for row in [row for row in known.order.tolist() if known.open[row] and row not in reasons][:free]:
            reasons[row] = RANDOM
    spread = _Spread(known, apart, reasons) if any(own.values()) else None
    for reason, number in own.items():
        if not number or spread is None:
            continue
        score = _score(reason, known, reasons)
        for _ in range(number):
            best = spread.best(score())
            if best is None:
                break
            reasons[best] = reason
            spread.take(best)
    mixed = np.random.default_rng([seed, ORDER_STREAM, int(known.judged.sum())]).permutation(sorted(reasons)).tolist()
    # The sample grows with every random choice that is judged only if they are judged in its order.
    drawn = iter([row for row in known.order.tolist() if reasons.get(row) == RANDOM])
    return [Choice(next(drawn) if reasons[row] == RANDOM else row, reasons[row]) for row in mixed]


def is_second_look(reason: str) -> bool:
    """Whether a gather that was chosen for a reason is to be judged again by whoever judged it before.

    Args:
        reason: One of `REASONS`, or a user's own words that begin with `SECOND_LOOK`.
    """
    return reason.startswith(SECOND_LOOK)


def _second_looks(known: Known) -> list[tuple[int, str]]:
    """Gathers that may come back, those of both reasons by turns: rows, and why."""
    both = [
        [(row, why) for row in rows.tolist()]
        for rows, why in ((known.disputed, DISPUTED), (known.suspects, SECOND_LOOK))
    ]
    return [one for pair in itertools.zip_longest(*both) for one in pair if one]


def _drawn(known: Known, count: int) -> list[int]:
    """Rows of the next random choices that are not judged yet."""
    judged = known.judged[known.order]
    first = int(np.argmin(judged)) if not judged.all() else len(judged)
    return [row for row in known.order[first : first + count].tolist() if known.open[row]]


def _score(reason: str, known: Known, chosen: Mapping[int, str]) -> Callable[[], np.ndarray]:
    """A function that scores all gathers, `[gather]`; the highest is chosen next."""
    if reason == DIFFERENT:
        return _Farthest(known, chosen)
    fixed = known.probabilities[:, known.rare] if reason == RARE else -_margin(known.probabilities)
    return lambda: fixed


def _margin(probabilities: np.ndarray) -> np.ndarray:
    """How much more probable the most probable class is than the next (Scheffer et al. 2001)."""
    two = np.sort(probabilities, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


class _Spread:
    """Finds the best gathers that are neither taken nor near those that are."""

    def __init__(self, known: Known, apart: int, taken: Iterable[int]):
        self._known, self._apart = known, apart
        self._open = known.open.copy()
        self._near = np.zeros(len(self._open), bool)
        for row in np.flatnonzero(known.judged).tolist():
            self._block(row)
        for row in taken:
            self.take(row)

    def take(self, row: int) -> None:
        """Note a gather that is taken."""
        self._open[row] = False
        self._block(row)

    def best(self, scores: np.ndarray) -> int | None:
        """Row of the gather with the highest score, of those far from others if there are any; None without any."""
        for allowed in (self._open & ~self._near, self._open):
            if allowed.any():
                return int(np.argmax(np.where(allowed, scores, -np.inf)))
        return None

    def _block(self, row: int) -> None:
        known = self._known
        if self._apart < 1 or not known.shots[row]:
            return
        same = (known.lines == known.lines[row]) & (known.cables == known.cables[row]) & (known.shots != 0)
        self._near |= same & (np.abs(known.shots - known.shots[row]) < self._apart)


class _Farthest:
    """Distance of every gather to the nearest that is labelled or chosen: the greedy choice of k centres.

    Source: Sener and Savarese, Active learning for convolutional neural networks: a core-set approach, 2018,
    https://arxiv.org/abs/1708.00489, algorithm 1.
    """

    def __init__(self, known: Known, chosen: Mapping[int, str]):
        self._known, self._chosen, self._counted = known, chosen, set[int]()
        self._nearest = np.full(len(known.features), np.inf)
        self._count(np.flatnonzero(known.judged).tolist() or [_middle(known.features)])

    def __call__(self) -> np.ndarray:
        self._count([row for row in self._chosen if row not in self._counted])
        return self._nearest

    def _count(self, rows: list[int]) -> None:
        features = self._known.features
        squares = np.einsum("gf,gf->g", features, features)
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            away = squares[:, np.newaxis] + squares[some] - 2 * features @ features[some].T
            self._nearest = np.minimum(self._nearest, np.maximum(away, 0).min(axis=1))
        self._counted.update(rows)


def _middle(features: np.ndarray) -> int:
    """Row of the gather nearest to the mean, the centre to begin with if nothing is labelled."""
    return int(np.argmin(np.sum((features - features.mean(axis=0)) ** 2, axis=1)))
