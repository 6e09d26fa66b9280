"""Checks of what is to be graded, made before TensorFlow is loaded so that errors appear at once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glowseis.errors import InputError
from glowseis.export.folders import model_name, read_about, savedmodel_folder, version_folder
from glowseis.shipped import ready_model
from glowseis.survey.formats.source import check_file
from glowseis.survey.formats.sources import check_kind, source_files
from glowseis.survey.ingestion.opening import open_files
from glowseis.survey.ingestion.request import Request
from glowseis.survey.labels.overlay import with_labels
from glowseis.survey.render import FITS
from glowseis.survey.size import parse_size
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import Survey, open_survey


def model_among(sources: Sequence[Path], model: Path | None) -> tuple[Path, list[Path], list[str]]:
    """The classifier to grade with: the one that was named, before the sources or apart from them, or the ready one.

    Args:
        sources: What was named; if `model` is None, perhaps first a classifier's SavedModel.
        model: A classifier's SavedModel that was named apart.

    Returns:
        The SavedModel, the sources, and lines that tell the user if the ready classifier is taken.

    Raises:
        InputError: The first source is neither a SavedModel nor gathers, there are no sources, or the ready classifier
            is missing.
    """
    first, *others = sources
    if model is not None:
        return model, list(sources), []
    if savedmodel_folder(first) is not None:
        if not others:
            raise InputError(f"{first}: is a SavedModel; name the gathers to grade after it")
        return first, others, []
    if others and not first.exists():
        raise InputError(f"{first}: no SavedModel there, and no gathers; check its name")
    ready = ready_model("classifier")
    return ready, list(sources), [f"no model was named: graded by {model_name(ready)}, which comes with glowseis"]


def look_at_folder(savedmodel: Path, asked: Request) -> Path:
    """Make sure that what is to be watched is a folder, and that the classifier exists.

    Args:
        savedmodel: Path of the classifier's SavedModel.
        asked: The folder, and how to read its files.

    Returns:
        The folder.

    Raises:
        InputError: It is something else, there are several, or an option does not go with watching.
    """
    folder, *others = asked.sources
    if others or not folder.is_dir() or (folder / MANIFEST).exists():
        raise InputError(f"--watch needs one folder of files, not {'several sources' if others else folder}; name it")
    if asked.labels:
        raise InputError("--labels scores grades at the end, and --watch has none; leave one of them out")
    check_kind(asked.kind)
    _check_fit(asked)
    read_about(version_folder(savedmodel), "classifier")
    return folder


def look_at(
    savedmodel: Path, asked: Request, labels: Sequence[Path] = (), judge: str | None = None
) -> tuple[list[Survey], Request]:
    """Open the surveys among the sources, and make sure that the classifier and the files exist.

    Args:
        savedmodel: Path of the classifier's SavedModel.
        asked: Surveys and files, and how to read files; if `fit` is empty, they are graded whole, in windows.
        labels: Files of labels, one of which may be for files of gathers, several for one survey.
        judge: Whose label counts where judges disagree about a survey's gathers.

    Returns:
        The surveys, and the same request for the files alone.

    Raises:
        InputError: One is missing or of the wrong kind, or an option applies to none of them.
    """
    _check_fit(asked)
    fit = asked.fit
    surveys = [open_survey(source) for source in asked.sources if (source / MANIFEST).exists()]
    files = [source for source in asked.sources if not (source / MANIFEST).exists()]
    if labels and len(surveys) + bool(files) > 1:
        raise InputError("--labels is for one survey or for files, and these are several; grade them one after another")
    if files and (len(labels) > 1 or judge):
        raise InputError("several --labels, and --judge, are for surveys; for files give one --labels alone")
    if labels or judge:
        surveys = [with_labels(survey, labels, judge) for survey in surveys]
    if fit and not files:
        raise InputError("--fit is for files; a survey's gathers have one size already; leave --fit out")
    read_about(version_folder(savedmodel), "classifier")
    for file in () if asked.keep_going else source_files(files, asked.kind):
        check_file(file)
    request = replace(asked, sources=files, labels=labels[0] if labels and files else None)
    if request.labels and not asked.keep_going:
        # What headers show of labels that fit no gather.
        open_files(replace(request, fit=fit or "pad"), mixed=True)
    return surveys, request


def _check_fit(asked: Request) -> None:
    """Refuse a way to bring gathers to a size, or a size, that there is not."""
    fit, size = asked.fit, asked.size
    if size:
        parse_size(size)
    if fit and fit not in FITS:
        raise InputError(f"--fit {fit} is unknown; choose {', '.join(FITS[:-1])} or {FITS[-1]}, or leave it out")
    if size and not fit:
        raise InputError(f"--size {size} needs --fit pad, crop or resize; add that, or leave --size out")
