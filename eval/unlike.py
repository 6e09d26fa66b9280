"""False and missed alarms of the column `unlike`: `python -m eval.unlike`."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from glowseis import command
from glowseis.errors import InputError
from glowseis.shipped import ready_model


def main(
    model: command.Classifier = None,
    count: Annotated[int, typer.Option(min=1, help="Gathers of unseen acquisitions, as they are.")] = 300,
    strange: Annotated[int, typer.Option(min=1, help="Gathers of each other kind.")] = 60,
    size: Annotated[str, typer.Option(help="Samples x traces of the largest gathers.")] = "448x320",
    acquisitions: Annotated[int, typer.Option(min=1, help="Number of acquisitions.")] = 30,
    first: Annotated[int, typer.Option(min=1, help="Number of the first one.")] = 2001,
    seed: Annotated[int, typer.Option(min=0, help="Seed of gathers and changes.")] = 3001,
    grades: Annotated[list[Path] | None, typer.Option(help="Also this table from classify; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for unlike.csv and unlike.md.")] = Path("unlike"),
) -> None:
    """Count the gathers that a classifier calls unlike its training data.

    Gathers of simulated acquisitions that it was not trained on should not be called so, even in another amplitude
    unit. Noise, pictures, land records and gathers that were read wrongly should be.

    Example: python -m eval.unlike --grades grades.csv
    """
    from eval.results.alarms import alarm_table, alarms, alarms_of, write_alarms
    from eval.results.table_text import aligned
    from eval.running.strange import LIKE, STRANGE, changed, graded
    from glowseis.run.record import commit
    from glowseis.survey.progress import progress
    from glowseis.survey.simulate import SIMULATOR_VERSION, simulate_recordings
    from glowseis.survey.simulate.acquisition import acquisitions as drawn
    from glowseis.survey.size import parse_size
    from glowseis.survey.wording import line_names

    tables = {path: pd.read_csv(path).dropna(subset="unlike") for path in grades or ()}
    command.import_tensorflow()
    from glowseis.export.classifier import load_classifier
    from glowseis.run.grading import Graded

    classifier = load_classifier(model or ready_model("classifier"))
    trained = classifier.about.get("recipe", {}).get("survey", {})
    if classifier.unlikeness is None:
        raise InputError(f"{classifier.name}: measures no unlikeness; train it again")
    if trained.get("first_acquisition", 1) + trained.get("acquisitions", 0) > first:
        raise InputError(f"--first {first}: {classifier.name} was trained on that acquisition; give a higher number")
    judges = len(classifier.about.get("validation_ids", ())) or 1
    of_all = drawn(*parse_size(size), acquisitions, first)
    made = list(progress(simulate_recordings(count, seed, of_all, (40.0, 33.0, 27.0)), count, "simulating"))
    rows, plain = [], list[Graded | None]()
    for kind, change in progress((LIKE | STRANGE).items(), len(LIKE | STRANGE), "grading"):
        random = np.random.default_rng(seed)
        some = [changed(one, change, random) for one in islice(made, strange if plain else count)]
        found = graded(classifier, some)
        plain = plain or found
        rows.append(alarms_of(kind, some, found, None if found is plain else plain, judges))
    for path, one in tables.items():
        lines = line_names(zip(one["sail_line"], one["source"], strict=True))
        rows.append(alarms(path.stem, lines, one["unlike"].tolist(), one["unlike_by"].tolist(), None, judges))
    note = f"{classifier.name}; simulator {SIMULATOR_VERSION}, acquisitions {first} to {first + acquisitions - 1}, "
    table = alarm_table(rows, f"{note}{size}, seed {seed}; commit {commit()}")
    write_alarms(rows, table, out)
    print(aligned(table))


if __name__ == "__main__":
    command.run(main)
