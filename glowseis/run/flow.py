"""A run that trains a flow: from recipe and survey to SavedModel and figures."""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pydantic

from glowseis.errors import InputError
from glowseis.export.about import TRAINED_ON
from glowseis.export.flow import export_flow
from glowseis.export.folders import check_window
from glowseis.export.known import known_digests
from glowseis.export.network import load_network
from glowseis.fitting.devices.devices import Devices, deterministic_kernels
from glowseis.fitting.flow.baselines import lossless_bits, patch_gaussian_bits
from glowseis.fitting.flow.fitting import Fitted, FlowFitting, make_flow
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.flow.selection import Selection, check_enough, select
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import Recipe
from glowseis.run.checks import check_size
from glowseis.run.claim import claimed_for_all
from glowseis.run.matched import MATCHED, matched_survey
from glowseis.run.preparation import forgotten_if_refused
from glowseis.run.record import record_of
from glowseis.run.result import RESULT, Result, export_once, finish, last_lines, read_result
from glowseis.run.starting import Start, began_with, earlier_ids, flow_start, known_before, with_flow_start
from glowseis.survey.content.digests import valid_images
from glowseis.survey.matching.profile import profile_of
from glowseis.survey.progress import stage, stages
from glowseis.survey.size import parse_size
from glowseis.survey.splits.parts import ids_of
from glowseis.survey.store.survey import Survey

JUDGED = frozenset(
    ("held_out", "held_out_bits", "patch_gaussian_bits", "rare_patch_gaussian_bits", "png_bits", "webp_bits")
)
"""Figures of held-out gathers: either all are present, or none."""


class FlowResult(Result):
    """The figures of a flow's run, as far as they are read back; those of `JUDGED` are missing if nothing was held out.

    Attributes:
        step: The step whose weights were kept.
        round_trip_error: As a fraction of full scale.
        held_out: Number of held-out gathers; all figures below are in bits per grey value.
        held_out_bits: The flow's.
        patch_gaussian_bits: The baseline's, fitted to all training gathers; None if there are too few.
        rare_patch_gaussian_bits: The baseline's, fitted only to the rare ones; None if there are too few.
        png_bits: Lossless PNG's.
        webp_bits: Lossless WebP's.
    """

    step: int
    round_trip_error: float
    held_out: int = 0
    held_out_bits: float = 0.0
    patch_gaussian_bits: float | None = None
    rare_patch_gaussian_bits: float | None = None
    png_bits: float = 0.0
    webp_bits: float = 0.0

    @pydantic.model_validator(mode="after")
    def _all_or_none(self) -> "FlowResult":
        missing = JUDGED - self.model_fields_set
        if missing and missing != JUDGED:
            raise ValueError(f"{min(missing)} is missing")
        return self


def train_flow(
    recipe: Recipe,
    survey: Survey,
    folder: Path,
    savedmodels: Path,
    say: Callable[[str], None],
    started: float,
    *,
    within: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
    devices: Devices | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train a recipe's flow on a survey, or resume where an earlier process stopped, then export it.

    Args:
        recipe: What to train, and how.
        survey: The gathers.
        folder: The run's folder; made if missing.
        savedmodels: Where the SavedModel goes, as `NAME/VERSION` with the next free version.
        say: Called with lines for the user.
        started: When the command started, by `time.monotonic`.
        within: Rows to choose from, such as a fold's training gathers; all when None.
        held_out: Rows that judge the weights; drawn when None (see `glowseis.fitting.flow.selection.select`).
        devices: The devices that train; one device when None.
        callbacks: Keras callbacks that only watch (see `glowseis.fitting.flow.fitting.FlowFitting.run`).

    Returns:
        The figures, as they stand in `result.json`; an empty dictionary on all processes but the chief.

    Raises:
        InputError: The folder holds another run or something else, or the survey does not suit the recipe.
        StoppedError: A signal came; the state is saved.
        FittingError: The loss is not finite, the flow no longer inverts, or another process is gone.
    """
    devices = devices or Devices()
    say = say if devices.is_chief else _silently
    batch = devices.batch(recipe.training.batch)
    if devices.replicas > 1:
        say(f"{devices.description}, {batch} gathers per step")
    if batch != recipe.training.batch:
        say(f"training.batch = {recipe.training.batch} was raised to {batch}, so that all devices get equally many")
    recipe = with_flow_start(recipe)
    start = flow_start(recipe, survey)
    selection = select(survey, recipe, within=within, held_out=held_out)
    check_size(recipe, survey.size, str(survey.path))
    if window := window_of(recipe):
        check_window(window, survey, f"recipe {recipe.name}")
    chosen = None if within is None and held_out is None else _digest(survey, selection)
    of_step = None if batch == recipe.training.batch else batch
    record = record_of(recipe, survey, rows_checksum=chosen, batch=of_step, start=began_with(start))
    with claimed_for_all(devices, folder, record, say) as identity, Stopping() as stopping, stages():
        if devices.of_chief((folder / RESULT).exists):
            say(f"{folder}: this run is done; its figures:")
            return read_result(folder, FlowResult) if devices.is_chief else {}
        deterministic_kernels()
        with forgotten_if_refused(folder) if devices.is_chief else contextlib.nullcontext():
            if start and window:
                # The chief makes the matched survey, if one is needed; then all open it.
                devices.on_chief(functools.partial(_matched, survey, selection, recipe, start, folder, say))
                survey, selection = _matched(survey, selection, recipe, start, folder, _silently)
            fitting = fitting_of(recipe, survey, selection, devices, start)
        run = FlowRun(fitting, folder, stopping, identity, say)
        weights = sum(int(np.prod(weight.shape)) for weight in fitting.flow.trainable_weights)
        judging = len(selection.held_out)
        if start:
            say(f"starts from {start.name}")
        say(
            f"flow with {weights:,} weights; {len(selection.training)} training gathers, "
            f"{len(selection.rare)} of them {recipe.data.label}; {judging} held out; {fitting.steps} steps"
        )
        if run.restored:
            say(f"resuming after step {run.checkpoints.step} of {fitting.steps}")
        fitted = run.run(callbacks)
        if not devices.is_chief:
            return {}
        stage("scoring the flow")
        result = _figures(fitting, fitted)
        known = [start.known] if start else []
        if earlier := known_before(survey, selection.held_out, start):
            result["known_before"] = earlier
        about = {
            **record,
            "run": identity,
            "label": recipe.data.label,
            TRAINED_ON: profile_of(survey, selection.training, window=window).record(),
            **({"window": list(window)} if window else {}),
            "training_ids": ids_of(survey, selection.training),
            "held_out_ids": ids_of(survey, selection.held_out),
            **({"earlier_ids": earlier_ids(start)} if start else {}),
            **known_digests(valid_images(survey, [*selection.training, *selection.held_out]), *known),
            "figures": result,
        }
        stage("writing the SavedModel")
        written = export_once(
            identity, savedmodels / recipe.name, lambda target: export_flow(fitted.flow, target, about)
        )
        finish(folder, result, written, started, run.first_step_at)
    return result


def fitting_of(
    recipe: Recipe,
    survey: Survey,
    selection: Selection,
    devices: Devices | None = None,
    start: Start | None = None,
) -> FlowFitting:
    """A recipe's fitting of a flow to a survey's gathers.

    Args:
        recipe: What to train, and how.
        survey: The gathers.
        selection: Which of them are trained on and held out.
        devices: The devices that train; one device when None.
        start: The saved flow that it starts from; weights drawn from the seed when None.

    Raises:
        InputError: A phase has fewer gathers than there are devices, or the saved flow is damaged.
    """
    devices, window = devices or Devices(), window_of(recipe)
    weights = load_network(start.folder, "flow").get_weights() if start else []
    with devices.strategy.scope():
        flow = make_flow(recipe.flow, window or survey.size, recipe.seed)
        if start:
            flow.set_weights(weights)
    settings = (recipe.phases, recipe.training, recipe.seed)
    return FlowFitting(
        flow,
        survey,
        selection,
        *settings,
        augment=recipe.data.augment,
        devices=devices,
        started=start is not None,
        window=window,
    )


def window_of(recipe: Recipe) -> tuple[int, int] | None:
    """Samples and traces of the windows that a recipe's flow learns; None if it learns whole gathers."""
    return parse_size(recipe.data.window) if recipe.data.window else None


def _matched(
    survey: Survey, selection: Selection, recipe: Recipe, start: Start, folder: Path, say: Callable[[str], None]
) -> tuple[Survey, Selection]:
    """Chosen gathers at the sample interval and in the order of traces that a saved flow was trained on."""
    rows = np.unique(np.concatenate([selection.training, selection.rare, selection.held_out]))
    matched, places = matched_survey(survey, rows, start, folder / MATCHED, say)
    check_window(start.size, matched, start.name)

    def there(own: np.ndarray) -> np.ndarray:
        found = places[np.searchsorted(rows, own)]
        return found[found >= 0]

    phases = [there(phase) for phase in selection.phases]
    if not all(map(len, phases)):
        raise InputError(f"{survey.path}: a phase has no gather that is large enough for {start.name}; remove it")
    found = Selection(phases, there(selection.training), there(selection.rare), there(selection.held_out))
    check_enough(
        matched, recipe, found.rare, found.held_out, len(found.held_out), f" that are large enough for {start.name}"
    )
    return matched, found


def _silently(line: str) -> None:
    """Print nothing: only the chief prints."""


def _digest(survey: Survey, selection: Selection) -> str:
    """SHA-256 of which gathers train and which judge."""
    parts = {"training": ids_of(survey, selection.training), "held_out": ids_of(survey, selection.held_out)}
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def flow_lines(result: dict[str, Any], label: str) -> list[str]:
    """A run's figures for the terminal."""
    shown = []
    if "held_out_bits" in result:
        patches, rare_patches = (
            "     -" if result[name] is None else f"{result[name]:6.3f}"
            for name in ("patch_gaussian_bits", "rare_patch_gaussian_bits")
        )
        shown = [
            f"bits per grey value of the {result['held_out']} held-out {label} gathers:",
            *(
                f"  optimistic for the flow, because {count} of them trained {name} or chose its weights"
                for name, count in result.get("known_before", {}).items()
            ),
            f"  flow                    {result['held_out_bits']:6.3f}   (weights of step {result['step']})",
            f"  Gaussian, 8x8 patches   {patches}   (fitted to all training gathers)",
            f"                          {rare_patches}   (fitted to the {label} ones only)",
            f"  PNG, lossless           {result['png_bits']:6.3f}",
            f"  WebP, lossless          {result['webp_bits']:6.3f}",
        ]
    return [
        *shown,
        f"round-trip error {result['round_trip_error']:.2g} of full scale",
        *last_lines(result),
    ]


def _figures(fitting: FlowFitting, fitted: Fitted) -> dict[str, Any]:
    """Measure the kept weights, and the baselines on the same gathers."""
    selection = fitting.selection
    result: dict[str, Any] = {
        "step": fitted.step,
        "steps": fitted.steps,
        "round_trip_error": fitting.round_trip_error(),
    }
    if not len(selection.held_out):
        return result
    held_out = fitting.images(selection.held_out)
    return {
        **result,
        "held_out": len(held_out),
        "held_out_bits": fitting.held_out_bits(),
        "patch_gaussian_bits": patch_gaussian_bits(_each(fitting, selection.training), held_out),
        "rare_patch_gaussian_bits": patch_gaussian_bits(_each(fitting, selection.rare), held_out),
        "png_bits": lossless_bits(held_out, "PNG"),
        "webp_bits": lossless_bits(held_out, "WEBP"),
    }


def _each(fitting: FlowFitting, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Grey levels of one gather, or of its window, after another, uint8 `[time, trace]`."""
    return (fitting.images(rows[place : place + 1])[0] for place in range(len(rows)))
