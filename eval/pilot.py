"""The pilot of `eval.worth`: where ways to add bad gathers can differ, by how much, and how far surveys vary.

    KERAS_BACKEND=jax python -m eval.pilot pilot.csv --settings 1.0:20,1.0:0,0.0:0 --surveys 6

It runs from a checkout without an installed package, for machines with a GPU and JAX: it needs NumPy, SciPy,
scikit-learn, Keras and JAX, and of glowseis the simulator, rendering and Miniception. One H100 fits and scores a
classifier in four seconds. Its surveys have seeds that nothing else uses. Some of its arms know the simulator's true
noise (oracles), so they are bounds and no rivals:

- `none`, `oversampling`: recorded gathers; bad ones repeated. The others also draw shifts and polarities of all
  gathers anew in every step.
- `oversampling-varied`: bad ones repeated.
- `real-8`: eight times as many recorded bad gathers, on other lines.
- `low-band`: half of the repeats are replaced by the low band of a bad gather on another (`glowseis.transplant`).
- `oracle-transplant`: by the true noise of a bad gather on the events of another.
- `oracle-fresh`: by new true noise of bad gathers on the events of others.
"""

import argparse
import csv
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.on_jax.batches import CHANGES, UNCHANGED, Batches
from eval.on_jax.surveys import BAD, Gathers, Place, Processes
from glowseis.scoring import fraction_weights, scores
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.gather import LABELS, Recording
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import PAPER_FRACTIONS, Acquisition, noise_alone, simulate_events, simulate_recording
from glowseis.survey.simulate.labels import draw_noise
from glowseis.survey.simulate.noise import disturb

SIZE, COUNT, TESTED = (112, 80), 5223, 3600
TEST_SEED, OTHER_LINES = 8001, 500
BAD_SHARE = 0.12
MADE, OTHERS = 600, 700
STEPS, BATCH, RATE, DECAY, SHIFT = 2620, 32, 1e-3, 25.0, 8
MADE_BY = ("low-band", "oracle-transplant", "oracle-fresh")
ARMS = ("none", "oversampling", "oversampling-varied", "real-8", *MADE_BY)


def children(place: Place, moves: Sequence[tuple[str, int, int, float]]) -> np.ndarray:
    """Images of new bad gathers, from what is made, hosts, donors and shares moved along the cable."""
    survey = place.acquisitions[0]
    made = [child(kind, place.seed, survey, host, donor, by) for kind, host, donor, by in moves]
    return np.stack([render_recording(one, *place.size).image for one in made])


def child(kind: str, seed: int, survey: Acquisition, host: int, donor: int, moved: float) -> Recording:
    """One of them."""
    events = simulate_events(host, seed, survey)
    traces = events.amplitude.shape[1]
    if kind == "oracle-fresh":
        random = np.random.default_rng([seed, 77, host, donor])
        plan = draw_noise(LABELS[BAD], traces, random)
        amplitude = disturb(events.amplitude.T, plan, survey, random).T
    else:
        if kind == "low-band":
            noise = low_band(simulate_recording(donor, seed, survey).amplitude, survey.sample_interval_s)
            own = simulate_recording(host, seed, survey).amplitude
            rest = own - low_band(own, survey.sample_interval_s)
        else:
            noise, rest = noise_alone(donor, seed, survey), events.amplitude
        amplitude = rest + noise[:, (np.arange(traces) + round(moved * noise.shape[1])) % noise.shape[1]]
    return dataclasses.replace(events, amplitude=np.ascontiguousarray(amplitude, np.float32))


@dataclasses.dataclass(frozen=True)
class Bad:
    """The bad gathers that a setting keeps, and what is made of them.

    Attributes:
        kept: Their rows.
        rest: Rows of good and medium gathers.
        made: New bad gathers by arm, uint8 `[gather, time, trace]`.
    """

    kept: np.ndarray
    rest: np.ndarray
    made: dict[str, np.ndarray]


def prepared(
    processes: Processes, words: argparse.Namespace, seed: int, weather: float
) -> Callable[[], tuple[Gathers, np.ndarray, list[Bad]]]:
    """Start to simulate a survey and bad gathers of other lines.

    The function that is returned waits for them, and makes what each setting of this weather makes of them.
    """
    place, arms = Place(seed, weather, PAPER_FRACTIONS, SIZE), words.arms.split(",")
    every = processes.survey(place, words.count)
    more = OTHERS if "real-8" in arms else 2
    others = processes.survey(Place(seed + OTHER_LINES, weather, (0.0, 0.0, 1.0), SIZE), more)

    def result() -> tuple[Gathers, np.ndarray, list[Bad]]:
        survey = every()
        rare, rest = np.flatnonzero(survey.classes == BAD), np.flatnonzero(survey.classes != BAD)
        # The lines with most bad gathers first, as in eval.study.replicates.
        often = np.bincount(survey.lines[rare], minlength=survey.lines.max() + 1)
        rare = rare[np.lexsort((rare, -often[survey.lines[rare]]))]
        settings = []
        for number in (number for one, number in words.settings if one == weather):
            kept = rare[:number] if number else rare
            made = {}
            for arm in (arm for arm in arms if arm in MADE_BY):
                random, hosts = np.random.default_rng([seed, 5]), np.concatenate([rest, kept])
                moves = [
                    (arm, int(random.choice(hosts)), int(random.choice(kept)), float(random.random()))
                    for _ in range(words.made)
                ]
                made[arm] = processes.made(children, place, moves)
            settings.append(Bad(kept, rest, {arm: wait() for arm, wait in made.items()}))
        return survey, others().images, settings

    return result


def rows_of_batches(arm: str, bad: Bad, first_new: int, steps: int, seed: int) -> np.ndarray:
    """Places of every batch, int32 `[step, place]`; new gathers lie from `first_new`."""
    random, shape = np.random.default_rng([seed, 3]), (steps, BATCH)
    share = len(bad.kept) / (len(bad.kept) + len(bad.rest)) if arm == "none" else BAD_SHARE
    is_bad = random.random(shape) < share
    of_bad = random.choice(bad.kept, shape)
    if arm in bad.made or arm == "real-8":
        count = len(bad.made[arm]) if arm in bad.made else min(7 * len(bad.kept), OTHERS)
        new = first_new + random.integers(0, count, shape)
        part = 0.5 if arm in bad.made else count / (count + len(bad.kept))
        of_bad = np.where(random.random(shape) < part, new, of_bad)
    return np.where(is_bad, of_bad, random.choice(bad.rest, shape)).astype(np.int32)


def figures(found: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Figures in per cent, weighted to the paper's fractions; probabilities are re-weighted to these, or as trained."""
    wanted = np.array(PAPER_FRACTIONS) / sum(PAPER_FRACTIONS)
    weights = fraction_weights(truth, PAPER_FRACTIONS)
    row: dict[str, float] = {}
    for name, one in (("", found * wanted / shares), ("_as_trained", found)):
        graded = scores(truth, one.argmax(axis=1), LABELS, probabilities=found, weights=weights)
        row |= {"pr_auc": graded.average_precision[BAD]}
        row |= {f"f1_{label}{name}": value for label, value in zip(LABELS, graded.f1, strict=True)}
    return {name: round(100 * float(value), 2) for name, value in row.items()}


def rows_of(words: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit and score one classifier after another."""
    from eval.on_jax.classifier import Trainer

    processes, arms = Processes(words.workers), words.arms.split(",")
    try:
        tested = processes.survey(Place(TEST_SEED, 0.0, (40.0, 30.0, 30.0), SIZE), words.tested)
        weathers = list(dict.fromkeys(weather for weather, _ in words.settings))
        todo = [(words.first_seed + number, weather) for number in range(words.surveys) for weather in weathers]
        coming = prepared(processes, words, *todo[0])
        trainer = Trainer(SIZE, words.alpha, words.companded, shifts=(SHIFT, SHIFT), chunk=min(131, words.steps))
        test = tested()
        rates = RATE * DECAY ** (-np.arange(words.steps) / words.steps)
        for number, (seed, weather) in enumerate(todo):
            survey, others, kinds = coming()
            if number + 1 < len(todo):
                coming = prepared(processes, words, *todo[number + 1])
            for bad in kinds:
                mild = np.bincount(survey.classes[bad.rest], minlength=3)[:2] / len(bad.rest)
                for arm in arms:
                    started = time.monotonic()
                    new = others if arm == "real-8" else bad.made.get(arm, np.zeros((0, *SIZE), np.uint8))
                    # All training sets have one size, so that nothing is compiled again.
                    blank = np.zeros((max(OTHERS - len(new), 0), *SIZE), np.uint8)
                    images = np.concatenate([survey.images, new, blank])
                    classes = np.concatenate([survey.classes, np.full(len(images) - len(survey), BAD)])
                    rows = rows_of_batches(arm, bad, len(survey), words.steps, seed)
                    batches = Batches(rows, np.full(rows.shape, 1 / BATCH, np.float32), changes(arm, rows.shape, seed))
                    weights, _ = trainer.fit(images, np.tile(SIZE, (len(images), 1)), classes, batches, rates, seed)
                    found = trainer.grade(weights, test.images)
                    share = len(bad.kept) / (len(bad.kept) + len(bad.rest)) if arm == "none" else BAD_SHARE
                    yield {
                        "weather": weather,
                        "seed": seed,
                        "bad": len(bad.kept),
                        "lines": len(np.unique(survey.lines[bad.kept])),
                        "arm": arm,
                        **figures(found, test.classes, np.array([*(1 - share) * mild, share])),
                        "seconds": round(time.monotonic() - started, 1),
                    }
    finally:
        processes.end()


def changes(arm: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Numbers that shifts and polarities draw, float32 `[step, place, change]`; arms without them draw none."""
    if arm in ("none", "oversampling"):
        return np.full((*shape, len(CHANGES)), UNCHANGED, np.float32)
    return np.random.default_rng([seed, 8]).random((*shape, len(CHANGES)), np.float32)


def settings_of(words: str) -> list[tuple[float, int]]:
    """Weather and number of bad gathers of each setting, from words such as `1.0:20,1.0:0`."""
    found = [(float(one), int(number)) for one, number in (each.split(":") for each in words.split(","))]
    if not all(0 <= weather <= 1 and number >= 0 for weather, number in found):
        raise ValueError
    return found


def main() -> None:
    """Fit and score classifiers; print their figures and write them as CSV, row by row."""
    parser = argparse.ArgumentParser(prog="python -m eval.pilot", description=main.__doc__)
    parser.add_argument("out", type=Path, help="CSV file to write")
    parser.add_argument(
        "--settings",
        type=settings_of,
        default="1.0:20,1.0:0,0.0:0",
        help="comma-separated weather:bad gathers kept (0: all)",
    )
    parser.add_argument("--arms", default=",".join(ARMS), help="arms, separated by commas")
    parser.add_argument("--surveys", type=int, default=6, help="surveys of each weather")
    parser.add_argument("--first-seed", type=int, default=9001, help="seed of the first survey")
    parser.add_argument("--alpha", type=int, default=4, help="width of the classifier")
    parser.add_argument("--companded", action="store_true", help="strengthen small amplitudes for the classifier")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of a training")
    parser.add_argument("--count", type=int, default=COUNT, help="gathers of a survey")
    parser.add_argument("--made", type=int, default=MADE, help="new bad gathers that an arm makes")
    parser.add_argument("--tested", type=int, default=TESTED, help="gathers of the survey that tests")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that simulate surveys")
    words = parser.parse_args()
    if unknown := [arm for arm in words.arms.split(",") if arm not in ARMS]:
        parser.error(f"--arms: no arm is called {unknown[0]!r}; choose from {', '.join(ARMS)}")
    if os.environ.get("KERAS_BACKEND") != "jax":
        parser.error("it fits with JAX; set KERAS_BACKEND=jax")
    if words.out.exists():
        parser.error(f"{words.out}: exists; give another name or remove it")
    with words.out.open("w", newline="", buffering=1) as file:
        writer = None
        for row in rows_of(words):
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
            print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
