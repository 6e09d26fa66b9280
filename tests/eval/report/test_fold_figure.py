"""The picture of the folds' F1: every fold a point, the mean where it belongs."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from eval.report.fold_figure import draw_folds, fold_figures, write_folds
from eval.results.collection import collect
from eval.results.contrasts import rare_f1
from glowseis.pages.drawing import new_figure
from tests.support.outcomes import make_outcomes

ARMS, KINDS = ("none", "oversampling", "flow"), ("grouped", "stratified")


@pytest.fixture
def results(tmp_path):
    digest = make_outcomes(tmp_path, ARMS, KINDS)
    return collect(tmp_path, digest, KINDS, ARMS, 3)


def test_every_fold_is_a_point_and_the_line_is_the_mean(results):
    axes = new_figure().add_subplot()
    draw_folds(axes, results, "grouped", "folds")
    # Those of error bars are lines as well, of one point.
    points = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(points) == len(ARMS)
    for row, (arm, line) in enumerate(zip(ARMS, points, strict=True)):
        wanted = [100 * rare_f1(results, one, "folds") for one in results.of("grouped", arm)]
        np.testing.assert_allclose(line.get_xdata(), wanted)
        assert np.all(np.diff(line.get_ydata()) > 0) and np.all(np.abs(line.get_ydata() - row) < 0.5)
    means = [lines.get_segments()[0][0][0] for lines in axes.collections if len(lines.get_segments()[0]) == 2]
    assert {round(float(line.get_xdata().mean()), 6) for line in points} <= {round(float(mean), 6) for mean in means}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["none", "random oversampling", "flow interpolation"]


def test_both_files_are_written_and_a_caption_says_what_is_seen(results, tmp_path):
    png, svg = write_folds(results, tmp_path / "new")
    assert (
        sorted(path.name for path in (tmp_path / "new").iterdir()) == ["folds.png", "folds.svg"] == [png.name, svg.name]
    )
    assert np.asarray(Image.open(png).convert("L")).std() > 5
    words = " ".join(ElementTree.parse(svg).getroot().itertext())
    assert "folds grouped by sail line" in words and "stratified folds" in words
    made = fold_figures(results, "stratified")
    assert [name for _, name, _ in made] == ["folds-stratified-folds", "folds-stratified-independent"]
    assert all("F1 of bad (per cent)" in caption for _, _, caption in made)


def test_what_has_no_outcome_is_not_drawn(tmp_path):
    digest = make_outcomes(tmp_path, ("none",), ("grouped",))
    results = collect(tmp_path, digest, KINDS, ("none", "flow"), 3)
    assert fold_figures(results, "grouped") and not fold_figures(results, "stratified")
    axes = new_figure().add_subplot()
    draw_folds(axes, results, "grouped", "folds")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["none"]
