"""Whether `glowseis qc` finds the noise that the simulator put in: `python -m eval.attributes`.

Gathers are simulated with many faulty channels, and their attributes measured as from a file. What was planted is known
from the plan of their noise, and from the same gathers without noise and without events.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from glowseis.attributes.bands import NoiseBand
from glowseis.attributes.faults import FAULTS
from glowseis.attributes.levels import block_samples
from glowseis.attributes.measuring import GUARD_S, MODULE_CHANNELS, Measured, Settings, measure_gather
from glowseis.survey.gather import Recording
from glowseis.survey.simulate.acquisition import Acquisition, acquisitions
from glowseis.survey.simulate.plan import Band, NoisePlan, with_tails
from glowseis.survey.simulate.recordings import (
    SIMULATOR_VERSION,
    noise_alone,
    noise_of_gather,
    simulate_events,
    simulate_recording,
    with_noise,
)
from glowseis.survey.simulate.settings import NoiseSettings

EQUAL = (1.0, 1.0, 1.0)
"""As many good, medium and bad gathers."""

GOOD = (1.0, 0.0, 0.0)
"""Good gathers alone."""

FAULTY = NoiseSettings(dead=8, weak=8, reversed=8, spiky=8, saturated=8, crossfeed=60)
"""Every kind of noise, eight times as many faulty channels as usual, and sixty times as many leaking modules."""

SWELL = NoiseSettings(
    columns=0,
    tug=0,
    strum=0,
    propeller=0,
    interference=0,
    bird=0,
    dead=0,
    weak=0,
    reversed=0,
    spiky=0,
    saturated=0,
    crossfeed=0,
)
"""Swell over ambient noise, and nothing else."""

CALM = dataclasses.replace(SWELL, swell=0)
"""Ambient noise alone, beside what an acquisition's own channels do."""

LOUD = 2.0
"""A band that must be found is this many times as loud as the ambient noise, and overlaps no other."""

FAINT = 0.25
"""A band that is found where planted swell is fainter than this share of the ambient noise is a false alarm."""

ONSET = 0.02
"""Share of a trace's largest amplitude at which its first arrival begins, without noise."""


ERRORS = {
    "noise_rms_percent": "noise before the first arrival, RMS, per cent",
    "first_arrival_ms": "first arrival, ms",
    "band_edges_traces": "first and last trace of a swell band, traces",
    "band_peak_hz": "its peak frequency, Hz",
    "band_correlation": "correlation of its neighbouring traces",
    "band_times_s": "its first and last time, s",
}
"""Errors that are measured, and their texts. Those of the last three are against the same band in the noise alone."""


@dataclass
class Found:
    """What was planted and found so far.

    Attributes:
        gathers: Gathers.
        traces: Traces.
        planted: By kind of fault, how many were planted.
        hits: How many of them were found.
        false: How many were found elsewhere.
        errors: By the names of `ERRORS`, arrays of errors.
        without_arrival: Traces on which no first arrival was found.
        calm: Good gathers with ambient noise alone, on acquisitions without rumbling channels.
        banded: How many of them have a band of noise nevertheless.
    """

    gathers: int = 0
    traces: int = 0
    planted: dict[str, int] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    false: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[np.ndarray]] = field(default_factory=lambda: {name: [] for name in ERRORS})
    without_arrival: int = 0
    calm: int = 0
    banded: int = 0

    def error(self, name: str) -> np.ndarray:
        """All errors of one kind.

        Args:
            name: Its name in `ERRORS`.
        """
        return np.concatenate([np.zeros(0), *self.errors[name]])

    def count(self, kind: str, planted: np.ndarray, found: np.ndarray) -> None:
        """Count planted things that were found, and others.

        Args:
            kind: What they are.
            planted: Where they are, bool `[place]`.
            found: Where they were found, bool `[place]`.
        """
        for counts, here in ((self.planted, planted), (self.hits, planted & found), (self.false, found & ~planted)):
            counts[kind] = counts.get(kind, 0) + int(np.count_nonzero(here))


def main(
    *,
    size: Annotated[str, typer.Option(help="Samples x traces of the simulated acquisitions.")] = "448x320",
    count: Annotated[int, typer.Option(min=1, help="Gathers of each kind of acquisition and of noise.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the gathers.")] = 16,
    drawn: Annotated[int, typer.Option(min=0, help="Acquisitions that are drawn, beside the paper's.")] = 50,
    out: Annotated[Path | None, typer.Option(help="JSON file to write the figures to.")] = None,
) -> None:
    """Measure how well the attributes of glowseis qc find noise that the simulator put in.

    Example: python -m eval.attributes --count 500 --seed 16
    """
    from glowseis.files import check_output, write_json
    from glowseis.survey.size import parse_size

    if out:
        check_output(out)
    height, width = parse_size(size)
    result: dict[str, Any] = {"simulator": SIMULATOR_VERSION, "size": size, "count": count, "seed": seed, "rows": {}}
    kinds = {"the paper's acquisition": acquisitions(height, width)}
    plain = tuple(one for one in acquisitions(height, width, drawn) if is_plain(one)) if drawn else ()
    if plain:
        kinds[f"{len(plain)} of {drawn} drawn acquisitions, those without automatic gain or mute"] = plain
    for name, survey in kinds.items():
        result["rows"][name] = figures(compare(survey, count, seed))
    print(table(result))
    if out:
        write_json(out, result)


def is_plain(acquisition: Acquisition) -> bool:
    """Whether levels are as recorded: an automatic gain hides weak traces, a mute makes whole traces dead."""
    return not acquisition.recorder.balance and acquisition.recorder.mute == "none"


def compare(survey: tuple[Acquisition, ...], count: int, seed: int) -> Found:
    """Measure gathers, and compare with what was planted.

    Args:
        survey: The acquisitions.
        count: Gathers with all noise. On acquisitions without rumbling channels, each also has one with swell alone
            and a good one with ambient noise alone.
        seed: Seed of the gathers.

    Returns:
        What was found.
    """
    found = Found()
    for index in range(count):
        events = simulate_events(index, seed, survey, EQUAL)
        recording = with_noise(events, index, seed, survey, EQUAL, FAULTY)
        plan = noise_of_gather(index, seed, survey, EQUAL, FAULTY)[1]
        measured = measure_gather(recording, Settings())
        found.gathers += 1
        found.traces += recording.amplitude.shape[1]
        _compare_faults(found, recording, plan, measured)
        quiet = simulate_recording(index, seed, survey, EQUAL, noise=False)
        noise = _noise_of(recording, noise_alone(index, seed, survey, EQUAL, FAULTY))
        _compare_levels(found, measured, quiet, noise)
        rough = with_noise(events, index, seed, survey, EQUAL, SWELL)
        plan = noise_of_gather(index, seed, survey, EQUAL, SWELL)[1]
        if not survey[index % len(survey)].recorder.rumbling:
            swell = _noise_of(rough, noise_alone(index, seed, survey, EQUAL, SWELL))
            _compare_bands(found, rough, swell, plan, survey[index % len(survey)])
            calm = simulate_recording(index, seed, survey, GOOD, settings=CALM)
            found.calm += 1
            found.banded += bool(measure_gather(calm, Settings()).bands)
    return found


def _compare_faults(found: Found, recording: Recording, plan: NoisePlan, measured: Measured) -> None:
    """Count channels and modules; a fault that is found on a trace with another one is not counted as a false alarm."""
    place = recording.geometry.channel - 1
    planted = {name: np.isin(place, getattr(plan, name)) for name in FAULTS if hasattr(plan, name)}
    planted["wild"] = np.zeros(len(place), bool)
    faulty = np.any(list(planted.values()), axis=0)
    for name in FAULTS:
        # A dead channel shows no other fault, a saturated one no spike.
        hidden = planted["dead"] if name != "dead" else np.zeros(len(place), bool)
        hidden = hidden | (planted["saturated"] & (name in ("weak", "spiky")))
        counts = ~hidden & (planted[name] | ~faulty)
        found.count(name, planted[name][counts], measured.traces[name][counts])
    modules = int((place.max() if len(place) else 0) // MODULE_CHANNELS) + 1
    is_leaking, told = np.zeros(modules, bool), np.zeros(modules, bool)
    is_leaking[[module for module in plan.crossfeed if module < modules]] = True
    told[measured.modules] = True
    found.count("cross-feed", is_leaking, told)


def _noise_of(recording: Recording, noise: np.ndarray) -> Recording:
    """The noise alone of a gather, near trace first, as a recording with the traces that were recorded."""
    own = noise[:, recording.geometry.channel - 1]
    return dataclasses.replace(recording, amplitude=np.ascontiguousarray(own, np.float32))


def _compare_levels(found: Found, measured: Measured, quiet: Recording, noise: Recording) -> None:
    """Compare first arrivals with those without noise, and the noise before them with the noise alone."""
    interval_s, start_s = noise.geometry.sample_interval_s, noise.geometry.start_s
    size = np.abs(quiet.amplitude - np.median(quiet.amplitude))
    onset_s = start_s + interval_s * (size > ONSET * size.max(axis=0)).argmax(axis=0)
    arrival_s = measured.traces["first_arrival_s"]
    sound = ~np.any([measured.traces[name] for name in (*FAULTS, "crossfeed")], axis=0)
    found.without_arrival += int(np.count_nonzero(np.isnan(arrival_s)))
    late_ms = 1e3 * (arrival_s - onset_s)[sound]
    found.errors["first_arrival_ms"].append(late_ms[np.isfinite(late_ms)])
    block = block_samples(interval_s)
    last = np.rint((arrival_s - start_s) / interval_s) - block * math.ceil(GUARD_S / interval_s / block)
    end = np.where(np.isnan(last), 0, last).clip(0, len(noise.amplitude)).astype(int)
    power = np.cumsum(np.square(noise.amplitude, dtype=np.float64), axis=0)
    true = np.sqrt(power[np.maximum(end - 1, 0), np.arange(len(end))] / np.maximum(end, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = 100 * (measured.traces["noise_rms"] / true - 1)
    found.errors["noise_rms_percent"].append(error[sound & np.isfinite(error)])


def _compare_bands(found: Found, rough: Recording, noise: Recording, plan: NoisePlan, acquisition: Acquisition) -> None:
    """Compare the bands of a gather with swell alone with those planted, and with those of the same noise alone."""
    ambient = plan.ambient_microbar * acquisition.recorder.ambient
    spread = [with_tails(band, plan.traces) for band in plan.swell]
    covered = np.zeros(plan.traces)
    for band in spread:
        covered[band.first : band.first + band.traces] += band.level_microbar**2
    loud = []
    for number, (band, wide) in enumerate(zip(plan.swell, spread, strict=True)):
        alone = all(not _touch(wide, other) for place, other in enumerate(spread) if place != number)
        if alone and band.level_microbar >= LOUD * ambient:
            loud.append(band)
    places, others = _places(rough), _places(noise)
    hits = np.zeros(len(loud), bool)
    for number, band in enumerate(loud):
        first, last = band.first, band.first + band.traces - 1
        over = [each for each in places if each[0] <= last and each[1] >= first]
        same = [each for each in others if each[0] <= last and each[1] >= first]
        hits[number] = bool(over)
        if len(over) == 1:
            found.errors["band_edges_traces"].append(np.array([over[0][0] - first, over[0][1] - last]))
        if len(over) == len(same) == 1:
            own, true = over[0][2], same[0][2]
            found.errors["band_peak_hz"].append(np.array([own.peak_hz - true.peak_hz]))
            found.errors["band_correlation"].append(np.array([own.correlation[0] - true.correlation[0]]))
            found.errors["band_times_s"].append(np.array([own.first_s - true.first_s, own.last_s - true.last_s]))
    found.count("swell band", np.ones(len(loud), bool), hits)
    faint = np.array([np.sqrt(covered[first : last + 1].max()) < FAINT * ambient for first, last, _ in places], bool)
    found.count("swell band", np.zeros(len(places), bool), faint)


def _places(recording: Recording) -> list[tuple[int, int, NoiseBand]]:
    """Bands of noise with their first and last place on the cable, from 0 at its near end."""
    channel = recording.geometry.channel
    bands = measure_gather(recording, Settings()).bands
    ends = [(int(channel[one.first_trace]) - 1, int(channel[one.last_trace]) - 1) for one in bands]
    return [(min(pair), max(pair), one) for pair, one in zip(ends, bands, strict=True)]


def _touch(one: Band, other: Band) -> bool:
    return one.first <= other.first + other.traces and other.first <= one.first + one.traces


def figures(found: Found) -> dict[str, Any]:
    """The figures of a comparison, as JSON.

    Args:
        found: What was found.
    """
    return {
        "gathers": found.gathers,
        "traces": found.traces,
        "faults": {
            kind: {"planted": found.planted[kind], "found": found.hits[kind], "false": found.false[kind]}
            for kind in found.planted
        },
        "without_arrival": found.without_arrival,
        "calm": {"gathers": found.calm, "banded": found.banded},
        "errors": {name: _quantiles(found.error(name)) for name in ERRORS},
    }


def _quantiles(errors: np.ndarray) -> dict[str, float]:
    """How many errors, and their 5th, 50th and 95th percentile."""
    errors = errors[np.isfinite(errors)]
    if not len(errors):
        return {"count": 0}
    low, middle, high = np.percentile(errors, [5, 50, 95]).tolist()
    return {"count": len(errors), "low": low, "median": middle, "high": high}


def table(result: dict[str, Any]) -> str:
    """The figures as tables in Markdown.

    Args:
        result: What the command found.
    """
    return "\n".join(_lines(result))


def _lines(result: dict[str, Any]) -> Iterator[str]:
    yield f"simulator {result['simulator']}, {result['size']}, seed {result['seed']}"
    for kind_of, row in result["rows"].items():
        yield ""
        yield f"{kind_of}: {row['gathers']} gathers, {row['traces']} traces"
        yield ""
        yield "| planted | count | found | false alarms |"
        yield "|---|---:|---:|---:|"
        for kind, one in row["faults"].items():
            share = f"{100 * one['found'] / one['planted']:.1f} %" if one["planted"] else ""
            yield f"| {kind} | {one['planted']} | {share} | {one['false']} |"
        yield ""
        yield f"good gathers without swell that have a noise band: {row['calm']['banded']} of {row['calm']['gathers']}"
        yield ""
        yield "| error | count | 5 % | median | 95 % |"
        yield "|---|---:|---:|---:|---:|"
        for name, text in ERRORS.items():
            one = row["errors"][name]
            values = [f"{one[place]:.3g}" for place in ("low", "median", "high")] if one["count"] else ["", "", ""]
            yield f"| {text} | {one['count']} | {' | '.join(values)} |"


if __name__ == "__main__":
    from glowseis import command

    command.run(main)
