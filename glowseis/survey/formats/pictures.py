"""Gathers as grey pictures: PNG files for viewing and other software; PNG, JPEG and TIFF files as sources."""

import contextlib
import functools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from glowseis.errors import InputError
from glowseis.files import whole_folder
from glowseis.survey.amplitudes.measured import is_one_sided
from glowseis.survey.formats.axes import unknown_geometry
from glowseis.survey.formats.plausible import check_expansion, check_sides
from glowseis.survey.formats.source import (
    ReadOptions,
    Remark,
    check_file,
    file_stem,
    one_line_errors,
    overridden_interval,
)
from glowseis.survey.gather import Gather, Geometry, Origin, Picture, Recording, source_text
from glowseis.survey.store.index import COLUMNS, check_words, index_writer, read_index

TABLE = "gathers.csv"

TOLD = ("gather_id", "label", "parents", "alpha", "seed", "model", "path")
"""What one of our own pictures records about itself, as does the table beside it."""

DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of one grey channel of more than eight bits."""

FLAT = ("1", "L", "P", "RGB", "CMYK", "YCbCr")

CLEAR = ("LA", "PA", "RGBA", "La", "RGBa")
"""Modes with transparency."""

COLOURED, CHROMA = 0.02, 24
"""Share of the pixels, and how far apart their red, green and blue may be: more than this is meaningful colour, not the
little that JPEG adds to grey."""

REACH = 8
"""Largest ratio between the ranges on both sides of zero: beyond it, a picture has its zero at black or white."""

FRAME = 8
"""Grey levels, of 256, that a row or column of a frame spans at most, and its distance from zero."""

WIDE = 16
"""Fewest traces at which a row of one level must be a line or margin, not chance."""

PHOTOMETRIC, BITS, ORIENTATION = 262, 258, 274
"""TIFF tags; the last is used by EXIF too."""


def write_pictures(folder: Path, gathers: Iterable[Gather]) -> int:
    """Write one 8-bit grey PNG per gather, only its valid region, and `gathers.csv`; whole or not at all.

    A PNG's text chunks identify its gather and, if that is synthetic, say how it was made, so that a stray picture can
    still be told from a recorded one.

    Args:
        folder: Folder to make.
        gathers: What to write, one after another.

    Returns:
        The number of pictures.

    Raises:
        InputError: The output exists, there are no gathers, or one has a bad id or label, or a repeated id.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    seen: set[str] = set()
    with whole_folder(Path(folder)) as temporary:
        with index_writer(temporary / TABLE, ["file"]) as write_row:
            for gather in gathers:
                check_words(gather, seen)
                seen.add(gather.gather_id)
                name = f"{gather.gather_id}.png"
                valid = gather.image[: gather.valid_samples, : gather.valid_traces]
                Image.fromarray(valid).save(temporary / name, pnginfo=_text(gather))
                write_row(gather, {"file": name})
        if not seen:
            raise InputError(f"{folder}: there are no gathers to write; check the sources")
    return len(seen)


def _text(gather: Gather) -> PngImagePlugin.PngInfo:
    origin = gather.origin
    text = {"gather_id": gather.gather_id, "label": gather.label, "source": gather.source}
    if origin.parents:
        text |= {"parents": ";".join(origin.parents), "alpha": repr(float(origin.alpha))}
        text |= {"seed": str(origin.seed), "model": origin.model, "path": origin.path}
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    return chunks


class PictureSource:
    """An opened picture file: PNG, JPEG or TIFF; each page of a TIFF file is a gather.

    Rows are samples, columns are traces. Grey levels of any depth are amplitudes about a zero that rendering measures.
    Zero must be a middle grey, so a white background, a frame and colours are refused. Transparent pixels are zero. Our
    own pictures are kept as they are, with id, label and origin, and if `gathers.csv` is beside them also with line,
    shot, cable and times.

    Attributes:
        path: The file.
        pages: Number of its pictures.
        first_shot: As given.

    Args:
        path: The file.
        options: Label, and the sample interval if it is known.
        first_shot: Shot number of the first picture whose shot is unknown.

    Raises:
        InputError: It is not such a file, is damaged or animated, or its numbers are not grey levels.
    """

    def __init__(self, path: Path, options: ReadOptions, first_shot: int = 1):
        check_file(path)
        self.path = path
        self._options = options
        self.first_shot = first_shot
        with self._open() as image:
            if image.format != "TIFF" and getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{source_text(path)}: has several frames; save each as a separate picture")
            self._shapes = [(image.height, image.width) for image in _pages(image)]
            self._own = _words(image).get("gather_id", "")
        for samples, traces in self._shapes:
            check_sides(path, samples, traces)
            check_expansion(path, samples * traces, "its picture")

    @property
    def pages(self) -> int:
        """Number of its pictures."""
        return len(self._shapes)

    @property
    def interval_s(self) -> float | None:
        """Time between two samples, in seconds, from the user or the table; None if neither gives it."""
        interval_s = self._options.sample_interval_s or self._row().get("sample_interval_s", np.nan)
        return None if np.isnan(interval_s) else interval_s

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each picture."""
        yield from self._shapes

    def remarks(self) -> list[Remark]:
        """A sample interval that the user's overrides; other problems are reported for the gathers."""
        own_s = self._row().get("sample_interval_s", np.nan)
        return overridden_interval([] if np.isnan(own_s) else [own_s], self._options)

    def gathers(self) -> Iterator[Recording | Picture]:
        """One picture after another: a recording of grey levels, float32, or one of our own pictures.

        Raises:
            InputError: It is damaged, or its numbers are not grey levels or not centred on a middle grey.
        """
        with self._open() as image:
            if image.format == "PNG":
                # Decoding stops with the last row and checks no checksum.
                image.verify()
        with self._open() as image:
            for number, page in enumerate(_pages(image), start=1):
                levels = _levels(self.path, page)
                middle = 1 << (15 if levels.dtype == np.uint16 else 7)
                # One that was saved again is still identified by the table beside it.
                is_own = bool(self._own or self._row())
                if not is_own or levels.dtype != np.uint8:
                    if self._options.zero_level is None:
                        _check_middle(self.path, levels)
                    levels = levels.astype(np.float32)
                if levels.shape != self._shapes[number - 1]:
                    raise InputError(f"{source_text(self.path)}: its size changes as it is read; save it again")
                yield self._picture(levels, middle, number, _words(page))

    def _picture(self, levels: np.ndarray, middle: int, number: int, text: dict[str, str]) -> Recording | Picture:
        row = self._row()
        # A picture that was saved again may have lost its text chunks.
        text = {name: str(row[name]) for name in TOLD if row.get(name, "") != ""} | text
        page = f"-page{number}" if self.pages > 1 else ""
        name = text.get("gather_id", f"{file_stem(self.path)}{page}")
        label = self._options.label or text.get("label", "")
        interval_s = self.interval_s
        geometry = unknown_geometry(
            self.first_shot + number - 1, levels.shape[1], np.nan if interval_s is None else interval_s
        )
        if row:
            known = {field: row[field] for field in ("sail_line", "shot", "cable", "start_s")}
            geometry = Geometry(**{**vars(geometry), **known})
        origin = Origin()
        if text.get("parents"):
            origin = Origin(
                parents=tuple(text["parents"].split(";")),
                alpha=float(text["alpha"]),
                seed=int(text["seed"]),
                model=text["model"],
                path=text["path"],
            )
        told = (name, levels, label, geometry, source_text(self.path), origin)
        picture: Recording | Picture = Picture(*told)
        if levels.dtype != np.uint8:
            picture = Recording(*told, one_zero=True, middle=float(middle))
        check_words(picture, ())
        return picture

    def _row(self) -> dict[str, Any]:
        """The row of one of our own pictures in the table beside it, by gather id, else by file name."""
        table = self.path.parent / TABLE
        if not table.is_file():
            return {}
        stamp = table.stat()
        rows = _table(table, stamp.st_mtime_ns, stamp.st_size)
        return rows.get(self._own or f"{self.path.stem}.png", {})

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        with warnings.catch_warnings(), one_line_errors(self.path, functools.partial(_told, self.path)):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(self.path, formats=("PNG", "JPEG", "TIFF")) as image:
                yield image


def _words(image: Any) -> dict[str, str]:
    """The text chunks of one of our own PNGs; empty for others, whose text may mean anything.

    They precede the pixels, which need not be read; Pillow's `text` would read them.
    """
    if image.format != "PNG" or not isinstance(image.info.get("gather_id"), str):
        return {}
    return {name: str(word) for name, word in image.info.items() if isinstance(word, str)}


def _pages(image: Any) -> Iterator[Any]:
    """The pages of a TIFF file, or the picture itself."""
    if image.format != "TIFF":
        yield image
        return
    for number in range(image.n_frames):
        image.seek(number)
        yield image


def _levels(path: Path, image: Any) -> np.ndarray:
    """A picture's grey levels `[time, trace]`: uint8, uint16, or float32 if something is transparent."""
    name = source_text(path)
    tags = dict(image.tag_v2) if image.format == "TIFF" else {}
    if (tags.get(ORIENTATION) or image.getexif().get(ORIENTATION) or 1) != 1:
        raise InputError(f"{name}: has an EXIF orientation other than upright; save it upright")
    if image.mode in DEEP or (image.mode == "I" and image.format == "PNG"):
        level = np.asarray(image).astype(np.uint16)
        # Pillow inverts pictures whose white is 0, but not these.
        return 2 ** tags.get(BITS, (16,))[0] - 1 - level if tags.get(PHOTOMETRIC) == 0 else level
    if image.mode not in FLAT + CLEAR:
        raise InputError(
            f"{name}: has pixels of kind {image.mode}, which are not grey levels; save it as 8-bit grey, or as a NumPy "
            "array if they are amplitudes"
        )
    is_clear = image.mode in CLEAR or "transparency" in image.info
    image = image.convert("RGBA") if is_clear else image
    alpha = np.asarray(image.getchannel("A")).astype(np.float32) / 255 if is_clear else None
    colours = image if image.mode in ("1", "L") else image.convert("RGB")
    if colours.mode == "RGB":
        _check_colours(name, np.asarray(colours), alpha)
    grey = np.array(colours.convert("L"))
    if alpha is None or (alpha == 1).all():
        return grey
    if not alpha.any():
        raise InputError(f"{name}: completely transparent; leave it out")
    zero = np.median(grey[alpha > alpha.max() / 2])
    return zero + (grey - zero) * alpha


def _check_colours(name: str, colours: np.ndarray, alpha: np.ndarray | None) -> None:
    """Refuse meaningful colours: positive and negative amplitudes may have the same luminance."""
    apart = colours.max(axis=-1) - colours.min(axis=-1)
    seen = apart > CHROMA if alpha is None else (apart > CHROMA) & (alpha > 0)
    if seen.mean() > COLOURED:
        raise InputError(
            f"{name}: in colour, and brightness does not tell positive from negative amplitudes; save it as grey "
            "levels about mid-grey, or its amplitudes as a NumPy array"
        )


def _check_middle(path: Path, levels: np.ndarray) -> None:
    """Refuse pictures whose grey levels are not centred on a middle grey, or that have a frame."""
    name = source_text(path)
    zero = np.median(levels)
    about = levels.astype(np.float32) - zero
    # Twelve-bit levels may be stored in sixteen bits.
    span = FRAME * max(1.0, np.ptp(about) / 256)
    rows = [row for row in (about[0], about[-1]) if _is_edge(row, span)]
    columns = [column for column in (about[:, 0], about[:, -1]) if _is_edge(column, span)]
    # A column may be a dead trace, but no row is black or white in all traces.
    ends = about.min() + span, about.max() - span
    is_lined = len(about[0]) >= WIDE and any(not ends[0] < row[0] < ends[1] for row in rows)
    if is_lined or (rows and columns):
        raise InputError(f"{name}: has a frame or margin of one grey level; crop it to the gather")
    if not about.any():
        return
    low, high = np.quantile(about, [0.001, 0.999])
    if REACH * min(-low, high) < max(-low, high) or is_one_sided(about):
        raise InputError(
            f"{name}: its grey levels ({levels.min():g} to {levels.max():g}) are not centred on zero: most are near "
            f"{zero:g}, as on a white or black background; save it as grey levels about mid-grey, or its amplitudes as "
            "a NumPy array, or give zero with --zero-level"
        )


def _is_edge(edge: np.ndarray, span: int) -> bool:
    """Whether a row or column relative to zero has a single level away from zero."""
    return bool(np.ptp(edge) <= span and np.abs(edge).min() > span)


@functools.lru_cache(maxsize=4)
def _table(file: Path, changed_ns: int, size_bytes: int) -> dict[str, dict[str, Any]]:
    """Rows of a table that `write_pictures` wrote, by gather id; empty for any other table."""
    try:
        rows = [{str(name): value for name, value in row.items()} for row in read_index(file).to_dict("records")]
        ours = [row for row in rows if {"file", *COLUMNS} <= set(row)]
        return {row["file"]: row for row in ours} | {row["gather_id"]: row for row in ours}
    except (ValueError, KeyError, OverflowError, OSError):
        return {}


def _told(path: Path, wrong: Exception) -> str:
    """What is wrong with a file that Pillow cannot read."""
    text = " ".join(str(wrong).replace(repr(str(path)), "it").split())[:200]
    return f"cannot be read as PNG, JPEG or TIFF ({text}); save it again"
