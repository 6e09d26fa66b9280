"""Folds as files: which gathers train and which test, drawn once and used by every comparison.

```json
{"schema_version": 1, "kind": "grouped", "seed": 1, "rare": "bad", "scikit_learn": "1.9.1", "survey_checksum": "...",
 "folds": [{"test": ["line1-shot1-cable1", "..."]}, "..."], "sha256": "..."}
```

A fold names the gathers that test; the gathers of all other folds train. A split has one fold, which names its
`training`, `validation` and `test` gathers. `sha256` covers everything else.

Unlabelled gathers are left out, and so are synthetic ones: a child of a test gather must never train, and never tests.
"""

import hashlib
import json
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic

from glowseis.errors import InputError, first_wrong
from glowseis.files import read_json, whole_file
from glowseis.survey.content.duplicates import equal_gathers
from glowseis.survey.gather import source_text
from glowseis.survey.splits.parts import (
    check_enough,
    check_seed,
    hold_out,
    labelled_rows,
    labels_of,
    lines_of,
    rare_label,
)
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of

__all__ = [
    "KINDS",
    "Folds",
    "FoldsFile",
    "hold_out",
    "labelled_rows",
    "make_folds",
    "read_folds",
    "torn",
    "torn_duplicates",
    "write_folds",
]

SCHEMA = 1
"""Version of the file's layout; others are refused."""

Kind = Literal["stratified", "grouped", "split", "grouped-split"]
Part = Literal["training", "validation", "test"]

KINDS: tuple[Kind, ...] = ("stratified", "grouped", "split", "grouped-split")
"""`stratified` and `grouped` are k folds, each of which tests once; grouped ones keep sail lines together. `split` and
`grouped-split` are one division into training, validation and test."""

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
"""The paper's split (section 5.4); the rest, 70 %, trains."""


class FoldsFile(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The content of a file of folds.

    Attributes:
        schema_version: Version of the layout.
        kind: How gathers were divided.
        seed: Seed of the draw.
        rare: The label that every part must hold.
        scikit_learn: Version that drew them; another version may draw different ones from the same seed.
        survey_checksum: `Survey.checksum` of the survey to which they belong.
        folds: Gather ids by part, for each fold.
        sha256: SHA-256 of everything else.
    """

    schema_version: int
    kind: Kind
    seed: int
    rare: str
    scikit_learn: str
    survey_checksum: str
    folds: tuple[dict[Part, tuple[str, ...]], ...]
    sha256: str = ""

    def digest(self) -> str:
        """SHA-256 of everything except `sha256`."""
        content = self.model_dump(exclude={"sha256"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Folds:
    """Checked folds of a survey.

    Attributes:
        content: The content of the file.
        part_names: Names of what `parts` returns.
    """

    def __init__(self, content: FoldsFile, parts: Sequence[tuple[np.ndarray, ...]]):
        self.content = content
        self.part_names = ("training", "validation", "test") if len(parts[0]) == 3 else ("training", "test")
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def checksum(self) -> str:
        """SHA-256 that identifies these folds."""
        return self.content.sha256

    def parts(self, fold: int = 0) -> tuple[np.ndarray, ...]:
        """Row numbers of a fold's parts.

        Args:
            fold: Number of the fold, from 0.

        Returns:
            (training, test) rows of the survey, int64 `[gather]`; (training, validation, test) for a split.

        Raises:
            InputError: There is no such fold.
        """
        if not 0 <= fold < len(self):
            raise InputError(f"there is no fold {fold}; choose one from 0 to {len(self) - 1}")
        return self._parts[fold]


def make_folds(survey: Survey, kind: Kind, folds: int = 10, seed: int = 1, rare: str | None = None) -> Folds:
    """Divide a survey's labelled gathers so that every part has each label's share.

    Args:
        survey: The survey.
        kind: One of `KINDS`.
        folds: Number of folds; ignored for a split.
        seed: Seed of the draw, 0 to 2^32 - 1.
        rare: The label that every part must hold; the one with the fewest gathers when None.

    Returns:
        The folds.

    Raises:
        InputError: There are too few gathers or sail lines, especially rare ones, or a part would hold no rare gather.
    """
    import sklearn
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if kind not in KINDS:
        raise InputError(f"kind {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    check_seed(seed)
    rows = labelled_rows(survey)
    rare = rare_label(survey, rows, rare)
    if kind in ("split", "grouped-split"):
        grouped = kind == "grouped-split"
        rest, test = hold_out(survey, rows, TEST_SHARE, seed, grouped=grouped, rare=rare)
        share = VALIDATION_SHARE / (1 - TEST_SHARE)
        training, validation = hold_out(survey, rest, share, seed, grouped=grouped, rare=rare)
        drawn: list[dict[Part, np.ndarray]] = [{"training": training, "validation": validation, "test": test}]
    else:
        if folds < 2:
            raise InputError(f"{folds} folds: give at least 2")
        labels, lines = labels_of(survey, rows), lines_of(survey, rows)
        check_enough(survey, labels == rare, lines if kind == "grouped" else None, folds, rare)
        splitter = (StratifiedGroupKFold if kind == "grouped" else StratifiedKFold)(
            folds, shuffle=True, random_state=seed
        )
        with warnings.catch_warnings():
            # Warns about any label with fewer gathers than folds; what matters is checked here.
            warnings.simplefilter("ignore", UserWarning)
            drawn = [{"test": rows[test]} for _, test in splitter.split(rows, labels, lines)]
    ids = survey.index["gather_id"].to_numpy()
    content = FoldsFile(
        schema_version=SCHEMA,
        kind=kind,
        seed=seed,
        rare=rare,
        scikit_learn=sklearn.__version__,
        survey_checksum=survey.checksum,
        folds=tuple({name: tuple(map(str, ids[np.sort(part)])) for name, part in fold.items()} for fold in drawn),
    )
    content = content.model_copy(update={"sha256": content.digest()})
    return Folds(content, _checked_parts(content, survey, "these folds", "give another --seed or fewer --folds"))


def torn_duplicates(survey: Survey, folds: Folds) -> str:
    """Warn of gathers that equal one in another part of folds, as `torn`.

    Args:
        survey: The survey that the folds belong to.
        folds: Its folds.
    """
    part_of = {
        int(row): (fold, part)
        for fold in range(len(folds))
        for part, rows in enumerate(folds.parts(fold))
        if len(folds) == 1 or part
        for row in rows
    }
    return torn(survey, part_of)


def torn(survey: Survey, part_of: Mapping[int, Hashable]) -> str:
    """Warn of gathers that equal one in another part, whatever their ids: they would test what was trained on.

    Args:
        survey: The survey.
        part_of: Parts of its gathers, by row number.

    Returns:
        A line; empty if there are none.
    """
    groups = equal_gathers(survey, np.array(sorted(part_of), np.int64))
    pairs = [(group[0], row) for group in groups for row in group[1:] if part_of[row] != part_of[group[0]]]
    if not pairs:
        return ""
    first, other = (str(survey.index["gather_id"].iat[row]) for row in pairs[0])
    return (
        f"warning: {number_of(len(pairs), 'gather')} identical to a gather in another part, such as {other} to "
        f"{first}: tests would include training gathers; remove the label of all but one of each (glowseis describe "
        "lists them)"
    )


def write_folds(path: Path, folds: Folds) -> None:
    """Write folds to a file, whole or not at all.

    Args:
        path: The JSON file to make.
        folds: What to write.

    Raises:
        InputError: The file exists already; folds are made only once.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    with whole_file(Path(path)) as temporary:
        temporary.write_text(folds.content.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_folds(path: Path, survey: Survey) -> Folds:
    """Read folds and check that they are complete, belong to this survey and match their kind.

    Args:
        path: The JSON file.
        survey: The survey that they were made for.

    Returns:
        The folds.

    Raises:
        InputError: The file is missing, damaged or was changed; it belongs to another survey; a gather is unknown, in
            two parts or in none; parts of a grouped kind share a sail line; a part holds no rare gather.
    """
    path = Path(path)
    name = source_text(path)
    try:
        content = read_json(path)
        version = content["schema_version"]
        if isinstance(version, int) and version != SCHEMA:
            raise InputError(f"{name}: folds of schema {version}, but this glowseis reads {SCHEMA}; make them again")
        file = FoldsFile.model_validate_json(json.dumps(content), strict=True)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; make one with python -m glowseis.folds") from None
    except IsADirectoryError:
        raise InputError(f"{name}: a folder; give the JSON file that python -m glowseis.folds made") from None
    except pydantic.ValidationError as wrong:
        raise InputError(f"{name}: {first_wrong(wrong)}; {_MEND}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{name}: damaged; it cannot be read as folds; {_MEND}") from None
    if file.sha256 != file.digest():
        raise InputError(f"{name}: changed after it was made, its checksum differs; {_MEND}")
    if file.survey_checksum != survey.checksum:
        raise InputError(
            f"{name}: made for a survey other than {source_text(survey.path)}, or for other labels of it; give that "
            f"one, with the same --labels if there were any, or {_MEND}"
        )
    return Folds(file, _checked_parts(file, survey, name, _MEND))


_MEND = "copy the file again or make the folds again"


def _checked_parts(content: FoldsFile, survey: Survey, name: str, mend: str) -> list[tuple[np.ndarray, ...]]:
    """Rows of every fold's parts, checked against the survey and against each other."""

    def wrong(what: str) -> InputError:
        return InputError(f"{name}: {what}; {mend}")

    split = content.kind in ("split", "grouped-split")
    named = {"training", "validation", "test"} if split else {"test"}
    wrong_number = len(content.folds) != 1 if split else len(content.folds) < 2
    if wrong_number or any(set(fold) != named for fold in content.folds):
        raise wrong(f"not a {content.kind} with parts {', '.join(sorted(named))}")
    there = labelled_rows(survey)
    row_of = {str(survey.index["gather_id"].iat[row]): int(row) for row in there}
    seen: dict[str, str] = {}
    for number, fold in enumerate(content.folds):
        for part, ids in fold.items():
            where = part if split else f"fold {number}"
            for gather_id in ids:
                if gather_id not in row_of:
                    raise wrong(f"{where} has {gather_id!a}, which is not a labelled, recorded gather of the survey")
                if gather_id in seen:
                    raise wrong(f"gather {gather_id} is in {seen[gather_id]} and in {where}")
                seen[gather_id] = where
    if len(seen) < len(there):
        first = next(gather_id for gather_id in row_of if gather_id not in seen)
        raise wrong(f"{len(there) - len(seen)} labelled gathers are in no part, the first is {first}")
    parts = []
    for number, fold in enumerate(content.folds):
        rows = {part: np.sort(np.array([row_of[one] for one in ids], np.int64)) for part, ids in fold.items()}
        if not split:
            rows = {"training": np.setdiff1d(there, rows["test"]), **rows}
        for part, own in rows.items():
            where = part if split else f"{part} part of fold {number}"
            if not (labels_of(survey, own) == content.rare).any():
                raise wrong(f"the {where} has no {content.rare!a} gather")
            others = np.concatenate([theirs for other, theirs in rows.items() if other != part])
            shared = np.intersect1d(lines_of(survey, own), lines_of(survey, others))
            if content.kind.startswith("grouped") and len(shared):
                raise wrong(f"the {where} shares sail line {shared[0]} with another")
        parts.append(tuple(rows[part] for part in ("training", "validation", "test") if part in rows))
    return parts
