"""A study's report: one HTML file with its tables, figures and gathers, and all that says how they came about."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from eval.report.curve_figure import read_chosen, read_curve
from eval.report.figures import curve_panels, fold_panels, learning_panels, recall_panels
from eval.report.gathers import families, nearest, nearest_table, neighbours, typical_distances
from eval.report.noise import noise_table
from eval.report.page import Html, element, join, page, scrolling
from eval.report.tables import confusions, durations, shown_table
from eval.results.collection import Results
from eval.results.contrasts import KINDS_IN_WORDS, summary
from eval.results.tables import tables
from eval.study.outcome import Outcome, listed
from eval.study.preparation import RECORD, Study
from glowseis.files import read_json, whole_file
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import Survey, open_survey

REPORT = "report.html"

SECTIONS = {
    "tables": "Tables",
    "curve": "F1 against the number of added gathers",
    "folds": "F1 of the rare class, fold by fold",
    "confusion": "Confusion matrices",
    "recall": "Precision against recall of the rare class",
    "gathers": "Synthetic gathers and their parents",
    "noise": "Noise of synthetic gathers",
    "neighbours": "Nearest recorded gathers",
    "learning": "Learning curves",
    "making": "How it was made",
}
"""Headings by id, in their order."""


def write_report(study: Study, results: Results, folder: Path | None = None) -> Path:
    """Write the report, in place of an older one.

    Args:
        study: The study.
        results: Its outcomes, with or without missing folds.
        folder: Where `report.html` goes, and where the curve (`eval.report.curve_figure`) is looked for, if any;
            the study's when None.

    Returns:
        The file.

    Raises:
        InputError: The curve or a survey of synthetic gathers is damaged.
        OSError: The disk is full or not writable.
    """
    folder = folder or study.folder
    every = {kind: [one for arm in results.arms for one in results.of(kind, arm)] for kind in results.kinds}
    finished = {kind: outcomes for kind, outcomes in every.items() if outcomes}
    curve = read_curve(folder)
    families_shown, noise_shown, neighbours_shown = gather_sections(study, results.kinds, results.arms)
    contents = {
        "tables": join(shown_table(table) for table in tables(results)),
        "curve": _panels(curve_panels(curve, read_chosen(folder))) if curve is not None else Html(),
        "folds": _by_kind(finished, lambda outcomes: _panels(fold_panels(results, outcomes[0].kind))),
        "confusion": _by_kind(finished, lambda outcomes: element("div", *confusions(outcomes), class_="matrices")),
        "recall": _by_kind(finished, lambda outcomes: _panels(recall_panels(outcomes))),
        "gathers": families_shown,
        "noise": noise_shown,
        "neighbours": neighbours_shown,
        "learning": _by_kind(finished, lambda outcomes: _panels(learning_panels(outcomes))),
        "making": making(study, [one for found in results.outcomes.values() for one in found]),
    }
    progress = "; ".join(f"{kind}: {results.progress(kind)}" for kind in results.kinds)
    title = f"Study “{study.recipe.name}”: classes {', '.join(results.labels)}, rare class {results.rare}"
    sections = {(name, SECTIONS[name]): content for name, content in contents.items()}
    text = page(title, summary(results), f"Folds finished: {progress}.", sections)
    with whole_file(folder / REPORT, replace=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return folder / REPORT


def _panels(panels: Sequence[Html]) -> Html:
    return element("div", *panels, class_="panels")


def _by_kind(finished: dict[str, list[Outcome]], draw: Callable[[list[Outcome]], Html]) -> Html:
    """The same of each kind of folds, under a heading."""
    return join(
        part
        for kind, outcomes in finished.items()
        for part in (element("h3", KINDS_IN_WORDS.get(kind, kind).capitalize()), draw(outcomes))
    )


def gather_sections(study: Study, kinds: Sequence[str], arms: Sequence[str]) -> tuple[Html, Html, Html]:
    """Synthetic gathers with parents, their noise, and nearest neighbours, of the fold with most arms' on disk.

    Args:
        study: The study.
        kinds: Kinds of folds, the headline first.
        arms: Names of the arms.

    Returns:
        What the three sections hold; where nothing is on disk, they say so.
    """
    folds = [(kind, fold) for kind in kinds for fold in range(len(study.folds[kind]))]
    found = {place: synthetic_surveys(study.work(*place) / "synthetic", arms) for place in folds}
    kind, fold = max(folds, key=lambda place: len(found[place]))
    if found[kind, fold]:
        return _gathers_of(study, kind, fold, found[kind, fold])
    absent = element(
        "p",
        f"No synthetic gathers are on disk in {study.folder / 'work'}. The tables and figures do not need them; "
        "running a fold again makes them again.",
    )
    return absent, absent, absent


def synthetic_surveys(folder: Path, arms: Sequence[str]) -> dict[str, Survey]:
    """The surveys of synthetic gathers in a folder, by arm.

    Args:
        folder: A fold's; it may be missing.
        arms: Names of the arms, which are those of the surveys.
    """
    return {arm: open_survey(folder / arm) for arm in arms if (folder / arm / MANIFEST).exists()}


def _versions(folder: Path) -> dict[str, str]:
    """Versions with which a study was begun, as its folder tells; none where it does not."""
    try:
        versions = read_json(folder / RECORD)["versions"]
        return {str(package): str(version) for package, version in versions.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _gathers_of(study: Study, kind: str, fold: int, surveys: dict[str, Survey]) -> tuple[Html, Html, Html]:
    training = study.parts(kind, fold)[0]
    rare = training[(study.survey.index["label"] == study.rare).to_numpy()[training]]
    where = f"Fold {fold} of {len(study.folds[kind])}, counted from 0 ({kind})."
    shown = join(families(name, survey, study.survey) for name, survey in surveys.items())
    found = {name: nearest(survey, study.survey, rare) for name, survey in surveys.items()}
    typical = typical_distances(study.survey, rare)
    words = element("p", f"{where} The first synthetic gathers of each arm; time runs downwards, traces to the right.")
    near = element("p", f"{where} The synthetic gathers that come nearest to a recorded one, of the first of each arm.")
    pictures = join(neighbours(name, survey, study.survey, found[name]) for name, survey in surveys.items())
    noise = join([element("p", where), noise_table(surveys, study.survey, training)])
    return join([words, shown]), noise, join([nearest_table(found, typical, study.rare), near, pictures])


def making(study: Study, outcomes: Sequence[Outcome]) -> Html:
    """Durations, recipe, versions, checksums, commits and machines.

    Args:
        study: The study.
        outcomes: All outcomes, failed ones too.
    """
    facts = {
        "study": study.digest,
        "survey": f"{study.survey.path}, {len(study.survey)} gathers, SHA-256 {study.survey.checksum}",
    }
    if study.independent:
        independent = study.independent
        facts["independent survey"] = f"{independent.path}, {len(independent)} gathers, SHA-256 {independent.checksum}"
    for kind, folds in study.folds.items():
        facts[f"{kind} folds"] = f"{len(folds)}, SHA-256 {folds.checksum}"
    facts["commit"] = listed(outcome.commit for outcome in outcomes)
    facts["machine"] = listed(outcome.machine for outcome in outcomes)
    facts |= _versions(study.folder)
    rows = (
        element("tr", element("th", name, scope="row"), element("td", text, class_="words long"))
        for name, text in facts.items()
    )
    caption = element("caption", "Data, code and machine; versions are those with which the study was begun.")
    provenance = scrolling(
        element("table", caption, element("tbody", *rows), id="provenance"), "Data, code and machine"
    )
    recipe = json.dumps(study.recipe.model_dump(mode="json"), indent=2)
    return join(
        [
            durations([outcome for outcome in outcomes if not outcome.error]),
            provenance,
            element(
                "details",
                element("summary", "Recipe"),
                element("pre", element("code", recipe), tabindex="0"),
            ),
        ]
    )
