"""Memory of a fold's process at the paper's size, to train the flow, to generate, and to train the classifier.

    python -m benchmarks.fold_at_scale [--recipe train/paper.toml] [--gathers 48] [--at-once 8,16] [--set KEY=VALUE]

One process does the work of a fold, through its guard: the flow of the rare class is adapted, trained for one epoch of
few gathers, measured, plotted and written as a SavedModel; gathers are generated with it; classifiers are trained for a
few steps, with each number of gathers at once, and grade the fold's test gathers. Gathers are noise. It prints the peak
resident memory of each stage, and of all; memory that earlier stages left in use counts.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.augmented import write_noise
from benchmarks.resident import highest_resident_mb, reset_highest, resident_mb
from glowseis.command import import_tensorflow, run
from glowseis.errors import InputError
from glowseis.survey.size import parse_size


def main(
    recipe: Annotated[Path, typer.Option(help="A study's recipe.")] = Path("train/paper.toml"),
    gathers: Annotated[int, typer.Option(min=40, help="Gathers; about a ninth train the flow, one step each.")] = 160,
    at_once: Annotated[str, typer.Option(help="Gathers whose gradients are computed at once.")] = "8,16",
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each classifier.")] = 2,
    added: Annotated[int, typer.Option(min=1, help="Gathers to generate.")] = 4,
    changes: Annotated[list[str] | None, typer.Option("--set", help="Change a key of the recipe.")] = None,
) -> None:
    """Measure the peak memory of a fold's process, stage by stage.

    Example: python -m benchmarks.fold_at_scale --set survey.size=448x320 --set study.independent.size=448x320
    """
    words = [word.strip() for word in at_once.split(",")]
    if not all(word.isdecimal() for word in words):
        raise InputError(f"--at-once {at_once}: write numbers, such as 8,16")
    import_tensorflow()
    from eval.study.arms import ARM_CLASSES
    from eval.study.fold import Fold
    from eval.study.preparation import prepare
    from eval.study.recipe import read_study

    few = ["phases.0.epochs=1", "study.folds=2", "study.kinds=['stratified']", 'study.arms=["none", "flow"]']
    few += [f"study.augmentations={added}", "study.training.epochs=1", f"study.training.steps_per_epoch={steps}"]
    settings = read_study(recipe, few + (changes or []))
    flow, classifier = settings.flow, settings.study.classifier
    print(
        f"{settings.survey.size}, flow of {flow.levels} levels, steps {flow.steps}, filters {flow.filters}; classifier "
        f"of alpha {classifier.alpha}, batch {settings.study.training.batch}",
        flush=True,
    )
    stages = _Stages()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_noise(folder / "survey", gathers, parse_size(settings.survey.size))
        study = prepare(settings, folder / "study", folder / "survey", say=lambda line: None)
        fold = Fold(study, "stratified", 0, say=lambda line: None)
        stages.done("libraries loaded, survey made, fold checked")
        fold.flow("rare")
        stages.done(f"flow fitted, {len(fold.rare)} steps, and written")
        training_set = fold.training_set(ARM_CLASSES["flow"]())
        stages.done(f"{training_set.synthetic} gathers generated and admitted")
        for word in words:
            training = settings.study.training.model_copy(update={"at_once": int(word)})
            section = settings.study.model_copy(update={"training": training})
            fold.study = dataclasses.replace(fold.study, recipe=settings.model_copy(update={"study": section}))
            fitting, _ = fold.fit(training_set)
            stages.done(f"classifier fitted, {steps} steps, {word} gathers at once")
            fitting.probabilities(fold.of_rows(fold.test))
            stages.done(f"{len(fold.test)} gathers graded, {word} at once")
    print(f"peak of all stages: {stages.highest_mb:.0f} MB")


class _Stages:
    """Prints the memory and time of each stage."""

    def __init__(self) -> None:
        self.highest_mb = 0.0
        self._since = time.monotonic()

    def done(self, stage: str) -> None:
        """End a stage and begin the next."""
        now, highest_mb = time.monotonic(), highest_resident_mb()
        print(f"{highest_mb:6.0f} MB  {stage} ({now - self._since:.0f} s; {resident_mb():.0f} MB left)", flush=True)
        self.highest_mb, self._since = max(self.highest_mb, highest_mb), now
        reset_highest()


if __name__ == "__main__":
    run(main)
