"""One gather drawn: the one function by which every picture of a gather is made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glowseis.survey.gather import Gather, Geometry, Picture, Recording
from glowseis.survey.render import ZERO_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLIPPED = 0.04
"""Part of the samples of an array that are drawn black or white, as rendering clips them."""

PIXELS_AN_INCH, MARGIN_INCH, LEAST_PIXELS = 100, 0.8, 256
"""Of gathers in a row: their resolution, what axes need beside each, and the least length of the longer side."""


def plot_gather(
    gather: Gather | Recording | Picture | np.ndarray,
    axes: "Axes | None" = None,
    *,
    clip: float | None = None,
    sample_interval_s: float | None = None,
    offset_m: np.ndarray | None = None,
    title: str | None = None,
) -> "Axes":
    """Draw a gather in grey levels: time downwards, traces to the right, offsets above where they are known.

    >>> import glowseis
    >>> (gather,) = glowseis.simulate_gathers(1, size="112x80")
    >>> axes = glowseis.plot_gather(gather, clip=0.5 * gather.clip_amplitude)
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('trace', 'time (s)')

    Args:
        gather: A gather, of which the valid region is drawn; a recording, about its median; or an array
            `[time, trace]`, grey levels with zero at 128 if it is uint8, else amplitudes with zero at 0.
        axes: Matplotlib's axes to draw on; new ones of pyplot's when None.
        clip: Amplitude that is white, minus which is black, in the units of the gather; in grey levels about 128 for an
            array of those. By default a gather's own clip, 128 for grey levels, and what 4 % of amplitudes exceed.
        sample_interval_s: Time between two samples, in seconds; the gather's own when None.
        offset_m: Offsets `[trace]`, in metres; the gather's own when None.
        title: The title above the plot.

    Returns:
        The axes.

    Raises:
        ValueError: The array is not two-dimensional, or the clip is not above 0.
    """
    amplitude, largest, geometry = _amplitude(gather)
    if amplitude.ndim != 2 or not amplitude.size:
        raise ValueError(f"an array of shape {amplitude.shape} is not a gather; give one [time, trace]")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}; give an amplitude above 0")
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1]
    samples, traces = amplitude.shape
    start_s, interval_s, offsets = 0.0, np.nan, np.array([])
    if geometry is not None:
        start_s, interval_s, offsets = geometry.start_s, geometry.sample_interval_s, geometry.offset_m
        if isinstance(gather, Gather) and gather.fit == "resize" and gather.recorded_shape:
            samples, traces = gather.recorded_shape
    interval_s = sample_interval_s or interval_s
    top, bottom, unit = 0.0, float(samples), "sample"
    if np.isfinite(interval_s) and interval_s > 0:
        top, bottom, unit = start_s, start_s + samples * interval_s, "time (s)"
    limit = clip or largest
    # White is one level short of the clip, as in a picture.
    white = limit * (1 - 1 / ZERO_LEVEL)
    extent = (0.5, traces + 0.5, bottom, top)
    axes.imshow(amplitude, cmap="gray", vmin=-limit, vmax=white, aspect="auto", extent=extent)
    axes.set(xlabel="trace", ylabel=unit)
    _offsets(axes, np.abs(offsets if offset_m is None else np.asarray(offset_m))[:traces])
    if title is not None:
        # A dollar sign would begin a formula.
        axes.set_title(title.replace("$", r"\$"), fontsize="medium")
    return axes


def _amplitude(gather: Gather | Recording | Picture | np.ndarray) -> tuple[np.ndarray, float, Geometry | None]:
    """Amplitudes about zero, the clip, and the geometry where there is one."""
    if isinstance(gather, Gather):
        valid = gather.image[: gather.valid_samples, : gather.valid_traces]
        unit = gather.clip_amplitude / ZERO_LEVEL
        return unit * (valid.astype(np.float32) - ZERO_LEVEL), gather.clip_amplitude, gather.geometry
    if isinstance(gather, Picture):
        return gather.image.astype(np.float32) - ZERO_LEVEL, float(ZERO_LEVEL), gather.geometry
    geometry, array = None, np.asarray(gather.amplitude if isinstance(gather, Recording) else gather)
    if isinstance(gather, Recording):
        # A constant may lie under it.
        geometry, array = gather.geometry, array - np.median(array[np.isfinite(array)])
    elif array.dtype == np.uint8:
        return array.astype(np.float32) - ZERO_LEVEL, float(ZERO_LEVEL), None
    sizes = np.abs(array[np.isfinite(array)])
    return array, (float(np.quantile(sizes, 1 - CLIPPED)) if sizes.size else 0.0) or 1.0, geometry


def _offsets(axes: "Axes", offset_m: np.ndarray) -> None:
    """A second axis with offsets, where they are known and grow or fall along the cable."""
    trace = np.arange(1, len(offset_m) + 1, dtype=float)
    if len(offset_m) < 2 or not np.isfinite(offset_m).all():
        return
    steps = np.diff(offset_m)
    if not (steps > 0).all() and not (steps < 0).all():
        return
    # matplotlib asks for places beyond the cable's ends too.
    slope = (offset_m[-1] - offset_m[0]) / (len(offset_m) - 1)
    known = np.concatenate([trace, [-len(trace), 2.0 * len(trace)]])
    at = np.concatenate([offset_m, offset_m[0] + slope * (known[-2:] - 1)])
    by_trace, by_offset = np.argsort(known), np.argsort(at)

    def offset_of(places: Any) -> np.ndarray:
        return np.interp(places, known[by_trace], at[by_trace])

    def trace_of(offsets: Any) -> np.ndarray:
        return np.interp(offsets, at[by_offset], known[by_offset])

    axes.secondary_xaxis("top", functions=(offset_of, trace_of)).set_xlabel("offset (m)")


def pixels_of_row(
    gathers: Sequence[Gather | Recording | Picture | np.ndarray], longest_pixels: int | None = None
) -> np.ndarray:
    """Draw gathers side by side, about a pixel a sample or more.

    Args:
        gathers: As for `plot_gather`, of one size.
        longest_pixels: The longer side of a gather, of which larger ones are shrunk.

    Returns:
        The pixels, uint8 `[height, width, 3]`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shape = _amplitude(gathers[0])[0].shape
    # Small gathers are enlarged by a whole number.
    times: float = -(-LEAST_PIXELS // max(shape))
    if longest_pixels is not None:
        times = min(times, longest_pixels / max(shape))
    height_inch, width_inch = (times * side / PIXELS_AN_INCH + MARGIN_INCH for side in shape)
    figure = Figure((len(gathers) * width_inch, height_inch), dpi=PIXELS_AN_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for gather, axes in zip(gathers, figure.subplots(1, len(gathers), squeeze=False)[0], strict=True):
        plot_gather(gather, axes)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
