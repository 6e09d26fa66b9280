"""Are synthetic gathers good gathers? What arms add, or any survey, measured beside recorded gathers.

`python -m eval.quality` measures what the arms of a study of independent surveys add; `--synthetic` measures anything.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from eval.study.names import ARMS
from glowseis import command
from glowseis.errors import InputError, StoppedError
from glowseis.export.folders import read_about, version_folder

if TYPE_CHECKING:
    from eval.running.goodness import Features
    from eval.study.recipe import SettingSection, StudyRecipe
    from glowseis.survey.store.survey import Survey


@command.resumes
def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file with [study.replicates].")] = Path("train/worth.toml"),
    *,
    setting: Annotated[str, typer.Option(help="Name of a setting; default: the recipe's first.")] = "",
    survey: Annotated[int, typer.Option(min=0, help="Number of the survey, from 0.")] = 0,
    arms: Annotated[str, typer.Option(help=f"Some of {','.join(ARMS)}; default: the recipe's.")] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option(help="Measure this survey, or folder of gathers, instead of a study's arms.")
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option(help="With --synthetic: recorded gathers, a survey or folder likewise.")
    ] = None,
    features: Annotated[
        Path, typer.Option(help="SavedModel of a classifier, in whose features gathers are compared.")
    ] = Path("savedmodels/robust"),
    steps: Annotated[
        int, typer.Option(min=0, help="Steps of the classifier that tells both apart; 0 leaves it out.")
    ] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of that classifier and of draws.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder of tables; default: studies/NAME/quality, or quality.")
    ] = None,
) -> None:
    """Measure fidelity, diversity, fingerprint, memorisation, bands and noise of synthetic gathers.

    Arms make their gathers as in python -m eval.worth, which then need not make them again and shows the tables.

    Example: python -m eval.quality train/worth.toml --survey 0 --arms low-band,noise-flow
    """
    if bool(synthetic) != bool(recorded):
        raise InputError("give --synthetic and --recorded together, or neither to measure the arms of a study")
    if synthetic and (setting or survey or arms or changes):
        raise InputError("--synthetic needs no recipe; leave out --setting, --survey, --arms and --set")
    for path in filter(None, (recorded, synthetic)):
        if not path.exists():
            raise InputError(f"{path}: no such survey or folder")
    study = None if synthetic else _settings(recipe, setting, survey, arms, changes)
    read_about(version_folder(features), "classifier")
    command.import_tensorflow()
    from eval.results.quality_tables import quality_tables, write_quality
    from eval.results.table_text import aligned
    from eval.running.goodness import features_of
    from eval.running.process import make_folder, without_remarks

    without_remarks()
    folder = out or (Path("studies") / study[0].name / "quality" if study else Path("quality"))
    make_folder(folder, "--out")
    try:
        look = features_of(features)
        if synthetic and recorded:
            rows, name, digest = _of_surveys(recorded, synthetic, look, seed, steps), "quality", ""
        elif study:
            rows, name, digest = _of_study(*study, survey, look, seed, steps)
    except (KeyboardInterrupt, StoppedError):
        raise StoppedError("stopped; nothing was written, but what arms made is kept: run it again") from None
    if not rows:
        raise InputError("none of these arms adds gathers; name others with --arms")
    frame = write_quality(rows, folder, name, digest)
    print("\n\n".join(aligned(table) for table in quality_tables(frame)))
    _say(f"tables: {folder / name}.csv and .md")


def _settings(
    recipe: Path, setting: str, survey: int, arms: str, changes: list[str] | None
) -> "tuple[StudyRecipe, SettingSection]":
    """A study with the arms to measure, and one of its settings."""
    from eval.study.recipe import read_replicates

    settings, replicates = read_replicates(recipe, arms, changes)
    known = replicates.every_setting
    if setting and setting not in known:
        raise InputError(f"--setting {setting}: {recipe} has {', '.join(known)}; choose one of them")
    if survey >= replicates.count:
        raise InputError(f"--survey {survey}: {recipe} has surveys 0 to {replicates.count - 1}")
    return settings, known[setting] if setting else replicates.settings[0]


def _of_study(
    recipe: "StudyRecipe", setting: "SettingSection", survey: int, look: "Features", seed: int, steps: int
) -> tuple[list[dict], str, str]:
    """Measures of what arms add on one survey, the name of their file, and the study's digest."""
    from eval.running.judged import of_arms
    from eval.study.fold import Fold
    from eval.study.replicates import prepare_replicate

    study = prepare_replicate(recipe, setting, survey, Path("studies") / recipe.name)
    fold = Fold(study, setting.name, survey, _say)
    return list(of_arms(fold, recipe.study.arms, look, seed, steps, _say)), f"{setting.name}-{survey:02d}", study.digest


def _of_surveys(recorded: Path, synthetic: Path, look: "Features", seed: int, steps: int) -> list[dict]:
    """Measures of one survey, or folder of gathers, beside another."""
    from eval.running.judged import compared

    with TemporaryDirectory() as made:
        one, other = (_opened(path, Path(made) / name) for path, name in ((recorded, "one"), (synthetic, "other")))
        return list(compared(one, other, look, seed, steps, _say))


def _opened(path: Path, made: Path) -> "Survey":
    """A survey, or gathers of a file or a folder as one, which is written to `made`."""
    from glowseis.survey.ingestion.ingest import ingest
    from glowseis.survey.ingestion.request import Request
    from glowseis.survey.store.manifest import MANIFEST
    from glowseis.survey.store.survey import open_survey

    if (path / MANIFEST).exists():
        return open_survey(path)
    ingest(Request([path]), made)
    return open_survey(made)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    command.run(main)
