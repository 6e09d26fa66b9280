"""The command of a study of independent surveys."""

import pandas as pd
import pytest

from tests.support.small_replicates import REPLICATED


@pytest.fixture
def worth(tmp_path, monkeypatch, command):
    """The command, in an empty folder with the small recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    return lambda *words: command("eval.worth", "worth.toml", *words)


def test_surveys_are_run_once_and_compared(worth, tmp_path):
    done = worth("--setting", "weather1-rare6", "--survey", 0, "--survey", 1)
    assert done.status == 0
    assert "noise moved to other earths against random oversampling" in done.out and "2 surveys)" in done.out
    table = pd.read_csv(tmp_path / "studies/replicated/tables/means.csv")
    assert list(table["arm"]) == ["random oversampling", "noise moved to other earths"]
    assert list(table["surveys"]) == [2, 2] and set(table["setting"]) == {"weather1-rare6"}
    each = pd.read_csv(tmp_path / "studies/replicated/tables/each.csv")
    assert len(each) == 4 and each["f1_bad"].between(0, 100).all()
    contrasts = pd.read_csv(tmp_path / "studies/replicated/tables/contrasts.csv")
    assert len(contrasts) == 6 and set(contrasts["first"]) == {"low-band"} and set(contrasts["surveys"]) == {2}
    means = each.groupby("arm")["f1_bad"].mean()
    assert table["F1 bad"].to_numpy() == pytest.approx([means["oversampling"], means["low-band"]], abs=0.1)
    kept = {path: path.read_bytes() for path in (tmp_path / "studies/replicated/outcomes").iterdir()}
    again = worth("--tables-only")
    assert again.status == 0 and done.out.endswith(again.out)
    assert kept == {path: path.read_bytes() for path in kept}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--setting", "calm"), "--setting calm: worth.toml has weather1-rare6, weather1-all, weather0-all"),
        (("--survey", "3"), "--survey 3: worth.toml has surveys 0 to 2"),
        (("--arms", "nothing"), "no arm is called 'nothing'"),
        (("--tables-only",), "nothing of this study is finished"),
        (("--set", "study.replicates.settings=[{rare=1},{rare=1}]"), "give each only once"),
        (("--set", "study.replicates.first_seed=29"), "is one of the replicates' seeds, 29 to 31"),
        (("--set", "study.replicates.primary='nothing'"), "no arm is called 'nothing'"),
    ],
)
def test_bad_input(worth, words, says):
    done = worth(*words)
    assert done.status == 2 and len(done.error) == 1 and says in done.error[0]


def test_a_study_of_folds_has_no_surveys(worth, tmp_path):
    (tmp_path / "worth.toml").write_text(REPLICATED.split("[study.replicates]")[0])
    done = worth()
    assert done.status == 2 and "has no [study.replicates]; python -m eval.cv runs studies with folds" in done.error[0]


@pytest.mark.parametrize("module", ["eval.cv", "eval.curve"])
def test_surveys_have_no_folds(tmp_path, monkeypatch, command, module):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worth.toml").write_text(REPLICATED)
    done = command(module, "worth.toml")
    assert done.status == 2 and "not of folds; run it with python -m eval.worth" in done.error[0]
