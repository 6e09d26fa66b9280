"""Checks, as far as possible, whether outcomes are of the study at hand: tables can also be made from older ones."""

from eval.results.collection import Results
from eval.study.outcome import listed
from eval.study.preparation import Study
from eval.study.recipe import StudyRecipe
from glowseis.errors import InputError


def check_settings(results: Results, recipe: StudyRecipe) -> None:
    """Make sure that outcomes have a recipe's settings, as far as they record them.

    Args:
        results: The outcomes.
        recipe: The recipe.

    Raises:
        InputError: They have other classes, another rare class or another number of added gathers.
    """
    section = recipe.study
    added = {one.synthetic for found in results.outcomes.values() for one in found} - {0}
    compared = [("study.labels", ", ".join(results.labels), ", ".join(section.labels))]
    compared += [("data.label", results.rare, recipe.data.label)]
    compared += [("study.augmentations", str(number), str(section.augmentations)) for number in sorted(added)]
    for name, there, here in compared:
        if there != here:
            raise InputError(
                f"{results.folder}: the outcomes are of another study: {name} was {there}, here it is {here}; give the "
                "recipe that they were made with"
            )


def origin(results: Results, study: Study | None) -> str:
    """The origin of outcomes that are not known to be of this study.

    Args:
        results: The outcomes.
        study: The study; None if its surveys do not exist here.

    Returns:
        A sentence that says what differs; empty if nothing does.
    """
    if study and results.study == study.digest:
        return ""
    outcomes = [one for found in results.outcomes.values() for one in found if not one.error]
    made = f"made at commit {listed(one.commit for one in outcomes)}, shown as they are"
    if not study:
        return (
            "The study's surveys are not here: of the settings, only classes, folds and the number of added gathers "
            f"could be compared with the recipe. The outcomes were {made}."
        )
    index, path = study.survey.index, study.survey.path
    labels = dict(zip(index["gather_id"], index["label"], strict=True))
    tested = {name: one.labels[number] for one in outcomes for name, number in zip(one.ids, one.classes, strict=True)}
    others = sum(labels.get(name) != label for name, label in tested.items())
    kept = {(one.kind, one.fold): set(one.ids) for one in outcomes}
    moved = sum(ids != {*index["gather_id"].iloc[study.parts(*fold)[2]]} for fold, ids in kept.items())
    return (
        f"The outcomes are of another study ({results.study[:12]}, this one is {study.digest[:12]}): {others} of their "
        f"{len(tested)} test gathers have another label in {path} or are not in it, {moved} of {len(kept)} folds "
        f"have other test gathers, and what outcomes do not record, such as the images, may differ too ({made})."
    )
