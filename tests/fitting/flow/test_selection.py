"""Which gathers train a flow, which are held out, and which may be parents afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.flow import SavedFlow
from glowseis.fitting.flow.selection import select
from glowseis.recipe import read_recipe
from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.synthesis import possible_parents
from tests.support.random_gathers import random_gather


def test_synthetic_gathers_train_no_flow_and_have_no_children(tiny, tmp_path):
    origin = Origin(parents=("a", "b"), alpha=0.5, seed=1, model="flow/1", path="linear")
    gathers = [
        random_gather(shot, (32, 32), samples=30, traces=28, label=("good", "bad")[shot % 2]) for shot in range(24)
    ]
    gathers[8:] = [replace(one, origin=origin) for one in gathers[8:]]
    write_survey(tmp_path / "survey", gathers, (32, 32), {})
    survey = open_survey(tmp_path / "survey")
    selection = select(survey, read_recipe(tiny.recipe))
    rows = np.sort(np.concatenate([selection.training, selection.held_out]))
    assert rows.tolist() == list(range(8)) and len(selection.held_out) == 1
    flow = SavedFlow("flow/1", {}, {}, None)
    assert possible_parents(flow, survey, "bad").tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("which", ["the same", "one gather more", "some rows", "other rows"])
def test_what_training_held_out_is_no_parent_in_any_survey(tmp_path, which):
    """The checksum of a part of the survey, or of more than it, is another."""
    gathers = [random_gather(shot, (32, 32), samples=30, traces=28, label="bad") for shot in range(9)]
    write_survey(tmp_path / "trained", gathers[:8], (32, 32), {})
    write_survey(tmp_path / "more", gathers, (32, 32), {})
    trained, more = open_survey(tmp_path / "trained"), open_survey(tmp_path / "more")
    survey = {
        "the same": trained,
        "one gather more": more,
        "some rows": trained.only([7, 5, 3, 2, 1]),
        "other rows": more.only([8, 2, 1, 0]),
    }[which]
    about = {"survey_checksum": trained.checksum, "held_out_ids": [gathers[2].gather_id, gathers[5].gather_id]}
    flow = SavedFlow("flow/1", about, {}, None)
    held_out = [row for row, name in enumerate(survey.index["gather_id"]) if name in about["held_out_ids"]]
    possible = possible_parents(flow, survey, "bad")
    assert held_out and sorted([*possible, *held_out]) == list(range(len(survey)))
    for rows in (held_out, [possible[0], held_out[0]]):
        with pytest.raises(InputError, match="cannot be a parent: only recorded gathers"):
            possible_parents(flow, survey, "bad", np.array(rows))


@pytest.mark.parametrize("held_out", [0.05, 0.25, 0.5])
def test_held_out_gathers_are_never_trained_on(tiny, held_out):
    survey = open_survey(tiny.survey)
    selection = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}"]))
    labels = survey.index["label"].to_numpy()
    assert len(selection.held_out) == max(1, round(12 * held_out))
    assert (labels[selection.held_out] == "bad").all()
    for rows in (*selection.phases, selection.rare):
        assert not set(rows) & set(selection.held_out)
    assert sorted([*selection.held_out, *selection.rare]) == sorted(np.flatnonzero(labels == "bad"))
    assert sorted([*selection.held_out, *selection.phases[0]]) == list(range(24))
    again = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}"]))
    assert np.array_equal(selection.held_out, again.held_out)
    other = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}", "seed=5"]))
    assert held_out == 0.05 or not np.array_equal(selection.held_out, other.held_out)
