"""Gathers of any source brought to what a model was trained on: sample interval, order of traces, windows."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import Gather, Geometry, Picture, Recording
from glowseis.survey.profile import ORDERS, Profile, spacing_m
from glowseis.survey.render import ZERO_LEVEL, render
from glowseis.survey.resampling import resampled_in_time
from glowseis.survey.windows import cut_window, few_windows, window_places

SAME_INTERVAL = 0.01
"""Relative difference up to which two sample intervals count as one."""

COARSEST = 1.25
"""A gather whose sample interval is more than so many times the one trained at lacks frequencies that were learned."""

FEWEST_SAMPLES, FEWEST_TRACES = 32, 16
"""What a gather must have to be judged, samples after resampling and live traces; half a window where that is less."""

LONG_RUN = 8
"""Traces in a row, on average, whose offsets rise or fall from which on a gather is several cables, not in disorder."""

NAMED = 4
"""Gathers that a line names."""


@dataclass
class Bringing:
    """Brings gathers to what a model was trained on, and counts what it did to them.

    Args:
        name: The model's, for errors.
        profile: What it was trained on; gathers are left as they are when None.
        window: Samples and traces of the pictures that it takes.
        fit: How a gather gets that size: whole, in windows, when empty; else `pad`, `crop` or `resize`, as for surveys.

    Attributes:
        resampled: Gathers by the sample interval that they came with, in seconds.
        reordered: Gathers whose traces were put in order.
        assumed: Gathers that do not tell their sample interval, or whose model does not; they were left as they are.
        left_out: Why gathers were not kept, by their names.
        orders: For gathers that were put in order, the number of each trace in its source, from 0, by their names;
            whoever has used one takes it out.
    """

    name: str
    profile: Profile | None
    window: tuple[int, int]
    fit: str = ""
    resampled: Counter[float] = field(default_factory=Counter)
    reordered: int = 0
    assumed: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    orders: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def interval_s(self) -> float | None:
        """The sample interval that gathers are brought to, in seconds; None where the model does not tell."""
        return self.profile.interval_s[1] if self.profile and self.profile.interval_s else None

    def __call__(self, found: Recording | Picture) -> Gather:
        """Bring what was read from a file.

        Args:
            found: The gather as it was recorded, or as somebody rendered it.

        Returns:
            The gather as a picture: of its own size, or of the window's where `fit` says how.

        Raises:
            InputError: It cannot be brought.
        """
        recorded_s = found.geometry.sample_interval_s
        found = self._resampled(self._ordered(found))
        size = self.window if self.fit else _shape(found)
        gather = render(found, *size, self.fit or "pad")
        return self._checked(gather, recorded_s)

    def gather(self, gather: Gather) -> Gather:
        """Bring a gather of a survey, which is a picture already.

        Args:
            gather: The gather.

        Returns:
            The gather, with a picture of its valid region alone where anything was to be done.

        Raises:
            InputError: It cannot be brought.
        """
        if gather.fit == "resize":
            gather = _as_resized(gather)
        recorded_s = gather.geometry.sample_interval_s
        order = self._order(gather.gather_id, gather.geometry, gather.valid_traces)
        wanted_s = self._wanted(gather.gather_id, gather.source, gather.geometry)
        if order is None and wanted_s is None:
            return self._checked(gather, recorded_s)
        image = gather.image[: gather.valid_samples, : gather.valid_traces]
        geometry = gather.geometry
        if order is not None:
            image, geometry = image[:, order], _traces_taken(geometry, order)
        if wanted_s is None:
            brought = dataclasses.replace(gather, image=np.ascontiguousarray(image), geometry=geometry)
            return self._checked(brought, recorded_s)
        amplitude = image.astype(np.float32) - ZERO_LEVEL
        recording = Recording(gather.gather_id, amplitude, gather.label, geometry, gather.source, gather.origin)
        made = self._at(recording, wanted_s)
        return self._checked(render(made, *made.amplitude.shape), recorded_s)

    def keeps(self, gather: Gather) -> bool:
        """Whether a gather that was brought is to be judged."""
        return gather.gather_id not in self.left_out

    def lines(self) -> list[str]:
        """What was done, in plain words, for a terminal."""
        lines = []
        if self.profile is None:
            lines.append(
                f"{self.name} does not say what it was trained on, as an older glowseis made it: gathers were graded "
                "at the sample interval and in the order that they have; train it again to have them brought to it"
            )
        for interval_s, count in sorted(self.resampled.items()):
            lines.append(
                f"{_number(count, 'gather')} resampled from {milliseconds(interval_s)} to {self._trained()}, the "
                f"sample interval that {self.name} was trained at"
            )
        if self.reordered:
            order = ORDERS["far" if self.profile and self.profile.order == "far" else "near"]
            lines.append(f"{_number(self.reordered, 'gather')} put in the order that {self.name} knows, {order}")
        if self.assumed:
            if self.interval_s is None:
                lines.append(
                    f"{_number(self.assumed, 'gather')} graded at the sample interval that they have: "
                    f"{self.name} does not say at which it was trained"
                )
            else:
                verb = "is" if self.assumed == 1 else "are"
                lines.append(
                    f"{_number(self.assumed, 'gather')} without a sample interval {verb} taken to have "
                    f"{self._trained()}; pass --sample-interval if it is another"
                )
        for reason in dict.fromkeys(self.left_out.values()):
            names = [name for name, one in self.left_out.items() if one == reason]
            lines.append(f"{_number(len(names), 'gather')} left out, {reason}: {_first(names)}")
        return lines

    def _trained(self) -> str:
        return milliseconds(self.interval_s or math.nan)

    def _resampled(self, found: Recording | Picture) -> Recording | Picture:
        # Resizing by itself changes the interval to that of the pictures that were trained on.
        if self.fit == "resize":
            return found
        wanted_s = self._wanted(found.gather_id, found.source, found.geometry)
        if wanted_s is None:
            return found
        if isinstance(found, Picture):
            amplitude = found.image.astype(np.float32) - ZERO_LEVEL
            found = Recording(
                found.gather_id, amplitude, found.label, found.geometry, found.source, found.origin, found.mended
            )
        return self._at(found, wanted_s)

    def _wanted(self, name: str, source: str, geometry: Geometry) -> float | None:
        """The interval to resample to; None where there is nothing to do."""
        interval_s, trained = geometry.sample_interval_s, self.profile.interval_s if self.profile else None
        if not interval_s > 0 or not math.isfinite(interval_s) or trained is None:
            if self.profile is not None:
                self.assumed += 1
            return None
        low_s, middle_s, high_s = trained
        if low_s * (1 - SAME_INTERVAL) <= interval_s <= high_s * (1 + SAME_INTERVAL):
            return None
        if interval_s > COARSEST * high_s:
            raise InputError(
                f"gather {name} of {source} has a sample interval of {milliseconds(interval_s)}, and {self.name} was "
                f"trained at {milliseconds(middle_s)}: it knows noise up to {0.5 / middle_s:.4g} Hz, and the gather has "
                f"none beyond {0.5 / interval_s:.4g} Hz; train one on such gathers, or pass --sample-interval if the "
                "file is wrong"
            )
        return middle_s

    def _at(self, recording: Recording, wanted_s: float) -> Recording:
        interval_s = recording.geometry.sample_interval_s
        amplitude = resampled_in_time(recording.amplitude, interval_s, wanted_s)
        self.resampled[round(interval_s, 9)] += 1
        return dataclasses.replace(
            recording,
            amplitude=amplitude,
            geometry=dataclasses.replace(recording.geometry, sample_interval_s=wanted_s),
            mended=Counter(recording.mended) + Counter(resampled=amplitude.shape[1]),
        )

    def _ordered(self, found: Recording | Picture) -> Recording | Picture:
        order = self._order(found.gather_id, found.geometry, _shape(found)[1])
        if order is None:
            return found
        geometry = _traces_taken(found.geometry, order)
        mended = Counter(found.mended) + Counter(reordered=len(order))
        if isinstance(found, Picture):
            return dataclasses.replace(found, image=found.image[:, order], geometry=geometry, mended=mended)
        return dataclasses.replace(found, amplitude=found.amplitude[:, order], geometry=geometry, mended=mended)

    def _order(self, name: str, geometry: Geometry, traces: int) -> np.ndarray | None:
        """The traces in the order that the model knows; None where there is nothing to do."""
        order = order_of_offsets(geometry.offset_m, self.profile.order if self.profile else "unknown")
        if order is None or len(order) != traces:
            return None
        self.reordered += 1
        self.orders[name] = order
        return order

    def _checked(self, gather: Gather, recorded_s: float) -> Gather:
        """Note it where there is too little of a gather to judge; make sure that it is one of a shot."""
        where = f"gather {gather.gather_id} of {gather.source}"
        distance = np.abs(np.asarray(gather.geometry.offset_m[: gather.valid_traces], np.float64))
        if len(distance) >= FEWEST_TRACES and np.isfinite(distance).all() and np.ptp(distance) < 1.0:
            raise InputError(
                f"{where} has {len(distance)} traces of one offset, {distance[0]:.5g} m: a section, stacked or of one "
                f"offset, where {self.name} grades shot gathers; give shot gathers, or pass --shot-header if shots are "
                "told apart otherwise"
            )
        samples = min(FEWEST_SAMPLES, self.window[0] // 2)
        traces = min(FEWEST_TRACES, self.window[1] // 2)
        live = int((gather.image != ZERO_LEVEL).any(axis=0).sum())
        if gather.valid_samples < samples:
            changed = gather.geometry.sample_interval_s != recorded_s and recorded_s > 0
            at = f" of {milliseconds(gather.geometry.sample_interval_s)}" if changed else ""
            why = f" (their sample interval is {milliseconds(recorded_s)})" if changed else ""
            self.left_out[gather.gather_id] = (
                f"as they have fewer than the {samples} samples{at} that {self.name} needs{why}"
            )
        elif live < traces:
            self.left_out[gather.gather_id] = f"as they have fewer than the {traces} live traces that {self.name} needs"
        return gather


@dataclass(frozen=True)
class Windows:
    """Windows of one gather, those without a live sample left out.

    Attributes:
        images: Grey levels, uint8 `[window, time, trace]`.
        places: First row and column of each.
        weights: How much of each holds live traces, float64 `[window]`, at most 1.
    """

    images: np.ndarray
    places: list[tuple[int, int]]
    weights: np.ndarray


def windows_of(gather: Gather, size: tuple[int, int], most: int | None = None) -> Windows:
    """Cut a gather into windows that cover what was recorded.

    Args:
        gather: The gather.
        size: Samples and traces of a window.
        most: At most so many windows, evenly spread over those that there are; all when None.

    Returns:
        The windows; a gather without a live sample has one, of weight 1.
    """
    valid = (gather.valid_samples, gather.valid_traces)
    image = gather.image[: valid[0], : valid[1]]
    places, images, weights = [], [], []
    for place in window_places(valid, size) if most is None else few_windows(valid, size, most):
        window = cut_window(image, place, size)
        live = int((window != ZERO_LEVEL).any(axis=0).sum())
        if live:
            places.append(place)
            images.append(window)
            weights.append(live * min(valid[0] - place[0], size[0]) / (size[0] * size[1]))
    if not places:
        return Windows(cut_window(image, (0, 0), size)[np.newaxis], [(0, 0)], np.ones(1))
    return Windows(np.stack(images), places, np.array(weights, np.float64))


def order_of_offsets(offset_m: np.ndarray, wanted: str) -> np.ndarray | None:
    """Find the order of traces that a model knows.

    Gathers in disorder are sorted. One whose offsets rise and fall in few long runs is several cables, or has the
    source in its middle; it is left as it is.

    Args:
        offset_m: Offsets, `[trace]`, of any sign.
        wanted: A name from `ORDERS`; a gather in order stays as it is where it is neither `near` nor `far`.

    Returns:
        Numbers of the traces in that order, int64 `[trace]`; None where they are in it, or are not told.
    """
    distance = np.abs(np.asarray(offset_m, np.float64))
    if len(distance) < 2 or not np.isfinite(distance).all() or np.ptp(distance) == 0:
        return None
    steps = np.diff(distance)
    rising, falling = bool((steps >= 0).all()), bool((steps <= 0).all())
    if rising or falling:
        is_wanted = (rising and wanted != "far") or (falling and wanted != "near")
        return None if is_wanted else np.arange(len(distance))[::-1]
    runs = 1 + np.count_nonzero(np.diff(np.sign(steps[steps != 0])))
    if len(distance) / runs >= LONG_RUN:
        return None
    return np.argsort(-distance if wanted == "far" else distance, kind="stable")


def check_trained_on(
    name: str, profile: Profile | None, interval_s: np.ndarray, spacing: np.ndarray, where: object
) -> None:
    """Make sure that gathers are such as a model was trained on, where nothing brings them to it.

    Args:
        name: The model's.
        profile: What it was trained on; nothing is checked when None.
        interval_s: Their sample intervals, in seconds, NaN where unknown.
        spacing: Their trace spacings, in metres, NaN where unknown.
        where: What they are in, for the error.

    Raises:
        InputError: Their sample interval or trace spacing is another.
    """
    if profile is None:
        return
    if profile.interval_s:
        low, _, high = profile.interval_s
        other = interval_s[(interval_s < low * (1 - SAME_INTERVAL)) | (interval_s > high * (1 + SAME_INTERVAL))]
        if len(other):
            raise InputError(
                f"{where}: has gathers with a sample interval of {milliseconds(other[0])}, and {name} was trained at "
                f"{milliseconds(profile.interval_s[1])}; give the survey that it was trained on, or train one on this"
            )
    if profile.spacing_m:
        factors = spacing_factor(spacing, profile)
        if len(factors) and np.nanmax(factors, initial=0) > FARTHEST_SPACING:
            raise InputError(
                f"{where}: has gathers with a trace every {spacing[np.nanargmax(factors)]:.4g} m, and {name} was "
                f"trained with one every {profile.spacing_m[1]:.4g} m; give the survey that it was trained on, or train "
                "one on this"
            )


FARTHEST_SPACING = 2.5
"""Factor beyond the trained range of trace spacings from which on slopes are no longer those that were learned."""


def spacing_factor(spacing: np.ndarray | float | None, profile: Profile | None) -> np.ndarray:
    """How far trace spacings lie outside of those that were trained on: 1 within them, 2 at half or twice; float64.

    Args:
        spacing: In metres; NaN or None where it is unknown, which counts as within.
        profile: What the model was trained on.
    """
    values = np.asarray(np.nan if spacing is None else spacing, np.float64)
    if profile is None or profile.spacing_m is None:
        return np.ones_like(values)
    low, _, high = profile.spacing_m
    return np.nan_to_num(np.maximum(1.0, np.maximum(values / high, low / values)), nan=1.0)


def gather_spacing_factor(gather: Gather, profile: Profile | None) -> float:
    """The same of one gather that was brought."""
    return float(spacing_factor(spacing_m(gather.geometry.offset_m[: gather.valid_traces]), profile))


Bring = Callable[[Recording | Picture], Gather]
"""What makes a picture of what was read."""


def milliseconds(interval_s: float) -> str:
    """A sample interval in words, such as `4 ms`."""
    return f"{interval_s * 1e3:.6g} ms"


def _shape(found: Recording | Picture) -> tuple[int, int]:
    shape = (found.image if isinstance(found, Picture) else found.amplitude).shape
    return shape[0], shape[1]


def _traces_taken(geometry: Geometry, order: np.ndarray) -> Geometry:
    arrays = ("channel", "offset_m", "receiver_x_m", "receiver_y_m")
    return dataclasses.replace(geometry, **{name: getattr(geometry, name)[order] for name in arrays})


def _as_resized(gather: Gather) -> Gather:
    """A resized gather with the interval of its rows and the offsets of its columns in place of the recording's."""
    samples, traces = gather.recorded_shape or gather.image.shape
    columns = np.linspace(0, traces - 1, gather.valid_traces).round().astype(np.int64)
    geometry = _traces_taken(gather.geometry, columns) if len(gather.geometry.offset_m) == traces else gather.geometry
    interval_s = geometry.sample_interval_s * samples / gather.valid_samples
    return dataclasses.replace(gather, geometry=dataclasses.replace(geometry, sample_interval_s=interval_s))


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' if count != 1 else ''}"


def _first(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
