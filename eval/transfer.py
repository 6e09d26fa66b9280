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

KEPT = "stopped; everything is saved, run the same command again to continue"


@command.resumes
def main(
    recipe: Annotated[
        Path | None, typer.Argument(help="TOML file of a classifier; default: train/transfer.toml.")
    ] = None,
    *,
    model: Annotated[
        Path | None, typer.Option(help="SavedModel to score instead of training one; it must come from a recipe.")
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
    from eval.results.transfer_table import write
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
    from eval.results.transfer_table import compare
    from glowseis.judging.prior import reweighted
    from glowseis.run.own_survey import own_survey
    from glowseis.run.record import commit
    from glowseis.survey.simulate import PAPER_FRACTIONS, SIMULATOR_VERSION

    fractions = classifier.fractions()
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
        if match := re.fullmatch(r"sim\d+-(?:a(\d+)-)?(\d+)", one):
            acquisition, index = match.groups()
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


if __name__ == "__main__":
    command.run(main)
