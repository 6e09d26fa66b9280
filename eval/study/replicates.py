"""Independent surveys in place of folds: a replicate is a study of one survey, scored on the independent one alone.

Folds of one survey share most of their training gathers, so that their scores are not independent, and all of them see
the same weather. Each replicate has lines and weather of its own.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from eval.study.missed import grades_path
from eval.study.preparation import RECORD, Study, check_folder, check_labels, told
from eval.study.recipe import ReplicatesSection, SettingSection, StudyRecipe
from glowseis.errors import InputError
from glowseis.files import write_json
from glowseis.locks import locked
from glowseis.run.own_survey import own_survey
from glowseis.survey.simulate import SIMULATOR_VERSION
from glowseis.survey.splits.parts import labels_of, lines_of
from glowseis.survey.store.survey import Survey

_VALIDATION_STREAM = 23


@dataclass(frozen=True)
class Replicate(Study):
    """A study of one of several independent surveys; its one kind of folds is its setting's name.

    All gathers train except those that `parts` leaves out; nothing of the survey tests.

    Attributes:
        setting: How many rare gathers there are, and how they lie.
        number: Number of the survey, from 0.
        replicates: The recipe's section of the same name.
    """

    unit: ClassVar[str] = "survey"

    setting: SettingSection
    number: int
    replicates: ReplicatesSection

    @property
    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.recipe)

    def count(self, kind: str) -> int:
        """Number of surveys."""
        del kind
        return self.replicates.count

    def grades(self, kind: str, fold: int, arm: str) -> Path:
        """File of an arm's grades of the independent survey's rare gathers."""
        return grades_path(self.folder, kind, fold, arm)

    def parts(self, kind: str, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Training rows, the rare rows that judge a flow, and no test rows, int64 `[gather]`.

        Rare gathers beyond the setting's number are in no part. Those of the lines with most of them are kept first, as
        a crew that has seen little bad weather would have them.

        Args:
            kind: The setting's name.
            fold: The survey's number.

        Raises:
            InputError: It is another setting or survey, or there are too few rare gathers.
        """
        if (kind, fold) != (self.setting.name, self.number):
            raise InputError(f"{kind} {fold}: this is survey {self.number} of the setting {self.setting.name}")
        rows = self.rows
        is_rare, lines = labels_of(self.survey, rows) == self.rare, lines_of(self.survey, rows)
        training, validation = drawn_parts(
            is_rare, lines, self.setting, self.recipe, self.number, str(self.survey.path)
        )
        return rows[training], rows[validation], np.array([], np.int64)


class TooFewError(InputError):
    """A survey has fewer rare gathers than a setting needs."""


def drawn_parts(
    is_rare: np.ndarray, lines: np.ndarray, setting: SettingSection, recipe: StudyRecipe, number: int, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a survey's gathers that train, and of the rare ones that judge a flow, int64 `[gather]`.

    Args:
        is_rare: Whether each gather is of the rare class, `[gather]`.
        lines: Its sail line, `[gather]`.
        setting: How many rare gathers are kept.
        recipe: The study's recipe.
        number: Number of the survey.
        where: The survey, for errors.

    Raises:
        TooFewError: There are fewer rare gathers than the setting needs.
        InputError: It keeps too few to divide.
    """
    rare, others = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    on_line = {line: int((lines[rare] == line).sum()) for line in np.unique(lines[rare]).tolist()}
    order = sorted(rare.tolist(), key=lambda place: (-on_line[int(lines[place])], place))
    kept = np.array(order[: setting.rare or len(rare)], np.int64)
    judging = max(1, round(recipe.study.validation * len(kept)))
    label = recipe.data.label
    if len(kept) < setting.rare:
        raise TooFewError(
            f"{where}: has {len(rare)} {label} gathers, the setting {setting.name} needs {setting.rare}; raise "
            "survey.count, or lower its rare"
        )
    if len(kept) - judging < 2:
        raise InputError(
            f"{where}: the setting {setting.name} keeps {len(kept)} {label} gathers, of which {judging} would judge a "
            "flow and fewer than two train; raise its rare or survey.count"
        )
    random = np.random.default_rng([recipe.seed, _VALIDATION_STREAM, number])
    validation = np.sort(random.permutation(kept)[:judging])
    return np.union1d(others, np.setdiff1d(kept, validation)), validation


def digest_of(recipe: StudyRecipe) -> str:
    """SHA-256 of what every outcome of a study's replicates depends on: settings, first seed and simulator.

    Args:
        recipe: The study's recipe, with `study.replicates`.
    """
    assert recipe.study.replicates is not None
    content = {
        "recipe": told(recipe.model_dump()),
        "simulator": SIMULATOR_VERSION,
        "first_seed": recipe.study.replicates.first_seed,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def independent_survey(recipe: StudyRecipe) -> Survey:
    """A study's independent survey, made unless it exists.

    Args:
        recipe: The study's recipe, with `study.independent`.

    Raises:
        InputError: The survey's folder holds another.
        StoppedError: A signal came while it was made; what is finished is kept.
    """
    assert recipe.study.independent is not None
    return own_survey(recipe.study.independent, Path("surveys") / f"{recipe.name}-independent")


def prepare_replicate(
    recipe: StudyRecipe,
    setting: SettingSection,
    number: int,
    folder: Path,
    outcomes: Path | None = None,
) -> Replicate:
    """Make a replicate's survey and the independent one, unless they exist.

    Args:
        recipe: The study's recipe, with `study.replicates`.
        setting: One of its settings.
        number: Number of the survey, from 0.
        folder: The study's folder; made if missing. Several processes can use it at once.
        outcomes: Folder of the outcomes; `folder/outcomes` if None.

    Raises:
        InputError: The folder holds another study, a survey's folder another survey, the recipe has no replicates, or
            a label is missing.
        StoppedError: A signal came while a survey was made; what is finished is kept.
    """
    replicates, independent = recipe.study.replicates, recipe.study.independent
    if not replicates or not independent:
        raise InputError("the recipe has no [study.replicates]; python -m eval.cv runs studies with folds")
    seed = replicates.first_seed + number
    # Processes share the independent survey, and that of a seed if it serves several settings.
    with locked(folder / ".lock", "", wait=True):
        check_folder(folder, recipe)
        if not (folder / RECORD).exists():
            write_json(folder / RECORD, {"recipe": recipe.model_dump()})
        survey = own_survey(
            recipe.survey.model_copy(update={"seed": seed, "weather": setting.weather}),
            Path("surveys") / f"{recipe.name}-weather{setting.weather:g}-{seed}",
        )
        tested = independent_survey(recipe)
    for one in (survey, tested):
        check_labels(recipe, one)
    return Replicate(recipe, survey, tested, {}, folder, outcomes or folder / "outcomes", setting, number, replicates)
