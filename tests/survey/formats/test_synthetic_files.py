"""Synthetic gathers in files stay synthetic, whatever happens to the files."""

import csv
import dataclasses
import functools

import h5py
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from glowseis.errors import InputError
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.segy_origin import simulated_text, synthetic_text
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from glowseis.survey.formats.writing import write_gathers
from glowseis.survey.gather import UNKNOWN_PARENT, Origin
from glowseis.survey.splits.fold_files import labelled_rows
from glowseis.survey.store.survey import open_survey
from tests.support.graded_survey import graded_survey
from tests.support.random_gathers import random_gather, random_recording

COUNT = 4


def child(number, maker="demo/1", seed=5):
    origin = Origin((f"p{number}", f"q{number}"), 0.25 * number, seed, maker, "spherical")
    name = f"{maker.replace('/', '-')}-seed{seed}-{number:06d}"
    return dataclasses.replace(random_gather(number // 2, label="bad"), gather_id=name, origin=origin)


CHILDREN = [child(number) for number in range(COUNT)]


def write(out, kind, maker="demo/1", seed=5, children=None):
    children = children or [child(number, maker, seed) for number in range(COUNT)]
    assert write_gathers(out, children, kind=kind) == len(children)


@pytest.fixture
def segy(tmp_path):
    write(tmp_path / "new.segy", "segy")
    return tmp_path / "new.segy"


def read(path, **options):
    return list(open_source(path, ReadOptions(**options)).gathers())


def check_same(found, children=CHILDREN):
    for one, wanted in zip(found, children, strict=True):
        assert (one.gather_id, one.label, one.origin) == (wanted.gather_id, wanted.label, wanted.origin)


@pytest.mark.parametrize(
    ("out", "kind"),
    [("new.segy", "segy"), ("new.h5", "hdf5"), ("new", "pictures"), ("new.npy", "numpy")],
)
def test_every_format_keeps_parents_through_ingest(tmp_path, command, out, kind):
    write(tmp_path / out, kind)
    words = ("--axes", "gather,time,trace", "--sample-interval", 8) if kind == "numpy" else ()
    done = command("ingest", tmp_path / out, "--out", tmp_path / "survey", *words)
    assert done.status == 0 and f"{COUNT} gathers synthetic: folds" in done.out
    assert "warning" not in done.out
    survey = open_survey(tmp_path / "survey")
    check_same([survey.read(row) for row in range(COUNT)])
    assert not len(labelled_rows(survey))


def test_the_text_header_says_what_the_amplitudes_are(segy):
    text = segy.read_bytes()[:3200].decode("cp037")
    assert "SYNTHETIC GATHERS, NOT RECORDED" in text and "AMPLITUDES ARE CLIPPED: 4 %" in text and "256 LEVELS" in text


def test_a_renamed_file_finds_its_table_and_a_renamed_table_its_file(segy):
    both = segy.rename(segy.with_name("other.segy"))
    check_same(read(both))
    segy.with_suffix(".csv").rename(both.with_suffix(".csv"))
    check_same(read(both))


def test_of_two_tables_the_one_that_fits_is_taken(segy, tmp_path):
    write(tmp_path / "b.segy", "segy", seed=6)
    # A file under the name of another, whose table is still there.
    moved = segy.rename(tmp_path / "b.segy")
    check_same(read(moved))


@pytest.mark.parametrize(
    "name", ["new survey of line 12 é.segy", "n" * 120 + ".segy", "-".join(["new"] * 30) + ".segy"]
)
def test_names_that_a_text_header_breaks(tmp_path, name):
    write(tmp_path / name, "segy", maker="a long name of a model " * 4 + "/1")
    renamed = (tmp_path / name).rename(tmp_path / "x.segy")
    found = read(renamed)
    assert all(one.origin.parents == wanted.origin.parents for one, wanted in zip(found, CHILDREN, strict=True))


@pytest.mark.parametrize("table", [None, b"", b"shot,label\n1,good\n", b"\xff\x00"])
def test_without_the_table_parents_are_unknown(segy, tmp_path, command, table):
    segy.with_suffix(".csv").unlink()
    if table is not None:
        segy.with_suffix(".csv").write_bytes(table)
    done = command("ingest", segy, "--out", tmp_path / "survey", "--label", "bad")
    assert done.status == 0
    assert f"warning: the parents of {COUNT} synthetic gathers of {segy} are unknown; its table new.csv" in done.out
    survey = open_survey(tmp_path / "survey")
    assert set(survey.index["parents"]) == {UNKNOWN_PARENT} and set(survey.index["model"]) == {"demo/1"}
    assert set(survey.index["seed"]) == {5} and not len(labelled_rows(survey))
    assert [one.label for one in read(segy)] == [""] * COUNT


def edit(segy, change):
    table = segy.with_suffix(".csv")
    header, *rows = table.read_text().splitlines()
    names = header.split(",")
    rows = [dict(zip(names, row.split(","), strict=True)) for row in rows]
    rows = change(rows) or rows
    table.write_text("\n".join([header, *(",".join(row[name] for name in names) for row in rows)]) + "\n")


def swap(rows):
    rows[0]["field_record"], rows[3]["field_record"] = rows[3]["field_record"], rows[0]["field_record"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "has no row for field_record 4; it is not the table of"),
        (swap, "says shot 1 for field_record 1, the file 0"),
        (lambda rows: rows[1].update(sail_line="8"), "says sail_line 8 for field_record 2, the file 3"),
        (lambda rows: rows[1].update(field_record="1"), "has two rows with the same field_record"),
        (lambda rows: rows[1].update(seed="77"), "was written with other gathers; it is not the table of"),
        (lambda rows: rows[0].update(label="\x07"), "label '\\x07': use 1 to 100 printable characters"),
    ],
)
def test_a_table_that_does_not_agree_with_the_file_is_told(segy, change, message):
    edit(segy, change)
    with pytest.raises(InputError) as told:
        read(segy)
    assert message in str(told.value) and "new.csv" in str(told.value) and "\n" not in str(told.value)


BAD_WORDS = [
    ("parents", "=HYPERLINK(1)", "its parent '=HYPERLINK(1)' is not a gather id"),
    ("parents", "p0;\x1b[31mx", "its parent '\\x1b[31mx' is not a gather id"),
    ("parents", "a\rb", "its parent 'a\\rb' is not a gather id"),
    ("parents", "a b", "its parent 'a b' is not a gather id"),
    ("path", "=1+cmd", "its path '=1+cmd' is not a word"),
    ("path", "a\rb", "its path 'a\\rb' is not a word"),
    ("model", "a\rb", "its model 'a\\rb' cannot be printed"),
]


def put_hdf5(folder, column, word):
    write(folder / "new.h5", "hdf5")
    with h5py.File(folder / "new.h5", "r+") as file:
        file[column][1] = word
    return folder / "new.h5"


def put_picture(folder, column, word):
    write(folder / "new", "pictures")
    path = min((folder / "new").glob("*.png"))
    with Image.open(path) as image:
        text = {**image.info, column: word}
        chunks = PngImagePlugin.PngInfo()
        for name, value in text.items():
            chunks.add_text(name, str(value))
        image.save(path, pnginfo=chunks)
    return path


def put_table(folder, column, word, name):
    write(folder / name, None)
    edit(folder / name, lambda rows: rows[1].update({column: f'"{word}"'}))
    return folder / name


PUT = {
    "hdf5": put_hdf5,
    "picture": put_picture,
    "segy": functools.partial(put_table, name="new.segy"),
    "numpy": functools.partial(put_table, name="new.npy"),
}


@pytest.mark.parametrize("kind", PUT)
@pytest.mark.parametrize(("column", "word", "message"), BAD_WORDS)
def test_words_of_others_that_no_table_takes(tmp_path, command, kind, column, word, message):
    """A spreadsheet would run them, a terminal obey them, or the survey could not be read again."""
    path = PUT[kind](tmp_path, column, word)
    there = sorted(tmp_path.iterdir())
    words = ("--axes", "gather,time,trace", "--sample-interval", 8) if kind == "numpy" else ()
    done = command("ingest", path, "--out", tmp_path / "survey", *words)
    # Rows of another model are of another file.
    other = "was written with other gathers" if kind == "segy" and column != "parents" else message
    assert done.status == 2 and len(done.error) == 1 and other in done.error[0]
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize("seed", [1 << 63, 10**30])
def test_a_seed_that_no_record_holds(tmp_path, seed):
    with pytest.raises(InputError, match=f"its seed {seed} has more than 64 bits"):
        read(put_picture(tmp_path, "seed", str(seed)))


@pytest.mark.parametrize("out", ["new.segy", "new.h5", "new.npy", "new", "survey"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"origin": Origin(("a;b",), model="demo/1")}, "its parent 'a;b' is not a gather id"),
        ({"origin": Origin(("a", ""), model="demo/1")}, "its parent '' is not a gather id"),
        ({"origin": Origin(("a",), path="-x")}, "its path '-x' is not a word"),
        ({"fit": "=1"}, "its fit '=1' is not a word"),
        ({"mended": {"a\rb": 1}}, "its mending 'a\\rb' is not a word"),
        ({"label": "a\r"}, "use 1 to 100 printable characters"),
    ],
)
def test_words_that_no_table_takes_are_not_written(tmp_path, out, change, message):
    if out == "new.h5" and not {"fit", "mended"}.isdisjoint(change):
        pytest.skip("HDF5 has no place for it")
    with pytest.raises(InputError) as told:
        write_gathers(
            tmp_path / out, dataclasses.replace(CHILDREN[1], **change), kind="pictures" if out == "new" else None
        )
    assert message in str(told.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["new.segy", "new.npy"])
def test_an_id_that_no_survey_takes_is_not_in_the_table(tmp_path, name):
    write(tmp_path / name, None, children=[dataclasses.replace(CHILDREN[0], gather_id="=a\rb")])
    (row,) = csv.DictReader((tmp_path / "new.csv").read_text().splitlines())
    assert row["gather_id"] == "" and row["parents"] == "p0;q0"
    options = {"axes": "gather,time,trace", "sample_interval_s": 0.008} if name == "new.npy" else {}
    assert [one.origin for one in read(tmp_path / name, **options)] == [CHILDREN[0].origin]


@pytest.mark.parametrize("damage", [lambda text: text[:-30], lambda text: text.replace("p1", "p\r1")])
def test_a_damaged_table_is_told(tmp_path, damage):
    """An array whose table was left aside would come back as recorded."""
    write(tmp_path / "new.npy", "numpy")
    table = tmp_path / "new.csv"
    header, rows = table.read_text().split("\n", 1)
    table.write_text(f"{header}\n{damage(rows)}", newline="")
    with pytest.raises(InputError, match=r"new\.csv: damaged"):
        read(tmp_path / "new.npy", axes="gather,time,trace", sample_interval_s=0.008)


def test_rows_in_another_order_or_of_more_gathers_do_no_harm(segy):
    edit(segy, lambda rows: [*rows[::-1], {**rows[0], "field_record": "9"}])
    check_same(read(segy))
    edit(segy, lambda rows: rows[0].update(parents=""))
    assert sum(one.origin.parents == (UNKNOWN_PARENT,) for one in read(segy)) <= 1


def test_shots_that_are_told_apart_otherwise(segy):
    with pytest.raises(
        InputError, match="FieldRecords 1 and others, but FieldRecord counts synthetic gathers; leave --shot-header"
    ):
        read(segy, shot_header="EnergySourcePoint")


def test_an_ascii_text_header(segy):
    content = segy.read_bytes()
    segy.write_bytes(content[:3200].decode("cp037").encode("ascii") + content[3200:])
    check_same(read(segy))


def test_recorded_and_simulated_files(tmp_path):
    recordings = [random_recording(shot, label="") for shot in range(3)]
    write_segy(tmp_path / "a.segy", recordings)
    write_segy(tmp_path / "b.segy", recordings, simulated_text(7))
    assert [one.source for one in read(tmp_path / "a.segy")] == [str(tmp_path / "a.segy")] * 3
    simulated = read(tmp_path / "b.segy")
    assert {one.source for one in simulated} == {f"{tmp_path / 'b.segy'} (simulated by glowseis, seed 7)"}
    assert not any(one.origin.parents for one in simulated)


@pytest.mark.slow
def test_an_own_hdf5_file_read_as_an_array_keeps_its_parents(tmp_path):
    write(tmp_path / "new.h5", "hdf5")
    with h5py.File(tmp_path / "new.h5", "r+") as file:
        file["soft"] = h5py.SoftLink("amplitude")
        file["again"] = h5py.SoftLink("/soft")
        file["hard"] = file["amplitude"]
        file["group/up"] = h5py.SoftLink("/")
    for dataset in ("amplitude", "//amplitude", "./amplitude/", "again", "hard", "group/up/soft"):
        check_same(read(tmp_path / "new.h5", dataset=dataset))


def test_pictures_that_were_saved_again_are_known_by_their_table(tmp_path):
    write(tmp_path / "new", "pictures")
    for wanted in CHILDREN:
        path = tmp_path / "new" / f"{wanted.gather_id}.png"
        levels = np.asarray(Image.open(path))
        Image.fromarray(levels).save(path)
        path.with_suffix(".tif").unlink(missing_ok=True)
        Image.fromarray(levels).save(path.with_suffix(".tif"))
        check_same(read(path) + read(path.with_suffix(".tif")), [wanted, wanted])


def test_a_text_header_has_room_for_the_longest_names(tmp_path):
    lines = synthetic_text("m" * 800 + "/1, seed 1, spherical path", tmp_path / ("n" * 250 + ".segy"))
    write_segy(tmp_path / "a.segy", [random_recording(1)], lines)
    assert all(one.origin.parents == (UNKNOWN_PARENT,) for one in read(tmp_path / "a.segy"))


def test_a_child_of_a_test_gather_cannot_come_back_by_a_file(tmp_path, command):
    """Generated of a fold's test gather, written, read again, and graded: no training takes it in."""
    from glowseis.fitting.classifier.selection import select_labelled
    from glowseis.recipe import ClassifierRecipe

    survey = graded_survey(tmp_path / "survey", counts=(12, 8, 6))
    parents = [survey.read(int(row)) for row in survey.select(labels=["bad"])[:3]]
    children = [
        dataclasses.replace(
            one,
            # A trace of one level throughout would be dead.
            image=np.random.default_rng(number).integers(90, 166, one.image.shape).astype(np.uint8),
            gather_id=f"c{number}",
            origin=Origin((one.gather_id,), 0.1, 5, "demo/1", "spherical"),
        )
        for number, one in enumerate(parents)
    ]
    write(tmp_path / "new.segy", "segy", children=children)
    for has_table in (True, False):
        if not has_table:
            (tmp_path / "new.csv").unlink()
        out = tmp_path / f"again{has_table}"
        assert command("ingest", tmp_path / "new.segy", "--out", out, "--label", "bad").status == 0
        again = open_survey(out)
        assert not len(labelled_rows(again)) and set(again.index["label"]) == {"bad"}
        recipe = ClassifierRecipe(name="a", classifier={}, data={"labels": ["good", "bad"]})
        with pytest.raises(InputError):
            select_labelled(again, recipe)


@pytest.mark.parametrize("change", [str.lower, str.title])
def test_a_text_header_in_other_capitals_is_known(segy, change):
    """Software that copies SEG-Y may write its text header anew."""
    content = segy.read_bytes()
    text = change(content[:3200].decode("cp037"))
    segy.write_bytes(text.encode("ascii") + content[3200:])
    check_same(read(segy))
    segy.with_suffix(".csv").unlink()
    assert [gather.origin.parents for gather in read(segy)] == [(UNKNOWN_PARENT,)] * COUNT
