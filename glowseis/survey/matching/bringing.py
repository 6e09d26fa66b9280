"""Gathers from any source matched to what a model was trained on: sample interval, order of traces, windows."""

import dataclasses
import math
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.amplitudes.measured import constant_traces, measure
from glowseis.survey.gather import Gather, Geometry, Picture, Recording
from glowseis.survey.matching.profile import ORDERS, Profile, milliseconds
from glowseis.survey.matching.resampling import resampled_in_time
from glowseis.survey.matching.sameness import SAME_INTERVAL
from glowseis.survey.matching.trace_order import order_of_offsets
from glowseis.survey.render import ZERO_LEVEL, check_middle, render, trace_states
from glowseis.survey.wording import first_names, number_of

COARSEST = 1.25
"""A gather whose sample interval is more than this many times the trained one lacks frequencies that were learned."""

FEWEST_SAMPLES, FEWEST_TRACES = 32, 16
"""What a gather needs to be graded, samples after resampling and live traces; or half a window if that is less."""

LOUD = ("wild", "two_scales")
"""Mendings that are found again in what was resampled."""


@dataclass
class Bringing:
    """Matches gathers to what a model was trained on, and counts the changes.

    Args:
        name: The model's name, for errors.
        profile: What it was trained on; gathers are not changed when None.
        window: Samples and traces of the images that it takes.
        zero_level: The value that stands for zero amplitude in files; measured when None.
        fit: How a gather gets that size: `pad`, `crop` or `resize`, as for surveys; if empty, whole, in windows.

    Attributes:
        resampled: Number of gathers by their original sample interval, in seconds.
        reordered: Number of gathers whose traces were sorted.
        assumed: Number of gathers without a known sample interval, theirs or the model's; they were not resampled.
        left_out: Why gathers were not kept, by source and name.
        orders: For gathers that were sorted or resized, the number of each column's trace in the source, from 0, by
            source and name; code that has used the first of a name removes it.
    """

    name: str
    profile: Profile | None
    window: tuple[int, int]
    fit: str = ""
    zero_level: float | None = None
    resampled: Counter[float] = field(default_factory=Counter)
    reordered: int = 0
    assumed: int = 0
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    orders: dict[tuple[str, str], deque[np.ndarray]] = field(default_factory=dict)

    @property
    def interval_s(self) -> float | None:
        """The sample interval to which gathers are resampled, in seconds; None if the model does not record it."""
        return self.profile.interval_s[1] if self.profile and self.profile.interval_s else None

    def __call__(self, found: Recording | Picture) -> Gather:
        """Match a gather that was read from a file.

        Args:
            found: The gather as recorded, or as rendered earlier.

        Returns:
            The gather as an image: in its own size, or in the window's size if `fit` is set.

        Raises:
            InputError: It cannot be matched.
        """
        recorded_s = found.geometry.sample_interval_s
        order = self._order(found, _shape(found)[1])
        ordered = found if order is None else _ordered(found, order)
        brought = self._resampled(ordered)
        size = self.window if self.fit else _shape(brought)
        # Resampled amplitudes are about zero already.
        zero_level = self.zero_level if brought is ordered else 0.0
        made = render(brought, *size, self.fit or "pad", zero_level)
        if made.fit == "resize":
            made, columns = _as_resized(made)
            order = columns if order is None else order[columns]
        self._note(made, order)
        return self._checked(made, recorded_s)

    def gather(self, gather: Gather) -> Gather:
        """Match a gather of a survey, which is an image already.

        Args:
            gather: The gather.

        Returns:
            The gather, with an image of only its valid region if anything was changed.

        Raises:
            InputError: It cannot be matched.
        """
        columns = None
        if gather.fit == "resize":
            gather, columns = _as_resized(gather)
        recorded_s = gather.geometry.sample_interval_s
        order = self._order(gather, gather.valid_traces)
        self._note(gather, order if columns is None else columns if order is None else columns[order])
        wanted_s = self._wanted(gather.gather_id, gather.source, gather.geometry)
        if order is None and wanted_s is None:
            return self._checked(gather, recorded_s)
        image = gather.image[: gather.valid_samples, : gather.valid_traces]
        geometry, zero = gather.geometry, gather.zero_amplitude
        if order is not None:
            image, geometry = image[:, order], traces_taken(geometry, order)
            zero = zero[order] if zero.ndim else zero
        if wanted_s is None:
            brought = dataclasses.replace(
                gather, image=np.ascontiguousarray(image), geometry=geometry, zero_amplitude=zero
            )
            return self._checked(brought, recorded_s)
        picture = Picture(gather.gather_id, image, gather.label, geometry, gather.source, gather.origin, gather.mended)
        made = self._at(picture, wanted_s)
        rendered = render(made, *_shape(made), "pad", 0.0)
        # Its clip is in grey levels of the gather.
        clip_amplitude = rendered.clip_amplitude / ZERO_LEVEL * gather.clip_amplitude
        return self._checked(dataclasses.replace(rendered, clip_amplitude=clip_amplitude), recorded_s)

    def keeps(self, gather: Gather) -> bool:
        """Whether a matched gather can be graded."""
        return _key(gather) not in self.left_out

    def lines(self) -> list[str]:
        """What was done, in plain words, for a terminal."""
        lines = []
        if self.profile is None:
            lines.append(
                f"{self.name} does not record what it was trained on, because an older glowseis made it: gathers were "
                "graded at their own sample interval and in their own order; train it again to have them matched to it"
            )
        for interval_s, count in sorted(self.resampled.items()):
            lines.append(
                f"{number_of(count, 'gather')} resampled from {milliseconds(interval_s)} to {self._trained()}, the "
                f"sample interval that {self.name} was trained at"
            )
        if self.reordered:
            order = ORDERS["far" if self.profile and self.profile.order == "far" else "near"]
            lines.append(f"{number_of(self.reordered, 'gather')} put {order}, as {self.name} was trained")
        if self.assumed:
            if self.interval_s is None:
                lines.append(
                    f"{number_of(self.assumed, 'gather')} taken without resampling: {self.name} does not record the "
                    "sample interval that it was trained at"
                )
            else:
                verb = "is" if self.assumed == 1 else "are"
                lines.append(
                    f"{number_of(self.assumed, 'gather')} without a sample interval {verb} assumed to have "
                    f"{self._trained()}; if that is wrong, pass --sample-interval when files are read"
                )
        for reason in dict.fromkeys(self.left_out.values()):
            names = [name for (_, name), one in self.left_out.items() if one == reason]
            lines.append(f"{number_of(len(names), 'gather')} left out with {reason}: {first_names(names)}")
        return lines

    def _trained(self) -> str:
        return milliseconds(self.interval_s or math.nan)

    def _resampled(self, found: Recording | Picture) -> Recording | Picture:
        # Resizing alone changes the interval to that of the images that were trained on.
        if self.fit == "resize":
            return found
        wanted_s = self._wanted(found.gather_id, found.source, found.geometry)
        return found if wanted_s is None else self._at(found, wanted_s)

    def _wanted(self, name: str, source: str, geometry: Geometry) -> float | None:
        """The interval to resample to; None if there is nothing to do."""
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
                f"gather {name} of {source} has a sample interval of {milliseconds(interval_s)}, but {self.name} was "
                f"trained at {milliseconds(middle_s)}: it looks at noise up to {0.5 / middle_s:.4g} Hz, and the gather "
                f"has nothing above {0.5 / interval_s:.4g} Hz; train a classifier on such gathers, or pass "
                "--sample-interval if the file is wrong"
            )
        return middle_s

    def _at(self, found: Recording | Picture, wanted_s: float) -> Recording:
        """Resample a gather after setting everything that is not signal to zero, because a filter would spread it."""
        interval_s = found.geometry.sample_interval_s
        if isinstance(found, Picture):
            grey = found.image.astype(np.float32) - ZERO_LEVEL
            found = Recording(
                found.gather_id, grey, found.label, found.geometry, found.source, found.origin, found.mended
            )
            zero: float | None = 0.0
        else:
            zero = self.zero_level
        amplitude = found.amplitude
        broken, dead = trace_states(amplitude)
        measured = measure(
            amplitude, broken, dead | constant_traces(amplitude), zero, one_zero=found.one_zero, middle=found.middle
        )
        check_middle(measured, found, zero)
        amplitude = resampled_in_time(measured.amplitude, interval_s, wanted_s)
        amplitude[:, broken] = np.nan
        self.resampled[round(interval_s, 9)] += 1
        # Loud traces are found again when the clip is measured.
        mended = Counter({name: count for name, count in measured.mended.items() if name not in LOUD})
        return Recording(
            gather_id=found.gather_id,
            amplitude=amplitude,
            label=found.label,
            geometry=dataclasses.replace(found.geometry, sample_interval_s=wanted_s),
            source=found.source,
            origin=found.origin,
            mended=Counter(found.mended) + mended + Counter(resampled=amplitude.shape[1]),
            one_zero=found.one_zero,
        )

    def _order(self, found: Recording | Picture | Gather, traces: int) -> np.ndarray | None:
        """The traces in the order that the model knows; None if there is nothing to do."""
        order = order_of_offsets(found.geometry.offset_m, self.profile.order if self.profile else "unknown")
        if order is None or len(order) != traces:
            return None
        self.reordered += 1
        return order

    def _note(self, gather: Gather, order: np.ndarray | None) -> None:
        if order is not None:
            self.orders.setdefault(_key(gather), deque()).append(order)

    def _checked(self, gather: Gather, recorded_s: float) -> Gather:
        """Note whether a gather is too small to grade; make sure that it is a shot gather."""
        where = f"gather {gather.gather_id} of {gather.source}"
        distance = np.abs(np.asarray(gather.geometry.offset_m[: gather.valid_traces], np.float64))
        if len(distance) >= FEWEST_TRACES and np.isfinite(distance).all() and np.ptp(distance) < 1.0:
            raise InputError(
                f"{where} has {len(distance)} traces at one offset, {distance[0]:.5g} m, like a stacked or "
                f"common-offset section, but {self.name} grades shot gathers; give shot gathers, or pass --shot-header "
                "with the word that tells shots apart"
            )
        samples = min(FEWEST_SAMPLES, self.window[0] // 2)
        traces = min(FEWEST_TRACES, self.window[1] // 2)
        live = int((gather.image != ZERO_LEVEL).any(axis=0).sum())
        if gather.valid_samples < samples:
            changed = gather.geometry.sample_interval_s != recorded_s and recorded_s > 0
            at = f" of {milliseconds(gather.geometry.sample_interval_s)}" if changed else ""
            why = f" (their sample interval is {milliseconds(recorded_s)})" if changed else ""
            self.left_out[_key(gather)] = f"fewer than the {samples} samples{at} that {self.name} needs{why}"
        elif live < traces:
            self.left_out[_key(gather)] = f"fewer than the {traces} live traces that {self.name} needs"
        return gather


def _key(found: Recording | Picture | Gather) -> tuple[str, str]:
    return found.source, found.gather_id


def _shape(found: Recording | Picture) -> tuple[int, int]:
    shape = (found.image if isinstance(found, Picture) else found.amplitude).shape
    return shape[0], shape[1]


def by_offset(found: Recording | Picture) -> tuple[Recording | Picture, np.ndarray | None]:
    """A gather with its traces along the cable: sorted by offset if the file has them in disorder.

    Args:
        found: The gather as recorded, or as rendered earlier.

    Returns:
        The gather, and the order in which its traces were taken, int64 `[trace]`; itself and None if it is in order.
    """
    order = order_of_offsets(found.geometry.offset_m, "unknown")
    if order is None or len(order) != _shape(found)[1]:
        return found, None
    return _ordered(found, order), order


def _ordered(found: Recording | Picture, order: np.ndarray) -> Recording | Picture:
    geometry = traces_taken(found.geometry, order)
    mended = Counter(found.mended) + Counter(reordered=len(order))
    if isinstance(found, Picture):
        return dataclasses.replace(found, image=found.image[:, order], geometry=geometry, mended=mended)
    return dataclasses.replace(found, amplitude=found.amplitude[:, order], geometry=geometry, mended=mended)


def traces_taken(geometry: Geometry, order: np.ndarray | slice) -> Geometry:
    """The geometry of some of its traces.

    Args:
        geometry: The geometry.
        order: Their numbers, from 0, in the wanted order, int64 `[trace]`; or a slice.
    """
    arrays = ("channel", "offset_m", "receiver_x_m", "receiver_y_m")
    return dataclasses.replace(geometry, **{name: getattr(geometry, name)[order] for name in arrays})


def _as_resized(gather: Gather) -> tuple[Gather, np.ndarray]:
    """A resized gather with the interval of its rows and the offsets of its columns instead of the recording's.

    The trace closest to each column is returned with it.
    """
    samples, traces = gather.recorded_shape or gather.image.shape
    columns = np.linspace(0, traces - 1, gather.valid_traces).round().astype(np.int64)
    geometry = traces_taken(gather.geometry, columns) if len(gather.geometry.offset_m) == traces else gather.geometry
    interval_s = geometry.sample_interval_s * samples / gather.valid_samples
    geometry = dataclasses.replace(geometry, sample_interval_s=interval_s)
    return dataclasses.replace(gather, geometry=geometry, fit="pad", recorded_shape=None), columns
