"""Outcomes of a study of independent surveys from probabilities that `eval.worth_jax` wrote."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from eval.on_jax.graded import About, Graded, read_graded
from eval.running.crossval import independent_gathers, score_found
from eval.study.missed import grades_path, write_grades
from eval.study.outcome import Outcome, outcome_path, write_outcome
from eval.study.recipe import StudyRecipe
from eval.study.replicates import digest_of, independent_survey
from glowseis.errors import InputError
from glowseis.survey.batches.labelled import LabelledGathers


def take(recipe: StudyRecipe, graded: Path, folder: Path, outcomes: Path, say: Callable[[str], None]) -> int:
    """Write outcomes of all arms in a folder of `eval.worth_jax`, and grades of the missed gathers.

    An outcome that is there already is kept.

    Args:
        recipe: The study's recipe.
        graded: The folder.
        folder: The study's folder.
        outcomes: Folder of the outcomes.
        say: Called with lines for the user.

    Returns:
        How many outcomes were written.

    Raises:
        InputError: The folder has no such files; or one is damaged, of another study or of another independent survey.
    """
    paths = sorted(graded.glob("*.npz"))
    if not paths:
        raise InputError(f"{graded}: has no files of python -m eval.worth_jax; give the folder that it wrote")
    digest, survey = digest_of(recipe), independent_survey(recipe)
    gathers = independent_gathers(recipe, survey)
    images = hashlib.sha256(gathers.read(np.arange(len(gathers))).tobytes()).hexdigest()
    written = 0
    for path in paths:
        about, arms = read_graded(path)
        if about.study != digest:
            raise InputError(f"{path}: is of another study or simulator than this recipe's; give its own recipe")
        if about.truth != gathers.classes.tolist():
            raise InputError(f"{path}: its independent survey has other gathers than {survey.path}; make it again")
        if about.checksum != images:
            say(f"{path}: images of its independent survey differ in roundings from those of {survey.path}")
        for outcome, found in _outcomes(recipe, about, arms, gathers):
            if outcome_path(outcomes, outcome.kind, outcome.fold, outcome.arm).exists():
                continue
            independent, _, rare = score_found(recipe, digest, survey, gathers, found)
            write_grades(grades_path(folder, outcome.kind, outcome.fold, outcome.arm), rare)
            write_outcome(outcomes, outcome.model_copy(update={"independent": independent}))
            written += 1
    return written


def _outcomes(
    recipe: StudyRecipe, about: About, arms: list[Graded], gathers: LabelledGathers
) -> Iterator[tuple[Outcome, np.ndarray]]:
    """Each arm's outcome, without scores, and its probabilities."""
    replicates, training = recipe.study.replicates, recipe.study.training
    assert replicates is not None
    steps = training.epochs * training.steps_per_epoch
    for one in arms:
        epochs = [
            {"step": float((number + 1) * training.steps_per_epoch), "loss": loss}
            for number, loss in enumerate(one.losses)
        ]
        outcome = Outcome(
            study=about.study,
            kind=about.setting,
            fold=one.number,
            folds=replicates.count,
            arm=one.arm,
            labels=recipe.study.labels,
            rare=recipe.data.label,
            training=one.training,
            synthetic=one.synthetic,
            steps=steps,
            kept_step=steps,
            epochs=epochs,
            seconds=one.seconds,
            seed=one.seed,
            commit=about.commit,
            machine=about.machine,
        )
        yield outcome, one.probabilities.astype(np.float64)
