"""`glowseis generate --onto other-earths`: noise of recorded gathers on others."""

import pytest

from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.store.survey import open_survey
from glowseis.transplant import LOW_BAND


def test_noise_on_other_earths_needs_no_flow(tiny, tmp_path, command):
    out = tmp_path / "moved"
    done = command(
        "generate", "--onto", "other-earths", "--survey", tiny.survey, "--label", "bad", "--count", 5, "--out", out
    )
    assert done.status == 0 and "5 synthetic bad gathers, their noise below 8 Hz moved onto other gathers" in done.out
    made, survey = open_survey(out), open_survey(tiny.survey)
    assert list(made.index["label"]) == ["bad"] * 5 and set(made.index["model"]) == {LOW_BAND}
    labels = dict(zip(survey.index["gather_id"], survey.index["label"], strict=True))
    donors = [parents.split(";")[1] for parents in made.index["parents"]]
    assert {labels[name] for name in donors} == {"bad"}


def test_labels_of_a_judge_say_whose_noise_is_moved(tiny, tmp_path, command):
    survey = open_survey(tiny.survey)
    ids, donor = list(survey.index["gather_id"]), survey.index["gather_id"][survey.select(["good"])[3]]
    rows = [f"{one},{'bad' if one == donor else 'good'},anna\n{one},bad,bert" for one in ids]
    (tmp_path / "labels.csv").write_text("\n".join(["gather_id,label,judge", *rows]))
    words = ("--onto", "other-earths", "--survey", tiny.survey, "--label", "bad", "--count", 6)
    judged = ("--labels", tmp_path / "labels.csv", "--judge", "anna")
    done = command("generate", *words, *judged, "--out", tmp_path / "moved")
    assert done.status == 0, done.error
    assert {parents.split(";")[1] for parents in open_survey(tmp_path / "moved").index["parents"]} == {donor}


@pytest.mark.parametrize("name", ["moved.segy", "moved.h5", "moved.npy", "moved"])
def test_moved_noise_is_read_again_with_its_parents(tiny, tmp_path, command, name):
    words = ("--onto", "other-earths", "--survey", tiny.survey, "--label", "bad", "--count", 3, "--corner", 6)
    assert command("generate", *words, "--out", tmp_path / name).status == 0
    options = ReadOptions(sample_interval_s=0.004, axes="gather,time,trace") if name.endswith("npy") else ReadOptions()
    path = tmp_path / name
    read = open_survey(path) if path.is_dir() else list(open_source(path, options).gathers())
    origins = [one.origin for one in (map(read.read, range(3)) if path.is_dir() else read)]
    assert len(origins) == 3 and all(len(one.parents) == 2 and one.path == "moved" for one in origins)
    if name.endswith("segy"):
        text = path.read_bytes()[:3200].decode("cp037")
        assert (
            "LATENT" not in text and "CLIP OF EACH GATHER" in text and "NOISE OF ONE ON THE EVENTS OF ANOTHER" in text
        )
        assert "low-band, seed 1, moved path, noise below 6 Hz" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name the SavedModel of a flow, or give --onto other-earths"),
        (("savedmodels/flow", "--onto", "other-earths"), "one of the two"),
        (("--onto", "other-earths"), "needs --label"),
        (("--onto", "other-earths", "--label", "bad", "--path", "linear"), "--path goes with a flow; leave it out"),
        (("--onto", "other-earths", "--label", "bad", "--farthest", "0.5"), "--farthest goes with a flow"),
        (("savedmodels/flow", "--corner", "8"), "--corner goes with --onto"),
        (("--onto", "other-earths", "--label", "bad", "--corner", "0"), "--corner 0: give a frequency above 0"),
        (("--onto", "other-earths", "--label", "bad", "--corner", "nan"), "--corner nan"),
        (("--onto", "other-earths", "--label", "bad", "--corner", "900"), "has frequencies up to"),
        (("--onto", "other-earths", "--label", "worse"), "no gather is labelled 'worse'"),
    ],
)
def test_noise_that_cannot_be_moved(tiny, tmp_path, command, words, says):
    done = command("generate", *words, "--survey", tiny.survey, "--out", tmp_path / "moved.h5", "--count", 2)
    assert done.status == 2 and len(done.error) == 1 and says in done.error[0]
    assert not (tmp_path / "moved.h5").exists()
