"""Memory of a fold's process against the number of gathers: whether it streams its data.

    python -m benchmarks.fold_memory [--size 896x640] [--gathers 653,5223] [--added 40] [--steps 12]

For each number of gathers, a process of its own opens a survey of that size, checks it as a fold's guard does, makes
the gathers of the arm pixel-mixing, and trains both arms' classifiers. Gathers are noise, different in every image. It
prints the peak resident memory of the process, without the operating system's cache of the files.
"""

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.augmented import RECIPE, write_noise
from benchmarks.resident import highest_resident_mb
from glowseis.command import import_tensorflow, run
from glowseis.errors import InputError
from glowseis.survey.size import parse_size


def main(
    size: Annotated[str, typer.Option(help="Samples x traces.")] = "896x640",
    gathers: Annotated[str, typer.Option(help="Numbers of gathers, the smallest first.")] = "653,5223",
    added: Annotated[int, typer.Option(min=1, help="Number of synthetic gathers.")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each arm.")] = 12,
    batch: Annotated[int, typer.Option(min=1, help="Gathers per step.")] = 4,
    alpha: Annotated[int, typer.Option(min=1, help="Width of the classifier.")] = 1,
) -> None:
    """Compare the memory of a fold's process for few gathers with that for many.

    Example: python -m benchmarks.fold_memory --size 448x320 --gathers 500,2000
    """
    shape = parse_size(size)
    words = [word.strip() for word in gathers.split(",")]
    counts = [int(word) for word in words if word.isdecimal()]
    if len(counts) < len(words) or min(counts) < 100:
        raise InputError(f"--gathers {gathers}: write numbers from 100, such as 653,5223")
    print(f"{size}, alpha {alpha}, batch {batch}, {steps} steps per arm, {added} synthetic gathers")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "recipe.toml").write_text(RECIPE)
            write_noise(folder / "survey", count, shape)
            changes = [f"study.augmentations={added}", f"study.classifier.alpha={alpha}"]
            changes += [f"study.training.steps_per_epoch={steps}", "study.training.epochs=1"]
            changes += [f"study.training.batch={batch}"]
            # A forked process would include this one's memory.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                libraries_mb, fold_mb, peak_mb, seconds = pool.submit(_fold, folder, changes).result()
        print(
            f"{count:6} gathers, {count * shape[0] * shape[1] / 1e6:6.0f} MB of images: peak resident memory "
            f"{libraries_mb:5.0f} MB with libraries loaded, {fold_mb:5.0f} MB with the fold checked, {peak_mb:5.0f} MB "
            f"with both arms trained ({seconds:.0f} s)",
            flush=True,
        )


def _fold(folder: Path, changes: list[str]) -> tuple[float, float, float, float]:
    """Peak memory in MB after each of three stages, and the seconds of all."""
    started = time.monotonic()
    import_tensorflow()
    from eval.study.arms import ARM_CLASSES
    from eval.study.fold import Fold
    from eval.study.preparation import prepare
    from eval.study.recipe import read_study

    libraries = highest_resident_mb()
    recipe = read_study(folder / "recipe.toml", changes)
    study = prepare(recipe, folder / "study", folder / "survey", say=lambda line: None)
    fold = Fold(study, "stratified", 0)
    checked = highest_resident_mb()
    for arm in study.recipe.study.arms:
        fold.fit(fold.training_set(ARM_CLASSES[arm]()))
    return libraries, checked, highest_resident_mb(), time.monotonic() - started


if __name__ == "__main__":
    run(main)
