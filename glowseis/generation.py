"""New gathers written to a file, a folder or a survey: by a flow, or by moving noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glowseis.errors import InputError
from glowseis.survey.formats.targets import Format, target_format

if TYPE_CHECKING:
    from glowseis.survey.gather import Gather
    from glowseis.survey.store.survey import Survey


@dataclass(frozen=True)
class Target:
    """What is written, and where.

    Attributes:
        out: The file or folder.
        kind: Its format; by the extension of `out` when None.
        count: Number of gathers.
        seed: Seed of the draws.

    Raises:
        InputError: `out` cannot be written: it exists, or no format has its extension.
    """

    out: Path
    kind: Format | None
    count: int
    seed: int

    def __post_init__(self) -> None:
        target_format(self.out, self.kind)


def check_flow_fits(savedmodel: Path, survey: "Survey", label: str | None, farthest: float) -> None:
    """Refuse what `by_flow` cannot make, before TensorFlow is imported; arguments as there."""
    if not 0 < farthest <= 1:
        raise InputError(f"--farthest {farthest:g}: give a number above 0, at most 1")
    from glowseis.export.folders import check_flow

    check_flow(savedmodel, survey, label)


def by_flow(
    target: Target, savedmodel: Path, survey: "Survey", label: str | None, path: str, farthest: float, batch: int
) -> str:
    """Write what a flow interpolates between a survey's gathers (`glowseis.synthesis`).

    Args:
        target: What is written, and where.
        savedmodel: The flow.
        survey: The survey with the parents.
        label: Label of the gathers; the flow's when None.
        path: Path between the parents' latents.
        farthest: How far a gather may lie from its first parent.
        batch: Gathers made at a time.

    Returns:
        What was done, in a line.

    Raises:
        InputError: As `glowseis.synthesis.synthesise`, or nothing can be written there.
    """
    from glowseis.export.flow import load_flow
    from glowseis.survey.pairs import draw_pairs
    from glowseis.synthesis import interpolate_pairs, matched_parents, possible_parents, trained_label

    flow = load_flow(savedmodel)
    label = label or trained_label(flow)
    if flow.about.get("survey_checksum") != survey.checksum:
        print(f"{flow.name} was trained on another survey, {flow.about.get('survey', 'which it does not name')}")
    possible = matched_parents(flow, survey, possible_parents(flow, survey, label), print)
    pairs = draw_pairs(possible, target.count, target.seed, farthest)
    made = interpolate_pairs(flow, survey, label, pairs, target.seed, path, batch)
    _write(target, made, f"at most {farthest:g} of the way" if farthest < 1 else "")
    return (
        f"{target.count} synthetic {label} gathers by {flow.name}, from {len(possible)} possible parents: {target.out}"
    )


def by_moving(target: Target, survey: "Survey", label: str | None, corner_hz: float) -> str:
    """Write recorded gathers with the low-frequency noise of others (`glowseis.transplant`).

    Args:
        target: What is written, and where.
        survey: The survey with hosts and donors.
        label: Label of the donors and of the new gathers.
        corner_hz: Noise is moved up to this frequency, in hertz.

    Returns:
        What was done, in a line.

    Raises:
        InputError: As `glowseis.transplant.transplants`, there is no label, or nothing can be written there.
    """
    from glowseis.transplant import told_of_donors, transplants

    if not label:
        raise InputError("--onto other-earths needs --label, the label of the gathers whose noise is moved")
    if not corner_hz > 0:
        raise InputError(f"--corner {corner_hz:g}: give a frequency above 0, in Hz")
    for line in told_of_donors(survey, label, corner_hz=corner_hz):
        print(line)
    made = transplants(survey, label, target.count, target.seed, corner_hz=corner_hz)
    _write(target, made, f"noise below {corner_hz:g} Hz")
    done = f"{target.count} synthetic {label} gathers, their noise below {corner_hz:g} Hz moved onto other gathers"
    return f"{done}: {target.out}"


def _write(target: Target, made: "Iterator[Gather]", remark: str) -> None:
    """Write gathers as they are made."""
    from tqdm import tqdm

    from glowseis.survey.formats.writing import write_gathers

    with tqdm(made, "generating", target.count, unit="gather", disable=None) as shown:
        write_gathers(target.out, shown, kind=target.kind, remark=remark)
