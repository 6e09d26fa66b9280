import base64
import dataclasses
import io
import itertools
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from outcomes import make_outcome
from page_reader import PageReader
from PIL import Image
from reported_study import ARMS, reported_study
from sklearn.metrics import average_precision_score
from test_curve_figure import curve_table

from eval import names
from eval.curve_figure import write_curve
from eval.drawing import IN_THE_DARK, inline_svg, new_figure
from eval.outcome import write_outcome
from eval.report import write_report
from eval.report_figures import learning_curve, pooled_recall_curve
from eval.report_gathers import distances, nearest, typical_distances
from eval.results import collect
from eval.tables import tables, write_tables
from glowseis.errors import InputError

TITLES = {arm: name.title for arm, name in names.ARMS.items()}
HEADS = {"precision": "precision (%)", "recall": "recall (%)", "f1": "F1 (%)", "accuracy": "accuracy (%)"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of a study of three arms, with curve, synthetic gathers and the tables' files."""
    folder = tmp_path_factory.mktemp("reported")
    study, results = reported_study(folder)
    write_curve(curve_table(), 100, study.folder)
    (study.folder / "study.json").write_text(json.dumps({"versions": {"glowseis": "0.9", "keras": "3.15.7"}}))
    write_tables(results, study.folder / "tables")
    path = write_report(study, results)
    text = path.read_text(encoding="utf-8")
    return SimpleNamespace(study=study, results=results, path=path, text=text, page=PageReader(text))


def check_numbers(shown, folder):
    """Every number of the CSV files stands in the tables, rounded, and no other."""
    for name in ("table1", "table2"):
        numbers = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        for kind in ("grouped", "stratified"):
            head, *rows = shown[f"{name}-{kind}"]
            words = head.index("arm") + 1
            found = {(*row[:words], column): cell for row in rows for column, cell in zip(head, row, strict=True)}
            own = numbers[numbers["kind"].isin([kind, "published"])]
            for row in own.to_dict("records"):
                arm = (TITLES.get(row["arm"], row["arm"]),)
                key = (row["class"], *arm) if name == "table1" else arm
                check_cell(found.pop((*key, HEADS[row["figure"]])), row["mean"], row["standard_error"])
            left = {key: cell for key, cell in found.items() if key[-1] not in head[:words]}
            assert set(left.values()) <= {"-"}, left
    numbers = pd.read_csv(folder / "table3.csv").set_index(["kind", "arm", "figure"])
    for kind in ("grouped", "stratified"):
        head, *rows = shown[f"table3-{kind}"]
        assert len(rows) == len(ARMS)
        for row in rows:
            arm = next(arm for arm in ARMS if TITLES[arm] == row[0])
            cells = dict(zip(head, row, strict=True))
            for figure, column in {
                "f1": "F1",
                "average_precision": "PR-AUC",
                "independent_f1": "independent F1",
            }.items():
                one = numbers.loc[kind, arm, figure]
                check_cell(cells[column], one["mean"], one["standard_error"])
    numbers = pd.read_csv(folder / "confusion.csv")
    for row in numbers.to_dict("records"):
        ending = "-independent" if row["tested_on"] == "independent" else ""
        head, *rows = shown[f"confusion-{row['kind']}-{row['arm']}{ending}"]
        cell = next(one for one in rows if one[0] == row["class"])[head.index(f"as {row['graded_as']}")]
        assert float(cell.split(" ")[0]) == pytest.approx(row["gathers"], abs=0.0501)


def check_cell(cell, mean, error):
    value, *errors = cell.split(" ± ")
    assert float(value) == pytest.approx(100 * mean, abs=0.0501)
    assert [float(one) for one in errors] == [pytest.approx(100 * error, abs=0.00501)]


def test_tables_hold_the_numbers_of_the_files(made):
    check_numbers(made.page.tables, made.study.folder / "tables")
    for table in tables(made.results):
        assert made.page.tables[table.name] == [list(table.frame.columns), *table.frame.to_numpy().tolist()]
        assert all(note in made.page.text for note in table.notes)


def test_page_is_whole_and_needs_nothing_else(made):
    page = made.page
    every = [attributes for _, attributes in page.elements]
    ids = [attributes["id"] for attributes in every if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for attributes in every:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert re.match(r"#|data:image/png;base64,", attributes.get(name, "#")), attributes
        named = [attributes[name][1:] for name in ("href",) if name in attributes]
        named += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for value in attributes.values()))
        assert {name.removeprefix("#") for name in named} <= set(ids)
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert not {"script", "link", "iframe", "object", "base"} & {name for name, _ in page.elements}
    assert "@import" not in made.text and "url(http" not in made.text
    policy = next(one for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")


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
    assert len(drawings) == 2 + 4 + 6
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
    recipe = json.loads(re.search(r"(?s)Recipe(\{.*\})", made.page.text)[1])
    assert recipe == study.recipe.model_dump(mode="json")
    head, *rows = made.page.tables["durations"]
    assert head == ["arm", "folds", "steps", "flow", "synthesis", "classifier", "all folds"]
    # Twice the folds 0, 1, 2: 20, 21, 22 s of classifier, 60.5 s of flow, 3.25 s of synthesis.
    assert rows[2] == ["flow interpolation", "6", "400", "60", "3", "21", "508"]


def test_children_stand_between_their_parents(made):
    survey = made.study.survey
    synthetic = {image["alt"].split(";")[0]: image for image in made.page.all("img")}
    from glowseis.survey.records import open_survey

    children = open_survey(made.study.work("grouped", 1) / "synthetic" / "flow")
    child = children.read(0)
    for words, gather in (
        (f"synthetic: {child.gather_id}", child),
        (f"parent, recorded: {child.origin.parents[0]}", survey.read(child.origin.parents[0])),
        (f"parent, recorded: {child.origin.parents[1]}", survey.read(child.origin.parents[1])),
    ):
        data = base64.b64decode(synthetic[words]["src"].split(",")[1])
        with Image.open(io.BytesIO(data)) as shown:
            np.testing.assert_array_equal(
                np.asarray(shown), gather.image[: gather.valid_samples, : gather.valid_traces]
            )
    order = [image["alt"] for image in made.page.all("img")][:3]
    assert [one.split(":")[0] for one in order] == ["parent, recorded", "synthetic", "parent, recorded"]
    assert "75 % of the left, 25 % of the right parent." in made.page.text


def test_copies_are_found(made):
    from glowseis.survey.records import open_survey

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


def test_the_same_study_gives_the_same_bytes(made, tmp_path):
    again = write_report(made.study, made.results, tmp_path)
    assert not PageReader(again.read_text()).text.count("F1 against the number")
    for name in ("curve.csv", "curve_mean.csv"):
        shutil.copy(made.study.folder / name, tmp_path)
    assert write_report(made.study, made.results, tmp_path).read_bytes() == made.path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.csv", "curve_mean.csv", "report.html"]


def test_what_is_missing_is_said(tmp_path):
    study, results = reported_study(tmp_path, synthetic=False, independent=False)
    page = PageReader(write_report(study, results).read_text())
    assert page.text.count("No synthetic gathers are on disk") == 2
    assert not page.all("img") and not any("independent" in name for name in page.tables)


def test_failed_and_missing_folds_are_told_and_the_rest_is_shown(tmp_path):
    study, results = reported_study(tmp_path, synthetic=False)
    error = "<script>alert('&')</script> went wrong"
    failed = dataclasses.replace(
        make_outcome("grouped", 1, "flow"),
        error=error, ids=[], classes=[], probabilities=[], independent=None, epochs=[],
    )  # fmt: skip
    write_outcome(study.outcomes, failed)
    for fold in range(3):
        (study.outcomes / f"stratified-{fold:02d}-none.json").unlink()
        (study.outcomes / f"stratified-{fold:02d}-flow.json").unlink()
    (study.outcomes / "stratified-00-oversampling.json").unlink()
    results = collect(study.outcomes, results.study, results.kinds, ARMS, 3, partial=True)
    page = PageReader(write_report(study, results).read_text())
    assert f"flow interpolation failed: fold 1: {error}" in page.text
    assert ("confusion-grouped-none" in page.tables) and ("confusion-grouped-flow" not in page.tables)
    assert {name for name in page.tables if name.startswith("confusion-stratified")} == {
        "confusion-stratified-oversampling",
        "confusion-stratified-oversampling-independent",
    }
    for fold in (1, 2):
        (study.outcomes / f"stratified-{fold:02d}-oversampling.json").unlink()
    results = collect(study.outcomes, results.study, results.kinds, ARMS, 3, partial=True)
    page = PageReader(write_report(study, results).read_text())
    assert not any(name.startswith("confusion-stratified") for name in page.tables)


def test_a_damaged_curve_stops_the_report_in_a_line(made, tmp_path):
    (tmp_path / "curve.csv").write_text("count\n1\n")
    with pytest.raises(InputError, match="is no whole curve"):
        write_report(made.study, made.results, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_pooled_recall_curve_has_the_area_of_average_precision():
    outcomes = [make_outcome("grouped", fold, "flow") for fold in range(3)]
    recall, precision = pooled_recall_curve(outcomes)
    truth = np.concatenate([outcome.truth for outcome in outcomes]) == 2
    sure = np.concatenate([np.array(outcome.probabilities)[:, 2] for outcome in outcomes])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision_score(truth, sure))


def test_learning_curve_goes_as_far_as_all_folds():
    outcomes = [make_outcome("grouped", fold, "flow") for fold in range(2)]
    longer = dataclasses.replace(
        outcomes[1], epochs=[{**one, "loss": one["loss"] + 1} for one in outcomes[1].epochs[:3]]
    )
    curve = learning_curve([outcomes[0], longer])
    np.testing.assert_allclose(curve["loss"], [1.5, 1.0, 1 / 3 + 0.5])
    assert curve["step"].tolist() == [100, 200, 300]
    assert learning_curve([dataclasses.replace(longer, epochs=[])]).empty


MEASURE = """
const page = document.querySelector("iframe").contentDocument;
const tables = {}, contrasts = [];
for (const table of page.querySelectorAll("table"))
  tables[table.id] = [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim()));
for (const text of page.querySelectorAll("p, h1, h2, caption, td, th, figcaption, a")) 
  contrasts.push(page.defaultView.getComputedStyle(text).color);
for (const text of page.querySelectorAll("svg text")) contrasts.push(page.defaultView.getComputedStyle(text).fill);
const figures = [...page.querySelectorAll("svg, img")].map(one => one.getBoundingClientRect().width);
const boxes = [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length;
const found = {tables, figures, boxes, colours: [...new Set(contrasts)], width: page.documentElement.clientWidth,
  scrolled: page.documentElement.scrollWidth, paper: page.defaultView.getComputedStyle(page.body).backgroundColor,
  images: [...page.images].every(image => image.complete && image.naturalWidth > 0)};
document.body.innerHTML = "<pre id=found></pre>";
document.getElementById("found").textContent = JSON.stringify(found);
"""


def rendered(folder, text, width, dark):
    """What Chromium makes of a page in a window as wide as a phone or a screen."""
    escaped = text.replace("&", "&amp;").replace('"', "&quot;")
    frame = f'<iframe style="width:{width}px;height:844px;border:0" srcdoc="{escaped}"></iframe>'
    script = f"<script>window.onload = () => {{{MEASURE}}}</script>"
    around = folder / "around.html"
    around.write_text(f"<!doctype html><meta charset=utf-8><body>{frame}{script}", encoding="utf-8")
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=5000",
        "--window-size=1400,900",
    ]
    words += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [CHROMIUM, *words, "--dump-dom", around.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    content = re.search(r'(?s)<pre id="found">(.*?)</pre>', done.stdout)
    assert content, done.stdout[:500] + done.stderr[-500:]
    import html

    return SimpleNamespace(**json.loads(html.unescape(content[1])))


def contrast(one, other):
    """Contrast of two colours as WCAG 2 measures it, 1 to 21."""

    def light(colour):
        levels = np.array([float(level) for level in re.findall(r"[\d.]+", colour)[:3]]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted([light(one), light(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser_shows_the_numbers_and_a_phone_need_not_scroll_sideways(made, tmp_path, dark):
    phone = rendered(tmp_path, made.text, 390, dark)
    check_numbers(phone.tables, made.study.folder / "tables")
    assert phone.width == 390 and phone.scrolled == 390
    assert phone.boxes > 0, "no table is wider than the phone: this test would see no overflow"
    assert phone.images and all(40 < width <= 390 for width in phone.figures)
    assert (phone.paper == "rgb(255, 255, 255)") != dark
    assert min(contrast(colour, phone.paper) for colour in phone.colours) >= 4.5


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_measure_of_overflow_sees_one(made, tmp_path):
    wide = made.text.replace("</main>", '<div style="width:500px">wide</div></main>')
    assert rendered(tmp_path, wide, 390, False).scrolled > 390


@pytest.mark.parametrize(("light", "dark"), IN_THE_DARK.items())
def test_colours_can_be_told_from_the_page(light, dark):
    def rgb(colour):
        return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))

    assert contrast(rgb(light), "255,255,255") >= 3 and contrast(rgb(dark), "13,17,23") >= 3
