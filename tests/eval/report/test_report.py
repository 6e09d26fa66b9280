import base64
import io
import itertools
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from eval.report.figures import learning_curve, pooled_recall_curve
from eval.report.gathers import LONGEST_SIDE, distances, nearest, typical_distances
from eval.report.writing import write_report
from eval.results.collection import collect
from eval.results.tables import tables
from eval.study.outcome import write_outcome
from glowseis.errors import InputError
from glowseis.pages.drawing import inline_svg, new_figure
from glowseis.survey.content.gather_plot import pixels_of_row
from glowseis.survey.store.survey import open_survey
from tests.support.outcomes import make_outcome
from tests.support.page_reader import PageReader
from tests.support.reported_study import ARMS, check_numbers, reported, reported_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of a study of three arms, with curve, synthetic gathers and the tables' files."""
    return reported(tmp_path_factory.mktemp("reported"))


def test_tables_hold_the_numbers_of_the_files(made):
    check_numbers(made.page.tables, made.study.folder / "tables")
    for table in tables(made.results):
        assert made.page.tables[table.name] == [list(table.frame.columns), *table.frame.to_numpy().tolist()]
        assert all(note in made.page.text for note in table.notes)


def test_page_is_whole_and_needs_nothing_else(made):
    made.page.check_alone()


def test_page_can_be_read_without_seeing_it(made):
    page = made.page
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(image["alt"] and image["width"] and image["height"] for image in page.all("img"))
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 20 for figure in page.all("svg"))
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("tabindex" in box and box["aria-label"] for box in page.all("div") if box.get("class") == "scroll")
    assert next(one for one in page.all("meta") if one.get("name") == "viewport")["content"].startswith("width=device")


def test_every_colour_of_a_figure_follows_the_page(made):
    drawings = re.findall(r"<svg.*?</svg>", made.text, re.DOTALL)
    assert len(drawings) == 2 + 4 + 4 + 6
    for drawing in drawings:
        assert not re.search(r"#[0-9a-f]{6}\b(?!\))", re.sub(r'(href|url\()="?#[^")]*', "", drawing))
        assert all("fill: var(" in text for text in re.findall(r"<text[^>]*>", drawing))
    for variable in set(re.findall(r"var\((--ink-[0-9a-f]+)\)", made.text)):
        assert len(re.findall(rf"{variable}:", made.text)) == 2
    # Ids of one figure are not those of another, and a description cannot end the element.
    figure = new_figure()
    figure.add_subplot()
    assert PageReader(inline_svg(figure, "one", 'a "b" <c> & d')).all("svg")[0]["aria-label"] == 'a "b" <c> & d'


def test_what_came_of_it_stands_first(made):
    first = made.text.index("random oversampling: F1 of bad")
    assert first < made.text.index("<nav") < made.text.index("<table")


def test_recipe_versions_checksums_commit_machine_and_durations_stand_there(made):
    facts = {row[0]: row[1] for row in made.page.tables["provenance"]}
    study = made.study
    assert study.survey.checksum in facts["survey"] and facts["study"] == study.digest
    assert study.folds["grouped"].checksum in facts["grouped folds"]
    assert facts["commit"] == "0123456789abcdef0123456789abcdef01234567" and facts["machine"] == "2 cores, no GPU"
    assert facts["keras"] == "3.15.7"
    # Rows that share their first cell stand together, and these do not.
    kinds = {one["id"]: one.get("class") for one in made.page.all("table")}
    assert kinds["provenance"] == "stacked" and kinds["table1-grouped"] == "stacked blocks"
    recipe = json.loads(re.search(r"(?s)Recipe(\{.*\})", made.page.text)[1])
    assert recipe == study.recipe.model_dump(mode="json")
    head, *rows = made.page.tables["durations"]
    assert head == ["arm", "folds", "steps", "flow", "synthesis", "classifier", "all folds"]
    # Twice the folds 0, 1, 2: 20, 21, 22 s of classifier, 60.5 s of flow, 3.25 s of synthesis.
    assert rows[2] == ["flow interpolation", "6", "400", "60", "3", "21", "508"]


def test_children_stand_between_their_parents(made):
    survey = made.study.survey
    synthetic = {image["alt"].split(";")[0]: image for image in made.page.all("img")}
    children = open_survey(made.study.work("grouped", 1) / "synthetic" / "flow")
    child = children.read(0)
    for words, gather in (
        (f"synthetic: {child.gather_id}", child),
        (f"parent, recorded: {child.origin.parents[0]}", survey.read(child.origin.parents[0])),
        (f"parent, recorded: {child.origin.parents[1]}", survey.read(child.origin.parents[1])),
    ):
        data = base64.b64decode(synthetic[words]["src"].split(",")[1])
        with Image.open(io.BytesIO(data)) as shown:
            drawn = pixels_of_row([gather], LONGEST_SIDE)
            apart = np.abs(np.asarray(shown.convert("RGB"), np.int16) - drawn)
            # The page's pictures have 64 colours.
            assert apart.mean() < 3
    order = [image["alt"] for image in made.page.all("img")][:3]
    assert [one.split(":")[0] for one in order] == ["parent, recorded", "synthetic", "parent, recorded"]
    assert "75 % of the left, 25 % of the right parent, in latent space." in made.page.text


def test_copies_are_found(made):
    from glowseis.survey.store.survey import open_survey

    survey, study = made.study.survey, made.study
    children = open_survey(study.work("grouped", 1) / "synthetic" / "flow")
    training = study.parts("grouped", 1)[0]
    rare = np.array([row for row in training if survey.index["label"].iat[row] == "bad"])
    images = survey.read_images(rare).astype(float)
    found = nearest(children, survey, rare)
    assert found.synthetic[0] == 1 and found.distance[0] == pytest.approx(128 / np.sqrt(40 * 32))
    for row, real, distance in zip(found.synthetic, found.real, found.distance, strict=True):
        between = np.sqrt(((children.read(int(row)).image - images) ** 2).mean(axis=(1, 2)))
        assert (rare[between.argmin()], between.min()) == (real, pytest.approx(distance))
    between = np.sqrt(((images[:, None] - images[None]) ** 2).mean(axis=(2, 3)))
    pairs = between[~np.eye(len(rare), dtype=bool)].reshape(len(rare), -1)
    assert typical_distances(survey, rare) == pytest.approx((np.median(pairs.min(axis=1)), np.median(pairs)))
    assert distances(images[0].astype(np.uint8), survey, rare[:1]) == [0]
    assert made.page.tables["nearest"][1] == ["flow interpolation", "5", "3.6", f"{np.median(found.distance):.1f}"]
    assert f"{np.median(pairs):.1f} (median of all pairs)" in made.page.text
    assert "3.6 grey levels apart" in made.page.text and "is one of its parents" in made.page.text


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(made, tmp_path):
    for name in ("curve.csv", "curve_mean.csv"):
        shutil.copy(made.study.folder / name, tmp_path)
    assert write_report(made.results, made.study.recipe, made.study, tmp_path).read_bytes() == made.path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.csv", "curve_mean.csv", "report.html"]


@pytest.mark.slow
def test_what_is_missing_is_said(made, tmp_path):
    study, results = reported_study(tmp_path, synthetic=False, independent=False)
    page = PageReader(write_report(results, study.recipe, study, study.folder).read_text())
    assert page.text.count("No synthetic gathers are on disk") == 3
    assert "F1 against the number" in made.page.text and "F1 against the number" not in page.text
    assert not page.all("img") and not any("independent" in name for name in page.tables)


@pytest.mark.slow
def test_failed_and_missing_folds_are_told_and_the_rest_is_shown(tmp_path):
    study, results = reported_study(tmp_path, synthetic=False)
    error = "<script>alert('&')</script> went wrong"
    nothing = {"ids": [], "classes": [], "probabilities": [], "independent": None, "epochs": []}
    failed = make_outcome("grouped", 1, "flow", study=study.digest, error=error, **nothing)
    write_outcome(study.outcomes, failed)
    for fold in range(3):
        (study.outcomes / f"stratified-{fold:02d}-none.json").unlink()
        (study.outcomes / f"stratified-{fold:02d}-flow.json").unlink()
    (study.outcomes / "stratified-00-oversampling.json").unlink()
    results = collect(study.outcomes, results.study, results.kinds, ARMS, 3)
    page = PageReader(write_report(results, study.recipe, study, study.folder).read_text())
    assert f"flow interpolation failed: fold 1: {error}" in page.text
    assert ("confusion-grouped-none" in page.tables) and ("confusion-grouped-flow" not in page.tables)
    assert {name for name in page.tables if name.startswith("confusion-stratified")} == {
        "confusion-stratified-oversampling",
        "confusion-stratified-oversampling-independent",
    }
    for fold in (1, 2):
        (study.outcomes / f"stratified-{fold:02d}-oversampling.json").unlink()
    results = collect(study.outcomes, results.study, results.kinds, ARMS, 3)
    page = PageReader(write_report(results, study.recipe, study, study.folder).read_text())
    assert not any(name.startswith("confusion-stratified") for name in page.tables)


def test_a_damaged_curve_stops_the_report_in_a_line(made, tmp_path):
    (tmp_path / "curve.csv").write_text("count\n1\n")
    with pytest.raises(InputError, match="is not a complete curve"):
        write_report(made.results, made.study.recipe, made.study, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_pooled_recall_curve_has_the_area_of_average_precision():
    outcomes = [make_outcome("grouped", fold, "flow") for fold in range(3)]
    recall, precision = pooled_recall_curve(outcomes)
    truth = np.concatenate([outcome.truth for outcome in outcomes]) == 2
    sure = np.concatenate([np.array(outcome.probabilities)[:, 2] for outcome in outcomes])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision_score(truth, sure))


def test_learning_curve_goes_as_far_as_all_folds():
    outcomes = [make_outcome("grouped", fold, "flow") for fold in range(2)]
    longer = outcomes[1].model_copy(
        update={"epochs": [{**one, "loss": one["loss"] + 1} for one in outcomes[1].epochs[:3]]}
    )
    curve = learning_curve([outcomes[0], longer])
    np.testing.assert_allclose(curve["loss"], [1.5, 1.0, 1 / 3 + 0.5])
    assert curve["step"].tolist() == [100, 200, 300]
    assert learning_curve([longer.model_copy(update={"epochs": []})]).empty
