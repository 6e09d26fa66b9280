"""The command that measures synthetic gathers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import write_survey
from tests.support.commands import CHECKOUT
from tests.support.small_replicates import REPLICATED
from tests.support.small_study import small_survey

pytestmark = pytest.mark.usefixtures("one_core")
ROBUST = CHECKOUT / "savedmodels/robust"


@pytest.fixture
def quality(tmp_path, monkeypatch, command):
    """The command, in an empty folder with the small recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    return lambda *words: command("eval.quality", *words, "--features", ROBUST)


def children(survey, made):
    """A child of every second bad gather, its image changed by `made`."""
    random = np.random.default_rng(0)
    for row in survey.select(labels=["bad"])[::2]:
        parent = survey.read(int(row))
        origin = Origin((parent.gather_id,), 0.0, 1, "any", "pixels")
        image = made(parent.image, random)
        yield dataclasses.replace(parent, gather_id=f"{parent.gather_id}-child", image=image, origin=origin)


@pytest.mark.slow
def test_copies_are_memorised_and_noise_is_far(quality, tmp_path):
    recorded = small_survey(tmp_path / "recorded", (4, 4, 40))
    write_survey(tmp_path / "copies", children(recorded, lambda image, random: image), recorded.size, {})
    write_survey(
        tmp_path / "noise",
        children(recorded, lambda image, random: random.integers(0, 256, image.shape).astype(np.uint8)),
        recorded.size,
        {},
    )
    found = {}
    for name in ("copies", "noise"):
        done = quality("--synthetic", tmp_path / name, "--recorded", tmp_path / "recorded", "--steps", 0, "--out", name)
        assert done.status == 0 and "nearest training gather" in done.out
        assert (tmp_path / name / "quality.md").read_text().count("| synthetic | bad | 20 |") == 2
        found[name] = pd.read_csv(tmp_path / name / "quality.csv").set_index("way").loc["synthetic"]
    copies, noise = found["copies"], found["noise"]
    assert copies["copies"] == copies["copies_any"] == copies["nearer"] == 1.0 and copies["nearest"] == 0.0
    assert copies["nearest_held_out"] > 10 and copies["density"] > 0.5 and copies["coverage"] > 0.6
    assert noise["copies"] == 0.0 and noise["nearest"] > 50 and noise["coverage"] < 0.2
    assert np.isnan(copies["auc"])


@pytest.mark.slow
def test_gathers_of_arms_are_measured_and_shown_on_the_page(quality, command, tmp_path):
    done = quality("worth.toml", "--arms", "oversampling,low-band", "--steps", 20)
    assert done.status == 0
    path = tmp_path / "studies/replicated/quality/weather1-rare6-00.csv"
    table = pd.read_csv(path).set_index("way")
    assert list(table.index[:2]) == ["recorded, held out", "recorded, training"]
    repeats, moved = table.loc["random oversampling"], table.loc["noise moved to other gathers"]
    # Six are kept, of which a quarter judges: repeats are of at most four, and nothing else.
    assert repeats["copies"] == 1.0 and 1 <= repeats["gathers"] <= 4
    assert moved["gathers"] == 9 and moved["copies_any"] == 0.0
    # Its events are those of a training gather, so it is nearer to that than a gather of another survey is.
    assert moved["nearer_any"] > 0.9 and moved["nearest_any"] < moved["nearest_any_held_out"]
    again = quality("worth.toml", "--arms", "trace-blocks", "--steps", 0)
    assert again.status == 0
    ways = list(pd.read_csv(path)["way"])
    assert len(ways) == len(set(ways)) == 5 and {"random oversampling", "blocks of traces pasted"} < set(ways)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--synthetic", "somewhere"), "give --synthetic and --recorded together"),
        (("--synthetic", "a", "--recorded", "b", "--arms", "flow"), "--synthetic needs no recipe"),
        (("--synthetic", "worth.toml", "--recorded", "b"), "b: no such survey or folder"),
        (("worth.toml", "--survey", 9), "--survey 9: worth.toml has surveys 0 to 2"),
        (("worth.toml", "--setting", "calm"), "--setting calm: worth.toml has weather1-rare6, "),
        (("worth.toml", "--arms", "nothing"), "no arm is called 'nothing'"),
        (("absent.toml",), "absent.toml"),
    ],
)
def test_bad_input(quality, words, says):
    done = quality(*words)
    assert done.status == 2 and len(done.error) == 1 and says in done.error[0]


def test_features_of_what_is_no_classifier(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    done = command("eval.quality", "worth.toml", "--features", "nothing")
    assert done.status == 2 and len(done.error) == 1 and "nothing" in done.error[0]
    assert not (tmp_path / "surveys").exists()


def test_surveys_that_do_not_fit(quality, tmp_path):
    recorded = small_survey(tmp_path / "recorded", (4, 4, 4))
    small_survey(tmp_path / "larger", (4, 4, 4), (64, 32))
    write_survey(
        tmp_path / "mild",
        (dataclasses.replace(one, label="mild") for one in children(recorded, lambda image, random: image)),
        recorded.size,
        {},
    )
    for name, says in (("larger", "its gathers are 64x32, those of"), ("mild", "has 0 gathers labelled 'mild'")):
        done = quality("--synthetic", name, "--recorded", "recorded", "--steps", 0)
        assert done.status == 2 and len(done.error) == 1 and says in done.error[0]
