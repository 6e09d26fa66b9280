"""Files and surveys read into memory."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.gather import Gather
from glowseis.survey.ingestion.ingest import gathers_of
from glowseis.survey.ingestion.report import WARNING
from glowseis.survey.ingestion.request import Request
from glowseis.survey.remote import fetched
from glowseis.survey.size import size_text
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import open_survey


def read_gathers(
    sources: str | Path | Sequence[str | Path],
    *,
    labels: str | Path | None = None,
    size: str | tuple[int, int] = "",
    fit: str = "pad",
    kind: str | None = None,
    labelled_only: bool = False,
    strict: bool = False,
    **options: Any,
) -> list[Gather]:
    """Read files in any format that `ingest` reads, or surveys, into memory.

    >>> import glowseis
    >>> gathers = glowseis.read_gathers("line12.segy", label="good")
    >>> gathers[0].image.shape, gathers[0].image.dtype, gathers[0].geometry.sample_interval_s
    ((64, 64), dtype('uint8'), 0.008)

    Gathers are images of 256 levels; `glowseis.survey.render.amplitudes` converts them back to clipped amplitudes.
    Problems in a file are Python warnings. Surveys are read as they are: only `labelled_only` applies to them, and
    the other options are refused if there are no files.

    Args:
        sources: A file, a folder of files, a survey, or several of these, or their addresses elsewhere
            (`glowseis.survey.remote`).
        labels: A CSV file of labels.
        size: Samples x traces of the images, such as `896x640` or `(896, 640)`; multiples of 64 that hold all
            gathers when empty.
        fit: `pad`, `crop` or `resize`.
        kind: Format of all the files: `segy`, `su`, `hdf5`, `numpy` or `pictures`; by their extensions when None.
        labelled_only: Whether gathers without a label are left out.
        strict: Whether warnings are errors.
        options: What the files do not say, or say wrongly, by the names of
            `glowseis.survey.formats.source.ReadOptions`, such as `sample_interval_s=0.002`.

    Returns:
        The gathers of the surveys, then those of the files, 0.6 MB each at 896 x 640.

    Raises:
        InputError: A setting or an input is wrong.
        TypeError: There is no such option.
    """
    given = [fetched(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    is_survey = [(source / MANIFEST).exists() for source in given]
    surveys = [open_survey(source) for source, is_one in zip(given, is_survey, strict=True) if is_one]
    files = [source for source, is_one in zip(given, is_survey, strict=True) if not is_one]
    table = Path(labels) if labels else None
    request = Request(files, ReadOptions(**options), kind, size_text(size), fit, table, labelled_only, strict)
    if not files:
        _refuse_unused(request)
    gathers = [
        survey.read(row)
        for survey in surveys
        for row, label in enumerate(survey.index["label"])
        if label or not labelled_only
    ]
    if not files:
        if surveys and not gathers:
            raise InputError("no gather of the surveys has a label; leave labelled_only out, or give them labels")
        return gathers
    told: list[str] = []
    gathers += gathers_of(request, told)
    for line in told:
        if line.startswith(WARNING):
            warnings.warn(line.removeprefix(WARNING), stacklevel=2)
    return gathers


def _refuse_unused(request: Request) -> None:
    """Refuse what is said of files where there are none."""
    whole, options = Request(()), ReadOptions()
    names = [name for name in ("labels", "size", "fit", "kind") if getattr(request, name) != getattr(whole, name)]
    names += [name for name, value in vars(request.options).items() if value != getattr(options, name)]
    if names:
        raise InputError(
            f"{' and '.join(names)}: only for files, and all sources are surveys, which are read as they are; leave "
            "it out"
        )
