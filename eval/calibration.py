"""How closely simulated gathers resemble published ones: a table, and pictures. Run from a checkout.

python -m eval.calibration --count 200 --out calibration
"""

import contextlib
import csv
import dataclasses
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eval.targets import FIGURES, NEAR_TRACES, PARTS, PUBLISHED_A, PUBLISHED_B, TARGETS, Target
from glowseis.command import run
from glowseis.errors import InputError
from glowseis.machine import cores
from glowseis.survey.gather import LABELS, source_text
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import Acquisition, noise_of_gather, simulate_events, simulate_recording, with_noise
from glowseis.survey.simulate.acquisition import FULL_HEIGHT, FULL_WIDTH
from glowseis.survey.simulate.labels import judge
from glowseis.survey.simulate.likeness import (
    LAGS,
    first_rows,
    measure_band,
    measure_events,
    measure_grey_levels,
    measure_noise,
)

MOST_BYTES = 300_000
"""Largest size of the pictures that --out writes."""

# Noise-free events fainter than this many levels count as quiet; this many rows before the first event are left out.
_FAINTEST_EVENT, _MARGIN_ROWS = 1.5, 8
_ORDER_STREAM = 5
_LEAST_QUIET_HEIGHT = 96
_ONLY = {"good": (1.0, 0.0, 0.0), "medium": (0.0, 1.0, 0.0), "bad": (0.0, 0.0, 1.0)}


def main(
    count: Annotated[int, typer.Option(help="Gathers of each class.")] = 200,
    size: Annotated[str, typer.Option(help="Samples x traces; event positions are compared only at 896x640.")] = (
        "896x640"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the survey.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes; 0 means one per core.")] = 0,
    acquisitions: Annotated[
        int, typer.Option(min=0, help="Measure the events of this many drawn acquisitions instead, one gather each.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder to write the table, as CSV, and pictures to.")] = None,
) -> None:
    """Compare simulated gathers with published ones.

    Example: python -m eval.calibration --count 200 --out calibration
    """
    from glowseis.files import check_output, whole_folder
    from glowseis.survey.size import parse_size

    height, width = parse_size(size)
    acquisition = Acquisition.of_size(height, width)
    if count < 1 or seed < 0 or workers < 0:
        raise InputError(
            f"count {count}, seed {seed}, workers {workers}: give at least 1 gather and no negative numbers"
        )
    if height < _LEAST_QUIET_HEIGHT:
        raise InputError(f"size {size}: give at least {_LEAST_QUIET_HEIGHT} rows, so that some are quiet")
    if acquisitions:
        if out:
            raise InputError("--acquisitions only prints a table; leave out --out")
        print(_markdown(_spread(acquisitions, seed, (height, width))))
        return
    if out:
        check_output(out)
    measured = list(_measured(count, seed, acquisition, workers or cores()))
    rows = [row for target in TARGETS if (row := _row(target, measured, (height, width)))]
    print(f"{count} gathers of {height}x{width} per class, seed {seed}\n")
    print(_markdown(rows))
    print("\nThe rule without the judge's uncertainty (row: label, per cent of its gathers)\n")
    print(_markdown([_rule_row(label, measured) for label in LABELS]))
    if out:
        with whole_folder(out) as folder:
            _write_table(folder / "calibration.csv", rows)
            order = _write_pictures(folder, measured, seed, acquisition)
        print(f"\n{source_text(out)}: calibration.csv, one picture per class and simulated-unlabelled.png ({order})")


Figures = dict[str, dict[str, float]]
"""The figures of one gather: those measured with the noise of each class, and under `""` those of its events."""


def measure(index: int, seed: int, acquisition: Acquisition) -> Figures:
    """Simulate one gather without noise and with the noise of each class, and measure all four images.

    Args:
        index: Number of the gather.
        seed: Seed of the survey.
        acquisition: Size and geometry.

    Returns:
        The figures.
    """
    recording = simulate_events(index, seed, acquisition)
    events = render_recording(recording, *recording.amplitude.shape).image
    quiet_rows = np.maximum(first_rows(events, _FAINTEST_EVENT) - _MARGIN_ROWS, 0)
    full = (acquisition.height, acquisition.width) == (FULL_HEIGHT, FULL_WIDTH)
    figures: Figures = {"": dataclasses.asdict(measure_events(events)) if full else {}}
    for label in LABELS:
        noisy = with_noise(recording, index, seed, acquisition, _ONLY[label])
        image = render_recording(noisy, *noisy.amplitude.shape).image
        noise = dataclasses.asdict(measure_noise(image, quiet_rows, acquisition.sample_interval_s))
        correlation = noise.pop("correlation")
        noise |= {f"correlation_{lag}": value for lag, value in zip(LAGS, correlation, strict=True)}
        figures[label] = noise | dataclasses.asdict(measure_grey_levels(image))
        for part, rows in PARTS.items() if full else ():
            band = dataclasses.asdict(measure_band(image, rows, NEAR_TRACES, acquisition.sample_interval_s))
            figures[label] |= {f"{part}_{name}": value for name, value in band.items()}
        plan = noise_of_gather(index, seed, acquisition, _ONLY[label])[1]
        figures[label] |= {f"rule_{one}": float(judge(plan) == one) for one in LABELS}
    return figures


def _spread(acquisitions: int, seed: int, size: tuple[int, int]) -> list[dict[str, str]]:
    """Frequency band and loudness of the events of drawn acquisitions, beside those of the two published ones."""
    found: dict[str, list[dict[str, float]]] = {part: [] for part in PARTS}
    for number in range(1, acquisitions + 1):
        recording = simulate_recording(number, seed, Acquisition.drawn(*size, number))
        gather = render_recording(recording, *recording.amplitude.shape)
        near_first = (
            gather.image
            if abs(gather.geometry.offset_m[0]) < abs(gather.geometry.offset_m[-1])
            else (gather.image[:, ::-1])
        )
        for part, rows in PARTS.items():
            here = near_first[rows, NEAR_TRACES]
            # Acquisitions with shorter records or cables have no such part.
            if here.shape == (rows.stop - rows.start, NEAR_TRACES.stop - NEAR_TRACES.start) and here.std():
                found[part].append(dataclasses.asdict(measure_band(near_first, rows, NEAR_TRACES)))
    table = []
    for part, where in PARTS.items():
        for name, unit in (("low_hz", "Hz"), ("middle_hz", "Hz"), ("high_hz", "Hz"), ("level", "levels")):
            values = np.array([one[name] for one in found[part]])
            low, median, high = np.quantile(values, (0.05, 0.5, 0.95)) if values.size else (np.nan,) * 3
            table.append(
                {
                    "rows": f"{where.start} to {where.stop}",
                    "figure": f"{FIGURES[name]} ({unit})",
                    "A": PUBLISHED_A[part][name],
                    "B": PUBLISHED_B[part][name],
                    "drawn, median": f"{median:.0f}",
                    "5-95 %": f"{low:.0f} to {high:.0f}",
                    "gathers": str(values.size),
                }
            )
    return table


def _measured(count: int, seed: int, acquisition: Acquisition, workers: int) -> Iterator[Figures]:
    from tqdm import tqdm

    executor = ProcessPoolExecutor(min(workers, count), get_context("spawn"), _leave_signals_to_parent)
    try:
        waiting = [executor.submit(measure, index, seed, acquisition) for index in range(count)]
        for done in tqdm(waiting, "measuring", unit="gather", file=sys.stderr, disable=None):
            yield done.result()
    except BrokenProcessPool:
        raise InputError("a worker process died (out of memory?); use fewer --workers") from None
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_signals_to_parent() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):
            signal.signal(number, signal.SIG_IGN)


def _row(target: Target, measured: list[Figures], size: tuple[int, int]) -> dict[str, str] | None:
    """One row of the table: target, median, range and difference; None if it cannot be compared."""
    if target.full_size_alone and size != (FULL_HEIGHT, FULL_WIDTH):
        return None
    groups = [target.label] if target.label else ["", *LABELS]
    found = [one[group][target.quantity] for one in measured for group in groups if target.quantity in one[group]]
    values = np.array([value for value in found if np.isfinite(value)])
    published = f"{target.low:g}" if target.low == target.high else f"{target.low:g} to {target.high:g}"
    row = {"class": target.label or "all", "target": target.name, "published": published}
    if not values.size:
        return row | {"simulated": "none", "5-95 %": "none", "off by": "unknown"}
    low, median, high = np.quantile(values, (0.05, 0.5, 0.95))
    digits = target.digits
    return row | {
        "simulated": f"{median:.{digits}f}",
        "5-95 %": f"{low:.{digits}f} to {high:.{digits}f}",
        "off by": f"{target.off_by(float(median)):+.{digits}f}",
    }


def _rule_row(label: str, measured: list[Figures]) -> dict[str, str]:
    """How often the rule alone calls gathers of a label good, medium or bad."""
    shares = {one: 100.0 * np.mean([figures[label][f"rule_{one}"] for figures in measured]) for one in LABELS}
    return {"label": label} | {f"rule says {one}": f"{share:.1f}" for one, share in shares.items()}


def _markdown(rows: list[dict[str, str]]) -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_pictures(folder: Path, measured: list[Figures], seed: int, acquisition: Acquisition) -> str:
    """Write the most typical gather of each class, and another of each without labels; return the latter's order."""

    def image(label: str, index: int) -> np.ndarray:
        recording = simulate_recording(index, seed, acquisition, _ONLY[label])
        return render_recording(recording, acquisition.height, acquisition.width).image

    ordinary = {label: _most_ordinary([one[label] for one in measured]) for label in LABELS}
    for label in LABELS:
        _save(folder / f"simulated-{label}.png", image(label, ordinary[label][0]))
    order = np.random.default_rng([seed, _ORDER_STREAM]).permutation(LABELS).tolist()
    # The upper far quarter holds most of the quiet triangle.
    rows, first = acquisition.height // 2, acquisition.width * 3 // 10
    shown = [image(label, ordinary[label][-1])[:rows, first:] for label in order]
    gap = np.full((rows, max(2, acquisition.width // 80)), 255, np.uint8)
    _save(folder / "simulated-unlabelled.png", np.hstack([shown[0], gap, shown[1], gap, shown[2]]))
    return "from the left: " + ", ".join(order)


def _most_ordinary(figures: list[dict[str, float]]) -> tuple[int, ...]:
    """Up to two gathers whose noise is closest to the medians of their class, in units of the class's spread."""
    table = np.array([[one[name] for name in ("level", "loudest_ratio", "noisy_percent")] for one in figures])
    logarithm = np.log(table + 1.0)
    away = np.abs(logarithm - np.median(logarithm, axis=0)) / (logarithm.std(axis=0) + 1e-9)
    return tuple(np.argsort(away.sum(axis=1), kind="stable")[:2].tolist())


def _save(path: Path, image: np.ndarray) -> None:
    """Save as a PNG file with as many grey levels, mid-grey among them, as `MOST_BYTES` allows."""
    from PIL import Image

    for step in (1, 2, 4, 8, 16):
        levels = 128 + step * np.rint((image.astype(np.float32) - 128) / step)
        Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return


if __name__ == "__main__":
    run(main)
