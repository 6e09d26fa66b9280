"""Formats that gathers can be written in, chosen by name before any gather is made."""

from enum import StrEnum
from pathlib import Path

from glowseis.errors import InputError
from glowseis.files import check_output


class Format(StrEnum):
    """Formats that can be written."""

    SEGY = "segy"
    HDF5 = "hdf5"
    NUMPY = "numpy"
    PICTURES = "pictures"
    SURVEY = "survey"


ENDINGS = {
    Format.SEGY: (".segy", ".sgy"),
    Format.HDF5: (".h5", ".hdf5", ".hdf"),
    Format.NUMPY: (".npy",),
}
"""Extensions of files; upper case works too. A name without an extension is a survey's folder."""


def target_format(out: Path, kind: str | None = None, *, synthetic: bool = True) -> Format:
    """Choose the format to write, and make sure that nothing exists there yet.

    Args:
        out: File or folder to make.
        kind: A name of `Format`; by the extension of `out` when None.
        synthetic: Whether a table of parents is written beside it, if the format needs one.

    Raises:
        InputError: The format or extension is unknown, or something exists there already.
    """
    if kind and kind not in list(Format):
        raise InputError(f"format {kind!r} is unknown; choose one of {', '.join(Format)}")
    found = Format(kind) if kind else _format_of(out)
    if found in (Format.SEGY, Format.NUMPY) and table_of(out) == out:
        raise InputError(f"{out}: the table of parents beside such a file has this name; give another --out")
    check_output(out)
    if synthetic and found in (Format.SEGY, Format.NUMPY):
        check_output(table_of(out))
    return found


def table_of(path: Path) -> Path:
    """The path of the table that says how the synthetic gathers of a SEG-Y or NumPy file were made.

    Args:
        path: The file.
    """
    return path.with_suffix(".csv")


def _format_of(out: Path) -> Format:
    ending = out.suffix.lower()
    found = next((kind for kind, endings in ENDINGS.items() if ending in endings), None)
    if found is None and ending:
        raise InputError(
            f"{out}: no format ends in {out.suffix}; name a .segy, .h5 or .npy file or a folder, or give --format"
        )
    return found or Format.SURVEY
