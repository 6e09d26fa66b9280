"""The arms on other people's pictures: divisions, arms, tables, and the command as a whole."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from eval.pictures.arms import MADE, batches, children, fine_structure
from eval.pictures.sets import DETAIL, SETS, Pictures
from eval.pictures.trials import trials
from eval.results.elsewhere import COLUMNS, table


def loaded(count=300, size=8, kinds=2):
    """Random pictures of two kinds, a tenth of them of the rare class 1; the first column tells a picture's row."""
    images = np.random.default_rng(1).integers(0, 200, (count, size, size)).astype(np.uint8)
    classes = np.resize([0, 0, 2, 0, 2, 0, 0, 1, 0, 2], count).astype(np.int32)
    return Pictures(images, classes, ("a", "b", "c"), np.arange(count) // 10 % kinds)


@pytest.fixture
def solar_cells(monkeypatch):
    """A package elpv-dataset of 40 small cells; returns how to say what it gives."""

    def give(found):
        package, utils = ModuleType("elpv_dataset"), ModuleType("elpv_dataset.utils")
        utils.load_dataset = found
        monkeypatch.setitem(sys.modules, "elpv_dataset", package)
        monkeypatch.setitem(sys.modules, "elpv_dataset.utils", utils)

    images = np.repeat(np.arange(40, dtype=np.uint8), 300 * 300).reshape(40, 300, 300)
    give(lambda: (images, np.resize([0.0, 1 / 3, 2 / 3, 1.0], 40), np.resize(["mono", "poly"], 40)))
    return give


@pytest.mark.parametrize(("name", "count"), [("digits", 10), ("cells", 5)])
def test_nothing_that_tests_trains_or_judges(name, count):
    chosen = SETS[name]
    pictures = chosen.load() if name == "digits" else loaded()
    found = list(trials(pictures, chosen, 1))
    assert len(found) == count and sorted({one.rare for one in found}) == list(chosen.rare)
    for one in found:
        parts = [*one.training, *one.judges, *one.test]
        assert len(set(parts)) == len(parts)
        assert set(pictures.classes[one.judges]) == {one.rare}
        is_rare = pictures.classes[one.training] == one.rare
        assert is_rare.sum() + len(one.judges) == (chosen.kept or 24)
        # Only pictures of the rare class are ever left out.
        left_out = np.setdiff1d(np.arange(len(pictures.images)), parts)
        assert set(pictures.classes[left_out]) <= {one.rare}
    if name == "cells":
        assert sorted(np.concatenate([one.test for one in found])) == list(range(300))
        shares = [np.mean(pictures.kinds[one.test]) for one in found]
        assert max(shares) - min(shares) < 0.1
    assert any((one.test != other.test).any() for one, other in zip(found, trials(pictures, chosen, 2), strict=True))


@pytest.mark.parametrize("arm", ["pixel-mixing", "trace-blocks", "flow", DETAIL])
def test_arms_use_training_pictures_alone(arm):
    pictures, chosen = loaded(), SETS["cells"]
    trial = next(iter(trials(pictures, chosen, 1)))
    made = children(arm, pictures, chosen, trial, lambda first, second, share: first // 2 + second // 2)
    assert len(made.first) == len(made.second) == len(made.images) == MADE and made.images.dtype == np.uint8
    assert set(made.first) | set(made.second) <= set(trial.training)
    assert set(pictures.classes[made.second]) == {1} and not (made.first == made.second).any()
    if arm in ("pixel-mixing", "flow"):
        assert set(pictures.classes[made.first]) == {1}
    if arm == "trace-blocks":
        assert set(pictures.classes[made.first]) == {0, 1, 2}
    if arm == DETAIL:
        # A cell that is surely defective stays so, whatever fine structure it gets.
        assert set(pictures.classes[made.first]) == {0, 1}
        assert (pictures.kinds[made.first] == pictures.kinds[made.second]).all()


@pytest.mark.parametrize("arm", ["none", "oversampling"])
def test_arms_that_make_nothing(arm):
    pictures, chosen = loaded(), SETS["digits"]
    assert children(arm, pictures, chosen, next(iter(trials(pictures, SETS["cells"], 1)))) is None


def test_fine_structure_keeps_the_crack_of_one_and_the_shading_of_the_other():
    host = np.tile(np.linspace(60, 180, 64), (64, 1))[None].astype(np.uint8)
    donor = np.full((1, 64, 64), 220, np.uint8)
    donor[0, 20] = 150
    made = fine_structure(host, donor, 3.0)[0].astype(float)
    shading = made[45:60].mean(axis=0)
    assert np.abs(shading[8:-8] - host[0, 0, 8:-8]).max() < 2
    assert np.abs((made[20] - shading).mean() + 61) < 3


def test_every_arm_has_the_same_share_of_the_rare_class():
    pictures, chosen = loaded(), SETS["cells"]
    trial = next(iter(trials(pictures, chosen, 1)))
    found = {
        arm: batches(arm, pictures.classes, trial, 300, made, 400)
        for arm, made in (("none", 0), ("oversampling", 0), ("flow", 50))
    }
    classes = np.append(pictures.classes, np.ones(50, int))
    shares = {arm: (classes[rows] == 1).mean() for arm, rows in found.items()}
    assert abs(shares["none"] - 0.09) < 0.01 and abs(shares["oversampling"] - 1 / 3) < 0.02
    assert shares["flow"] == shares["oversampling"]
    new = found["flow"] >= 300
    assert abs(new.mean() / shares["flow"] - 0.5) < 0.02 and set(found["flow"][new]) == set(range(300, 350))
    # Apart from what the arm makes, the arms see the same.
    assert (found["flow"][~new] == found["oversampling"][~new]).all()
    assert all(set(rows[rows < 300]) <= set(trial.training) for rows in found.values())


def outcomes(chosen, gains):
    rows = []
    for fold in range(5):
        for arm, gain in gains.items():
            row = {"rare": "b", "fold": fold, "arm": arm, "f1_rare": 0.4 + 0.01 * fold + gain * (fold + 1)}
            rows.append({**dict.fromkeys(COLUMNS, 0.5), **row})
    return pd.DataFrame(rows)


def test_the_table():
    gains = {"oversampling": 0.0, "flow": 0.01, "pixel-mixing": -0.02, "trace-blocks": 0.0}
    found = table(outcomes(SETS["cells"], gains), SETS["cells"]).set_index("arm")
    assert list(found.index) == ["oversampling", "pixel-mixing", "trace-blocks", "flow"]
    assert found.loc["oversampling", "F1 rare"] == pytest.approx(42) and np.isnan(found.loc["oversampling", "p"])
    flow, mixing = found.loc["flow"], found.loc["pixel-mixing"]
    assert flow["minus oversampling"] == pytest.approx(3) and mixing["minus oversampling"] == pytest.approx(-6)
    # The same t; the flow's is the primary contrast, the other is corrected with that of trace-blocks.
    assert mixing["p"] == pytest.approx(2 * flow["p"]) and found.loc["trace-blocks", "p"] == 1
    # Folds overlap, trials with rare classes of their own do not.
    apart = table(outcomes(SETS["cells"], gains), replace(SETS["cells"], rare=(0, 1)))
    assert apart.set_index("arm").loc["flow", "p"] < flow["p"]


def test_solar_cells(solar_cells):
    cells, sure = SETS["cells"].load(), SETS["defects"].load()
    assert cells.images.shape == (40, 64, 64) and (cells.images[7] == 7).all()
    assert cells.classes[:4].tolist() == [0, 0, 1, 2] and cells.kinds[1] == "poly"
    assert len(sure.images) == 20 and sure.classes[:2].tolist() == [0, 1] and (sure.images[1] == 3).all()


@pytest.fixture
def eagerly(monkeypatch):
    """Steps run as they stand: two of them take longer to be traced than to run. Arms make few pictures."""
    import tensorflow as tf

    monkeypatch.setattr("eval.pictures.arms.MADE", 6)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though")
def test_the_command(tmp_path, command, eagerly):
    out = tmp_path / "digits.csv"

    def run(*words):
        return command("eval.elsewhere", "digits", "--steps", 1, "--flow-steps", 1, "--out", out, *words)

    first = run("--trials", 1, "--arm", "oversampling", "--arm", "flow")
    assert first.status == 0, first.error
    rows = pd.read_csv(out)
    assert list(rows) == COLUMNS and rows["arm"].tolist() == ["oversampling", "flow"]
    assert rows["rare_training"].eq(14).all() and rows["tested"].eq(899).all() and rows["made"].tolist() == [0, 6]
    assert rows["flow_bits"].notna().tolist() == [False, True] and rows["f1_rare"].between(0, 1).all()
    kept = out.read_text()
    again = run("--trials", 2, "--arm", "oversampling")
    assert again.status == 0 and again.out.splitlines()[0].startswith("2, part 0, oversampling")
    assert out.read_text().startswith(kept) and len(out.read_text().splitlines()) == 4
    shown = run("--tables-only")
    assert shown.status == 0 and shown.out.splitlines()[1].split()[:2] == ["oversampling", "2"]
    drawn = run("--arm", "pixel-mixing", "--draw", tmp_path / "made.png")
    assert drawn.status == 0 and (tmp_path / "made.png").stat().st_size > 1000


def test_bad_input(tmp_path, command, monkeypatch, solar_cells):
    out = tmp_path / "digits.csv"

    def says(*words):
        done = command("eval.elsewhere", *words, "--out", out)
        assert done.status == 2 and len(done.error) == 1
        return done.error[0]

    assert "choose from digits, cells, defects" in says("letters")
    assert "--arm fine-detail: digits has none, oversampling" in says("digits", "--arm", DETAIL)
    assert "nothing is finished" in says("digits", "--tables-only")
    out.write_text("set,seed\n1,2\n")
    assert "is not a table of outcomes" in says("digits")
    row = {**dict.fromkeys(COLUMNS, 1), "set": "digits", "seed": 1, "steps": 7}
    pd.DataFrame([row]).to_csv(out, index=False)
    assert "steps 7, not 600; give another --out" in says("digits")
    out.unlink()

    def missing():
        raise FileNotFoundError("cell0001.png")

    solar_cells(missing)
    assert "cannot be read (cell0001.png); run pip install" in says("cells")
    monkeypatch.setitem(sys.modules, "elpv_dataset.utils", None)
    assert "need the package elpv-dataset; run pip install" in says("defects")
    assert not out.exists()
