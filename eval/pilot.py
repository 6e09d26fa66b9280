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
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.gather import LABELS, Recording
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import (
    PAPER_FRACTIONS,
    Acquisition,
    acquisitions,
    noise_alone,
    simulate_events,
    simulate_recording,
)
from glowseis.survey.simulate.labels import draw_noise
from glowseis.survey.simulate.noise import disturb

SIZE, COUNT, TESTED = (112, 80), 5223, 3600
TEST_SEED, OTHER_LINES = 8001, 500
BAD, BAD_SHARE = 2, 0.12
MADE, OTHERS = 600, 700
STEPS, CHUNK, BATCH, RATE, DECAY, SHIFT = 2620, 131, 32, 1e-3, 25.0, 8
MADE_BY = ("low-band", "oracle-transplant", "oracle-fresh")
ARMS = ("none", "oversampling", "oversampling-varied", "real-8", *MADE_BY)

Job = tuple[int, float, tuple[float, float, float], list[int]]


def simulated(job: Job) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, numbers of classes and sail lines of some gathers of a survey."""
    seed, weather, fractions, indices = job
    survey = acquisitions(*SIZE, weather=weather)
    recordings = [simulate_recording(index, seed, survey, fractions) for index in indices]
    images = np.stack([render_recording(one, *SIZE).image for one in recordings])
    classes = [LABELS.index(one.label) for one in recordings]
    return images, np.array(classes), np.array([one.geometry.sail_line for one in recordings])


def children(job: tuple[str, int, float, list[tuple[int, int, float]]]) -> np.ndarray:
    """Images of new bad gathers, from hosts, donors and shares moved along the cable."""
    kind, seed, weather, moves = job
    survey = acquisitions(*SIZE, weather=weather)[0]
    return np.stack([render_recording(child(kind, seed, survey, *move), *SIZE).image for move in moves])


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


class Surveys:
    """Simulates surveys in processes while others are trained on.

    Args:
        settings: Weather and number of bad gathers (0: all) of each setting.
        arms: The arms.
        made: New bad gathers of each arm that makes some.
        workers: Processes.
    """

    def __init__(self, settings: Sequence[tuple[float, int]], arms: Sequence[str], made: int, workers: int):
        self._settings, self._arms, self._made_each, self._workers = settings, arms, made, workers
        # Each worker process simulates on one core; it reads these when it imports NumPy.
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"))

    def start(self, seed: int, weather: float, fractions: tuple[float, float, float], count: int) -> list[Future[Any]]:
        """Simulate the first gathers of a survey."""
        parts = np.array_split(np.arange(count), 2 * self._workers)
        return [self._pool.submit(simulated, (seed, weather, fractions, part.tolist())) for part in parts if len(part)]

    def prepared(
        self, seed: int, weather: float, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[Bad]]:
        """Images, classes and lines of a survey, bad gathers of other lines, and what each setting makes of it."""
        every = self.start(seed, weather, PAPER_FRACTIONS, count)
        others = self.start(seed + OTHER_LINES, weather, (0.0, 0.0, 1.0), OTHERS if "real-8" in self._arms else 2)
        images, classes, lines = joined(every)
        rare, rest = np.flatnonzero(classes == BAD), np.flatnonzero(classes != BAD)
        # The lines with most bad gathers first, as in eval.study.replicates.
        often = np.bincount(lines[rare], minlength=lines.max() + 1)
        rare = rare[np.lexsort((rare, -often[lines[rare]]))]
        settings = []
        for number in (number for one, number in self._settings if one == weather):
            kept = rare[:number] if number else rare
            made = {arm: self._made(arm, seed, weather, kept, rest) for arm in self._arms if arm in MADE_BY}
            settings.append(Bad(kept, rest, made))
        return images, classes, lines, joined(others)[0], settings

    def _made(self, arm: str, seed: int, weather: float, kept: np.ndarray, rest: np.ndarray) -> np.ndarray:
        random, hosts = np.random.default_rng([seed, 5]), np.concatenate([rest, kept])
        moves = [
            (int(random.choice(hosts)), int(random.choice(kept)), float(random.random()))
            for _ in range(self._made_each)
        ]
        parts = [part.tolist() for part in np.array_split(np.arange(self._made_each), self._workers) if len(part)]
        jobs = [(arm, seed, weather, [moves[number] for number in part]) for part in parts]
        return np.concatenate(list(self._pool.map(children, jobs)))

    def end(self) -> None:
        """End all processes at once, whatever they are doing."""
        for process in list(self._pool._processes.values()):
            process.kill()


def joined(parts: Sequence[Future[Any]]) -> tuple[np.ndarray, ...]:
    """The arrays of several jobs, joined."""
    return tuple(np.concatenate(arrays) for arrays in zip(*(part.result() for part in parts), strict=True))


class Trainer:
    """Fits Miniception with JAX, many steps in one call, and grades with it.

    Args:
        alpha: Width of the network.
        companded: As for `glowseis.models.miniception.Miniception`.
    """

    def __init__(self, alpha: int, companded: bool):
        import jax
        import jax.numpy as jnp
        import keras

        from glowseis.models.miniception import Miniception

        model = self._model = Miniception(classes=3, alpha=alpha, companded=companded)
        model.build()
        optimizer = keras.optimizers.Adam(RATE)
        optimizer.build(model.trainable_variables)
        self._state = [np.asarray(variable.value) for variable in optimizer.variables]

        def varied(levels: Any, key: Any) -> Any:
            count = len(levels)
            time_key, trace_key, sign_key = jax.random.split(key, 3)
            later, farther = (jax.random.randint(one, (count,), 0, 2 * SHIFT + 1) for one in (time_key, trace_key))
            sign = jax.random.choice(sign_key, jnp.array([-1.0, 1.0]), (count,))
            framed = jnp.pad(levels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="reflect")
            cut = jax.vmap(lambda image, *corner: jax.lax.dynamic_slice(image, corner, SIZE))
            return cut(framed, later, farther) * sign[:, None, None]

        def loss_of(weights: Any, x: Any, y: Any) -> Any:
            found, _ = model.stateless_call(weights, [], x[..., None])
            return -jnp.mean(jnp.log(jnp.take_along_axis(found, y[:, None], 1) + 1e-9))

        def run(weights: Any, state: Any, key: Any, images: Any, classes: Any, vary: Any, rows: Any, rates: Any) -> Any:
            def step(carry: Any, given: Any) -> Any:
                weights, state, key = carry
                batch, rate = given
                key, own = jax.random.split(key)
                x = (images[batch].astype(jnp.float32) - 128.0) / 128.0
                x = jnp.where(vary, varied(x, own), x)
                loss, gradients = jax.value_and_grad(loss_of)(weights, x, classes[batch])
                # Variables of Keras' Adam: iteration, learning rate, moments.
                state = [state[0], jnp.asarray(rate, jnp.float32), *state[2:]]
                return (*optimizer.stateless_apply(state, gradients, weights), key), loss

            return jax.lax.scan(step, (weights, state, key), (rows, rates))

        self._run = jax.jit(run)
        self._grade = jax.jit(lambda weights, x: model.stateless_call(weights, [], x[..., None])[0])
        self._jax = jax

    def fit(self, images: np.ndarray, classes: np.ndarray, rows: np.ndarray, seed: int, vary: bool) -> list[Any]:
        """Weights after a step for every row of `rows`, places in `images`, int32 `[step, place]`."""
        jnp, random = self._jax.numpy, np.random.default_rng([seed, 9])
        weights: list[Any] = [glorot(variable.shape, random) for variable in self._model.trainable_variables]
        state: list[Any] = [jnp.asarray(one) for one in self._state]
        rates = (RATE * DECAY ** (-np.arange(len(rows)) / len(rows))).astype(np.float32)
        key, there = self._jax.random.PRNGKey(seed), (jnp.asarray(images), jnp.asarray(classes), jnp.asarray(vary))
        for first in range(0, len(rows), CHUNK):
            part = np.s_[first : first + CHUNK]
            (weights, state, key), _ = self._run(
                weights, state, key, *there, jnp.asarray(rows[part]), jnp.asarray(rates[part])
            )
        return weights

    def grade(self, weights: list[Any], images: np.ndarray) -> np.ndarray:
        """Probabilities `[gather, class]`."""
        scaled = (images.astype(np.float32) - 128.0) / 128.0
        return np.concatenate([np.asarray(self._grade(weights, part)) for part in np.array_split(scaled, 9)])


def glorot(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A weight as Keras starts it: uniform after Glorot, or zeros for a bias."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    field = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def batches_of(arm: str, classes: np.ndarray, bad: Bad, first_new: int, steps: int, seed: int) -> np.ndarray:
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
    from sklearn.metrics import average_precision_score, f1_score

    wanted = np.array(PAPER_FRACTIONS) / sum(PAPER_FRACTIONS)
    weights = (wanted / np.bincount(truth, minlength=3) * len(truth))[truth]
    row = {"pr_auc": average_precision_score(truth == BAD, found[:, BAD], sample_weight=weights)}
    for name, one in (("", found * wanted / shares), ("_as_trained", found)):
        f1 = f1_score(truth, one.argmax(1), labels=[0, 1, 2], average=None, sample_weight=weights, zero_division=0)
        row |= {f"f1_{label}{name}": value for label, value in zip(LABELS, f1, strict=True)}
    return {name: round(100 * float(value), 2) for name, value in row.items()}


def rows_of(words: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit and score one classifier after another."""
    settings, arms = words.settings, words.arms.split(",")
    surveys = Surveys(settings, arms, words.made, words.workers)
    try:
        tested = surveys.start(TEST_SEED, 0.0, (40.0, 30.0, 30.0), words.tested)
        weathers = list(dict.fromkeys(weather for weather, _ in settings))
        todo = [(words.first_seed + number, weather) for number in range(words.surveys) for weather in weathers]
        one_at_a_time = ThreadPoolExecutor(1)
        coming = [one_at_a_time.submit(surveys.prepared, *one, words.count) for one in todo]
        trainer = Trainer(words.alpha, words.companded)
        test, truth, _ = joined(tested)
        for (seed, weather), future in zip(todo, coming, strict=True):
            images, classes, lines, others, kinds = future.result()
            for bad in kinds:
                mild = np.bincount(classes[bad.rest], minlength=3)[:2] / len(bad.rest)
                for arm in arms:
                    started = time.monotonic()
                    new = others if arm == "real-8" else bad.made.get(arm, np.zeros((0, *SIZE), np.uint8))
                    # All training sets have one size, so that nothing is compiled again.
                    padded = np.concatenate([images, new, np.zeros((max(OTHERS - len(new), 0), *SIZE), np.uint8)])
                    labels = np.concatenate([classes, np.full(len(padded) - len(images), BAD)]).astype(np.int32)
                    rows = batches_of(arm, classes, bad, len(images), words.steps, seed)
                    vary = arm not in ("none", "oversampling")
                    found = trainer.grade(trainer.fit(padded, labels, rows, seed, vary), test)
                    share = len(bad.kept) / (len(bad.kept) + len(bad.rest)) if arm == "none" else BAD_SHARE
                    yield {
                        "weather": weather,
                        "seed": seed,
                        "bad": len(bad.kept),
                        "lines": len(np.unique(lines[bad.kept])),
                        "arm": arm,
                        **figures(found, truth, np.array([*(1 - share) * mild, share])),
                        "seconds": round(time.monotonic() - started, 1),
                    }
    finally:
        surveys.end()


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
