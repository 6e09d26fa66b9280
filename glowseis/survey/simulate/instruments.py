"""Settings of an acquisition: what the source sends out, how the sea shakes the cables, how the recorder keeps it."""

from dataclasses import dataclass

MUTES = ("none", "top", "water")
"""What is set to zero: nothing; everything before the direct wave; everything before the sea floor's reflection."""


@dataclass(frozen=True)
class Signature:
    """The pulse that an air-gun array and the recorder's filters make of an explosion.

    Its amplitude spectrum is that of a low-cut and a high-cut over a fall towards high frequencies,
    `1 / (1 + (f / corner)^2)^slope`; its phase is minimum.

    Attributes:
        low_hz: Corner of the low-cut, in hertz.
        low_order: Steepness of the low-cut: the amplitude falls as the frequency to this power.
        high_hz: Corner of the high-cut, in hertz.
        corner_hz: Frequency from which the spectrum falls, in hertz.
        slope: How steeply it falls: 0 is flat, 1 falls as the square of the frequency.
        bubble: Strength of the bubble's first collapse before it is smoothed; 0 is a tuned array's ideal.
        bubble_s: Its delay, in seconds.
    """

    low_hz: float = 24.0
    low_order: float = 3.0
    high_hz: float = 46.0
    corner_hz: float = 22.0
    slope: float = 0.6
    bubble: float = 0.22
    bubble_s: float = 0.11


@dataclass(frozen=True)
class Sea:
    """How swell shakes the cables of one acquisition.

    A cable under tension carries transverse waves at the root of tension over mass per length, some tens of metres a
    second: so slow that their noise changes sign from trace to trace and leans by many samples a trace.

    Attributes:
        loudness: Factor of swell noise.
        waves_m_s: Velocity of those waves; 0 is none, and swell noise is alike on neighbouring traces.
        broadband: Amplitude of swell noise above its peak, up to 37 Hz, as a share of the peak's.
    """

    loudness: float = 1.0
    waves_m_s: float = 0.0
    broadband: float = 0.165


@dataclass(frozen=True)
class Recorder:
    """How the gathers of one acquisition were recorded and prepared.

    Attributes:
        start_s: Time of the first sample after the shot, in seconds.
        gain_power: Amplitudes are multiplied by time to this power; 0 does not change them.
        polarity: 1, or -1 if pressure is recorded with reversed sign.
        hum_hz: Frequency of mains hum, in hertz; 0 for none.
        hum_microbar: Its root mean square, before the gain.
        ambient: Factor of the noise on every trace.
        bits: Word length of the samples; 0 for floating point.
        clipped_share: Share of the samples that were clipped already; 0 for none.
        constant: Constant added to every sample, as a share of the amplitude that 4 % exceed.
        far_first: Whether the farthest trace comes first.
        missing: Chance that a trace is missing.
        balance: How far an automatic gain control makes all times equally loud: 0 not at all, 1 completely.
        balance_s: Its window, in seconds.
        rumbling: Chance that a channel rumbles by itself, whatever the sea does.
        mute: One of `MUTES`.
    """

    start_s: float = 0.0
    gain_power: float = 0.0
    polarity: int = 1
    hum_hz: float = 0.0
    hum_microbar: float = 0.0
    ambient: float = 1.0
    bits: int = 0
    clipped_share: float = 0.0
    constant: float = 0.0
    far_first: bool = False
    missing: float = 0.0
    balance: float = 0.0
    balance_s: float = 1.0
    rumbling: float = 0.0
    mute: str = "none"
