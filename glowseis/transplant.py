"""New gathers of a rare class: the noise of one gather on the earth of another.

Swell noise lies below the band of the source's pulse: at 2 to 8 Hz, where events begin at about 10. So the low band of
a noisy gather is nearly its noise, and can be moved along the cable and onto another gather's events. On simulated bad
gathers it differs from the low band of the true noise by a tenth of that noise's root mean square. The low end of the
donor's strongest events comes along as ghosts, which can be louder than its noise where that is faint.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.amplitudes.bands import CORNER_HZ, low_band
from glowseis.survey.gather import Gather, Origin, Recording
from glowseis.survey.render import ZERO_LEVEL, amplitudes, is_live, render_recording
from glowseis.survey.splits.parts import labelled_rows
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import first_names, number_of

LOW_BAND = "low-band"
"""`Origin.model` of such gathers."""

COMPARED = 100
"""With how many gathers, spread over the survey, donors are compared."""


def onto(host: Gather, noise: np.ndarray, label: str, moved: float = 0.0, corner_hz: float = CORNER_HZ) -> Gather:
    """A gather with its low band replaced by noise.

    Args:
        host: Gives events, geometry and valid region.
        noise: What its low band becomes, amplitudes `[time, trace]`; samples beyond the host's are not used, and one
            that is shorter goes on as its mirror image, as where `low_band` finds an end: no step, and no part is
            quieter than in a recorded gather, as it would be if the noise stopped or faded out.
        label: The new gather's label.
        moved: By what share of its traces the noise is moved along the cable, 0 to 1; what leaves the cable at one end
            comes back at the other.
        corner_hz: Where the low band ends, in hertz.

    Returns:
        The gather, rendered with a clip of its own; the host's dead traces stay dead. Id, source and origin are the
        host's.

    Raises:
        InputError: The host was resized, or its sample interval is unknown or too long.
    """
    interval_s = _interval_s(host, corner_hz)
    own = _signal(host)
    traces = (np.arange(own.shape[1]) + round(moved * noise.shape[1])) % noise.shape[1]
    missing = max(len(own) - len(noise), 0)
    made = own - low_band(own, interval_s, corner_hz)
    made += np.pad(noise, ((0, missing), (0, 0)), "symmetric")[: len(own), traces]
    made[:, ~own.any(axis=0)] = 0.0
    return _rendered(host, made, label)


def low_band_of(gather: Gather, corner_hz: float = CORNER_HZ) -> np.ndarray:
    """The low band of a gather's valid region, amplitudes about zero, float32 `[time, trace]`.

    Raises:
        InputError: It was resized, or its sample interval is unknown or too long.
    """
    return low_band(_signal(gather), _interval_s(gather, corner_hz), corner_hz)


def low_band_gather(gather: Gather, corner_hz: float = CORNER_HZ) -> Gather:
    """A gather's low band as a gather of its own, rendered with a clip of its own; a flow can learn noise from it.

    Raises:
        InputError: As for `low_band_of`.
    """
    return _rendered(gather, low_band_of(gather, corner_hz), gather.label)


def bands_gather(gather: Gather, clip_amplitude: float | None = None, corner_hz: float = CORNER_HZ) -> Gather:
    """A gather's low band and, below it, the rest, as one image twice as long; a conditional flow can learn them.

    Args:
        gather: The gather.
        clip_amplitude: Amplitude that is rendered as white, in both bands; the gather's own if None.
        corner_hz: Where the low band ends, in hertz.

    Returns:
        An image `[2 time, trace]`, mid-grey outside the gather's valid region.

    Raises:
        InputError: As for `low_band_of`.
    """
    clip = np.float32(clip_amplitude or gather.clip_amplitude)
    low = low_band_of(gather, corner_hz)
    height, width = gather.image.shape
    image = np.full((2 * height, width), ZERO_LEVEL, np.uint8)
    for first, band in ((0, low), (height, _signal(gather) - low)):
        levels = np.clip(np.rint(ZERO_LEVEL + ZERO_LEVEL / clip * band), 0, 255)
        image[first : first + gather.valid_samples, : gather.valid_traces] = levels
    return dataclasses.replace(
        gather,
        image=image,
        clip_amplitude=float(clip),
        valid_samples=height + gather.valid_samples,
        recorded_shape=None,
        zero_amplitude=np.zeros((), np.float32),
    )


def transplant(host: Gather, donor: Gather, moved: float, corner_hz: float = CORNER_HZ) -> Gather:
    """A gather with the events of one and the low-frequency noise of another; see `onto`.

    Args:
        host: As for `onto`.
        donor: Gives noise and label.
        moved: As for `onto`.
        corner_hz: As for `onto`.

    Raises:
        InputError: As for `onto`, for either; or their sample intervals differ.
    """
    check_one_interval(host, donor, corner_hz)
    return onto(host, low_band_of(donor, corner_hz), donor.label, moved, corner_hz)


def check_one_interval(host: Gather, donor: Gather, corner_hz: float = CORNER_HZ) -> None:
    """Make sure that noise of one gather can be put onto another.

    Args:
        host: As for `onto`.
        donor: Gives the noise.
        corner_hz: As for `onto`.

    Raises:
        InputError: As for `onto`, for either; or their sample intervals differ.
    """
    intervals_s = [_interval_s(one, corner_hz) for one in (host, donor)]
    if not np.isclose(intervals_s[0], intervals_s[1], rtol=1e-6):
        raise InputError(
            f"gathers {host.gather_id} and {donor.gather_id} have sample intervals of {1e3 * intervals_s[0]:g} and "
            f"{1e3 * intervals_s[1]:g} ms; noise can be moved only between gathers with the same interval: "
            "ingest those of one interval as a survey of their own, or set training.start_from to a saved classifier "
            "that records its sample interval; all gathers are then resampled to it"
        )


@dataclasses.dataclass(frozen=True)
class Move:
    """Whose noise is moved, onto which gather, and how far along the cable.

    Attributes:
        host: Row number of the gather that gives the events.
        donor: Row number of the gather that gives the noise.
        moved: Share of the donor's traces.
    """

    host: int
    donor: int
    moved: float


def draw_moves(hosts: np.ndarray, donors: np.ndarray, count: int, seed: int, first: int = 0) -> list[Move]:
    """Draw hosts, donors and shifts, all uniform; a longer draw begins with a shorter one.

    Args:
        hosts: Row numbers of possible hosts. A donor is never its own host, so there are two, or one that is no donor.
        donors: Row numbers of possible donors.
        count: Number of moves.
        seed: Seed of the draw.
        first: How many moves of the draw are left out before them.
    """
    moves = []
    for index in range(first, first + count):
        random = np.random.default_rng([seed, index, 2])
        donor = int(random.choice(donors))
        host = int(random.choice(hosts))
        while host == donor:
            host = int(random.choice(hosts))
        moves.append(Move(host, donor, float(random.uniform())))
    return moves


def transplants(
    survey: Survey,
    label: str,
    count: int,
    seed: int = 1,
    *,
    hosts: np.ndarray | None = None,
    donors: np.ndarray | None = None,
    corner_hz: float = CORNER_HZ,
) -> Iterator[Gather]:
    """Make new gathers of a label: the noise of those that were recorded, on the earths of all recorded gathers.

    Gathers without a live trace neither give nor take noise.

    Args:
        survey: The survey that holds hosts and donors.
        label: Label of the donors and of the new gathers.
        count: Number of gathers.
        seed: Seed of the draw.
        hosts: Rows of the possible hosts; all recorded, labelled gathers when None.
        donors: Rows of the possible donors; all recorded gathers of the label when None.
        corner_hz: Where the low band ends, in hertz.

    Yields:
        Gathers of the survey's size: `Origin.parents` are host and donor, `alpha` is the share moved along the cable.

    Raises:
        InputError: There is no such gather, no other gather for its noise, or one whose noise cannot be moved.
    """
    donors, hosts = _taking_part(survey, label, donors, hosts)
    if not len(donors) or not len(hosts) or (len(np.unique(hosts)) == 1 and hosts[0] in donors):
        raise InputError(
            f"{survey.path}: has {len(donors)} recorded gathers labelled {label!r} and {len(hosts)} that could take "
            "their noise; give a survey with at least one of them and another labelled gather"
        )
    yield from move_noise(survey, draw_moves(hosts, donors, count, seed), seed, corner_hz=corner_hz)


def move_noise(
    survey: Survey, moves: Sequence[Move], seed: int, name: str = LOW_BAND, *, corner_hz: float = CORNER_HZ
) -> Iterator[Gather]:
    """Make one gather of each given move, labelled as its donor, otherwise like `transplants`.

    Args:
        survey: The survey that holds hosts and donors.
        moves: Hosts, donors and shifts.
        seed: Seed that they were drawn with; it goes into the gathers' origin and ids.
        name: Begins their ids.
        corner_hz: Where the low band ends, in hertz.

    Yields:
        Gathers of the survey's size with their origin, one per move.

    Raises:
        InputError: A gather's noise cannot be moved.
    """
    for number, move in enumerate(moves):
        host, donor = survey.read(move.host), survey.read(move.donor)
        origin = Origin((host.gather_id, donor.gather_id), move.moved, seed, LOW_BAND, "moved")
        made = transplant(host, donor, move.moved, corner_hz)
        yield dataclasses.replace(
            made, gather_id=f"{name}-seed{seed}-{number:06d}", source=f"glowseis {LOW_BAND}", origin=origin
        )


def told_of_donors(
    survey: Survey,
    label: str,
    *,
    hosts: np.ndarray | None = None,
    donors: np.ndarray | None = None,
    corner_hz: float = CORNER_HZ,
) -> list[str]:
    """A line about donors that hardly have noise to give, such as gathers that are bad for spikes; they stay donors.

    Such a donor's low band is, as a share of its clip, no louder than half of the hosts that are no donors.

    Args:
        survey: As for `transplants`.
        label: As for `transplants`.
        hosts: As for `transplants`.
        donors: As for `transplants`.
        corner_hz: As for `transplants`.

    Returns:
        The line, or none if all donors are louder or there is nothing to compare them with.
    """
    donors, hosts = _taking_part(survey, label, donors, hosts)
    others = np.setdiff1d(hosts, donors)
    usual = [share for row in _spread(others) if (share := _low_share(survey.read(int(row)), corner_hz)) is not None]
    if not usual:
        return []
    looked_at = _spread(donors)
    gathers = (survey.read(int(row)) for row in looked_at)
    shares = [(gather.gather_id, _low_share(gather, corner_hz)) for gather in gathers]
    quiet = [name for name, share in shares if share is not None and share <= np.median(usual)]
    if not quiet:
        return []
    are = "is" if len(quiet) == 1 else "are"
    return [
        f"{len(quiet)} of {number_of(len(looked_at), 'gather')} labelled {label} {are} no louder below "
        f"{corner_hz:g} Hz than the median gather with another label; gathers made with their noise may not deserve "
        f"the label: {first_names(quiet)}"
    ]


def _spread(rows: np.ndarray) -> np.ndarray:
    """At most `COMPARED` rows, from the first to the last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), COMPARED)).astype(np.int64))]


def _taking_part(
    survey: Survey, label: str, donors: np.ndarray | None, hosts: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the donors and of the hosts, without those that have no live trace."""
    recorded = labelled_rows(survey)
    donors = np.intersect1d(survey.select(labels=[label]), recorded) if donors is None else donors
    return _live(survey, donors), _live(survey, recorded if hosts is None else hosts)


def _low_share(gather: Gather, corner_hz: float) -> float | None:
    """Root mean square of a gather's low band as a share of its clip; None if it cannot be moved."""
    try:
        return float(np.sqrt(np.square(low_band_of(gather, corner_hz)).mean())) / gather.clip_amplitude
    except InputError:
        return None


def _live(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Those of the rows whose gathers have a live trace."""
    counts = survey.index[["dead_traces", "valid_traces"]].to_numpy()[rows]
    # Dead traces that are not shown count too, so only the image is sure.
    dead = [row for row in rows[counts[:, 0] >= counts[:, 1]] if not is_live(survey.read(int(row)))]
    return rows[~np.isin(rows, dead)]


def _interval_s(gather: Gather, corner_hz: float) -> float:
    interval_s = gather.geometry.sample_interval_s
    if not interval_s > 0:
        raise InputError(
            f"gather {gather.gather_id}: its sample interval is unknown, so its low frequencies are too; give "
            "--sample-interval to python -m glowseis.ingest"
        )
    if corner_hz >= 0.5 / interval_s:
        raise InputError(
            f"gather {gather.gather_id}: has frequencies up to {0.5 / interval_s:g} Hz; give a corner below that, not "
            f"{corner_hz:g} Hz"
        )
    if gather.fit == "resize":
        raise InputError(
            f"gather {gather.gather_id}: was resized, so its rows are no samples; ingest with --fit pad or --fit crop"
        )
    return interval_s


def _rendered(gather: Gather, amplitude: np.ndarray, label: str) -> Gather:
    """Other amplitudes in the place of a gather's, rendered with a clip of their own."""
    height, width = gather.image.shape
    recording = Recording(gather.gather_id, amplitude, label, gather.geometry, gather.source)
    rendered = render_recording(recording, height, width, zero_level=0.0)
    return dataclasses.replace(rendered, fit=gather.fit, recorded_shape=gather.recorded_shape)


def _signal(gather: Gather) -> np.ndarray:
    """Amplitudes about zero of the valid region, float32 `[time, trace]`."""
    zero = np.zeros((), np.float32)
    # A large zero would take digits of the amplitudes with it.
    about_zero = amplitudes(dataclasses.replace(gather, zero_amplitude=zero))
    return about_zero[: gather.valid_samples, : gather.valid_traces]
