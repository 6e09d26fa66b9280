"""What a report is made from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from glowseis.attributes.bands import NoiseBand
from glowseis.judging.occlusion import Occlusion
from glowseis.judging.unlike import Summary
from glowseis.survey.gather import Gather


@dataclass(frozen=True)
class Worst:
    """One of the gathers with the highest probability of the severest class.

    Attributes:
        row: Its row among the records.
        gather: The gather as matched to the classifier.
        order: Number of each column's trace in the source, from 0, int64 `[column]`.
        channel: Channel numbers, int32 `[trace]`, in the order of the source.
        bands: Its noise bands, by traces of the source.
        occlusion: Which parts speak for its grade; None if it has the mildest.
    """

    row: int
    gather: Gather
    order: np.ndarray
    channel: np.ndarray
    bands: list[NoiseBand]
    occlusion: Occlusion | None = None


@dataclass(frozen=True)
class Findings:
    """Everything that was found.

    Attributes:
        records: One row a record, in the order of the sources: `glowseis.attributes.rows.PLACE`, `line` (its name),
            `label` (empty for none), `grade` (empty if it could not be graded), `reason` (why not), the probability of
            each class, `severity`, `unlike`, and the columns of `glowseis.attributes.rows.GATHERS`, NaN where nothing
            was measured.
        labels: Classes in order of severity.
        classifier: The classifier's name and version.
        unlike: How many records are unlike its training data.
        worst: The worst gathers, the worst first.
        tables: Folder with the tables of attributes; None if nothing was measured.
        missing: What the sources do not tell, a phrase each.
        told: What was done to them and found in them, a line each.
        seen: How many graded records trained the classifier or chose its weights, in words; empty if none did.
        whose: Whose labels the records have, in words.
        shot_words: The header words that gave shot numbers, in words; none if no file has any.
        expected: Which class fractions the probabilities assume, in words; empty if that is not known.
        noise: Where noise was measured, in words.
        lasting: How many records would still be graded bad if bad ones were `RARER` times as rare as assumed.
    """

    records: pd.DataFrame
    labels: tuple[str, ...]
    classifier: str
    unlike: Summary
    worst: list[Worst] = field(default_factory=list)
    tables: Path | None = None
    missing: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seen: str = ""
    whose: str = ""
    shot_words: list[str] = field(default_factory=list)
    expected: str = ""
    noise: str = ""
    lasting: int = 0

    @property
    def severest(self) -> str:
        """The grade of bad records."""
        return self.labels[-1]
