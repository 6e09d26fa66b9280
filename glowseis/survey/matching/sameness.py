"""Whether gathers match what a model was trained on, by their sample interval and trace spacing."""

import math

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import Gather
from glowseis.survey.matching.profile import Profile, milliseconds
from glowseis.survey.matching.trace_order import blank_offsets

SAME_INTERVAL = 0.01
"""Relative difference up to which two sample intervals count as one."""

FARTHEST_SPACING = 2.5
"""Factor beyond the trained range of trace spacings from which slopes are no longer those that were learned."""

ODD = 0.1
"""Share of the traces at either end of the offsets that may have wrong ones."""


def check_trained_on(
    name: str, profile: Profile | None, interval_s: np.ndarray, spacing: np.ndarray, where: object
) -> None:
    """Make sure that gathers already match what a model was trained on.

    Args:
        name: The model's name.
        profile: What it was trained on; nothing is checked when None.
        interval_s: Their sample intervals, in seconds, NaN where unknown.
        spacing: Their trace spacings, in metres, NaN where unknown.
        where: Where they are, for the error.

    Raises:
        InputError: Their sample interval or trace spacing differs.
    """
    if profile is None:
        return
    if profile.interval_s:
        low, _, high = profile.interval_s
        other = interval_s[(interval_s < low * (1 - SAME_INTERVAL)) | (interval_s > high * (1 + SAME_INTERVAL))]
        if len(other):
            raise InputError(
                f"{where}: has gathers with a sample interval of {milliseconds(other[0])}, but {name} was trained at "
                f"{milliseconds(profile.interval_s[1])}; give the survey that it was trained on, or train one on this"
            )
    if profile.spacing_m:
        factors = spacing_factor(spacing, profile)
        if len(factors) and np.nanmax(factors, initial=0) > FARTHEST_SPACING:
            raise InputError(
                f"{where}: has gathers with a trace every {spacing[np.nanargmax(factors)]:.4g} m, but {name} was "
                f"trained with one every {profile.spacing_m[1]:.4g} m; give the survey that it was trained on, or "
                "train one on this"
            )


def spacing_factor(spacing: np.ndarray | float | None, profile: Profile | None) -> np.ndarray:
    """How far trace spacings lie outside those that were trained on: 1 within them, 2 at half or twice; float64.

    Args:
        spacing: In metres; NaN or None if unknown, which counts as within.
        profile: What the model was trained on.
    """
    values = np.asarray(np.nan if spacing is None else spacing, np.float64)
    if profile is None or profile.spacing_m is None:
        return np.ones_like(values)
    low, _, high = profile.spacing_m
    return np.nan_to_num(np.maximum(1.0, np.maximum(values / high, low / values)), nan=1.0)


def gather_spacing_factor(gather: Gather, profile: Profile | None) -> float:
    """The same for one matched gather."""
    return float(spacing_factor(spacing_m(gather.geometry.offset_m[: gather.valid_traces]), profile))


def spacing_m(offset_m: np.ndarray) -> float | None:
    """Distance between two neighbouring traces of a gather, in metres; None if its offsets do not give it.

    The nearest and the farthest tenth of the traces do not count, in case of single wrong headers; blank ones are left
    out.

    Args:
        offset_m: Offsets, `[trace]`, in any order; with different signs on both sides of a source in the middle.
    """
    offset = np.asarray(offset_m, np.float64)
    offset = offset[~blank_offsets(np.abs(offset))]
    if len(offset) < 2:
        return None
    spacing = float(np.ptp(np.quantile(offset, (ODD, 1 - ODD)))) / (1 - 2 * ODD) / (len(offset) - 1)
    return spacing if spacing > 0 and math.isfinite(spacing) else None
