"""One marine shot gather: its image, its geometry and its label."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from glowseis.escapes import SHOWN_AS, visible

LABELS = ("good", "medium", "bad")
"""The paper's classes (section 5.1), in the order of their frequency."""


@dataclass(frozen=True)
class Geometry:
    """Where and when a gather was recorded.

    Attributes:
        sail_line: Number of the sail line.
        shot: Shot number (SEG-Y FieldRecord).
        cable: Number of the streamer, from 1.
        sample_interval_s: Time between two samples, in seconds.
        channel: Channel numbers, int32 `[trace]`.
        offset_m: Signed source-receiver distances, float32 `[trace]`, in metres, as the source file gives them.
        source_x_m: Source coordinate, in metres.
        source_y_m: Source coordinate, in metres.
        receiver_x_m: Receiver coordinates, float64 `[trace]`, in metres.
        receiver_y_m: Receiver coordinates, float64 `[trace]`, in metres.
        start_s: Time of the first sample after the shot, in seconds.

    What a source does not give is NaN; a shot or line that it does not give is 0.
    """

    sail_line: int
    shot: int
    cable: int
    sample_interval_s: float
    channel: np.ndarray
    offset_m: np.ndarray
    source_x_m: float
    source_y_m: float
    receiver_x_m: np.ndarray
    receiver_y_m: np.ndarray
    start_s: float = 0.0


UNKNOWN_PARENT = "?"
"""The parent of a synthetic gather whose parents are unknown; no gather can have this id."""


@dataclass(frozen=True)
class Origin:
    """How a synthetic gather was made: everything needed to make it again.

    Attributes:
        parents: Gather ids, the first of which gives the geometry and the valid region; only `UNKNOWN_PARENT` if they
            were lost; empty for a recorded gather.
        alpha: Weight of the second parent, 0 to 1; for a prior sample, the temperature.
        seed: Seed of the draw of pairs and alphas, or of latents.
        model: Name and version of the SavedModel, or of whatever else made it.
        path: Path between the parents' latents, `linear` or `spherical`; `prior` for a sample without parents; `pixels`
            if grey levels were mixed.
    """

    parents: tuple[str, ...] = ()
    alpha: float = 0.0
    seed: int = 0
    model: str = ""
    path: str = ""


@dataclass(frozen=True)
class Recording:
    """A gather as it was recorded or simulated, before it becomes an image.

    Attributes:
        gather_id: Stable name, unique in a survey, such as `line0001-shot00012-cable3`.
        amplitude: Pressure, float32 `[time, trace]`, in the units of the source; float64 if a large constant would hide
            it in 32 bits.
        label: One of a survey's labels, or `""` when unlabelled.
        geometry: Where and when.
        source: The file or simulator it came from, printable; `source_text` makes it from a path.
        origin: How it was made, when synthetic.
        mended: What its reader mended, counted by the names of `glowseis.survey.amplitudes.mending.MENDINGS`.
        one_zero: Whether all its traces have the same zero, as in a picture.
        middle: The value of zero if no constant was added: mid-grey if amplitudes are grey levels.
    """

    gather_id: str
    amplitude: np.ndarray
    label: str
    geometry: Geometry
    source: str
    origin: Origin = field(default_factory=Origin)
    mended: Mapping[str, int] = field(default_factory=dict)
    one_zero: bool = False
    middle: float = 0.0


@dataclass(frozen=True)
class Picture:
    """A gather from a picture that glowseis wrote; other pictures are recordings of grey levels.

    Attributes:
        gather_id: Stable name, unique in a survey.
        image: Grey levels, uint8 `[time, trace]`; zero amplitude is 128.
        label: One of a survey's labels, or `""` when unlabelled.
        geometry: Where and when, as far as known.
        source: The file it came from, printable.
        origin: How it was made, when synthetic.
        mended: What its reader mended, counted by the names of `glowseis.survey.amplitudes.mending.MENDINGS`.
    """

    gather_id: str
    image: np.ndarray
    label: str
    geometry: Geometry
    source: str
    origin: Origin = field(default_factory=Origin)
    mended: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Gather:
    """A gather as an image of a survey's size.

    Attributes:
        gather_id: Stable name, unique in a survey.
        image: Grey levels, uint8 `[time, trace]`; zero amplitude and everything outside the valid region is 128.
        label: One of the survey's labels, or `""` when unlabelled.
        geometry: Where and when; its arrays have `valid_traces` elements, or the recording's traces when it was
            resized. Times and distances are always those of the recording.
        source: The file or simulator it came from.
        clip_amplitude: Amplitude that is rendered as white, in the units of the source.
        valid_samples: Rows of the image that hold recorded samples; padding follows below.
        valid_traces: Columns of the image that hold recorded traces; padding follows on the right.
        fit: How the recording was brought to the image's size: `pad`, `crop` if a window was cut, or `resize`.
        recorded_shape: Samples and traces of the recording before that; None if they are the valid region.
        origin: How it was made, when synthetic.
        dead_traces: Recorded traces without signal: of one value throughout, or broken.
        broken_traces: Traces that had NaN or infinite samples and were set to zero.
        zero_amplitude: The zero that was subtracted from the recording, in the units of the source, float32: one for
            each of its traces, or a single 0 if nothing was subtracted.
        mended: What its reader and rendering mended, counted by the names of
            `glowseis.survey.amplitudes.mending.MENDINGS`.
    """

    gather_id: str
    image: np.ndarray
    label: str
    geometry: Geometry
    source: str
    clip_amplitude: float
    valid_samples: int
    valid_traces: int
    fit: str = "pad"
    recorded_shape: tuple[int, int] | None = None
    origin: Origin = field(default_factory=Origin)
    dead_traces: int = 0
    broken_traces: int = 0
    zero_amplitude: np.ndarray = field(default_factory=lambda: np.zeros((), np.float32))
    mended: Mapping[str, int] = field(default_factory=dict)


def source_text(path: Path) -> str:
    r"""A path, or the address that it is the copy of, as printable text: other characters become escapes such as `\r`.

    Args:
        path: Any path.

    Returns:
        Text that can be written to a CSV file, a record and a terminal.
    """
    shown = SHOWN_AS.get(os.fspath(path), path)
    return visible(os.fsencode(shown).decode("utf-8", "backslashreplace"))
