"""What judges say of a survey, in numbers and in words: who judged, what changes, how far they agree."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from glowseis.survey.gather import source_text
from glowseis.survey.labels.adding import MAJORITY
from glowseis.survey.labels.agreement import LIMITS, RESAMPLES, Agreement, cohens_kappa, krippendorffs_alpha
from glowseis.survey.labels.overlay import SILENT, UNDECIDED, Overlay
from glowseis.survey.severity import of_unknown_severity
from glowseis.survey.wording import number_of

NAMED = 3
"""Most gathers that are named."""


@dataclass(frozen=True)
class Weighed:
    """An overlay and how far its judges agree.

    Attributes:
        overlay: What judges say.
        kappas: Cohen's kappa of each pair of judges who gave a class to the same gathers.
        alpha: Krippendorff's alpha of all judges; None if there is one.
        ordinal: Whether alpha takes the classes in order of severity, which all must have.
    """

    overlay: Overlay
    kappas: dict[tuple[str, str], Agreement]
    alpha: Agreement | None
    ordinal: bool

    def record(self) -> dict[str, Any]:
        """Everything in numbers, as JSON."""
        overlay = self.overlay
        return {
            "files": [source_text(file) for file in overlay.files],
            "judge": overlay.judge,
            "judged": self._judged(),
            "replaced": overlay.replaced,
            "unsure": self._unsure(),
            "changed": int(self._changed().sum()),
            "added": self._added(),
            "disputed": int(overlay.disputed.sum()),
            "undecided": int(overlay.undecided.sum()),
            "cohens_kappa": [{"judges": list(pair), **kappa.record()} for pair, kappa in self.kappas.items()],
            "krippendorffs_alpha": self.alpha and {"ordinal": self.ordinal, **self.alpha.record()},
        }

    def lines(self) -> Iterator[str]:
        """The same in words, for a terminal."""
        overlay = self.overlay
        files = ", ".join(source_text(file) for file in overlay.files)
        each = ", ".join(f"{judge} {count}" for judge, count in self._judged().items())
        replaced = f", {number_of(overlay.replaced, 'judgement')} replaced by later ones" if overlay.replaced else ""
        yield f"labels of {files}: {number_of(int(overlay.judged.sum()), 'gather')} judged ({each}){replaced}"
        changed = self._changed()
        without = int((changed & (overlay.labels == "")).sum())
        added = self._added()
        if changed.any() or not added:
            yield (
                f"  {number_of(int(changed.sum()), 'gather')} with another label than in the survey's records"
                f"{f', {without} of them without any' if without else ''}"
            )
        if added:
            yield f"  {number_of(added, 'gather')} labelled that had no label in the survey's records"
        if unsure := self._unsure():
            yield f"  judged unsure: {number_of(unsure, 'gather')}"
        if self.alpha is None:
            return
        yield f"  {disputes(overlay)}"
        if overlay.disputed.any():
            rows = np.flatnonzero(overlay.disputed)
            named = overlay.survey.index["gather_id"].iloc[rows[:NAMED]]
            each = "; ".join(f"{name} ({overlay.said(row)})" for row, name in zip(rows.tolist(), named, strict=False))
            yield f"  {'the first: ' if len(rows) > NAMED else ''}{each}"
        if overlay.disputed.any() and overlay.judge == MAJORITY:
            yield f"  to let one of them decide, name {' or '.join(overlay.judges)} with --judge"
        for (one, other), kappa in self.kappas.items():
            yield f"  Cohen's kappa of {one} and {other}, {number_of(kappa.gathers, 'gather')}: {kappa}"
        scale = "ordinal, by severity" if self.ordinal else "nominal"
        interval = f"{LIMITS[1] - LIMITS[0]:g} % intervals by {RESAMPLES} resamples of the gathers"
        yield f"  Krippendorff's alpha of all ({scale}): {self.alpha}; in brackets {interval}"

    def _judged(self) -> dict[str, int]:
        """How many gathers each judge says something of."""
        return {
            judge: int((votes != SILENT).sum())
            for judge, votes in zip(self.overlay.judges, self.overlay.votes.T, strict=True)
        }

    def _unsure(self) -> int:
        """How many gathers at least one judge is unsure of."""
        return int((self.overlay.votes == UNDECIDED).any(axis=1).sum())

    def _changed(self) -> np.ndarray:
        """Which gathers' labels differ from those of their records, where these have one, bool `[gather]`."""
        recorded = self.overlay.survey.index["label"].to_numpy(object)
        return (recorded != "") & (self.overlay.labels != recorded)

    def _added(self) -> int:
        """How many gathers have a label whose records have none."""
        recorded = self.overlay.survey.index["label"].to_numpy(object)
        return int(((recorded == "") & (self.overlay.labels != "")).sum())


def disputes(overlay: Overlay) -> str:
    """About how many gathers judges disagree, and who decides.

    Args:
        overlay: What they say.
    """
    disputed, undecided = int(overlay.disputed.sum()), int(overlay.undecided.sum())
    several = int((overlay.counts.sum(axis=1) > 1).sum())
    decides = {MAJORITY: "the majority", "": "nobody"}.get(overlay.judge, overlay.judge)
    return (
        f"judges disagree about {disputed} of the {number_of(several, 'gather')} to which several gave a label"
        f"{f'; {decides} decides' if disputed else ''}{f', {undecided} left without a label' if undecided else ''}"
    )


def weigh(overlay: Overlay) -> Weighed:
    """Measure how far judges agree.

    Args:
        overlay: What they say.
    """
    votes, classes = overlay.votes, len(overlay.classes)
    pairs = itertools.combinations(range(len(overlay.judges)), 2)
    kappas = {
        (overlay.judges[one], overlay.judges[other]): cohens_kappa(votes[:, one], votes[:, other], classes)
        for one, other in pairs
        if ((votes[:, one] >= 0) & (votes[:, other] >= 0)).any()
    }
    ordinal = not of_unknown_severity(overlay.classes)
    alpha = krippendorffs_alpha(votes, classes, ordinal=ordinal) if len(overlay.judges) > 1 else None
    return Weighed(overlay, kappas, alpha, ordinal)
