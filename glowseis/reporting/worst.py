"""The worst gathers: drawn with their noise bands, and with the parts that support their grades."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glowseis.attributes.bands import EDGE_HZ, NARROWEST, NOISY_FACTOR
from glowseis.attributes.spectra import BAND_HZ, LOWEST_HZ
from glowseis.judging.occlusion import Occlusion
from glowseis.pages.drawing import inline_svg, new_figure
from glowseis.pages.page import Part
from glowseis.pages.pictures import Panel
from glowseis.reporting.findings import Worst
from glowseis.reporting.maps import coloured
from glowseis.reporting.records import level, listed, probability_column, sentence_start
from glowseis.survey.content.gather_plot import plot_gather
from glowseis.survey.gather import Gather
from glowseis.survey.matching.bringing import traces_taken
from glowseis.survey.progress import progress
from glowseis.survey.wording import number_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRETCHED = 4
"""By how much grey levels are stretched, so that faint noise is seen."""

DOTS_AN_INCH = 130

STILL = 0.5
"""If more than this share of the grade's probability is left, whatever is covered, the page says so."""

OPAQUE = 0.7

MOST_BANDS = 3
"""Most bands of a gather that are described, the one of the largest root mean square first."""

BAND_COLOUR, PLACE_COLOUR = "#c2410c", "#cf222e"


def worst_heading(worst: Sequence[Worst], records: pd.DataFrame, labels: Sequence[str]) -> str:
    """The heading above the worst gathers, which says if none of them has the severest grade.

    Args:
        worst: The gathers.
        records: The records that they are among.
        labels: Classes in order of severity.
    """
    severest = labels[-1]
    named = "The gather" if len(worst) == 1 else f"The {len(worst)} gathers"
    if severest in {_grade(one, records) for one in worst}:
        return f"{named} most likely to be {severest}"
    rest = f"it is graded {_grade(worst[0], records)}" if len(worst) == 1 else f"none is graded {severest}"
    return f"{named} with the highest probability of {severest}: {rest}"


def worst_words(worst: Sequence[Worst], records: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """What readers of the drawings need to know, as paragraphs.

    Args:
        worst: The gathers.
        records: The records that they are among.
        labels: Classes in order of severity.
    """
    found = [
        f"Sorted by the probability of {labels[-1]}, then by noise. Time runs downwards, traces to the right as in the "
        "file, or by offset if they are in disorder there; grey levels are stretched four times, so events are clipped."
    ]
    if any(one.occlusion for one in worst):
        found[0] += (
            " To explain a grade, parts of the gather are covered with zeros, one after another, and it is graded "
            "again: a part supports the grade if covering it makes that less likely."
        )
    if any(_grade(one, records) == labels[0] for one in worst):
        found[0] += f" A grade of {labels[0]} is not explained."
    if any(one.bands for one in worst):
        found.append(
            f"Noise bands are framed whatever the grade. A band is at least {NARROWEST} neighbouring traces that are "
            f"more than {NOISY_FACTOR:g} times as loud from {LOWEST_HZ:g} to {BAND_HZ:g} Hz as the quieter traces "
            f"around them. Noise that peaks above {BAND_HZ - EDGE_HZ:g} Hz is not a band, so the loudest noise of a "
            "gather may not be framed. On acquisitions unlike those that this rule was made for, clean gathers may "
            "have bands too."
        )
    return found


def worst_parts(worst: Sequence[Worst], records: pd.DataFrame, labels: Sequence[str]) -> list[Part]:
    """The worst gathers, the worst first: what was graded and measured, two drawings, and why.

    Those of the mildest grade, which is not explained, are side by side.

    Args:
        worst: The gathers.
        records: The records that they are among.
        labels: Classes in order of severity.
    """
    parts: list[Part] = []
    for place, one in enumerate(progress(worst, len(worst), "drawing"), start=1):
        row = records.iloc[[one.row]].to_dict("records")[0]
        heading, facts = f"{place}. {row['gather_id']}: {row['grade']}", _facts(one, row, labels)
        panels = _panels(place, one, row["gather_id"])
        if one.occlusion is None:
            panels = [replace(panels[0], caption=f"{heading}. {facts}")]
            if parts and parts[-1].macro == "panels":
                panels = [*parts.pop().content, *panels]
            parts.append(Part("panels", panels))
            continue
        why = explanation(one, one.occlusion, row["grade"], labels)
        parts += [Part("heading", heading), Part("words", facts), Part("words", why), Part("pair", panels)]
    return parts


def _grade(one: Worst, records: pd.DataFrame) -> str:
    return str(records["grade"].iloc[one.row])


def explanation(one: Worst, found: Occlusion, grade: str, labels: Sequence[str]) -> str:
    """Why a gather has its grade, in one to three sentences.

    Args:
        one: The gather.
        found: Which parts support its grade.
        grade: Its grade.
        labels: Classes in order of severity.
    """
    severest = grade == labels[-1]
    what, label = (f"to {grade}", grade) if severest else (f"away from {labels[0]}", labels[0])

    def said(probability: float) -> str:
        return f"{probability if severest else 1 - probability:.2f}"

    covered = []
    if found.columns:
        traces = listed([traces_of(one, columns) for columns in found.columns])
        covered.append((found.without, f"traces {traces} covered from top to bottom"))
    if found.without_known is not None:
        bands = "its noise band" if len(one.bands) == 1 else f"its {len(one.bands)} noise bands"
        covered.append((found.without_known, f"{bands} covered{' instead' if covered else ''}"))
    text = f"No single part points {what}: covering any one hardly {'lowers' if severest else 'raises'} the "
    text += f"probability of {label}."
    if found.places:
        text = f"{where_of(one, found.places)} point most strongly {what}."
        text = text[0].upper() + text[1:]
    if covered:
        (first, it), *more = covered
        before, after = said(found.probability), said(first)
        text += f" With {it}, the probability of {label} "
        # Two probabilities that read the same are not a fall.
        moves = "falls" if float(after) < float(before) else "rises"
        text += f"{moves} from {before} to {after}" if before != after else f"stays {after}"
        text += "".join(f", and with {it} it is {said(probability)}" for probability, it in more) + "."
        if min(probability for probability, _ in covered) > STILL * found.probability:
            left = f"the probability of {grade}" if severest else f"the probability that it is not {label}"
            text += f" More than half of {left} is left{' each time' if more else ''}: what was covered does not "
            text += "explain the grade by itself."
    return text


def where_of(one: Worst, places: Sequence[tuple[slice, slice]]) -> str:
    """Places in a gather in words, such as `traces 40 to 62 (channels 140 to 162) between 1.0 and 2.4 s`.

    Args:
        one: The gather.
        places: Samples and columns of the matched gather; those of the same traces are named together.
    """
    geometry = one.gather.geometry
    times: dict[str, list[slice]] = {}
    for samples, columns in places:
        times.setdefault(traces_of(one, columns), []).append(samples)

    def said(samples: slice) -> str:
        if not geometry.sample_interval_s > 0:
            return f"in samples {samples.start + 1} to {samples.stop}"
        start_s, stop_s = (geometry.start_s + at * geometry.sample_interval_s for at in (samples.start, samples.stop))
        return f"between {start_s:.1f} and {stop_s:.1f} s"

    return ", and ".join(
        f"traces {traces} {listed([said(samples) for samples in sorted(own, key=lambda one: one.start)])}"
        for traces, own in times.items()
    )


def traces_of(one: Worst, columns: slice) -> str:
    """Columns of the matched gather as traces of the source, such as `40 to 62 (channels 140 to 162)`.

    Args:
        one: The gather.
        columns: The columns.
    """
    traces = one.order[columns]
    first, last = int(traces.min()), int(traces.max())
    return f"{first + 1} to {last + 1}{_channels(one, first, last)}"


def _channels(one: Worst, first: int, last: int) -> str:
    if len(one.channel) <= last:
        return ""
    numbers = int(one.channel[first]), int(one.channel[last])
    return "" if min(numbers) < 1 or numbers == (first + 1, last + 1) else f" (channels {numbers[0]} to {numbers[1]})"


def _facts(one: Worst, row: Mapping[Any, Any], labels: Sequence[str]) -> str:
    told = ", ".join(f"{label} {row[probability_column(label)]:.2f}" for label in labels)
    text = f"{sentence_start(row['line'])}, shot {row['shot']}, cable {row['cable']}: {told}."
    if row.get("label"):
        text += f" It is labelled {row['label']}."
    if row["unlike"] > 1:
        text += f" It is unlike the training data ({row['unlike']:.2f}): do not rely on its grade."
    if not row.get("traces", 0) > 0:
        return text
    noise = level(float(row["noise_rms_median"]))
    missing = "Noise not measured" if row["first_arrivals"] else "No first arrivals"
    text += f" Noise {noise}" if noise else f" {missing}"
    text += f", {number_of(int(row['dead']), 'dead trace')}, {number_of(len(one.bands), 'noise band')}"
    bands = [
        f"traces {band.first_trace + 1} to {band.last_trace + 1}, RMS {level(band.rms)}, {band.excess:.1f} times the "
        f"background at {band.peak_hz:.1f} Hz"
        for band in sorted(one.bands, key=lambda band: -band.rms)[:MOST_BANDS]
    ]
    return f"{text}{': ' if bands else ''}{'; '.join(bands)}{'; and others' if len(one.bands) > len(bands) else ''}."


def _panels(place: int, one: Worst, name: str) -> list[Panel]:
    bands = f", {number_of(len(one.bands), 'noise band')} framed" if one.bands else ""
    plain, axes = _drawn(one)
    for band in one.bands:
        _frame(axes, (band.first_trace, band.last_trace + 1), (band.first_s, band.last_s), BAND_COLOUR)
    panels = [_panel(plain, f"worst-{place}", f"{name}{bands}")]
    if one.occlusion is not None:
        heat, axes = _drawn(one)
        _overlay(axes, one, one.occlusion)
        framed = "; the strongest parts are framed" if one.occlusion.places else ""
        words = f"{name}: the redder a part, the more it supports the grade{framed}"
        panels.append(_panel(heat, f"why-{place}", words))
    return panels


def _panel(figure: "Figure", name: str, words: str) -> Panel:
    coloured(figure)
    figure.dpi = DOTS_AN_INCH
    return Panel(inline_svg(figure, name, words), words)


def _drawn(one: Worst) -> "tuple[Figure, Axes]":
    """A gather in the order of its source."""
    figure = new_figure()
    axes = figure.add_subplot()
    shown = _in_source_order(one)
    plot_gather(shown, axes, clip=shown.clip_amplitude / STRETCHED)
    return figure, axes


def _in_source_order(one: Worst) -> Gather:
    gather, rank = one.gather, np.argsort(one.order, kind="stable")
    image = np.ascontiguousarray(gather.image[: gather.valid_samples, : gather.valid_traces][:, rank])
    taken = len(gather.geometry.offset_m) == len(rank)
    geometry = traces_taken(gather.geometry, rank) if taken else gather.geometry
    return replace(gather, image=image, geometry=geometry)


def _overlay(axes: "Axes", one: Worst, found: Occlusion) -> None:
    rank = np.argsort(one.order, kind="stable")
    heat = np.repeat(found.evidence, np.diff(found.traces), axis=1)[:, rank]
    strength = np.clip(heat / max(float(heat.max()), 1e-12), 0, 1)
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    pixels = np.zeros((*heat.shape, 4))
    pixels[..., 0], pixels[..., 3] = 0.85, OPAQUE * strength
    # Parts differ in height by a sample at most.
    axes.imshow(pixels, aspect="auto", interpolation="nearest", extent=(left, right, low, high))
    step = (low - high) / one.gather.valid_samples
    for samples, columns in found.places:
        traces = one.order[columns]
        times = (high + samples.start * step, high + samples.stop * step)
        _frame(axes, (int(traces.min()), int(traces.max()) + 1), times, PLACE_COLOUR)


def _frame(axes: "Axes", traces: tuple[int, int], times: tuple[float, float], colour: str) -> None:
    from matplotlib.patches import Rectangle

    size = (traces[1] - traces[0], times[1] - times[0])
    corner = (traces[0] + 0.5, times[0])
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=1.3))
