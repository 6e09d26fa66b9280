"""How loud or how frequent each kind of noise is: the simulator's switches."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from glowseis.errors import InputError

LARGEST_FACTOR = 100.0


@dataclass(frozen=True)
class NoiseSettings:
    """One factor per kind of noise: 0 switches it off, 1 is the calibrated survey, 2 is twice as much.

    A factor multiplies the pressure of the kinds that have one (ambient to bird) and the chance of a channel or module
    for the others (dead to crossfeed).

    Attributes:
        ambient: Noise on every trace.
        swell: Bands of swell noise.
        columns: Loud columns of 15 to 36 Hz.
        tug: Jerks at either end of the cable.
        strum: Vibration of the lead-in.
        propeller: The vessel's propeller.
        interference: Other vessels' shots.
        bird: Depth controllers.
        dead: Channels without signal.
        weak: Channels recorded too weakly.
        reversed: Channels of wrong polarity.
        spiky: Channels with spikes.
        saturated: Channels recorded too loudly.
        crossfeed: Modules whose channels leak into each other.

    Raises:
        InputError: A factor is not from 0 to 100.
    """

    ambient: float = 1.0
    swell: float = 1.0
    columns: float = 1.0
    tug: float = 1.0
    strum: float = 1.0
    propeller: float = 1.0
    interference: float = 1.0
    bird: float = 1.0
    dead: float = 1.0
    weak: float = 1.0
    reversed: float = 1.0
    spiky: float = 1.0
    saturated: float = 1.0
    crossfeed: float = 1.0

    def __post_init__(self) -> None:
        for kind, factor in dataclasses.asdict(self).items():
            if not (math.isfinite(factor) and 0.0 <= factor <= LARGEST_FACTOR):
                raise InputError(f"noise {kind}={factor:g}: give a factor from 0 (off) to {LARGEST_FACTOR:g}")

    def changed(self) -> str:
        """The factors that are not 1, as on the command line, such as `swell=0 tug=2`."""
        return " ".join(f"{kind}={factor:g}" for kind, factor in dataclasses.asdict(self).items() if factor != 1.0)


NOISE_KINDS = tuple(field.name for field in dataclasses.fields(NoiseSettings))
"""Names of the kinds of noise."""


def parse_noise(words: Iterable[str]) -> NoiseSettings:
    """Read factors such as `swell=0`.

    Args:
        words: Texts of a kind, an equals sign and a factor. The last one of a kind counts.

    Returns:
        The settings; kinds not named keep 1.

    Raises:
        InputError: The kind is unknown, or the factor is not a number from 0 to 100.
    """
    factors: dict[str, float] = {}
    for word in words:
        kind, equals, text = word.partition("=")
        kind = kind.strip()
        if not equals:
            raise InputError(f"noise {word!r}: write KIND=FACTOR, such as swell=0")
        if kind not in NOISE_KINDS:
            raise InputError(f"noise {word!r}: there is no kind {kind!r}; choose from {', '.join(NOISE_KINDS)}")
        try:
            factors[kind] = float(text)
        except ValueError:
            raise InputError(f"noise {word!r}: {text!r} is not a number; give a factor such as {kind}=0") from None
    return NoiseSettings(**factors)
