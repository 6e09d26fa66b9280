"""A recipe that makes its own survey."""

import pytest

from glowseis.errors import InputError, StoppedError
from glowseis.recipe import read_recipe

pytestmark = pytest.mark.usefixtures("one_core")


def test_a_size_that_does_not_suit_the_flow_is_told_before_a_survey_is_made(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    done = command("train", tiny.recipe, "--set", "survey.size=30x32")
    assert done.status == 2
    assert (
        "survey.size: gathers of 30x32 cannot be halved 2 times; make the survey with a size of 32x32" in done.error[0]
    )
    assert not list(tmp_path.iterdir())


def test_a_recipe_makes_its_own_survey(tiny, tmp_path, monkeypatch, command):
    from glowseis.run import own_survey
    from glowseis.survey.simulate import simulation

    monkeypatch.chdir(tmp_path)
    section = read_recipe(tiny.recipe, ["survey.count=6", "survey.size=112x80", "survey.fractions=[1, 1, 1]"]).survey
    survey = own_survey.own_survey(section, tmp_path / "own")
    assert len(survey) == 6 and survey.size == (112, 80)
    monkeypatch.setattr(simulation, "simulate_recordings", None)
    again = own_survey.own_survey(section, tmp_path / "own")
    assert again.checksum == survey.checksum
    other = section.model_copy(update={"seed": 2})
    with pytest.raises(InputError, match="not the survey that the recipe describes"):
        own_survey.own_survey(other, tmp_path / "own")


def test_a_recipes_own_survey_goes_on_where_it_was(tiny, tmp_path, monkeypatch):
    from glowseis.run import own_survey
    from glowseis.survey.simulate import simulation

    section = read_recipe(tiny.recipe, ["survey.count=9", "survey.size=64x48", "survey.fractions=[1, 1, 1]"]).survey
    whole = own_survey.own_survey(section, tmp_path / "whole")
    simulate, starts = simulation.simulate_recordings, []

    def interrupted(*words):
        starts.append(words[-2])
        for number, recording in enumerate(simulate(*words)):
            if len(starts) == 1 and number == 5:
                raise KeyboardInterrupt
            yield recording

    monkeypatch.setattr(simulation, "simulate_recordings", interrupted)
    with pytest.raises(StoppedError, match="run the same command again to continue"):
        own_survey.own_survey(section, tmp_path / "own")
    other = section.model_copy(update={"seed": 2})
    with pytest.raises(InputError, match="other work was stopped there"):
        own_survey.own_survey(other, tmp_path / "own")
    assert own_survey.own_survey(section, tmp_path / "own").checksum == whole.checksum
    assert starts == [0, 5]
