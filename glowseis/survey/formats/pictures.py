"""Gathers as grey PNG pictures for eyes and for other software, with a CSV file that says what they are."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, PngImagePlugin

from glowseis.errors import InputError
from glowseis.survey.gather import Gather
from glowseis.survey.index import check_words, index_writer
from glowseis.survey.output import whole_folder


def write_pictures(folder: Path, gathers: Iterable[Gather]) -> int:
    """Write one 8-bit grey PNG a gather, its valid region alone, and `gathers.csv`; whole or not at all.

    A PNG's text chunks say which gather it is and, of a synthetic one, how it was made, so that a picture that went
    astray can still be told from a recorded one.

    Args:
        folder: Folder to be made.
        gathers: What to write, one after another.

    Returns:
        The number of pictures.

    Raises:
        InputError: The output exists, there are no gathers, or one has a bad id or label, or an id given twice.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    seen: set[str] = set()
    with whole_folder(Path(folder)) as temporary:
        with index_writer(temporary / "gathers.csv", ["file"]) as write_row:
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
