"""The page of a study of independent surveys: what flows are worth, where they are worth nothing, and why."""

import itertools
import json
from pathlib import Path

import pandas as pd

from eval.report.missed import missed_parts
from eval.report.tables import durations
from eval.report.worth_figures import arm_panels, scarcity_panel
from eval.report.writing import REPORT
from eval.results.contrasts import IN_WORDS, SIGNIFICANT
from eval.results.exchange import Exchange, exchange
from eval.results.quality_tables import quality_path, quality_tables, read_quality
from eval.results.replicated import Replicated
from eval.results.statistics import PairedTest
from eval.results.tables import p_cell
from eval.results.verdict import (
    OTHERS_BOUND,
    RARE_BOUND,
    best_of,
    harms,
    setting_in_words,
    verdict,
    worth_of_flows,
)
from eval.study.names import ARMS
from eval.study.outcome import listed
from eval.study.recipe import ReplicatesSection, ScarcitySection, StudyRecipe
from glowseis.files import whole_file
from glowseis.pages.page import Part, page
from glowseis.pages.table import Table

ARMS_EXPLAINED = {
    "none": "Only the recorded gathers.",
    "class-weights": "Only the recorded gathers; errors on rare classes weigh more.",
    "oversampling": "Recorded {rare} gathers are repeated.",
    "pixel-mixing": "The grey levels of two recorded {rare} gathers are averaged.",
    "smote": "Like pixel mixing, between near neighbours.",
    "flow": "The paper's way: a normalising flow, trained on the recorded {rare} gathers, makes new ones between them.",
    "flow-all": "The same; the flow is trained on all classes first.",
    "flow-prior": "A flow trained on {rare} gathers makes new ones from random numbers alone.",
    "logit-adjustment": "Only the recorded gathers; the loss is adjusted for how frequent each class is.",
    "trace-blocks": "A block of a {rare} gather's traces replaces those of another gather.",
    "low-band": "The low-frequency noise of a recorded {rare} gather replaces that of another gather. No flow.",
    "low-band-fresh": "The same, with other gathers in every pass over the training set.",
    "symmetric": "Half of every class gets noise of other gathers, so being synthetic gives no class away. No flow.",
    "noise-flow": "A flow of low-frequency noise makes new noise, which replaces that of another gather.",
}
"""What the arms add, for readers who know none of them; an arm without a sentence is named by its title alone."""


def write_page(results: Replicated, recipe: StudyRecipe, folder: Path, digest: str) -> Path:
    """Write the page of whatever is finished, in place of an older one.

    Args:
        results: The study's results.
        recipe: Its settings, with `study.replicates`.
        folder: The study's folder, for `report.html`.
        digest: The study's digest.

    Returns:
        The file.

    Raises:
        InputError: The grades of an arm, or a gather of the test survey, are damaged.
        OSError: The disk is full or not writable.
    """
    replicates = recipe.study.replicates
    assert replicates is not None
    tested = Path("surveys") / f"{recipe.name}-independent"
    rare, first = results.rare, replicates.settings[0]
    sections = {
        "worth": ("What a flow is worth, and where", _worth(results, replicates)),
        "arms": ("What is compared", [Part("table", _arms(results, rare))]),
        "scarcity": (f"How many recorded {rare} gathers that replaces", _scarcity(results, replicates.scarcity)),
        "harm": ("Whether the best way does harm", _harm(results, replicates)),
        "contrasts": (f"{_capital(IN_WORDS[replicates.primary])} against the rest", _contrasts(results, replicates)),
        "means": ("Means over surveys", [Part("table", _means(results, replicates))]),
        "missed": (f"Missed {rare} gathers", missed_parts(results, first.name, digest, folder, tested)),
        "quality": ("Whether the added gathers are good gathers", _quality(replicates, folder, digest)),
        "making": ("How it was made", _making(results, recipe, digest)),
    }
    missing = results.missing(replicates, recipe.study.arms)
    added = f"{recipe.study.augmentations} {rare} gathers"
    about = [
        f"A classifier grades seismic shot gathers as {', '.join(results.labels)}; {rare} ones are rare. Each way "
        f"below that adds gathers adds {added} to its training, on up to {replicates.count} independent "
        f"simulated surveys, and every classifier is tested on one other survey. F1 of {rare} is the harmonic mean of "
        f"the share of {rare} gathers that are found and the share of gathers graded {rare} that are {rare}; 100 is "
        "perfect."
    ]
    if missing:
        about.append(f"Not finished yet: {'; '.join(missing)}.")
    if results.failed:
        failed = listed(f"{one.kind} survey {one.fold} {one.arm}" for one in results.failed)
        about.append(f"Failed, and left out: {failed}.")
    text = page(
        f"Study “{recipe.name}”: what new {rare} gathers are worth",
        verdict(results, replicates),
        about,
        {name: section for name, section in sections.items() if section[1]},
        [Part("panels", arm_panels(results, replicates))],
    )
    with whole_file(folder / REPORT, replace=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return folder / REPORT


def _worth(results: Replicated, replicates: ReplicatesSection) -> list[Part]:
    rows = []
    words = _in_words(replicates, results.rare)
    for one in worth_of_flows(results, replicates):
        against = [_with_interval(one.rival), _with_interval(one.other), ARMS[one.best_other].title]
        rows.append([words[one.setting], ARMS[one.arm].title, _gain(one.rival, one.other), *against])
    if not rows:
        return [Part("words", "No flow has finished a survey yet.")]
    heads = ["setting", "flow", "worth", "over random oversampling", "over the best way without a flow", "which is"]
    table = Table(
        "worth",
        f"F1 of {results.rare} with a flow minus that without, in points [95 % interval], over surveys with both",
        pd.DataFrame(rows, columns=heads),
        (
            "“More” means that the flow beats both, each with p < 0.05, uncorrected; “nothing shown” that it beats "
            "neither, which is no proof that it is worth nothing. The best way without a flow has the highest mean.",
        ),
        words=3,
    )
    return [Part("table", table)]


def _gain(rival: PairedTest, other: PairedTest) -> str:
    if min(rival.folds, other.folds) < 2:
        return "not known yet"
    sure = [test.p < SIGNIFICANT and test.difference > 0 for test in (rival, other)]
    if all(sure):
        return "more"
    if sure[1]:
        return "more than the best way without, not surely than repeats"
    return "more than repeats alone" if sure[0] else "nothing shown"


def _arms(results: Replicated, rare: str) -> Table:
    there = [arm for arm in ARMS if any(arm in arms for arms in results.outcomes.values())]
    rows = [[ARMS[arm].title, ARMS_EXPLAINED.get(arm, "").format(rare=rare)] for arm in there]
    frame = pd.DataFrame(rows, columns=["way", "what it does"])
    return Table("arms", f"Ways to train with few {rare} gathers", frame, words=2)


def _scarcity(results: Replicated, scarcity: ScarcitySection | None) -> list[Part]:
    if scarcity is None:
        return []
    rows, rare = [_exchange_row(one) for one in exchange(results, scarcity)], results.rare
    if not rows:
        return [Part("words", f"Too little of the curve over {rare} gathers is finished.")]
    heads = ["way", f"{rare} gathers", f"F1 {rare}", "oversampling needs", "95 % interval", "one is worth", "surveys"]
    table = Table(
        "scarcity",
        f"How many recorded {rare} gathers random oversampling needs to do as well as another way",
        pd.DataFrame(rows, columns=heads),
        (
            "Interpolated on the logarithm of the number of gathers; where oversampling's curve falls again, its first "
            "crossing counts. Intervals resample the surveys, so with few surveys they are narrow.",
        ),
    )
    return [Part("panels", [scarcity_panel(results, scarcity)]), Part("table", table)]


def _exchange_row(one: Exchange) -> list[str]:
    low, high = one.in_words(one.needed.low), one.in_words(one.needed.high)
    interval = low if low == high else f"{low} to {high}"
    needed, worth = one.in_words(one.needed.value), one.in_words(one.needed.value, one.rare)
    return [ARMS[one.arm].title, str(one.rare), f"{one.f1:.1f}", needed, interval, worth, str(one.surveys)]


def _harm(results: Replicated, replicates: ReplicatesSection) -> list[Part]:
    found = harms(results, replicates)
    if not found:
        return [Part("words", "Nothing has a higher mean than random oversampling in the first setting yet.")]
    words = _in_words(replicates, results.rare)
    rows = [
        [words[one.setting], one.label, one.verdict, _difference(one.test), _interval(one.test), f"{one.bound:g}"]
        for one in found
    ]
    best = best_of(results, replicates.settings[0].name)
    assert best is not None
    table = Table(
        "harm",
        f"F1 of each class with {IN_WORDS[best]} minus that with random oversampling, in points",
        pd.DataFrame(rows, columns=["setting", "class", "verdict", "difference", "95 % interval", "may lose"]),
        (
            f"It has the highest mean in the first setting. By the protocol it may lose at most {RARE_BOUND:g} point "
            f"of F1 of {results.rare} where these gathers lie on all lines, and {OTHERS_BOUND:g} of others anywhere.",
        ),
        words=3,
    )
    return [Part("table", table)]


def _contrasts(results: Replicated, replicates: ReplicatesSection) -> list[Part]:
    rows, words = [], _in_words(replicates, results.rare)
    for setting in replicates.settings:
        for other, (test, corrected) in results.against(setting.name, replicates.primary).items():
            holm = "-" if corrected is None else p_cell(corrected)
            figures = _difference(test), _interval(test), p_cell(test.p), holm, str(test.folds)
            rows.append([words[setting.name], ARMS[other].title, *figures])
    if not rows:
        return []
    heads = ["setting", "against", "difference", "95 % interval", "p", "p by Holm", "surveys"]
    table = Table(
        "against",
        f"F1 of {results.rare} with {IN_WORDS[replicates.primary]} minus that of each other way, in points",
        pd.DataFrame(rows, columns=heads),
        (
            "Paired t-tests over surveys. The contrast with random oversampling in the first setting is the primary "
            "one, fixed in advance; in others it is uncorrected too. The rest of a setting is corrected together.",
        ),
        words=2,
    )
    return [Part("table", table)]


def _means(results: Replicated, replicates: ReplicatesSection) -> Table:
    frame = results.table().rename(columns={"sd ": "sd of PR-AUC"})
    figures = [name for name in frame if name not in ("setting", "arm", "surveys")]
    text = frame.astype({"surveys": str})
    text["setting"] = frame["setting"].map(_in_words(replicates, results.rare))
    for name in figures:
        text[name] = frame[name].map(lambda value: "-" if pd.isna(value) else f"{value:.1f}")
    order = ["setting", "arm", *figures, "surveys"]
    return Table("means", "Mean and standard deviation over surveys, in per cent", text[order], words=2)


def _quality(replicates: ReplicatesSection, folder: Path, digest: str) -> list[Part]:
    """Measures of the first survey that has some, in the first such setting."""
    for setting, number in itertools.product(replicates.every_setting, range(replicates.count)):
        frame = read_quality(quality_path(folder / "quality", f"{setting}-{number:02d}"))
        if frame is not None and len(frame := frame[frame["study"] == digest]):
            where = f"Survey {number}, {setting}, by python -m eval.quality."
            return [Part("words", where), *(Part("table", table) for table in quality_tables(frame))]
    return [Part("words", "Nothing is measured here yet: run python -m eval.quality, then make this page again.")]


def _making(results: Replicated, recipe: StudyRecipe, digest: str) -> list[Part]:
    every = [one for arms in results.outcomes.values() for found in arms.values() for one in found.values()]
    replicates, independent = recipe.study.replicates, recipe.study.independent
    assert replicates is not None and independent is not None
    last = replicates.first_seed + replicates.count - 1
    facts = {
        "study": digest,
        "seeds of surveys": f"{replicates.first_seed} to {last}; test survey {independent.seed}",
        "commit": listed(one.commit for one in every),
        "machine": listed(one.machine for one in every),
    }
    provenance = Table(
        "provenance", "Data, code and machine", pd.DataFrame(facts.items(), columns=["item", "value"]), words=2
    )
    taken = durations([one for one in every if not one.error], "surveys")
    return [
        *([Part("table", taken)] if len(taken.frame) else []),
        Part("table", provenance),
        Part("recipe", json.dumps(recipe.model_dump(mode="json"), indent=2)),
    ]


def _in_words(replicates: ReplicatesSection, rare: str) -> dict[str, str]:
    return {name: setting_in_words(setting, rare) for name, setting in replicates.every_setting.items()}


def _difference(test: PairedTest) -> str:
    return f"{round(test.difference, 1) + 0.0:+.1f}" if test.folds else "-"


def _interval(test: PairedTest) -> str:
    return f"{test.low:+.1f} to {test.high:+.1f}" if test.folds > 1 else "-"


def _with_interval(test: PairedTest) -> str:
    return _difference(test) + (f" [{test.low:+.1f}, {test.high:+.1f}]" if test.folds > 1 else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
