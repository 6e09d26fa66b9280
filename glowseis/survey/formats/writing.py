"""Gathers written to files in any format: the counterpart of `sources`."""

import contextlib
import itertools
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.files import whole_file
from glowseis.survey.formats.axes import FLOAT_MAX, STEPS, narrowed, unknown_geometry
from glowseis.survey.formats.parent_table import NUMBER
from glowseis.survey.formats.plausible import LARGEST_GATHER
from glowseis.survey.formats.targets import Format, table_of, target_format
from glowseis.survey.gather import Gather, Picture, Recording
from glowseis.survey.render import amplitudes, render
from glowseis.survey.size import LARGEST


def write_gathers(
    out: str | Path,
    gathers: Gather | Recording | np.ndarray | Iterable[Gather | Recording],
    *,
    kind: str | None = None,
    sample_interval_s: float = np.nan,
    remark: str = "",
) -> int:
    """Write gathers as SEG-Y, HDF5, a NumPy array, pictures or a survey, with memory for one gather.

    >>> import glowseis
    >>> glowseis.write_gathers("new.segy", glowseis.simulate_gathers(3, size="112x80"))
    3

    Files hold the amplitudes of a gather's valid region in the units of the source: 256 levels up to its clip.
    Synthetic gathers stay marked as such: in a table beside SEG-Y and NumPy files, and inside all other files.

    Args:
        out: File or folder to make: `.segy`, `.sgy`, `.h5`, `.hdf5`, `.npy`, or no extension for a survey's folder.
        gathers: Gathers or recordings, or an array `[gather, time, trace]` or `[time, trace]`: grey levels if it is
            uint8, else amplitudes.
        kind: `segy`, `hdf5`, `numpy`, `pictures` (a folder of PNG files) or `survey`, whatever the extension of `out`.
        sample_interval_s: Time between two samples of an array, in seconds; SEG-Y needs it.
        remark: More about how synthetic gathers were made than model, seed and path.

    Returns:
        The number of gathers.

    Raises:
        InputError: `out` exists already, there are no gathers, or one is not a gather or does not fit into the format.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    out = Path(out)
    found = target_format(out, kind, synthetic=False)
    if isinstance(gathers, np.ndarray):
        gathers = _of_array(gathers, sample_interval_s)
    elif isinstance(gathers, Gather | Recording):
        gathers = [gathers]
    rest = map(_sound, gathers)
    first = next(rest, None)
    if first is None:
        raise InputError(f"{out}: there are no gathers to write; check the sources")
    origin = first.origin
    maker = f"{origin.model}, seed {origin.seed}, {origin.path} path" + (remark and f", {remark}")
    maker = maker if origin.parents else ""
    return WRITERS[found](out, itertools.chain([first], rest), first, maker)


def _of_array(array: np.ndarray, interval_s: float) -> list[Gather | Recording]:
    """Gathers without geometry."""
    if array.ndim not in (2, 3) or array.dtype.kind not in "iuf":
        raise InputError(
            f"an array of shape {array.shape} and type {array.dtype} does not hold gathers; "
            "give numbers [gather, time, trace]"
        )
    if not (np.isnan(interval_s) or 0 < interval_s < np.inf):
        raise InputError(f"sample_interval_s is {interval_s}; give seconds, such as 0.002, or leave it out")
    made: list[Gather | Recording] = []
    for number, one in enumerate(array if array.ndim == 3 else array[np.newaxis], start=1):
        geometry = unknown_geometry(number, one.shape[1], interval_s)
        if one.dtype == np.uint8:
            made.append(render(Picture(f"gather{number}", one, "", geometry, "an array"), *one.shape))
        else:
            made.append(Recording(f"gather{number}", one, "", geometry, "an array"))
    return made


def _sound(gather: Gather | Recording) -> Gather | Recording:
    """A gather that the readers accept, its amplitudes in 32 bits where these suffice."""
    values, kinds = (gather.image, "u") if isinstance(gather, Gather) else (gather.amplitude, "iuf")
    name = f"gather {gather.gather_id}"
    if values.ndim != 2 or values.dtype.kind not in kinds:
        raise InputError(
            f"{name}: an array of shape {values.shape} and type {values.dtype} is not a gather; "
            "give numbers [time, trace]"
        )
    samples, traces = values.shape
    if not values.size or max(samples, traces) > LARGEST or values.size > LARGEST_GATHER:
        raise InputError(
            f"{name} has {samples} samples and {traces} traces; give 1 to {LARGEST} of each, at most "
            f"{LARGEST_GATHER:,} numbers in all"
        )
    if isinstance(gather, Gather):
        return gather
    with np.errstate(over="ignore"):
        too_large = values[np.isinf(values.astype(np.float32)) & np.isfinite(values)]
    if too_large.size:
        raise InputError(f"{name}: has an amplitude of {too_large[0]:g}, 32 bits hold {FLOAT_MAX:g}; scale them")
    return replace(gather, amplitude=narrowed(values))


def _picture(gather: Gather | Recording, size: tuple[int, int]) -> Gather:
    return gather if isinstance(gather, Gather) else render(gather, *size)


def _recording(gather: Gather | Recording) -> Recording:
    """A gather as a recording in the recorded shape."""
    if isinstance(gather, Recording):
        _check_narrow(gather)
        return gather
    return Recording(gather.gather_id, amplitudes(gather), gather.label, gather.geometry, gather.source, gather.origin)


def _check_narrow(recording: Recording) -> None:
    """Refuse amplitudes that a file of 32 bits would lose beside their constant."""
    values = recording.amplitude[np.isfinite(recording.amplitude)].astype(np.float64)
    if recording.amplitude.dtype == np.float32 or not values.size:
        return
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    if high > low and np.median(np.abs(values - values.astype(np.float32))) > (high - low) / STEPS:
        raise InputError(
            f"gather {recording.gather_id}: 32 bits lose its amplitudes beside the constant {middle:g}; subtract it, "
            "or write a survey or pictures"
        )


def _size(first: Gather | Recording) -> tuple[int, int]:
    height, width = (first.image if isinstance(first, Gather) else first.amplitude).shape
    return height, width


Gathers = Iterable[Gather | Recording]


def _write_pictures(out: Path, gathers: Gathers, first: Gather | Recording, maker: str) -> int:
    from glowseis.survey.formats.pictures import write_pictures

    return write_pictures(out, (_picture(one, _size(one)) for one in gathers))


def _write_survey(out: Path, gathers: Gathers, first: Gather | Recording, maker: str) -> int:
    from glowseis.survey.store.survey import write_survey

    size = _size(first)
    about = {"synthetic": maker} if maker else {}
    return write_survey(out, (_picture(one, size) for one in gathers), size, about).gathers


def _write_hdf5(out: Path, gathers: Gathers, first: Gather | Recording, maker: str) -> int:
    from glowseis.survey.formats.hdf5_layout import write_hdf5

    return write_hdf5(out, map(_recording, gathers), maker)


def _write_segy(out: Path, gathers: Gathers, first: Gather | Recording, maker: str) -> int:
    from glowseis.survey.formats.segy_origin import RECORD, simulated_text, synthetic_text
    from glowseis.survey.formats.segy_writer import write_segy

    if not maker:
        simulated = re.match(r"glowseis simulator .*?\bseed (\d+)", first.source)
        text = simulated_text(int(simulated[1])) if simulated else []
        return write_segy(out, map(_recording, _alike(gathers, first)), text)
    with _with_table(_alike(gathers, first), table_of(out), RECORD) as recordings:
        return write_segy(out, recordings, synthetic_text(maker, out, first.origin.path), numbered=True)


def _write_numpy(out: Path, gathers: Gathers, first: Gather | Recording, maker: str) -> int:
    from glowseis.survey.formats.array_writer import write_array

    shape = _recording(first).amplitude.shape
    size = max(shape[0], _size(first)[0]), max(shape[1], _size(first)[1])
    if not maker:
        return write_array(out, map(_recording, _alike(gathers, first)), size)
    with _with_table(_alike(gathers, first), table_of(out), NUMBER) as recordings:
        return write_array(out, recordings, size)


WRITERS: dict[Format, Callable[[Path, Gathers, Gather | Recording, str], int]] = {
    Format.SEGY: _write_segy,
    Format.HDF5: _write_hdf5,
    Format.NUMPY: _write_numpy,
    Format.PICTURES: _write_pictures,
    Format.SURVEY: _write_survey,
}


def _alike(gathers: Gathers, first: Gather | Recording) -> Iterator[Gather | Recording]:
    """Gathers of one origin, because the file's header or table describes all of them."""
    wanted = first.origin
    for gather in gathers:
        origin = gather.origin
        if bool(origin.parents) != bool(wanted.parents) or (
            (origin.model, origin.seed, origin.path) != (wanted.model, wanted.seed, wanted.path)
        ):
            raise InputError(
                f"gather {gather.gather_id} has another origin than {first.gather_id} (recorded, or synthetic with "
                "another model, seed or path); write them to separate files, or all to one HDF5 file or survey"
            )
        yield gather


@contextlib.contextmanager
def _with_table(gathers: Gathers, table: Path, column: str) -> Iterator[Iterator[Recording]]:
    """Gathers as recordings for the block to write to a file, with a row each in a table.

    With the last recording the table gets its name, before the file does: a file without it would pass for recorded. A
    block that fails leaves no table.
    """
    from glowseis.survey.store.index import check_texts, index_writer, is_id

    is_named = False

    def recordings() -> Generator[Recording, None, None]:
        nonlocal is_named
        with whole_file(table) as unnamed, index_writer(unnamed, [column]) as write_row:
            for number, gather in enumerate(gathers, start=1):
                check_texts(gather)
                row = _picture(gather, _size(gather))
                write_row(row if is_id(row.gather_id) else replace(row, gather_id=""), {column: number})
                yield _recording(gather)
        is_named = True

    with contextlib.closing(recordings()) as told:
        try:
            yield told
        except BaseException:
            if is_named:
                table.unlink(missing_ok=True)
            raise
