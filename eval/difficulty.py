"""How hard the simulated survey's rare class is, and how much a classifier could gain: `python -m eval.difficulty`.

The classifier is trained without augmentation on a survey with the paper's fractions, keeps the weights of its lowest
loss on other gathers of that survey, and is scored on another survey rich in rare gathers, with scores weighted back to
those fractions. Two ceilings show what could be reached: the labelling rule applied to the noise that was simulated,
without the judge's uncertainty; and the same network trained on ten times the rare gathers.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from glowseis import command
from glowseis.machine import cores
from glowseis.survey.gather import LABELS

TEST_SEED = 1000
"""Added to the training survey's seed to get the test survey's, which has other lines and other earths."""

TEST_GATHERS = (1500, 1000, 1000)
"""Good, medium and bad gathers of the test survey."""

TIMES_RARE = 10

BATCH = 64

VALIDATION_SHARE = 1 / 9
"""Validation gathers per training gather, from the same survey and with the same fractions: 522 for 4,700."""


def main(
    *,
    size: Annotated[str, typer.Option(help="Samples x traces of the simulated acquisition.")] = "112x80",
    count: Annotated[int, typer.Option(min=10, help="Training gathers, in the paper's fractions.")] = 4700,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training survey.")] = 3,
    networks: Annotated[int, typer.Option(min=1, help="Networks without augmentation; their scores are averaged.")] = 3,
    ceilings: Annotated[int, typer.Option(min=1, help="Networks trained on ten times the rare gathers.")] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the classifier without augmentation.")] = 40,
    alpha: Annotated[int, typer.Option(min=1, help="Width of the classifier.")] = 4,
    out: Annotated[Path | None, typer.Option(help="JSON file to write the figures to.")] = None,
) -> None:
    """Measure how hard the simulated survey is for a classifier without augmentation, and how much it could gain.

    Example: python -m eval.difficulty --seed 3 --networks 3 --out difficulty.json
    """
    from glowseis.files import check_output, whole_file
    from glowseis.survey.size import parse_size

    if out:
        check_output(out)
    height, width = parse_size(size)
    settings = {"size": size, "count": count, "seed": seed, "epochs": epochs, "alpha": alpha}
    result = settings | measure((height, width), count, seed, (networks, ceilings), epochs, alpha)
    print(table(result))
    if out:
        with whole_file(out) as path:
            path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(
    size: tuple[int, int], count: int, seed: int, networks: tuple[int, int], epochs: int, alpha: int
) -> dict[str, Any]:
    """Simulate, train and score.

    Args:
        size: Height in samples and width in traces.
        count: Training gathers.
        seed: Seed of the training survey.
        networks: Number of networks trained without augmentation, and on more rare gathers; their seeds count from 1.
        epochs: Epochs of the classifier without augmentation; the one with more rare gathers takes as many steps.
        alpha: Width of the classifier.

    Returns:
        The simulator's version, gathers by label, and rows of scores by name: a list with the scores of each network.

    Raises:
        InputError: The size cannot be simulated.
    """
    from glowseis.survey.simulate import PAPER_FRACTIONS, SIMULATOR_VERSION, Acquisition

    acquisition = Acquisition.of_size(*size)
    images, classes = _gathers(acquisition, range(count), seed, PAPER_FRACTIONS)
    rare = int((classes == len(LABELS) - 1).sum())
    after = count + (TIMES_RARE - 1) * rare
    more_images, more_classes = _gathers(acquisition, range(count, after), seed, (0.0, 0.0, 1.0))
    validation = _gathers(
        acquisition, range(after, after + max(round(count * VALIDATION_SHARE), 1)), seed, PAPER_FRACTIONS
    )
    parts = [_gathers(acquisition, *part) for part in _test_parts(seed)]
    test_images, test_classes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    command.import_tensorflow()
    from glowseis.scoring import fraction_weights, scores

    weights = fraction_weights(test_classes, PAPER_FRACTIONS)
    steps_per_epoch = max(count // BATCH, 1)

    def trained(images: np.ndarray, classes: np.ndarray, network: int) -> dict[str, Any]:
        found = _probabilities((images, classes), validation, test_images, alpha, epochs, steps_per_epoch, network)
        one = scores(test_classes, found.argmax(axis=1), LABELS, probabilities=found, weights=weights)
        print("F1", ", ".join(f"{label} {100 * f1:.1f}" for label, f1 in zip(LABELS, one.f1, strict=True)), flush=True)
        return one.record()

    ruled = np.concatenate([_rule(acquisition, *part) for part in _test_parts(seed)])
    every, every_class = np.concatenate([images, more_images]), np.concatenate([classes, more_classes])
    rows = {
        "un-augmented": [trained(images, classes, network) for network in range(1, networks[0] + 1)],
        f"{TIMES_RARE} x the rare gathers": [
            trained(every, every_class, network) for network in range(1, networks[1] + 1)
        ],
        "rule, no uncertainty": [scores(test_classes, ruled, LABELS, weights=weights).record()],
    }
    return {
        "simulator": SIMULATOR_VERSION,
        "training": dict(zip(LABELS, np.bincount(classes, minlength=len(LABELS)).tolist(), strict=True)),
        "test": dict(zip(LABELS, np.bincount(test_classes, minlength=len(LABELS)).tolist(), strict=True)),
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table, in per cent; for several networks, means and the range of F1.

    Args:
        result: What `measure` returns.

    Returns:
        Lines of text.
    """
    lines = [
        f"simulator {result['simulator']}; training gathers {result['training']}; test gathers {result['test']}, "
        "weighted to the paper's fractions",
        "",
        "| | " + " | ".join(f"{label} P / R / F1" for label in LABELS) + " | rare F1, lowest to highest |",
        "|---" * (len(LABELS) + 2) + "|",
    ]
    for name, row in result["rows"].items():
        cells = []
        for number in range(len(LABELS)):
            means = (np.mean([one[figure][number] for one in row]) for figure in ("precision", "recall", "f1"))
            cells.append(" / ".join(f"{100 * mean:.1f}" for mean in means))
        rare = [100 * one["f1"][-1] for one in row]
        spread = f"{min(rare):.1f} to {max(rare):.1f}" if len(rare) > 1 else ""
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {spread} |")
    return "\n".join(lines)


def _test_parts(seed: int) -> list[tuple[range, int, tuple[float, float, float]]]:
    """Numbers, seed and fractions of the test survey's good, medium and bad gathers."""
    ends = np.cumsum((0, *TEST_GATHERS)).tolist()
    pure = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return [
        (range(first, last), seed + TEST_SEED, fractions)
        for first, last, fractions in zip(ends[:-1], ends[1:], pure, strict=True)
    ]


def _gathers(
    acquisition: Any, indices: range, seed: int, fractions: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 `[gather, time, trace]`, and classes of some gathers of a simulated survey."""
    from glowseis.survey.progress import progress
    from glowseis.survey.render import render_recording
    from glowseis.survey.simulate import simulate_recordings

    workers = cores()
    made = simulate_recordings(indices.stop, seed, acquisition, fractions, workers, start=indices.start)
    images = np.empty((len(indices), acquisition.height, acquisition.width), np.uint8)
    classes = np.empty(len(indices), np.int32)
    for place, recording in enumerate(progress(made, len(indices), "simulating")):
        images[place] = render_recording(recording, acquisition.height, acquisition.width).image
        classes[place] = LABELS.index(recording.label)
    return images, classes


def _rule(acquisition: Any, indices: range, seed: int, fractions: tuple[float, float, float]) -> np.ndarray:
    """Classes by the labelling rule without the judge's uncertainty."""
    from glowseis.survey.simulate import noise_of_gather
    from glowseis.survey.simulate.labels import judge

    plans = (noise_of_gather(index, seed, acquisition, fractions)[1] for index in indices)
    return np.array([LABELS.index(judge(plan)) for plan in plans])


def _probabilities(
    training_set: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test_images: np.ndarray,
    alpha: int,
    epochs: int,
    steps_per_epoch: int,
    network: int,
) -> np.ndarray:
    """A newly trained network's probabilities of the test gathers, float32 `[gather, class]`."""
    from glowseis.fitting.classifier.fitting import fit_classifier, make_classifier, predict
    from glowseis.recipe import ClassifierTraining

    model = make_classifier(classes=len(LABELS), alpha=alpha, head="softmax", seed=network)
    started = time.monotonic()
    training = ClassifierTraining(
        epochs=epochs, batch=BATCH, learning_rate=1e-3, keep="best", steps_per_epoch=steps_per_epoch
    )
    fitted = fit_classifier(model, training_set, training, seed=network, validation=validation)
    print(
        f"network {network} on {len(training_set[0])} gathers: {time.monotonic() - started:.0f} s, weights of epoch "
        f"{fitted.step // steps_per_epoch} of {epochs}",
        flush=True,
    )
    return predict(model, test_images)


if __name__ == "__main__":
    command.run(main)
