"""Let a classifier of an older glowseis judge events: its SavedModel again, as the next version, not trained again.

    python benchmarks/judged_events.py savedmodels/robust/2 surveys/robust

Needs the survey that it was trained on. Weights, signatures, record and all other thresholds stay as they are.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from glowseis.export.folders import read_about
from glowseis.files import whole_folder
from glowseis.judging.unlike import unlikeness_from
from glowseis.run.conclusions import events_again
from glowseis.survey.store.survey import open_survey


def main() -> None:
    """Measure, and copy the SavedModel with what was learned."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("savedmodel", type=Path)
    words.add_argument("survey", type=Path)
    given = words.parse_args()
    about, survey = read_about(given.savedmodel), open_survey(given.survey)
    if survey.checksum != about["survey_checksum"]:
        raise SystemExit(f"{given.survey}: not the survey that {given.savedmodel} was trained on")
    place = {name: row for row, name in enumerate(survey.index["gather_id"])}
    parts = [about[f"{part}_ids"] for part in ("training", "validation")]
    training, validation = (np.array([place[name] for name in part]) for part in parts)
    classes = np.array([about["labels"].index(label) for label in survey.index["label"].to_numpy()[training]])
    with np.load(given.savedmodel / "assets.extra/unlike.npz") as arrays:
        unlikeness = unlikeness_from(dict(arrays), len(about["labels"]))
    again = events_again(unlikeness, survey, training, classes, validation, tuple(about["image_shape"][:2]))
    target = given.savedmodel.parent / str(int(given.savedmodel.name) + 1)
    with whole_folder(target) as unfinished:
        shutil.copytree(given.savedmodel, unfinished, dirs_exist_ok=True)
        np.savez(unfinished / "assets.extra/unlike.npz", allow_pickle=False, **again.arrays())
    print(f"{target}: usual\n{again.usual}\nthresholds of one window and of more: {again.largest_event}")


if __name__ == "__main__":
    main()
