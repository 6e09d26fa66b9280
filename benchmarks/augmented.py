"""Time per gather to train a fold's classifier with synthetic gathers, compared with training it without.

    python -m benchmarks.augmented [--size 112x80] [--gathers 1200] [--added 600] [--alpha 1] [--repetitions 5]

Both ways go through the fold's guard, from surveys on disk, and take the same number of steps. They alternate, so that
other load on the machine affects both, and medians are compared; on a shared machine, processor time says more than
wall time. Gathers are noise, added ones mixed in pixels; the files are in the page cache.
"""

import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from glowseis.command import import_tensorflow, run
from glowseis.survey.size import parse_size

if TYPE_CHECKING:
    from eval.study.fold import Fold
    from eval.study.material import TrainingSet

RECIPE = """
name = "augmented"
[flow]
levels = 1
steps = 1
attention_levels = 0
[[phases]]
labels = ["bad"]
epochs = 1
learning_rate = 1e-3
[training]
keep = "last"
[study]
kinds = ["stratified"]
folds = 2
arms = ["none", "pixel-mixing"]
"""


def main(
    size: Annotated[str, typer.Option(help="Samples x traces.")] = "112x80",
    gathers: Annotated[int, typer.Option(min=100, help="Gathers in the survey; half of them train.")] = 1200,
    added: Annotated[int, typer.Option(min=1, help="Number of synthetic gathers.")] = 600,
    alpha: Annotated[int, typer.Option(min=1, help="Width of the classifier.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Gathers per step.")] = 64,
    repetitions: Annotated[int, typer.Option(min=1, help="Trainings of each arm; their medians are compared.")] = 5,
) -> None:
    """Compare the training speed of an augmented arm with that of the arm without augmentation.

    Example: python -m benchmarks.augmented --size 448x320 --gathers 300 --added 100 --batch 8
    """
    import_tensorflow()
    from eval.study.arms import ARM_CLASSES
    from eval.study.fold import Fold
    from eval.study.preparation import prepare
    from eval.study.recipe import read_study

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE)
        write_noise(folder / "survey", gathers, parse_size(size))
        changes = [f"study.augmentations={added}", f"study.classifier.alpha={alpha}"]
        changes += ["study.training.epochs=2", f"study.training.batch={batch}"]
        study = prepare(read_study(folder / "recipe.toml", changes), folder / "study", folder / "survey")
        fold = Fold(study, "stratified", 0)
        sets = {arm: fold.training_set(ARM_CLASSES[arm]()) for arm in study.recipe.study.arms}
        taken: dict[str, list[tuple[float, float]]] = {arm: [] for arm in sets}
        for _, (arm, training_set) in itertools.product(range(repetitions + 1), sets.items()):
            taken[arm].append(_gather_s(fold, training_set))
        # The first of each warms up.
        medians = {
            arm: [1000 * statistics.median(column) for column in zip(*rows[1:], strict=True)]
            for arm, rows in taken.items()
        }
    print(f"{size}, alpha {alpha}, batch {batch}, {len(fold.training)} gathers, {added} added, {os.cpu_count()} cores")
    for arm, (wall_ms, cpu_ms) in medians.items():
        print(f"{arm:13} {wall_ms:8.3f} ms per gather, {cpu_ms:8.3f} ms of processor time")
    lost = [100 * (1 - one / other) for one, other in zip(medians["none"], medians["pixel-mixing"], strict=True)]
    print(f"speed lost to synthetic gathers: {lost[0]:.1f} %, by processor time {lost[1]:.1f} %")


def _gather_s(fold: "Fold", training_set: "TrainingSet") -> tuple[float, float]:
    """Mean training time per gather, wall time and processor time of all threads, without the ends of epochs."""
    from glowseis.fitting.classifier.fitting import Epoch, Watcher
    from glowseis.survey.batches.labelled import steps_per_pass

    walls, processors, gathers = [], [], []
    count, batch = len(training_set.gathers), fold.study.recipe.study.training.batch
    length = steps_per_pass(training_set.gathers, batch)

    class Clock(Watcher):
        last: tuple[float, float] | None = None

        def after_step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
            now = time.perf_counter(), time.process_time()
            if self.last:
                walls.append(now[0] - self.last[0])
                processors.append(now[1] - self.last[1])
                # The last step of a pass takes what is left.
                gathers.append(min(batch, count - (step - 1) % length * batch))
            self.last = now

        def after_epoch(self, epoch: Epoch, best: bool) -> None:
            self.last = None

    fold.fit(training_set, watcher=Clock())
    return sum(walls) / sum(gathers), sum(processors) / sum(gathers)


def write_noise(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write a survey of noise: half of its gathers good, a quarter medium, a quarter bad, on twenty sail lines."""
    from glowseis.survey.gather import Geometry, Recording
    from glowseis.survey.render import render_recording
    from glowseis.survey.store.survey import write_survey

    def gathers():
        metres = np.arange(size[1], dtype=np.float64) * 12.5
        for shot in range(count):
            amplitude = np.random.default_rng(shot).normal(size=size).astype(np.float32)
            channel = np.arange(1, size[1] + 1, dtype=np.int32)
            offset_m = -metres.astype(np.float32)
            geometry = Geometry(1 + shot % 20, shot, 1, 0.008, channel, offset_m, 0.0, 0.0, metres, metres)
            label = ("good", "good", "medium", "bad")[shot % 4]
            yield render_recording(Recording(f"shot{shot}", amplitude, label, geometry, "noise"), *size)

    write_survey(folder, gathers(), size, {})


if __name__ == "__main__":
    run(main)
