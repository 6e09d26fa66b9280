"""Gathers that a training adds to a class that has few, made from its training gathers alone."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.recipe import RareSection
from glowseis.run.starting import Start, find_start
from glowseis.survey.gather import Gather
from glowseis.survey.matching.windows import padded
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey, open_survey, write_survey
from glowseis.survey.wording import number_of
from glowseis.synthesis import synthesise
from glowseis.transplant import told_of_donors, transplants

ADDED = "added"
"""The folder of a run that holds the gathers that were made for it."""

STREAM = 2
"""Tells the draw of gathers to repeat from others of the same seed."""


def rare_flow(section: RareSection) -> Start | None:
    """The saved flow that makes the gathers; None if none does.

    Raises:
        InputError: It is not there, or no flow.
    """
    return find_start(section.flow, "flow", "rare.flow") if section.flow else None


def check_no_padding(flow: Start, window: str, size: tuple[int, int], *, starts: bool) -> None:
    """Make sure that gathers of a flow fill what the classifier sees; else padding alone would tell their class.

    Args:
        flow: The saved flow.
        window: Samples and traces of the windows that the classifier sees, such as `192x96`; empty for whole images.
        size: Samples and traces of whole images.
        starts: Whether the classifier starts from a saved one, so that its window is given.

    Raises:
        InputError: They do not.
    """
    if not flow.about.get("window"):
        return
    seen, made = parse_size(window) if window else size, flow.size
    if seen[0] > made[0] or seen[1] > made[1]:
        what, text = "windows" if window else "whole images", "x".join(map(str, made))
        instead = "--set rare.add=moved-noise --set rare.flow=" if starts else f"--set data.window={text}"
        raise InputError(
            f"rare.flow: {flow.name} makes windows of {text}, but the classifier sees {what} of "
            f"{'x'.join(map(str, seen))}, so padding would give the class away; pass {instead}"
        )


def added_gathers(
    section: RareSection,
    survey: Survey,
    training: np.ndarray,
    labels: Sequence[str],
    seed: int,
    flow: Start | None,
    folder: Path,
    say: Callable[[str], None],
) -> tuple[Survey, np.ndarray]:
    """Gathers to add to the rare class: rows of the survey that repeat, or a survey that is made of new ones.

    Args:
        section: How, and how many.
        survey: The survey that holds the training gathers, with the classes as labels.
        training: Their rows.
        labels: The classes.
        seed: Seed of the draw.
        flow: The saved flow (`rare_flow`).
        folder: Where new gathers are kept; those that are there already are used again.
        say: Called with a line that says what was added.

    Returns:
        The survey that holds them, and their rows.

    Raises:
        InputError: There is no such class, it has no training gather, or no gathers can be made from these.
    """
    label, count = section.label, section.count
    if label not in labels:
        raise InputError(f"rare.label = {label!r}: not one of the classes {', '.join(labels)}; name one of them")
    rare = training[survey.index["label"].to_numpy()[training] == label]
    if not len(rare):
        raise InputError(
            f"{survey.path}: no training gather is labelled {label!r}, so none can be added; label some, or pass "
            "--set rare.add="
        )
    of = f"{number_of(len(rare), 'training gather')} labelled {label}"
    if section.add == "oversampling":
        say(f"added: {number_of(count, 'repeat')} of {of}")
        return survey, np.random.default_rng([seed, STREAM]).choice(rare, count)

    def make() -> Iterator[Gather]:
        if flow:
            made = synthesise(flow.folder, survey, label, count, seed, rows=rare, say=say)
            return (padded(gather, survey.size) for gather in made)
        for line in told_of_donors(survey, label, hosts=training, donors=rare):
            say(line)
        return transplants(survey, label, count, seed, hosts=training, donors=rare)

    about = {"added": {**section.model_dump(exclude={"flow"}), "seed": seed, "survey": survey.checksum}}
    about["added"] |= {"rows": rare.tolist(), "flow_sha256": flow.sha256 if flow else ""}
    if not folder.exists():
        write_survey(folder, make(), survey.size, about)
    made = open_survey(folder)
    if made.manifest.about != about:
        raise InputError(f"{folder}: holds gathers of another run; remove it")
    how = f"that {flow.name} made of" if flow else "with the noise of"
    say(f"added: {number_of(count, 'gather')} {how} {of}")
    return made, np.arange(len(made))
