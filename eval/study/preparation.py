"""Prepares a study: its surveys, its folds, and what distinguishes it from another."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from eval.study.recipe import LATER, StudyRecipe
from glowseis.errors import InputError
from glowseis.files import is_writers, read_record, write_json
from glowseis.locks import locked
from glowseis.recipe import identifying
from glowseis.run.checks import check_has_survey
from glowseis.run.own_survey import own_survey
from glowseis.run.record import difference, other_labels, record_of
from glowseis.survey.content.duplicates import equal_gathers
from glowseis.survey.labels.overlay import open_survey, with_labels
from glowseis.survey.splits.fold_files import (
    KINDS,
    Folds,
    Kind,
    hold_out,
    labelled_rows,
    make_folds,
    read_folds,
    write_folds,
)
from glowseis.survey.store.manifest import MANIFEST
from glowseis.survey.store.survey import Survey

RECORD = "study.json"

CHOICES = ("arms", "kinds", "curve", "replicates")
"""Settings that choose what is compared or plotted; the outcomes of the rest do not depend on them."""


def fold_seed(seed: int, kind: str, number: int) -> int:
    """The seed of everything in a fold, or in a replicate, of a study's seed; below 2^32."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{kind}/{number}".encode(), digest_size=4).digest(), "little")


@dataclass(frozen=True)
class Study:
    """What all folds and arms of a study share.

    Attributes:
        recipe: Its settings.
        survey: The labelled gathers.
        independent: The independent test survey; None without one.
        folds: Folds by kind, the headline first.
        folder: Everything of the study: `folds/`, `work/` (flows, synthetic gathers), `logs/` (TensorBoard),
            `tables/`, `report.html`.
        outcomes: Folder of the outcomes (`eval.study.outcome`); `folder/outcomes` unless the command names another.
    """

    unit: ClassVar[str] = "fold"
    """What a number of a kind counts, and the command's option that chooses some."""

    recipe: StudyRecipe
    survey: Survey
    independent: Survey | None
    folds: dict[str, Folds]
    folder: Path
    outcomes: Path

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes in order of severity."""
        return tuple(self.recipe.study.labels)

    @property
    def rare(self) -> str:
        """The rare class, which is to be graded better."""
        return self.recipe.data.label

    @property
    def digest(self) -> str:
        """SHA-256 of what every outcome depends on: the settings except the choice of arms, and the data.

        Folds follow from these and from scikit-learn's version, so an outcome also keeps its test gathers, which are
        compared.
        """
        content = {
            "recipe": told(self.recipe.model_dump()),
            "survey": self.survey.checksum,
            "independent": self.independent.checksum if self.independent else None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def rows(self) -> np.ndarray:
        """Recorded gathers of the study's classes, in the order of the survey, int64 `[gather]`."""
        return np.intersect1d(labelled_rows(self.survey), self.survey.select(labels=self.labels))

    def parts(self, kind: str, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Training, validation and test rows, in the order of the survey, int64 `[gather]`.

        Args:
            kind: Kind of the folds.
            fold: Number of the fold, from 0.

        Raises:
            InputError: There is no such fold, or no part of it can be kept for validation.
        """
        if kind not in self.folds:
            raise InputError(f"kind {kind!r}: this study has {', '.join(self.folds)}; choose one of them")
        parts = [np.intersect1d(rows, self.rows) for rows in self.folds[kind].parts(fold)]
        if len(parts) == 3:
            training, validation, test = parts
        else:
            rest, test = parts
            grouped, share = kind.startswith("grouped"), self.recipe.study.validation
            training, validation = hold_out(self.survey, rest, share, self.recipe.seed, grouped=grouped, rare=self.rare)
        rare = int((self.survey.index["label"].to_numpy()[training] == self.rare).sum())
        if rare < 2:
            raise InputError(
                f"{self.survey.path}: fold {fold} ({kind}) has {rare} {self.rare} gathers to train on; augmentation "
                "needs two: label more, or lower study.folds or study.validation"
            )
        return training, validation, test

    def count(self, kind: str) -> int:
        """Number of folds of a kind."""
        return len(self.folds[kind])

    def work(self, kind: str, fold: int) -> Path:
        """Folder of a fold's flows and synthetic gathers."""
        return self.folder / "work" / f"{kind}-{fold:02d}"

    def grades(self, kind: str, fold: int, arm: str) -> Path | None:
        """File of an arm's grades of the independent survey's rare gathers; None if this study keeps none."""
        del kind, fold, arm
        return None

    def logs(self, kind: str, fold: int, arm: str) -> Path:
        """Folder of an arm's TensorBoard logs."""
        return self.folder / "logs" / f"{kind}-{fold:02d}" / arm


def prepare(
    recipe: StudyRecipe,
    folder: Path,
    survey_path: Path | None = None,
    outcomes: Path | None = None,
    say: Callable[[str], None] = print,
    kinds: Sequence[str] | None = None,
    labels: Sequence[Path] = (),
    judge: str | None = None,
) -> Study:
    """Make a study's surveys and folds, unless they exist, and make sure that its folder holds this study.

    Args:
        recipe: The study's recipe.
        folder: The study's folder; made if missing. Several processes can use it at once.
        survey_path: The labelled gathers; if None, the recipe's own simulated survey, `surveys/NAME`. If given, there
            is no independent survey.
        outcomes: Folder of the outcomes; `folder/outcomes` if None.
        say: Called with lines for the user.
        kinds: Kinds of folds to make; the recipe's if None. `split` and `grouped-split` are for the curve.
        labels: Files of labels that replace those of the survey's records, as
            `glowseis.survey.labels.overlay.open_survey` takes them; the independent survey keeps its own.
        judge: Whose label counts where judges disagree, as there.

    Raises:
        InputError: The folder holds another study; a survey changed since its folds were made; a label is missing; a
            class has fewer gathers than there are folds; or a gather is in the survey twice, in two parts of a fold.
        StoppedError: A signal came while a survey was made; what is finished is kept.
    """
    check_folder(folder, recipe)
    independent = None
    if survey_path:
        survey = open_survey(survey_path, labels, judge)
    else:
        check_has_survey(recipe, recipe.name)
        survey = with_labels(own_survey(recipe.survey, Path("surveys") / recipe.name), labels, judge)
        if recipe.study.independent:
            independent = own_survey(recipe.study.independent, Path("surveys") / f"{recipe.name}-independent")
    wanted: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind in (kinds or recipe.study.kinds))
    check_labels(recipe, survey, wanted)
    record = {
        **record_of(recipe, survey),
        "independent": str(independent.path) if independent else None,
        "independent_checksum": independent.checksum if independent else None,
    }
    # Only one process at a time makes the study's folds.
    with locked(folder / ".lock", "", wait=True):
        _check_same(folder, record, say)
        made = {kind: _folds(folder / "folds" / f"{kind}.json", survey, recipe, kind) for kind in wanted}
    ordered = {str(kind): made[kind] for kind in sorted(made, key=list(kinds or recipe.study.kinds).index)}
    study = Study(recipe, survey, independent, ordered, folder, outcomes or folder / "outcomes")
    _check_duplicates(study)
    return study


def surveys_are_there(recipe: StudyRecipe) -> bool:
    """Whether a study's own surveys exist."""
    names = [recipe.name, *([f"{recipe.name}-independent"] if recipe.study.independent else [])]
    return all((Path("surveys") / name / MANIFEST).exists() for name in names)


def check_folder(folder: Path, recipe: StudyRecipe) -> None:
    """Refuse a folder that holds something else, before anything is simulated for it.

    Args:
        folder: The study's folder.
        recipe: The study's recipe.

    Raises:
        InputError: It holds another study, or something that is not a study.
    """
    there = folder / RECORD
    if not there.exists():
        # Another process may be preparing it now.
        found = {entry.name for entry in folder.iterdir() if not is_writers(entry)} if folder.is_dir() else set()
        # Outcomes may have been copied there from another machine, and tables made from them without the surveys.
        if "folds" not in found and found - {"outcomes", "grades", "quality", "tables", "report.html", RECORD}:
            raise InputError(f"{folder}: holds something that is not a study; give another --out")
        return
    recorded = read_record(there).get("recipe")
    if not recorded:
        raise InputError(f"{there}: is not the record of a study; remove it and run the same command again")
    changed = difference(told(recorded), told(json.loads(json.dumps(recipe.model_dump()))))
    if changed:
        raise InputError(f"{folder}: holds a study of another recipe ({changed}); give another --out or remove it")


def told(recipe: Any) -> Any:
    """The part of a recipe that distinguishes one study from another: everything except `CHOICES`."""
    recipe = identifying(recipe, LATER)
    if not isinstance(recipe, dict) or not isinstance(recipe.get("study"), dict):
        return recipe
    study = {key: value for key, value in recipe["study"].items() if key not in CHOICES}
    return {key: value for key, value in recipe.items() if key != "name"} | {"study": study}


def _check_same(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> None:
    """Write the study's record, or make sure that an existing one is the same."""
    path = folder / RECORD
    if not path.exists():
        write_json(path, record)
        return
    there = read_record(path)
    for name in ("survey", "independent"):
        if there.get(f"{name}_checksum") != record[f"{name}_checksum"]:
            where = record[name] or there.get(name)
            before = other_labels(there.get("relabelling"), record.get("relabelling")) if name == "survey" else ""
            if before:
                raise InputError(f"{folder}: this study began with {before}; give the same --labels, or another --out")
            what = "has changed since this study began" if there.get(name) == record[name] else "is another survey"
            raise InputError(f"{where}: {what} (see {path}); restore the study's own survey, or give another --out")
    upgraded = difference(there.get("versions"), record["versions"])
    if upgraded:
        say(f"{folder}: begun with other versions ({upgraded}); its results may differ from theirs")


def _folds(path: Path, survey: Survey, recipe: StudyRecipe, kind: Kind) -> Folds:
    """Folds of a kind, read from their file if they exist."""
    if not path.exists():
        made = make_folds(survey, kind, recipe.study.folds, recipe.seed, recipe.data.label)
        try:
            write_folds(path, made)
        except InputError:
            if not path.exists():
                raise
    return read_folds(path, survey)


def check_labels(recipe: StudyRecipe, survey: Survey, kinds: Sequence[Kind] = ()) -> None:
    """Make sure that a survey has enough of every class.

    Args:
        recipe: The study's recipe.
        survey: The labelled gathers.
        kinds: Kinds of folds that are made of them.

    Raises:
        InputError: It has not.
    """
    folds = recipe.study.folds if {"grouped", "stratified"} & set(kinds) else 2
    survey.select(labels=recipe.study.labels)
    counts = survey.index["label"].iloc[labelled_rows(survey)].value_counts()
    for label in recipe.study.labels:
        count = int(counts.get(label, 0))
        if count < folds:
            raise InputError(
                f"{survey.path}: {count} recorded gathers are labelled {label!r}, too few for {folds} folds; label "
                "more, or lower study.folds"
            )


def _check_duplicates(study: Study) -> None:
    """Make sure that every fold can be made, and that no image is in two parts of a fold."""
    groups = equal_gathers(study.survey, study.rows)
    for kind, folds in study.folds.items():
        for number in range(len(folds)):
            part_of = {int(row): part for part, rows in enumerate(study.parts(kind, number)) for row in rows}
            torn = [group for group in groups if len({part_of[row] for row in group}) > 1]
            if torn:
                first = torn[0][0]
                other = next(row for row in torn[0] if part_of[row] != part_of[first])
                one, two = study.survey.index["gather_id"].to_numpy()[[first, other]].tolist()
                raise InputError(
                    f"{study.survey.path}: gathers {one} and {two} have the same image and are in two parts of fold "
                    f"{number} ({kind}); leave one of them out of the survey"
                )
