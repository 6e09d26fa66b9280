"""How well a classifier works on acquisitions that it was not trained on: `python -m eval.transfer`.

It is trained on a survey of some simulated acquisitions and scored on two other surveys: one of other lines of the
acquisitions that it was trained on, without those in its validation and test parts, and one of acquisitions that it has
never seen, with other water depths, sources, gains and cables. Gathers are graded for the paper's class fractions, as
`classify --prior` does, and scores are weighted to these. Intervals are percentiles over sail lines resampled with
replacement.

```
transfers/NAME/
  surveys/             training, seen, unseen
  run/  savedmodels/   of the classifier
  seen.csv  unseen.csv grades of their gathers for the training's fractions, each with a record beside it
  transfer.json  transfer.csv  transfer.txt
```
"""

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from glowseis import command
from glowseis.errors import InputError, StoppedError
from glowseis.survey.simulate.acquisition import LINES_APART

if TYPE_CHECKING:
    from glowseis.recipe import ClassifierRecipe, SurveySection
    from glowseis.survey.store.survey import Survey

FIRST_UNSEEN = 1001
"""Number of the first acquisition that never trains."""

TEST_SEEDS = {"seen": 1000, "unseen": 2000}
"""Added to the training survey's seed, for other lines and other earths."""

TEST_FRACTIONS = (40.0, 30.0, 30.0)
"""Good, medium and bad gathers of the test surveys, in per cent, with enough rare ones to judge by."""

DRAWS = 1000
"""Number of resamplings of the sail lines for an interval."""

WITHIN = {"rare": 10.0, "others": 3.0}
"""Points of F1 by which the rarest class and the others may fall on unseen acquisitions."""

KEPT = "stopped; everything is saved, run the same command again to continue"


def main(
    recipe: Annotated[
        Path | None, typer.Argument(help="TOML file of a classifier; default: train/transfer.toml.")
    ] = None,
    *,
    model: Annotated[
        Path | None, typer.Option(help="SavedModel, trained from a recipe, to score instead of training one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of surveys and figures; default: transfers/NAME.")] = None,
    count: Annotated[int, typer.Option(min=30, help="Gathers of each test survey.")] = 600,
    unseen: Annotated[int, typer.Option(min=1, help="Number of unseen acquisitions.")] = 30,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as seed=2.")
    ] = None,
) -> None:
    """Score a classifier on acquisitions that it was trained on, and on others that it has never seen.

    If it is stopped, run the same command again to continue; what is finished is kept.

    Example: python -m eval.transfer train/transfer.toml --set survey.acquisitions=10
    """
    from glowseis.recipe import ClassifierRecipe, read_recipe

    if model and (recipe or changes):
        raise InputError("--model brings its own recipe; leave out RECIPE and --set")
    started = time.monotonic()
    settings: Any = None
    if not model:
        path = recipe or Path(__file__).parent.parent / "train/transfer.toml"
        settings = read_recipe(path, changes)
        if not isinstance(settings, ClassifierRecipe):
            raise InputError(f"{path}: is a flow's recipe; give one with a section [classifier]")

    command.import_tensorflow()
    from glowseis.export.classifier import load_classifier

    try:
        if model:
            classifier = load_classifier(model)
            settings = _recipe_of(classifier.about, model)
        folder = out or Path("transfers") / (classifier.name.replace("/", "-") if model else settings.name)
        folder.mkdir(parents=True, exist_ok=True)
        if not model:
            classifier = load_classifier(_trained(settings, folder, started))
        result = measure(classifier, settings.survey, folder, count, unseen)
    except KeyboardInterrupt:
        raise StoppedError(KEPT) from None
    print(write(result, folder))


def measure(classifier: Any, survey: "SurveySection", folder: Path, count: int, unseen: int) -> dict[str, Any]:
    """Make both test surveys, grade them, and compare; surveys and grades that exist are kept.

    Args:
        classifier: The classifier, loaded.
        survey: The survey that it was trained on, from its recipe.
        folder: Folder of surveys and grades.
        count: Gathers of each test survey.
        unseen: Number of unseen acquisitions.

    Returns:
        The figures, for `write`.

    Raises:
        InputError: The folder holds other surveys, or grades by another classifier; the classes differ; or the
            classifier does not say which gathers it was trained on.
        StoppedError: It was interrupted; what is finished is kept.
    """
    from glowseis.judging.prior import reweighted, trained_fractions
    from glowseis.run.own_survey import own_survey
    from glowseis.run.record import commit
    from glowseis.survey.simulate import PAPER_FRACTIONS, SIMULATOR_VERSION

    fractions = trained_fractions(classifier.name, classifier.profile, classifier.labels)
    sections = judging_surveys(survey, count, unseen)
    trained = trained_acquisitions(classifier.about.get("training_ids", ()), survey, classifier.name)
    found = {}
    for part, section in sections.items():
        made = own_survey(section, folder / "surveys" / part)
        one = graded(classifier, made, folder / f"{part}.csv")
        expected = np.array(PAPER_FRACTIONS, np.float64)
        found[part] = one | {"probabilities": reweighted(one["probabilities"], fractions, expected / expected.sum())}
    found["seen"] = of_acquisitions(found["seen"], trained)
    figures = compare(found, classifier.labels, PAPER_FRACTIONS)
    for part, one in found.items():
        figures["parts"][part]["acquisitions"] = len(np.unique(one["lines"] // LINES_APART))
    return {
        "classifier": classifier.name,
        "simulator": SIMULATOR_VERSION,
        "commit": commit(),
        "training": survey.model_dump(),
        "surveys": {part: section.model_dump() for part, section in sections.items()},
        **figures,
    }


def judging_surveys(survey: "SurveySection", count: int, unseen: int) -> dict[str, "SurveySection"]:
    """The test surveys for a training survey.

    Args:
        survey: The training survey.
        count: Gathers of each.
        unseen: Number of unseen acquisitions.

    Raises:
        InputError: The training survey contains acquisitions that must be unseen.
    """
    if survey.acquisitions and survey.first_acquisition + survey.acquisitions > FIRST_UNSEEN:
        raise InputError(
            f"survey.first_acquisition = {survey.first_acquisition} and survey.acquisitions = {survey.acquisitions}: "
            f"acquisitions from {FIRST_UNSEEN} are reserved for testing; train on lower numbers"
        )
    changes = {"count": count, "fractions": list(TEST_FRACTIONS)}
    others = {"acquisitions": unseen, "first_acquisition": FIRST_UNSEEN}
    return {
        part: survey.model_copy(update=changes | {"seed": survey.seed + more} | (others if part == "unseen" else {}))
        for part, more in TEST_SEEDS.items()
    }


def trained_acquisitions(ids: Iterable[str], survey: "SurveySection", name: str) -> set[int]:
    """Numbers of the acquisitions that a classifier was trained on: a grouped split keeps whole acquisitions out.

    Args:
        ids: Ids of the gathers that it was trained on, such as `sim1-a7-000106`; older ids, such as `sim1-000106`, do
            not contain the acquisition, which then follows from the gather's number.
        survey: The training survey.
        name: Name of the classifier.

    Returns:
        The numbers; 0 is the paper's acquisition.

    Raises:
        InputError: None of the gathers was simulated.
    """
    found = set()
    for one in ids:
        if told := re.fullmatch(r"sim\d+-(?:a(\d+)-)?(\d+)", one):
            acquisition, index = told.groups()
            if acquisition is None and survey.acquisitions:
                acquisition = survey.first_acquisition + int(index) % survey.acquisitions
            found.add(int(acquisition or 0))
    if not found:
        raise InputError(
            f"{name}: does not say which simulated gathers it was trained on; give a classifier that glowseis.train "
            "trained on its recipe's own survey"
        )
    return found


def of_acquisitions(one: dict[str, np.ndarray], acquisitions: set[int]) -> dict[str, np.ndarray]:
    """The gathers of some acquisitions, out of what `graded` returns.

    Args:
        one: Arrays with one row per gather, sail lines among them.
        acquisitions: Numbers of the acquisitions.

    Raises:
        InputError: There are none.
    """
    kept = np.isin(one["lines"] // LINES_APART, sorted(acquisitions))
    if not kept.any():
        raise InputError("the survey `seen` has no gather of an acquisition that was trained on; raise --count")
    return {name: values[kept] for name, values in one.items()}


def graded(classifier: Any, survey: "Survey", file: Path) -> dict[str, np.ndarray]:
    """Grade a test survey, unless its grades exist.

    Args:
        classifier: The classifier, loaded.
        survey: The gathers.
        file: CSV file of the grades; a record beside it names the classifier and survey.

    Returns:
        Probabilities `[gather, class]`, classes `[gather]` and sail lines `[gather]`.

    Raises:
        InputError: The existing grades are of another classifier or survey, or the classifier does not know a label.
    """
    import pandas as pd

    from glowseis.files import read_record, write_json
    from glowseis.run.grading import bringing_for, grade, survey_gathers
    from glowseis.survey.progress import progress

    labels = list(classifier.labels)
    strange = sorted(set(survey.labels) - set(labels))
    if strange:
        raise InputError(f"{survey.path}: has gathers labelled {strange[0]!r}, which {classifier.name} does not know")
    record = {"classifier": classifier.about.get("run"), "survey": survey.checksum}
    beside = file.with_suffix(".json")
    if file.exists() and not beside.exists():
        # It was stopped between writing the two.
        file.unlink()
    if not beside.exists():
        bringing = bringing_for(classifier)
        gathers = progress(survey_gathers(survey, bringing), len(survey), f"grading {file.stem}")
        grade(classifier, gathers, file, bringing=bringing)
        write_json(beside, record)
    elif read_record(beside) != record or not file.exists():
        raise InputError(f"{file}: holds grades by another classifier or of another survey; give another --out")
    table = pd.read_csv(file)
    # Gathers with too little to judge have no row.
    there = survey.index.set_index("gather_id").loc[table["gather_id"]]
    return {
        "probabilities": table[[f"probability_{label}" for label in labels]].to_numpy(),
        "classes": there["label"].map(labels.index).to_numpy(np.int64),
        "lines": there["sail_line"].to_numpy(),
    }


def compare(
    found: dict[str, dict[str, np.ndarray]], labels: tuple[str, ...], fractions: tuple[float, ...], seed: int = 1
) -> dict[str, Any]:
    """F1 of each class on unseen acquisitions, compared with seen ones.

    Args:
        found: What `graded` returns for `seen` and `unseen`.
        labels: Names of the classes, in order of severity; the last is the rare one.
        fractions: Class shares that scores are weighted to.
        seed: Seed of the resampling of sail lines.

    Returns:
        Gathers and scores of each part; and rows, one per class: F1 of both and their difference, in per cent, each
        with an interval that holds 95 % of the draws, and whether the difference is within bounds.
    """
    from glowseis.scoring import fraction_weights, scores

    random = np.random.default_rng(seed)
    parts: dict[str, Any] = {}
    points, draws = {}, {}
    for part, one in found.items():
        classes, probabilities = one["classes"], one["probabilities"]
        graded_as = probabilities.argmax(axis=1)
        weights = fraction_weights(classes, fractions)
        parts[part] = {
            "gathers": dict(zip(labels, np.bincount(classes, minlength=len(labels)).tolist(), strict=True)),
            "sail_lines": len(np.unique(one["lines"])),
            "scores": scores(classes, graded_as, labels, probabilities=probabilities, weights=weights).record(),
        }
        confusion = _by_line(one["lines"], classes, graded_as, len(labels))
        points[part] = 100 * _f1(confusion.sum(axis=0)[np.newaxis], fractions)[0]
        chosen = random.integers(len(confusion), size=(DRAWS, len(confusion)))
        draws[part] = 100 * _f1(confusion[chosen].sum(axis=1), fractions)
    rows = []
    for number, label in enumerate(labels):
        within = WITHIN["rare" if number == len(labels) - 1 else "others"]
        difference = points["unseen"][number] - points["seen"][number]
        drawn = {part: draws[part][:, number] for part in found}
        drawn["difference"] = drawn["unseen"] - drawn["seen"]
        row: dict[str, Any] = {"label": label}
        for name, value in (("seen", points["seen"][number]), ("unseen", points["unseen"][number])):
            row |= {name: float(value), **_interval(name, drawn[name])}
        row |= {"difference": float(difference), **_interval("difference", drawn["difference"])}
        rows.append(row | {"allowed": -within, "holds": bool(difference >= -within)})
    return {"parts": parts, "rows": rows}


def write(result: dict[str, Any], folder: Path) -> str:
    """Write a comparison as JSON, CSV and text.

    Args:
        result: What `measure` returns.
        folder: The folder to write to.

    Returns:
        The text.
    """
    import pandas as pd

    from glowseis.files import whole_file, write_json

    write_json(folder / "transfer.json", result)
    with whole_file(folder / "transfer.csv", replace=True) as path:
        pd.DataFrame(result["rows"]).to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
    text = table(result)
    with whole_file(folder / "transfer.txt", replace=True) as path:
        path.write_text(text + "\n", encoding="utf-8")
    return f"{text}\n{folder / 'transfer.json'}; {folder / 'transfer.csv'}; {folder / 'transfer.txt'}"


def table(result: dict[str, Any]) -> str:
    """A comparison as lines of text, in per cent.

    Args:
        result: What `measure` returns.
    """
    lines = []
    for part, section in result["surveys"].items():
        number = section["acquisitions"]
        left = min(result["parts"][part].get("acquisitions", number), number)
        what = (
            f"{f'{left} of ' if left < number else ''}{number} acquisitions from number {section['first_acquisition']}"
            if number
            else "the paper's acquisition"
        )
        gathers = ", ".join(f"{count} {label}" for label, count in result["parts"][part]["gathers"].items())
        lines.append(f"{part:6}  {what}: {gathers}, on {result['parts'][part]['sail_lines']} sail lines")
    lines += ["", f"{'F1, %':10}  {'seen':>18}  {'unseen':>18}  {'difference':>19}  allowed"]
    for row in result["rows"]:
        cells = [
            f"{row[name]:{sign}5.1f} ({row[f'{name}_low']:{sign}.1f}, {row[f'{name}_high']:{sign}.1f})"
            for name, sign in (("seen", ""), ("unseen", ""), ("difference", "+"))
        ]
        holds = "" if row["holds"] else "  missed"
        lines.append(
            f"{row['label']:10}  {cells[0]:>18}  {cells[1]:>18}  {cells[2]:>19}  {row['allowed']:+7.0f}{holds}"
        )
    lines.append(f"{result['classifier']}, simulator {result['simulator']}, commit {result['commit'] or 'unknown'}")
    return "\n".join(lines)


def _trained(recipe: "ClassifierRecipe", folder: Path, started: float) -> Path:
    """The recipe's classifier, trained on the recipe's own survey unless it exists."""
    from glowseis.run.classifier import train_classifier
    from glowseis.run.own_survey import own_survey

    survey = own_survey(recipe.survey, folder / "surveys" / "training")
    result = train_classifier(
        recipe, survey, folder / "run", folder / "savedmodels", lambda line: print(line, flush=True), started
    )
    return Path(result["savedmodel"])


def _recipe_of(about: dict[str, Any], model: Path) -> "ClassifierRecipe":
    from pydantic import ValidationError

    from glowseis.recipe import ClassifierRecipe

    try:
        return ClassifierRecipe.model_validate(about["recipe"])
    except (KeyError, ValidationError):
        raise InputError(
            f"{model}: does not say which recipe it was trained from; give a SavedModel that glowseis.train made"
        ) from None


def _by_line(lines: np.ndarray, classes: np.ndarray, graded_as: np.ndarray, count: int) -> np.ndarray:
    """Gathers by sail line, class and grade, `[line, class, grade]`."""
    names, numbers = np.unique(lines, return_inverse=True)
    confusion = np.zeros((len(names), count, count))
    np.add.at(confusion, (numbers, classes, graded_as), 1)
    return confusion


def _f1(confusion: np.ndarray, fractions: tuple[float, ...]) -> np.ndarray:
    """F1 `[draw, class]` of confusion matrices `[draw, class, grade]`, with classes weighted to fractions."""
    share = np.asarray(fractions)[:, np.newaxis] * confusion / np.maximum(confusion.sum(axis=2, keepdims=True), 1)
    right = np.diagonal(share, axis1=1, axis2=2)
    return 2 * right / np.maximum(share.sum(axis=1) + share.sum(axis=2), 1e-12)


def _interval(name: str, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


if __name__ == "__main__":
    command.run(main)
