"""Files of gathers in any format, opened for reading."""

import os
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from glowseis.errors import InputError
from glowseis.survey.formats.source import ReadOptions, Source
from glowseis.survey.gather import source_text
from glowseis.survey.wording import first_names

ENDINGS = {
    "segy": (".segy", ".sgy"),
    "su": (".su",),
    "hdf5": (".h5", ".hdf5", ".hdf"),
    "numpy": (".npy", ".npz"),
    "pictures": (".png", ".jpg", ".jpeg", ".tif", ".tiff"),
}
"""Formats that can be read, and the extensions of their files; upper case works too."""

TABLES = (".csv", ".tsv", ".xlsx")
"""Extensions of tables, which somebody may take for gathers."""

BESIDE = (*TABLES, ".json", ".tfrecord", ".txt", ".pdf")
"""Extensions of files that often lie beside gathers and hold none."""

TRACES, ARRAYS = ("segy", "su"), ("hdf5", "numpy")

CONCERNS = {
    "shot_header": TRACES,
    "trace_header": TRACES,
    "cable_header": TRACES,
    "line_header": TRACES,
    "sample_format": TRACES,
    "byte_order": TRACES,
    "samples": TRACES,
    "keep_auxiliary": TRACES,
    "dataset": ARRAYS,
    "axes": ARRAYS,
}
"""Formats that each option applies to."""


def open_source(path: Path, options: ReadOptions, kind: str | None = None, first_shot: int = 1) -> Source:
    """Open a file of gathers and read its headers.

    Args:
        path: The file.
        options: What the file does not say, or says wrongly.
        kind: Its format, from `ENDINGS`; when None, by its extension, or SEG-Y if that is unknown.
        first_shot: Shot number of its first gather, in formats without shot numbers.

    Returns:
        The opened file.

    Raises:
        InputError: The format is unknown, or the file cannot be read in it.
    """
    kind = check_kind(kind) or _kind(path)
    if kind == "su":
        from glowseis.survey.formats.seismic_unix import SeismicUnixSource

        return SeismicUnixSource(path, options)
    if kind == "hdf5":
        from glowseis.survey.formats.hdf5 import Hdf5Source

        return Hdf5Source(path, options)
    if kind == "numpy":
        from glowseis.survey.formats.arrays import ArraySource

        return ArraySource(path, options)
    if kind == "pictures":
        from glowseis.survey.formats.pictures import PictureSource

        return PictureSource(path, options, first_shot)
    from glowseis.survey.formats.segy import SegySource

    try:
        return SegySource(path, options)
    except InputError as wrong:
        if kind or not path.is_file():
            raise
        if path.suffix.lower() in TABLES:
            raise InputError(
                f"{source_text(path)}: is a table, not a file of gathers; pass tables of labels to --labels"
            ) from None
        raise InputError(
            f"{wrong} (read as SEG-Y, because its extension is unknown; pass --format if it is not SEG-Y)"
        ) from None


def open_sources(
    paths: Sequence[Path],
    options: ReadOptions,
    kind: str | None = None,
    faults: dict[Path, str] | None = None,
    without: Container[Path] = (),
) -> list[Source]:
    """Open files of gathers, including those in folders.

    Args:
        paths: Files and folders.
        options: As for `open_source`.
        kind: As for `open_source`.
        faults: Gets the reasons of files that cannot be opened, which are left out; when None, the first is raised.
        without: Files that are left out.

    Returns:
        The opened files. Pictures without shot numbers are numbered on from one file to the next, as if no file were
        left out.

    Raises:
        InputError: As `source_files` and `open_source`, or an option applies to none of the files; or a TIFF file is
            left out whose number of pages, and with it the shots of later pictures, cannot be known.
    """
    opened: list[Source] = []
    pages = 0
    uncounted: list[tuple[Path, int]] = []
    files = source_files(paths, kind)
    _check_concerned(options, {kind or _kind(path) or "segy" for path in files})
    for path in files:
        if path in without:
            if (count := _pages(path, options, kind)) is None:
                uncounted.append((path, len(opened)))
            pages += 1 if count is None else count
            continue
        try:
            source = open_source(path, options, kind, 1 + pages)
        except InputError as wrong:
            if faults is None:
                raise
            faults[path] = str(wrong)
            continue
        pages += getattr(source, "pages", 0)
        opened.append(source)
    if uncounted:
        _check_countable(*uncounted[0], opened)
    return opened


def _pages(path: Path, options: ReadOptions, kind: str | None) -> int | None:
    """Pages of a file of pictures that is left out; None if they cannot be counted, 0 for other files."""
    if (kind or _kind(path)) != "pictures":
        return 0
    try:
        return getattr(open_source(path, options, kind), "pages", 0)
    except InputError:
        return None if _is_tiff(path) else 1


def _check_countable(path: Path, before: int, opened: Sequence[Source]) -> None:
    """Refuse to number pictures after a TIFF file that cannot be counted, if another TIFF file has several pages."""
    counts = {getattr(source, "pages", 0) for source in opened if _is_tiff(source.path)}
    if counts - {1} and any(hasattr(source, "pages") for source in opened[before:]):
        raise InputError(
            f"{source_text(path)}: its pages cannot be counted, so the shot numbers of the pictures after it are "
            "unknown; save it again, or ingest those pictures separately"
        )


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def source_files(paths: Sequence[Path], kind: str | None = None) -> list[Path]:
    """List files, and the files in folders whose extension is known, in the order of their names.

    Args:
        paths: Files and folders; folders inside these are not searched.
        kind: A format; if given, only its files are listed from folders.

    Returns:
        The files, each once.

    Raises:
        InputError: A folder has no such file, or a file is given twice.
    """
    kind = check_kind(kind)
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        there = files_in(path, kind)
        if not there:
            endings = ENDINGS[kind] if kind else [ending for each in ENDINGS.values() for ending in each]
            raise InputError(f"{source_text(path)}: no file in this folder ends in {' '.join(endings)}; name another")
        files += there
    seen: set[str] = set()
    for file in files:
        place = os.path.realpath(file)
        if place in seen:
            raise InputError(f"{source_text(file)}: given twice; give each source once")
        seen.add(place)
    return files


def files_in(folder: Path, kind: str | None) -> list[Path]:
    """The files in a folder whose extension is known, in the order of their names; hidden ones are not listed.

    Links to files that are not there are listed: a disk may not be mounted.

    Args:
        folder: The folder.
        kind: A format; if given, only its files are listed.
    """
    there = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    return [file for file in there if _counts(file, kind) and (file.is_file() or _leads_nowhere(file))]


def passed_over(paths: Sequence[Path], kind: str | None) -> list[str]:
    """Tell what else lies in folders of sources, and is not read: files with other extensions, and folders.

    Args:
        paths: Files and folders.
        kind: As for `source_files`.

    Returns:
        A line for each folder in which something was not read, apart from files in `BESIDE`.
    """
    lines = []
    for folder in paths:
        others = sorted(folder.iterdir()) if folder.is_dir() else []
        others = [one for one in others if not one.name.startswith(".") and one.suffix.lower() not in BESIDE]
        names = [source_text(Path(one.name)) for one in others if one.is_dir() or not _counts(one, kind)]
        if names:
            lines.append(
                f"{source_text(folder)}: folders and files with other extensions were not read: {first_names(names)}; "
                "give them as sources if they hold gathers"
            )
    return lines


def check_kind(kind: str | None) -> str | None:
    """Make sure that a format is known.

    Args:
        kind: Its name, or nothing.

    Returns:
        The name; None if none was given.

    Raises:
        InputError: It is unknown.
    """
    if kind and kind not in ENDINGS:
        raise InputError(f"--format {kind} is unknown; choose one of {', '.join(ENDINGS)}")
    return kind or None


def own_options(options: ReadOptions, path: Path, kind: str | None = None) -> ReadOptions:
    """The options that apply to one of several files: those for other formats are left out.

    Args:
        options: The options given for all of them.
        path: The file.
        kind: As for `open_source`.
    """
    own = check_kind(kind) or _kind(path) or "segy"
    defaults = ReadOptions()
    return replace(
        options, **{name: getattr(defaults, name) for name, concerned in CONCERNS.items() if own not in concerned}
    )


def _check_concerned(options: ReadOptions, kinds: set[str]) -> None:
    """Refuse options that would be ignored."""
    for name, concerned in CONCERNS.items():
        if getattr(options, name) != getattr(ReadOptions(), name) and not kinds & set(concerned):
            raise InputError(
                f"--{name.replace('_', '-')} is for files of the formats {' and '.join(concerned)}, but the sources "
                "have none; leave it out"
            )


def _counts(path: Path, kind: str | None) -> bool:
    """Whether a file's extension is of this format, or of any."""
    found = _kind(path)
    return found == kind if kind else found is not None


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _kind(path: Path) -> str | None:
    ending = path.suffix.lower()
    return next((kind for kind, endings in ENDINGS.items() if ending in endings), None)
