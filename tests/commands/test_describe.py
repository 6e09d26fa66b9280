import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glowseis.errors import InputError
from glowseis.survey.content.description import UNLABELLED, describe
from glowseis.survey.content.digests import valid_region
from glowseis.survey.content.duplicates import compare, families
from glowseis.survey.gather import Origin
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import Acquisition, simulate_recording
from glowseis.survey.store.scanning import scan
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.random_gathers import random_gather, random_survey

SIZE = (64, 32)


def survey_of(folder, gathers, size=SIZE, **settings):
    write_survey(folder, gathers, size, {}, **settings)
    return open_survey(folder)


def changed(gather, image, name, **settings):
    return dataclasses.replace(gather, image=image, gather_id=name, **settings)


def copies(gather):
    """What the same recording becomes on other ways into a survey."""
    image = gather.image.astype(int)
    one = image.copy()
    one[20, 10] += 1 if one[20, 10] < 128 else -1
    louder = image.copy()
    valid = np.s_[: gather.valid_samples, : gather.valid_traces]
    later = np.full_like(image, 128)
    later[1 : gather.valid_samples] = image[: gather.valid_samples - 1]
    louder[valid] = np.clip(np.rint(128 + 1.04 * (image[valid] - 128)), 0, 255)
    softer = image.copy()
    softer[valid] = np.rint(128 + 0.9 * (image[valid] - 128))
    return {
        name: changed(gather, picture.astype(np.uint8), f"{gather.gather_id}-{name}")
        for name, picture in {"one": one, "louder": louder, "softer": softer, "later": later}.items()
    }


def recording(index, size, **settings):
    return simulate_recording(index, 5, Acquisition.of_size(*size), **settings)


@pytest.fixture(scope="module")
def lined(tmp_path_factory):
    """Simulated gathers, the copies of three of them, and every neighbour of one on its line, with noise of its own."""
    size = (112, 80)
    plain = [render_recording(recording(index, size), *size) for index in range(40)]
    gathers = [*plain]
    for gather in plain[:3]:
        gathers += copies(gather).values()
    return survey_of(tmp_path_factory.mktemp("describe") / "lined", gathers, size)


def test_copies_are_found_whatever_happened_to_them(lined):
    description = describe(lined)
    names = lined.index["gather_id"]
    pairs = {frozenset(names.iloc[list(pair.rows)]) for pair in description.near}
    for index in range(3):
        parent = names.iat[index]
        for name in ("one", "louder", "softer", "later"):
            assert frozenset((parent, f"{parent}-{name}")) in pairs
    # Copies of one gather are copies of each other too; others are none.
    assert all(len({name.rsplit("-", 1)[0] if name.count("-") > 1 else name for name in pair}) == 1 for pair in pairs)
    shifted = {(names.iat[pair.rows[0]], names.iat[pair.rows[1]]): pair.shift_samples for pair in description.near}
    assert shifted[names.iat[0], f"{names.iat[0]}-later"] == 1
    louder = next(pair for pair in description.near if names.iat[pair.rows[1]] == f"{names.iat[0]}-louder")
    assert louder.gain == pytest.approx(1 / 1.04, abs=0.005) and louder.difference < 0.7
    assert not description.exact
    groups = families(len(lined), description.exact, description.near)
    assert sorted(len(rows) for rows in groups) == [5, 5, 5]


def test_neighbours_on_a_line_are_no_duplicates(monkeypatch, tmp_path):
    """Every shot and cable around one, which no random draw gives: one geology, noise of their own."""
    size = (112, 80)
    acquisition = Acquisition.of_size(*size)
    places = [(shot, cable) for shot in range(100, 106) for cable in range(1, acquisition.cables + 1)]
    position = type(acquisition.position(0, 5))
    gathers = []
    for index, (shot, cable) in enumerate(places):
        with monkeypatch.context() as patch:
            patch.setattr(Acquisition, "position", lambda self, index, seed, at=(shot, cable): position(3, *at))
            made = recording(index, size, fractions=(1, 0, 0))
        gathers.append(render_recording(made, *size))
    assert len({(gather.geometry.shot, gather.geometry.cable) for gather in gathers}) == len(places)
    survey = survey_of(tmp_path / "line", gathers, size)
    first, second = (gathers[row].image.astype(float).ravel() for row in (0, acquisition.cables))
    # They are nearly alike: a rule that only correlates would find them.
    assert np.corrcoef(first, second)[0, 1] > 0.97
    description = describe(survey)
    assert description.near == [] and description.exact == [] and description.contradictions == []


def test_exact_duplicates_are_those_with_equal_valid_pixels(tmp_path):
    first = random_gather(1, label="good")
    again = changed(first, first.image, "again", label="bad")
    elsewhere = dataclasses.replace(random_gather(2), gather_id="elsewhere")
    third = changed(first, first.image, "third", label="")
    blank = changed(first, np.full(SIZE, 128, np.uint8), "blank")
    blanks = changed(first, np.full(SIZE, 128, np.uint8), "blanks")
    survey = survey_of(tmp_path / "survey", [first, elsewhere, again, third, blank, blanks])
    description = describe(survey)
    assert description.exact == [[0, 2, 3], [4, 5]] and description.near == []
    assert description.contradictions == [[0, 2, 3]]
    table = description.duplicates()
    assert table["kind"].tolist() == ["equal"] * 3 and table["duplicate"].tolist() == ["again", "third", "blanks"]


def test_equal_pixels_in_another_shape_are_no_duplicates(tmp_path):
    tall = random_gather(1, samples=40, traces=24)
    image = np.full(SIZE, 128, np.uint8)
    image[:60, :16] = valid_region(tall).reshape(60, 16)
    wide = dataclasses.replace(random_gather(2, samples=60, traces=16), image=image)
    assert describe(survey_of(tmp_path / "survey", [tall, wide])).exact == []


def test_compare_by_its_rule():
    random = np.random.default_rng(0)
    image = np.clip(np.rint(128 + 30 * random.normal(size=(60, 40))), 0, 255).astype(np.uint8)
    gain, difference = compare(image, image)
    assert (gain, difference) == (1.0, 0.0)
    noisy = np.clip(image + np.rint(2 * random.normal(size=image.shape)), 0, 255).astype(np.uint8)
    assert compare(image, noisy) is None
    gain, difference = compare(image[:-2], image, 0)
    assert (gain, difference) == (1.0, 0.0)
    gain, difference = compare(image[2:], image, 2)
    assert (gain, difference) == (1.0, 0.0)
    assert compare(image, 255 - image) is None
    assert compare(image, np.full_like(image, 128)) is None
    assert compare(np.full_like(image, 128), image) is None
    # Hardly anything there: rounding alone makes such pictures alike.
    faint = 128 + (random.random((60, 40)) < 0.02).astype(np.uint8)
    assert compare(faint, 128 + (random.random((60, 40)) < 0.02).astype(np.uint8)) is None
    assert compare(np.zeros_like(image), np.zeros_like(image)) is None


def test_figures(tmp_path):
    generator = np.random.default_rng(3)
    gathers = []
    for number in range(12):
        gather = random_gather(number, label=("good", "bad", "")[number % 3], line=number % 2, traces=20 + number % 4)
        image = gather.image.copy()
        image[: gather.valid_samples, : gather.valid_traces] = generator.integers(
            0, 256, (gather.valid_samples, gather.valid_traces)
        )
        made = dataclasses.replace(gather, image=image, dead_traces=number % 2, broken_traces=number // 10)
        if number in (3, 7):
            zero = np.full(gather.valid_traces, -gather.clip_amplitude, np.float32)
            made = dataclasses.replace(made, mended={"fill": number // 2 + (number == 7)}, zero_amplitude=zero)
        gathers.append(made)
    child = dataclasses.replace(
        random_gather(50), gather_id="child", origin=Origin(("line1-shot1", "gone"), 0.5, 1, "demo/1", "linear")
    )
    survey = survey_of(tmp_path / "survey", [*gathers, child])
    description = describe(survey)
    assert description.labels == ["good", "bad", UNLABELLED]
    for row, gather in enumerate([*gathers, child]):
        valid, found = valid_region(gather), description.gathers.iloc[row]
        assert found["black"] == pytest.approx((valid == 0).mean()) and found["white"] == pytest.approx(
            (valid == 255).mean()
        )
        assert found["deviation"] == pytest.approx(valid.std()) and found["median"] == pytest.approx(
            np.median(valid), abs=1
        )
        assert (found["dead"], found["broken"]) == (gather.dead_traces, gather.broken_traces)
    every = np.concatenate([valid_region(gather).ravel() for gather in gathers if gather.label == "bad"])
    assert np.array_equal(description.levels[1], np.bincount(every, minlength=256))
    table = description.by_label()
    assert table["gathers"].tolist() == [5, 4, 4] and table["synthetic"].tolist() == [1, 0, 0]
    assert table["dead traces"].sum() == 6 and table["broken traces"].sum() == 2
    lines = description.by_line()
    assert lines.index.tolist() == [0, 1, 3] and lines.to_numpy().sum() == 13
    assert description.widths().to_dict() == {20: 3, 21: 3, 22: 3, 23: 3, 24: 1}
    counts = [gather.mended.get("zero_level", 0) for gather in [*gathers, child]]
    wanted = {"fill": (5, 2), "zero_level": (sum(counts), np.count_nonzero(counts))}
    assert description.mended() == {name: found for name, found in wanted.items() if found[0]}
    assert description.largest_zero() > 0.9
    summary = json.loads(json.dumps(description.summary(), allow_nan=False))
    assert summary["gathers"] == 13 and summary["synthetic_parents"] == 2 and summary["labels"]["bad"]["gathers"] == 4
    assert survey.index["label"].iat[description.example("bad")] == "bad"
    assert not description.gathers["synthetic"].iat[description.example("good")]


def test_scanning_reads_every_gather_once_and_as_it_is(tmp_path):
    survey = random_survey(tmp_path / "survey", 30, shard_bytes=20_000)
    seen = {}

    def look(row, gather):
        assert row not in seen
        seen[row] = gather.gather_id

    scan(survey, look, shards=True, workers=3)
    assert [seen[row] for row in range(30)] == survey.index["gather_id"].tolist()


def test_scanning_ends_at_the_first_damage_and_when_it_is_interrupted(tmp_path):
    survey = random_survey(tmp_path / "survey", 40, shard_bytes=20_000)
    for number in (3, 1):
        shard = survey.path / survey.manifest.shards[number].file
        content = bytearray(shard.read_bytes())
        content[500] ^= 1
        shard.write_bytes(content)
    for workers in (1, 4):
        with pytest.raises(InputError, match=rf"{survey.manifest.shards[1].file}: record 0 .* is damaged"):
            scan(survey, lambda row, gather: None, shards=True, workers=workers)

    def interrupted(row, gather):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(survey, interrupted)
    (survey.path / survey.manifest.shards[0].file).unlink()
    with pytest.raises(InputError, match="this shard is missing"):
        scan(survey, lambda row, gather: None)


@pytest.mark.slow
def test_command(tmp_path, command, lined):
    out = tmp_path / "told é"
    done = command("describe", lined.path, "--out", out, "--verify")
    assert (done.status, done.error) == (0, [])
    for said in ("52 gathers of 112x80", "sail lines", "recorded traces (widths)", "52 records and 1 shards verified"):
        assert said in done.out
    assert "no duplicates' labels contradict each other" in done.out and "synthetic: none" in done.out
    names = [
        "description.json",
        "duplicates.csv",
        "examples.png",
        "gathers.csv",
        "labels.csv",
        "labels.png",
        "levels.png",
    ]
    assert sorted(path.name for path in out.iterdir()) == [*names, "sail_lines.csv", "widths.png"]
    assert json.loads((out / "description.json").read_text())["verified"] is True
    assert len(pd.read_csv(out / "gathers.csv")) == 52 and len(pd.read_csv(out / "duplicates.csv")) >= 12
    for picture in out.glob("*.png"):
        with Image.open(picture) as opened:
            assert np.ptp(np.asarray(opened.convert("L"))) > 100
    refused = command("describe", lined.path, "--out", out)
    assert refused.status == 2 and "not empty" in refused.error[0] and len(refused.error) == 1
    plain = command("describe", lined.path)
    assert plain.status == 0 and "verified" not in plain.out


@pytest.mark.slow
def test_command_tells_contradictions_and_children(tmp_path, command):
    first = random_gather(1, label="good")
    gathers = [first, changed(first, first.image, "again", label="bad"), random_gather(2, label="$x_{")]
    origin = Origin((first.gather_id, "line3-shot2"), 0.5, 1, "demo/1", "linear")
    gathers.append(dataclasses.replace(random_gather(3, label=""), gather_id="child", origin=origin))
    gathers += [random_gather(shot, label=f"label{shot % 14}", line=shot) for shot in range(10, 40)]
    survey = survey_of(tmp_path / "survey", gathers)
    done = command("describe", survey.path, "--out", tmp_path / "out")
    assert (done.status, done.error) == (0, [])
    assert "1 groups of duplicates whose labels contradict each other:\n  line3-shot1 good, again bad" in done.out
    assert "synthetic: 1 gathers by demo/1, of 2 parents, 2 of them here" in done.out
    assert "31 sail lines" in done.out and "and 11 more; --out writes all to sail_lines.csv" in done.out
    assert len(pd.read_csv(tmp_path / "out" / "sail_lines.csv")) == 31


def test_command_tells_what_judges_say(tmp_path, command, monkeypatch):
    monkeypatch.setattr("glowseis.survey.content.description_text.draw", lambda description, folder: None)
    random_survey(tmp_path / "survey", 8, SIZE)
    rows = {"anna": ["0,bad", "1,bad", "2,unsure", "3,bad", "1,good"], "ben": ["0,bad", "1,bad", "3,bad", "4,medium"]}
    words = ["describe", tmp_path / "survey", "--out", tmp_path / "out"]
    for judge, own in rows.items():
        (tmp_path / f"{judge}.csv").write_text("\n".join(["shot,label", *own]))
        words += ["--labels", tmp_path / f"{judge}.csv"]
    done = command(*words)
    assert done.status == 0, done.error
    told = done.out.partition("labels of ")[2].splitlines()
    assert told[0].endswith("ben.csv: 5 gathers judged (anna 4, ben 4), 1 judgement replaced by later ones")
    assert told[1:6] == [
        "  4 gathers with another label than in the survey's records, 2 of them without any",
        "  judged unsure: 1 gather",
        "  judges disagree about 1 of the 3 gathers to which several gave a label; the majority decides, 1 left "
        "without a label",
        "  line3-shot1 (anna good, ben bad)",
        "  to let one of them decide, name anna or ben with --judge",
    ]
    assert told[6].startswith("  Cohen's kappa of anna and ben, 3 gathers: 0.00 (")
    assert told[7].startswith("  Krippendorff's alpha of all (ordinal, by severity): 0.00 (") and "2000" in told[7]
    numbers = json.loads((tmp_path / "out" / "description.json").read_text())
    judged = numbers["judged"]
    assert (judged["judge"], judged["changed"], judged["disputed"], judged["undecided"]) == ("majority", 4, 1, 1)
    assert judged["cohens_kappa"][0]["judges"] == ["anna", "ben"] and judged["krippendorffs_alpha"]["gathers"] == 3
    assert numbers["labels"]["unlabelled"]["gathers"] == 2 and numbers["labels"]["medium"]["gathers"] == 1
    gathers = [dataclasses.replace(random_gather(shot, SIZE), label="") for shot in range(8)]
    survey_of(tmp_path / "bare", gathers)
    told = command(words[0], tmp_path / "bare", *words[4:], "--judge", "anna").out
    assert "\n  4 gathers labelled that had no label in the survey's records\n" in told and "another label" not in told
    told = command(*words[:2], *words[4:], "--judge", "anna").out
    assert "anna decides" in told and "line3-shot1 (anna good, ben bad)" in told and "to let one" not in told
    alone = command("describe", tmp_path / "survey", "--judge", "anna")
    assert alone.status == 2 and "--judge anna: chooses among the judges of --labels" in alone.error[0]


def test_many_widths_are_printed_in_steps(tmp_path, command):
    survey = survey_of(tmp_path / "survey", [random_gather(number, traces=2 + number) for number in range(28)])
    out = command("describe", survey.path).out
    assert "   2 to 3       2 ##" in out and " 28 to 29       2 ##" in out and out.count("       2 ##") == 14
    assert describe(survey).widths().sum() == 28


def test_one_gather_of_unknown_geometry_can_be_drawn(tmp_path, command):
    gather = random_gather(1, label="")
    unknown = np.full(24, np.nan)
    geometry = dataclasses.replace(
        gather.geometry, sample_interval_s=np.nan, offset_m=unknown.astype(np.float32), receiver_x_m=unknown
    )
    survey = survey_of(tmp_path / "survey", [dataclasses.replace(gather, geometry=geometry)])
    done = command("describe", survey.path, "--out", tmp_path / "out")
    assert (done.status, done.error) == (0, []) and "sample interval: nan ms (all gathers)" in done.out


def test_names_in_tables_are_no_formulas(tmp_path, command):
    gathers = [dataclasses.replace(random_gather(1, label=label), gather_id=label[1:]) for label in ("=bad", "-good")]
    survey = survey_of(tmp_path / "survey", gathers)
    done = command("describe", survey.path, "--out", tmp_path / "out")
    assert (done.status, done.error) == (0, []) and "'=bad" not in done.out
    for name in ("labels", "gathers", "duplicates"):
        text = (tmp_path / "out" / f"{name}.csv").read_text()
        assert "'=bad" in text and "'-good" in text and not re.search("(^|,)[=-][a-z]", text, re.MULTILINE)


def test_command_with_bad_surveys(tmp_path, command):
    survey = random_survey(tmp_path / "survey", 20, shard_bytes=20_000)
    for words, told in (((tmp_path / "nowhere",), "no such survey"), ((tmp_path,), "not a survey")):
        done = command("describe", *words, "--out", tmp_path / "out")
        assert done.status == 2 and told in done.error[0] and len(done.error) == 1 and done.out == ""
    manifest = json.loads((survey.path / "manifest.json").read_text())
    shard = survey.path / survey.manifest.shards[1].file
    manifest["shards"][1]["sha256"] = "0" * 64
    (survey.path / "manifest.json").write_text(json.dumps(manifest))
    assert command("describe", survey.path).status == 0
    done = command("describe", survey.path, "--verify", "--out", tmp_path / "out")
    assert done.status == 2 and len(done.error) == 1
    assert f"{shard}: differs from its checksum; copy the survey again or make it again" in done.error[0]
    shard.write_bytes(shard.read_bytes()[:100] + b"x" + shard.read_bytes()[101:])
    done = command("describe", survey.path, "--out", tmp_path / "out")
    assert done.status == 2 and "is damaged: its checksum differs" in done.error[0] and len(done.error) == 1
    assert not (tmp_path / "out").exists()
