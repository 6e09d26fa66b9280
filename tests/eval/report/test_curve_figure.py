from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eval.report.curve_figure import curve_means, draw_part, read_chosen, read_curve, write_curve
from glowseis.errors import InputError
from glowseis.pages.drawing import new_figure
from tests.support.curves import CLASSES, curve_table


def test_tables_come_back_and_means_are_those_of_the_runs(tmp_path):
    table = curve_table()
    paths = write_curve(table, 100, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["curve.csv", "curve_mean.csv", "curve.png", "curve.svg"]
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    pd.testing.assert_frame_equal(read_curve(paths[0].parent), table, check_dtype=False)
    assert read_chosen(paths[0].parent) == 100
    means = pd.read_csv(paths[1], keep_default_na=False)
    assert len(means) == 2 * 3 * 3
    for row in means.to_dict("records"):
        values = table[
            (table["count"] == row["count"]) & (table["part"] == row["part"]) & (table["class"] == row["class"])
        ]
        assert row["mean"] == pytest.approx(values["f1"].mean())
        assert row["std"] == pytest.approx(np.std(values["f1"], ddof=1))
        assert row["standard_error"] == pytest.approx(np.std(values["f1"], ddof=1) / 2)
        assert row["runs"] == 4 and row["chosen"] == (row["count"] == 100)


def test_classes_in_tables_are_no_formulas_and_come_back(tmp_path):
    table = curve_table()
    table["class"] = "=" + table["class"]
    write_curve(table, 100, tmp_path)
    for name in ("curve.csv", "curve_mean.csv"):
        assert pd.read_csv(tmp_path / name)["class"].str.startswith("'=").all()
    pd.testing.assert_frame_equal(read_curve(tmp_path), table, check_dtype=False)
    assert read_chosen(tmp_path) == 100


def test_means_stand_in_the_order_of_classes_and_counts():
    means = curve_means(curve_table().sample(frac=1, random_state=1))
    assert means["part"].tolist() == ["validation"] * 9 + ["test"] * 9
    assert means["count"].tolist() == [0, 100, 200] * 6


def test_one_run_has_a_mean_and_no_error(tmp_path):
    means = curve_means(curve_table(runs=1))
    assert means["standard_error"].isna().all() and means["mean"].notna().all()
    write_curve(curve_table(runs=1), 0, tmp_path)
    assert read_chosen(tmp_path) == 0


def test_pictures_show_lines_bands_and_the_chosen_count(tmp_path):
    means = curve_means(curve_table())
    axes = new_figure().add_subplot()
    draw_part(axes, means, "test", 200)
    shown = means[(means["part"] == "test") & (means["class"] == "good")]
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["good"].get_ydata(), 100 * shown["mean"])
    np.testing.assert_array_equal(lines["good"].get_xdata(), shown["count"])
    assert [200, 200] in [list(line.get_xdata()) for line in axes.get_lines()]
    band = axes.collections[0].get_paths()[0].vertices
    low = 100 * (shown["mean"] - shown["standard_error"])
    assert band[:, 1].min() == pytest.approx(low.min())
    # What the band reaches is on the picture.
    assert axes.get_ylim()[0] <= 100 * (means["mean"] - means["standard_error"]).min()

    paths = write_curve(curve_table(), 200, tmp_path)
    texts = [node.text for node in ElementTree.parse(paths[3]).iter() if node.tag.endswith("text")]
    assert {*CLASSES, "validation", "test"} <= set(texts)
    assert sum("chosen: 200" in (text or "") for text in texts) == 2
    with Image.open(paths[2]) as picture:
        assert picture.width > 1.5 * picture.height
        assert len(set(picture.convert("RGB").tobytes())) > 20


@pytest.mark.slow
def test_the_same_table_gives_the_same_bytes(tmp_path):
    once = [path.read_bytes() for path in write_curve(curve_table(), 100, tmp_path / "a")]
    again = [path.read_bytes() for path in write_curve(curve_table(), 100, tmp_path / "b")]
    assert once == again


@pytest.mark.parametrize(
    ("change", "chosen", "words"),
    [
        (lambda table: table.drop(columns="run"), 0, "its columns are"),
        (lambda table: pd.concat([table, table.iloc[:1]]), 0, "is there twice"),
        (lambda table: table[table["part"] == "test"], 0, "its parts are test"),
        (lambda table: table, 150, "chosen count is 150"),
    ],
)
def test_a_table_that_is_no_curve_is_refused_and_nothing_written(tmp_path, change, chosen, words):
    with pytest.raises(ValueError, match=words):
        write_curve(change(curve_table()), chosen, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_curve_is_none_and_a_damaged_one_told_in_a_line(tmp_path):
    assert read_curve(tmp_path) is None and read_chosen(tmp_path) is None
    (tmp_path / "curve.csv").write_text("count,run,part,class,f1\n0,0,test,good,zero\n")
    (tmp_path / "curve_mean.csv").write_text("count,chosen\n0,False\n")
    for read in (read_curve, read_chosen):
        with pytest.raises(InputError, match="run the curve again") as wrong:
            read(tmp_path)
        assert "\n" not in str(wrong.value)
