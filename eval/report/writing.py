"""A study's report: one HTML file with its tables, figures and gathers, and how they were made."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from eval.report.curve_figure import read_chosen, read_curve
from eval.report.figures import curve_panels, fold_panels, learning_panels, recall_panels
from eval.report.gathers import families, nearest, nearest_table, neighbours, typical_distances
from eval.report.noise import noise_table
from eval.report.tables import confusions, durations
from eval.results.collection import Results
from eval.results.contrasts import KINDS_IN_WORDS, summary
from eval.results.origin import origin
from eval.results.tables import tables
from eval.study.outcome import Outcome, listed
from eval.study.preparation import RECORD, Study
from eval.study.recipe import StudyRecipe
from glowseis.files import read_json, whole_file
from glowseis.pages.page import Part, page
from glowseis.pages.table import Table
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import Survey, open_survey

REPORT = "report.html"


def write_report(results: Results, recipe: StudyRecipe, study: Study | None, folder: Path) -> Path:
    """Write the report, in place of an older one.

    Args:
        results: The study's outcomes, with or without missing folds.
        recipe: Its settings.
        study: The study; None if its surveys do not exist here, in which case their sections say so.
        folder: Folder for `report.html`, which also holds the curve (`eval.report.curve_figure`), if any.

    Returns:
        The file.

    Raises:
        InputError: The curve or a survey of synthetic gathers is damaged.
        OSError: The disk is full or not writable.
    """
    every = {kind: [one for arm in results.arms for one in results.of(kind, arm)] for kind in results.kinds}
    finished = {kind: outcomes for kind, outcomes in every.items() if outcomes}
    curve = read_curve(folder)
    shown, noise, near = gather_sections(study, results)
    sections = {
        "tables": ("Tables", [Part("table", table) for table in tables(results)]),
        "curve": (
            "F1 against the number of added gathers",
            curve_panels(curve, read_chosen(folder)) if curve is not None else [],
        ),
        "folds": (
            "F1 of the rare class, fold by fold",
            _by_kind(finished, lambda outcomes: fold_panels(results, outcomes[0].kind)),
        ),
        "confusion": ("Confusion matrices", _by_kind(finished, confusions)),
        "recall": ("Precision against recall of the rare class", _by_kind(finished, recall_panels)),
        "gathers": ("Synthetic gathers and their parents", shown),
        "noise": ("Noise of synthetic gathers", noise),
        "neighbours": ("Nearest recorded gathers", near),
        "learning": ("Learning curves", _by_kind(finished, learning_panels)),
        "making": ("How it was made", making(results, recipe, study, folder)),
    }
    progress = "; ".join(f"{kind}: {results.progress(kind)}" for kind in results.kinds)
    missing = f"Not finished yet: {results.missing}." if results.missing else ""
    text = page(
        f"Study “{recipe.name}”: classes {', '.join(results.labels)}, rare class {results.rare}",
        summary(results),
        [f"Folds finished: {progress}.", *filter(None, (missing, origin(results, study)))],
        {name: section for name, section in sections.items() if section[1]},
    )
    with whole_file(folder / REPORT, replace=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return folder / REPORT


def _by_kind(finished: dict[str, list[Outcome]], draw: Callable[[list[Outcome]], list[Part]]) -> list[Part]:
    """The same for each kind of folds, under a heading."""
    return [
        part
        for kind, outcomes in finished.items()
        for part in (Part("heading", KINDS_IN_WORDS.get(kind, kind).capitalize()), *draw(outcomes))
    ]


def gather_sections(study: Study | None, results: Results) -> tuple[list[Part], list[Part], list[Part]]:
    """Synthetic gathers with parents, their noise, and nearest neighbours, of the fold with the most arms on disk.

    Args:
        study: The study; None if its surveys do not exist here.
        results: Its results.

    Returns:
        The contents of the three sections; if nothing is on disk, they say so.
    """
    absent = Part("words", "The study's survey is not here. The tables and figures do not need it.")
    if study:
        folds = [(kind, fold) for kind in results.kinds for fold in range(len(study.folds[kind]))]
        found = {place: synthetic_surveys(study.work(*place) / "synthetic", results.arms) for place in folds}
        kind, fold = max(folds, key=lambda place: len(found[place]))
        if found[kind, fold]:
            return _gathers_of(study, kind, fold, found[kind, fold])
        absent = Part(
            "words",
            f"No synthetic gathers are on disk in {study.folder / 'work'}. The tables and figures do not need them; "
            "running a fold again makes them again.",
        )
    return [absent], [absent], [absent]


def synthetic_surveys(folder: Path, arms: Sequence[str]) -> dict[str, Survey]:
    """The surveys of synthetic gathers in a folder, by arm.

    Args:
        folder: A fold's folder; it may be missing.
        arms: Names of the arms, which are also the surveys' names.
    """
    return {arm: open_survey(folder / arm) for arm in arms if (folder / arm / MANIFEST).exists()}


def _gathers_of(
    study: Study, kind: str, fold: int, surveys: dict[str, Survey]
) -> tuple[list[Part], list[Part], list[Part]]:
    training = study.parts(kind, fold)[0]
    rare = training[(study.survey.index["label"] == study.rare).to_numpy()[training]]
    where = f"Fold {fold} of {len(study.folds[kind])}, counted from 0 ({kind})."
    first = Part("words", f"{where} The first synthetic gathers of each arm; time runs downwards, traces to the right.")
    shown = [part for name, survey in surveys.items() for part in families(name, survey, study.survey)]
    noise = [Part("words", where), noise_table(surveys, study.survey, training)]
    found = {name: nearest(survey, study.survey, rare) for name, survey in surveys.items()}
    table = Part("table", nearest_table(found, typical_distances(study.survey, rare), study.rare))
    words = f"{where} Of the first synthetic gathers of each arm, those closest to a recorded one."
    near = [part for name, survey in surveys.items() for part in neighbours(name, survey, study.survey, found[name])]
    return [first, *shown], noise, [table, Part("words", words), *near]


def making(results: Results, recipe: StudyRecipe, study: Study | None, folder: Path) -> list[Part]:
    """Durations, recipe, versions, checksums, commits and machines.

    Args:
        results: The study's outcomes, including failed ones.
        recipe: Its settings.
        study: The study; None if its surveys do not exist here.
        folder: The study's folder.
    """
    outcomes = [one for found in results.outcomes.values() for one in found]
    facts = {"study": results.study}
    surveys = {"survey": study.survey, "independent survey": study.independent} if study else {}
    for name, survey in surveys.items():
        if survey:
            facts[name] = f"{survey.path}, {len(survey)} gathers, SHA-256 {survey.checksum}"
    for kind, folds in study.folds.items() if study else ():
        facts[f"{kind} folds"] = f"{len(folds)}, SHA-256 {folds.checksum}"
    facts["commit"] = listed(outcome.commit for outcome in outcomes)
    facts["machine"] = listed(outcome.machine for outcome in outcomes)
    facts |= _versions(study.folder if study else folder)
    provenance = Table(
        "provenance",
        "Data, code and machine; versions are those that the study was begun with",
        pd.DataFrame(facts.items(), columns=["item", "value"]),
        words=2,
    )
    taken = durations([outcome for outcome in outcomes if not outcome.error])
    return [
        *([Part("table", taken)] if len(taken.frame) else []),
        Part("table", provenance),
        Part("recipe", json.dumps(recipe.model_dump(mode="json"), indent=2)),
    ]


def _versions(folder: Path) -> dict[str, str]:
    """Versions that a study was begun with, from its folder; none if they are not recorded there."""
    try:
        versions = read_json(folder / RECORD)["versions"]
        return {str(package): str(version) for package, version in versions.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
