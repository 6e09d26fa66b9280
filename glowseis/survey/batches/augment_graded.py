"""Random changes of images that must not change their grade, for training classifiers.

They imitate differences between acquisitions that say nothing about noise: the level of zero, gains, the clip,
polarity, the record's start, the sample interval, the order of traces, missing traces. All work on a batch, with
separate random numbers for each gather (`order.uniforms`), so that the result for a gather depends neither on its batch
nor on where a run resumes. They change only the valid region.
"""

from collections.abc import Callable, Collection

import tensorflow as tf

from glowseis.survey.render import CLIPPED_FRACTION, ZERO_LEVEL

DRAWS = 8
"""Numbers that each change draws for a gather, uniform in [0, 1)."""

SHIFTED_BY_SAMPLES = 16
"""Largest shift in time: 128 ms at 8 ms, 32 ms at 2 ms. A mirror image of the data, with its noise, comes in."""

SHIFTED_BY_TRACES = 8
"""Largest shift along the cable, in traces, as much as in `augment`; a mirror image comes in."""

STRETCHED_BY = 0.05
"""Largest change of the sample interval, as a fraction of it."""

GAIN = (0.8, 1.25)
"""Least and largest factor of `gain` at the first and at the last sample; it is linear between them."""

CLIPPED = (0.01, 0.08)
"""Least and largest share of samples beyond the clip."""

DROPPED_RUNS, DROPPED_PART = 3, 0.03
"""Most runs of missing neighbouring traces, and the longest run as a fraction of the traces (at least one)."""

ZERO_MOVED_BY = 8.0
"""Largest shift of the zero level, in grey levels; in published images it is 2 to 3 away from 128."""

COARSEST = 1
"""Most of a grey level's eight bits that `quantise` removes; the noise of a bad gather is a few levels strong."""

Change = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _trace_order(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Reverse the traces of half of the gathers, so that the near trace moves to the other end."""
    trace, count = tf.range(amplitude.shape[2], dtype=tf.int64), valid[:, 1:]
    turned = (drawn[:, :1] < 0.5) & (trace < count)
    return tf.gather(amplitude, tf.where(turned, count - 1 - trace, trace), axis=2, batch_dims=1)


def _polarity(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Change the sign of half of the gathers."""
    del valid
    return amplitude * tf.where(_each(drawn[:, 0]) < 0.5, -1.0, 1.0)


def _shift_time(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Let the record begin earlier or later."""
    shift = tf.cast(drawn[:, :1] * (2 * SHIFTED_BY_SAMPLES + 1), tf.int64) - SHIFTED_BY_SAMPLES
    return _rows(amplitude, tf.range(amplitude.shape[1], dtype=tf.int64) - shift, valid)


def _shift_trace(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Let the cable begin nearer or farther."""
    shift = tf.cast(drawn[:, :1] * (2 * SHIFTED_BY_TRACES + 1), tf.int64) - SHIFTED_BY_TRACES
    return _columns(amplitude, tf.range(amplitude.shape[2], dtype=tf.int64) - shift, valid)


def _resample_time(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Give the gathers other sample intervals, by cubic convolution of six points.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", its kernel of third order. It has
    no sines, so the result for a sample does not depend on its place in a processor's vector.
    """
    place = tf.range(amplitude.shape[1], dtype=tf.float32) * (1.0 + (2.0 * drawn[:, :1] - 1.0) * STRETCHED_BY)
    first = tf.floor(place)
    s = place - first
    r = 1.0 - s
    taps = {
        -2: ((s + 2.0) / 12.0 - 2.0 / 3.0) * (s + 2.0) * (s + 2.0) + 1.75 * (s + 2.0) - 1.5,
        -1: (3.0 - 7.0 / 12.0 * (s + 1.0)) * (s + 1.0) * (s + 1.0) - 59.0 / 12.0 * (s + 1.0) + 2.5,
        0: (4.0 / 3.0 * s - 7.0 / 3.0) * s * s + 1.0,
        1: (4.0 / 3.0 * r - 7.0 / 3.0) * r * r + 1.0,
        2: (3.0 - 7.0 / 12.0 * (r + 1.0)) * (r + 1.0) * (r + 1.0) - 59.0 / 12.0 * (r + 1.0) + 2.5,
        3: ((r + 2.0) / 12.0 - 2.0 / 3.0) * (r + 2.0) * (r + 2.0) + 1.75 * (r + 2.0) - 1.5,
    }
    resampled = tf.zeros_like(amplitude)
    for tap, weight in taps.items():
        resampled += weight[:, :, tf.newaxis] * _rows(amplitude, tf.cast(first, tf.int64) + tap, valid)
    return resampled


def _gain(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Scale by a factor that changes along the record, like a different spreading correction."""
    del valid
    first, last = (GAIN[0] + drawn[:, number : number + 1] * (GAIN[1] - GAIN[0]) for number in (0, 1))
    along = tf.range(amplitude.shape[1], dtype=tf.float32) / max(amplitude.shape[1] - 1, 1)
    return amplitude * (first + (last - first) * along)[:, :, tf.newaxis]


def _clip(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Scale and saturate as if a different share of the samples were beyond the clip.

    If absolute amplitudes are distributed exponentially, as they nearly are in recordings, the clip is proportional to
    the logarithm of the share. Samples that rendering saturated stay level when the clip is raised.
    """
    del valid
    share = CLIPPED[0] + drawn[:, 0] * (CLIPPED[1] - CLIPPED[0])
    # In the wider type, so that rounding of the logarithm cannot change a grey level.
    factor = tf.math.log(tf.constant(CLIPPED_FRACTION, tf.float64)) / tf.math.log(tf.cast(share, tf.float64))
    return tf.clip_by_value(amplitude * _each(tf.cast(factor, tf.float32)), -128.0, 127.0)


def _drop_traces(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Remove a few runs of traces in half of the gathers: they become zero, like dead traces."""
    traces = tf.cast(valid[:, 1:], tf.float32)
    trace = tf.range(amplitude.shape[2], dtype=tf.float32)
    runs = 1.0 + tf.floor(drawn[:, 1:2] * DROPPED_RUNS)
    dropped = tf.zeros(tf.shape(amplitude)[::2], tf.bool)
    for run in range(DROPPED_RUNS):
        first = tf.floor(drawn[:, 2 + run : 3 + run] * traces)
        length = 1.0 + tf.floor(drawn[:, 2 + DROPPED_RUNS + run : 3 + DROPPED_RUNS + run] * DROPPED_PART * traces)
        dropped |= (drawn[:, :1] < 0.5) & (run < runs) & (trace >= first) & (trace < first + length)
    return tf.where(dropped[:, tf.newaxis], 0.0, amplitude)


def _zero_level(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Move zero to another grey level; traces of zeros do not change, like dead ones in grading."""
    del valid
    live = tf.reduce_any(amplitude != 0.0, axis=1, keepdims=True)
    return tf.where(live, amplitude + _each((2.0 * drawn[:, 0] - 1.0) * ZERO_MOVED_BY), amplitude)


def _quantise(amplitude: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Round half of the gathers to even grey levels."""
    del valid
    steps = [2.0**bits for bits in range(COARSEST + 1)]
    step = _each(tf.gather(steps, tf.cast(drawn[:, 0] * len(steps), tf.int32)))
    return tf.round(amplitude / step) * step


GRADED_AUGMENTATIONS: dict[str, Change] = {
    "trace_order": _trace_order,
    "polarity": _polarity,
    "shift_time": _shift_time,
    "shift_trace": _shift_trace,
    "resample_time": _resample_time,
    "gain": _gain,
    "clip": _clip,
    "zero_level": _zero_level,
    "drop_traces": _drop_traces,
    "quantise": _quantise,
}
"""Changes by name: (amplitudes in grey levels about zero, float32 `[batch, time, trace]`, valid samples and traces,
int64 `[batch, 2]`, numbers drawn, float32 `[batch, DRAWS]`) -> amplitudes. They are applied in this order: traces are
dropped after zero has moved, so that they are exactly mid-grey, as in grading."""


def augmented(image: tf.Tensor, valid: tf.Tensor, drawn: tf.Tensor, names: Collection[str]) -> tf.Tensor:
    """Change images.

    Args:
        image: Grey levels, uint8 `[batch, time, trace]`.
        valid: Samples and traces of their valid regions, int64 `[batch, 2]`; beyond them is padding, which stays.
        drawn: Numbers drawn for each of the named changes, in the order of `GRADED_AUGMENTATIONS`, float32
            `[change, batch, DRAWS]`.
        names: Names of the changes.

    Returns:
        Grey levels, uint8 `[batch, time, trace]`.
    """
    wanted = [change for name, change in GRADED_AUGMENTATIONS.items() if name in names]
    amplitude = tf.cast(image, tf.float32) - ZERO_LEVEL
    for number, change in enumerate(wanted):
        amplitude = change(amplitude, valid, drawn[number])
    rows, columns = (tf.range(side, dtype=tf.int64) for side in image.shape[1:])
    inside = (rows < valid[:, :1])[:, :, tf.newaxis] & (columns < valid[:, 1:])[:, tf.newaxis]
    level = tf.clip_by_value(tf.round(amplitude) + ZERO_LEVEL, 0.0, 255.0)
    return tf.where(inside, tf.cast(level, tf.uint8), image)


def _each(numbers: tf.Tensor) -> tf.Tensor:
    """One number per gather, for all its samples: `[batch, 1, 1]`."""
    return numbers[:, tf.newaxis, tf.newaxis]


def _rows(amplitude: tf.Tensor, places: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Rows at the given places, int64 `[batch, time]`, mirrored at the ends of the valid regions."""
    return tf.gather(amplitude, _mirrored(places, valid[:, :1] - 1), axis=1, batch_dims=1)


def _columns(amplitude: tf.Tensor, places: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Columns at the given places, int64 `[batch, trace]`, mirrored likewise."""
    return tf.gather(amplitude, _mirrored(places, valid[:, 1:] - 1), axis=2, batch_dims=1)


def _mirrored(places: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(last - tf.abs(last - tf.abs(places)), 0, last)
