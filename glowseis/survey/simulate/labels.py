"""What disturbs a gather, and how a person would grade it.

The rule looks at the noise that was put in. Swell noise counts by the root mean square that its bands add to
the gather, so by how loud and how wide they are; loud narrow columns make a gather medium but never bad, so
that no threshold on amplitude alone can tell the classes. A judge is not exact: each look multiplies what is
seen by a random factor, and gathers near a threshold are graded either way.

To have the asked-for fractions exactly in expectation, a gather's label is drawn first and its noise after
it, again and again until the judge gives that label. That is the noise's distribution given the label,
whatever the fractions.
"""

import math
from dataclasses import dataclass

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS

PAPER_FRACTIONS = (66.68, 31.54, 1.76)
"""Per cent of good, medium and bad gathers (section 5.1 of the paper)."""

BAD_SWELL_MICROBAR = 1.35
MEDIUM_SWELL_MICROBAR = 0.6
MEDIUM_COLUMNS_MICROBAR = 0.75
MEDIUM_ANOMALOUS_SHARE = 0.015
ANOMALOUS_MICROBAR = 20.0
"""One per cent of anomalous traces weighs as much as this many hundredths of a microbar of swell."""
JUDGE_SPREAD = 0.15
"""Standard deviation of the logarithm of the factor by which a judge over- or underestimates noise."""

_SWELL_WIDTH_TRACES = (6, 35)
_COLUMN_WIDTH_TRACES = (3, 26)
_MOST_DRAWS = 100_000


@dataclass(frozen=True)
class Band:
    """Neighbouring noisy traces.

    Attributes:
        first: Index of the first trace.
        traces: How many.
        level_microbar: Root mean square of the noise on them.
    """

    first: int
    traces: int
    level_microbar: float


@dataclass(frozen=True)
class NoisePlan:
    """How much of each kind of noise a gather gets.

    Attributes:
        traces: Traces of the gather.
        ambient_microbar: Root mean square of the noise that is on every trace.
        swell: Bands of swell noise.
        columns: Bands of loud traces of higher frequency.
        dead: Indices of traces without signal.
        weak: Indices of traces recorded too weakly.
        reversed: Indices of traces of wrong polarity.
        spiky: Indices of traces with spikes.
        vessel_microbar: Root mean square, at the near end, of noise from the towing vessel; 0 for none.
        interference_microbar: Peak of another vessel's shots; 0 for none.
    """

    traces: int
    ambient_microbar: float
    swell: tuple[Band, ...]
    columns: tuple[Band, ...]
    dead: tuple[int, ...]
    weak: tuple[int, ...]
    reversed: tuple[int, ...]
    spiky: tuple[int, ...]
    vessel_microbar: float
    interference_microbar: float

    @property
    def swell_microbar(self) -> float:
        """Root mean square that swell adds to the whole gather."""
        return _gather_level(self.swell, self.traces)

    @property
    def columns_microbar(self) -> float:
        """Root mean square that loud columns add to the whole gather."""
        return _gather_level(self.columns, self.traces)

    @property
    def anomalous_share(self) -> float:
        """Share of dead, weak, reversed and spiky traces."""
        return len({*self.dead, *self.weak, *self.reversed, *self.spiky}) / self.traces


def check_fractions(fractions: tuple[float, float, float]) -> tuple[float, ...]:
    """Shares of good, medium and bad that sum to 1.

    Args:
        fractions: Any unit, such as per cent.

    Returns:
        The shares.

    Raises:
        InputError: Not three finite numbers of at least 0 with a positive sum.
    """
    total = sum(fractions)
    right = len(fractions) == len(LABELS) and all(0.0 <= part < math.inf for part in fractions)
    if not (right and 0.0 < total < math.inf):
        given = ",".join(f"{part:g}" for part in fractions)
        raise InputError(f"fractions {given}: give three numbers of at least 0, not all 0, such as 66.68,31.54,1.76")
    return tuple(part / total for part in fractions)


def judge(plan: NoisePlan, swell_factor: float = 1.0, columns_factor: float = 1.0) -> str:
    """The label of a gather with this noise.

    Bad: swell, with anomalous traces weighed in, above `BAD_SWELL_MICROBAR`. Otherwise medium: swell above
    `MEDIUM_SWELL_MICROBAR`, columns above `MEDIUM_COLUMNS_MICROBAR` or more anomalous traces than
    `MEDIUM_ANOMALOUS_SHARE`. Otherwise good.

    Args:
        plan: The noise.
        swell_factor: By how much this judge overestimates swell and anomalies; 1 is the rule itself.
        columns_factor: The same for loud columns.

    Returns:
        One of `LABELS`.
    """
    swell = (plan.swell_microbar + ANOMALOUS_MICROBAR * plan.anomalous_share) * swell_factor
    if swell > BAD_SWELL_MICROBAR:
        return "bad"
    if (
        swell > MEDIUM_SWELL_MICROBAR
        or plan.columns_microbar * columns_factor > MEDIUM_COLUMNS_MICROBAR
        or plan.anomalous_share > MEDIUM_ANOMALOUS_SHARE
    ):
        return "medium"
    return "good"


def draw_noise(label: str, traces: int, random: np.random.Generator) -> NoisePlan:
    """Noise of a gather to which a judge gives this label.

    Args:
        label: One of `LABELS`.
        traces: Traces of the gather.
        random: Source of randomness.

    Returns:
        The noise.

    Raises:
        ValueError: The label is unknown.
    """
    if label not in LABELS:
        raise ValueError(f"label is {label!r}; give one of {', '.join(LABELS)}")
    for _ in range(_MOST_DRAWS):
        plan = draw_any_noise(traces, random)
        swell_factor, columns_factor = np.exp(random.normal(0.0, JUDGE_SPREAD, 2))
        if judge(plan, swell_factor, columns_factor) == label:
            return plan
    raise RuntimeError(f"no noise of {traces} traces was judged {label} in {_MOST_DRAWS} draws")


def draw_any_noise(traces: int, random: np.random.Generator) -> NoisePlan:
    """Noise as a survey has it: mostly calm, loud columns in a third of the gathers, at times a heavy sea.

    Args:
        traces: Traces of the gather.
        random: Source of randomness.

    Returns:
        The noise, whatever its label.
    """
    rough = random.random() < 0.06
    swell_microbar = random.lognormal(math.log(2.1), 0.35) if rough else random.lognormal(math.log(0.09), 0.75)
    loud = random.random() < 0.31
    columns_microbar = random.lognormal(math.log(1.9), 0.4) if loud else random.lognormal(math.log(0.07), 0.85)
    rate = traces / 640.0 * (6.0 if random.random() < 0.04 else 1.0)
    dead, weak, reverse, spiky = (
        tuple(random.integers(traces, size=random.poisson(rate * often)).tolist()) for often in (0.25, 0.5, 0.15, 0.3)
    )
    return NoisePlan(
        traces=traces,
        ambient_microbar=random.lognormal(math.log(0.72), 0.5),
        swell=_bands(swell_microbar, 0.15 if rough else 0.06, _SWELL_WIDTH_TRACES, traces, random),
        columns=_bands(columns_microbar, 0.19 if loud else 0.04, _COLUMN_WIDTH_TRACES, traces, random),
        dead=dead,
        weak=weak,
        reversed=reverse,
        spiky=spiky,
        vessel_microbar=random.lognormal(math.log(0.8), 0.4) if random.random() < 0.3 else 0.0,
        interference_microbar=random.lognormal(math.log(4.0), 0.4) if random.random() < 0.06 else 0.0,
    )


def _bands(
    level_microbar: float, share: float, width: tuple[int, int], traces: int, random: np.random.Generator
) -> tuple[Band, ...]:
    """Bands over about this share of the traces that together add this root mean square to the gather."""
    wanted = traces * min(random.lognormal(math.log(share), 0.4), 0.6)
    narrow, wide = min(width[0], traces), min(width[1], traces)
    places: list[tuple[int, int, float]] = []
    covered = 0
    while covered < wanted:
        count = min(int(random.integers(narrow, wide + 1)), max(narrow, math.ceil(wanted - covered)))
        # Centres over the whole cable, so that a band may be cut off at either end.
        start = int(random.integers(-(count // 2), traces - count // 2))
        first, last = max(start, 0), min(start + count, traces)
        places.append((first, last - first, random.lognormal(0.0, 0.3)))
        covered += last - first
    power = sum(count * weight**2 for _, count, weight in places) / traces
    scale = level_microbar / math.sqrt(power)
    return tuple(Band(first, count, weight * scale) for first, count, weight in places)


def _gather_level(bands: tuple[Band, ...], traces: int) -> float:
    return math.sqrt(sum(band.traces * band.level_microbar**2 for band in bands) / traces)
