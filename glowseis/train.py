"""`python -m glowseis.train`: train a recipe's flow on a survey's rare class, or its classifier on its labels."""

import enum
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from glowseis import command
from glowseis.errors import InputError


class Cluster(enum.StrEnum):
    """Where a process learns of the others that train with it, other than TF_CONFIG."""

    SLURM = "slurm"


@command.resumes
def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file; those in train/ come with it.")] = Path("train/demo.toml"),
    survey: command.OwnSurvey = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/NAME.")] = None,
    savedmodels: Annotated[Path, typer.Option(help="Folder for the SavedModel NAME/VERSION.")] = Path("savedmodels"),
    changes: command.Changes = None,
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
    callbacks: command.Callbacks = None,
    cluster: Annotated[
        Cluster | None, typer.Option(help="Train with all tasks of this Slurm step; TF_CONFIG needs no option.")
    ] = None,
) -> None:
    """Train a recipe's flow or classifier; export a SavedModel.

    A flow learns a survey's rare class, a classifier its labels. Without arguments it trains the demo, on a survey that
    it simulates. If it is stopped, run the same command again to continue. A flow trains on all GPUs of the machine, or
    of several with TF_CONFIG or --cluster slurm: start the same command on each (train/hosts.sh, train/slurm.sh).

    Example: python -m glowseis.train train/paper.toml --survey surveys/viking --set training.batch=2
    """
    from glowseis.recipe import ClassifierRecipe, read_recipe
    from glowseis.run.checks import check_has_survey

    settings = read_recipe(recipe, changes)
    if survey is None:
        check_has_survey(settings, recipe)
    together = cluster is not None or bool(os.environ.get("TF_CONFIG"))
    if together and isinstance(settings, ClassifierRecipe):
        raise InputError("a classifier trains on one device; start it without TF_CONFIG and --cluster")

    from glowseis.run.ready import make_ready

    ready = make_ready(settings, survey, out, labels or (), judge, together=together)
    command.import_tensorflow(begin=not together)
    from glowseis.fitting.devices.cluster import from_slurm, from_tf_config
    from glowseis.fitting.devices.devices import Devices, devices_of
    from glowseis.run.callbacks import callbacks_of
    from glowseis.run.classifier import classifier_lines, train_classifier
    from glowseis.run.flow import flow_lines, train_flow

    watching, where = callbacks_of(callbacks or ()), (ready.folder, savedmodels, print, command.STARTED)

    def data(devices: Devices) -> Any:
        return ready.opened or devices.on_chief(ready.make) or ready.make()

    if isinstance(settings, ClassifierRecipe):
        result = train_classifier(settings, data(Devices()), *where, callbacks=watching)
        print("\n".join(classifier_lines(result, ready.folder)))
        return
    devices = devices_of(from_slurm() if cluster else from_tf_config())
    with devices.noticing_the_lost():
        result = train_flow(settings, data(devices), *where, devices=devices, callbacks=watching)
    if devices.is_chief:
        print("\n".join(flow_lines(result, settings.data.label)))


if __name__ == "__main__":
    command.run(main)
