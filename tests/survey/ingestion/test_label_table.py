"""Labels from CSV files."""

import dataclasses
import io
import os
import random
import unicodedata
import zipfile

import pytest

from glowseis.errors import InputError
from glowseis.survey.ingestion import table_text
from glowseis.survey.ingestion.label_table import read_labels
from tests.support.random_gathers import random_recording


@pytest.fixture
def written(tmp_path):
    """Write a table and read it; sources are two files of one name, and one of another."""
    sources = [tmp_path / folder / "line é.segy" for folder in ("one", "two")] + [tmp_path / "other.su"]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        source.touch()

    def write(content):
        path = tmp_path / "grades é.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_labels(path, sources)

    write.sources = sources
    return write


def find(table, source, *, name="a", line=3, shot=1, cable=2):
    geometry = dataclasses.replace(random_recording(0).geometry, sail_line=line, shot=shot, cable=cable)
    return table.find(name, source, geometry)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_gather_must_match_every_column(written, separator, end, encoding):
    rows = [["Label", "remark", "SHOT", "cable"], ["bad", '"a, b; c"', "1", "2"], [" good ", "", "1", "3.0"], []]
    table = written(end.join(separator.join(row) for row in rows).encode(encoding))
    other = written.sources[2]
    assert table.keys == ("shot", "cable")
    assert find(table, other) == "bad" and find(table, other, cable=3, line=77) == "good"
    assert find(table, other, cable=4) is None and find(table, other, shot=2) is None
    assert table.unknown() == [] and table.empty() == [] and table.repeated == []


def test_columns_of_our_own_index_are_known(written):
    table = written("gather_id,label,sail_line,shot\na-1,bad,3,1\n")
    assert table.keys == ("gather_id", "line", "shot")
    assert find(table, written.sources[0], name="a-1") == "bad"
    assert find(table, written.sources[0], name="a-1", line=4) is None


def test_files_by_name_and_by_path(written, tmp_path, monkeypatch):
    one, two, other = written.sources
    monkeypatch.chdir(tmp_path / "two")
    rows = ["one/line é.segy;1;good", f"{two};1;bad", "other.su;1;medium", "line é.segy;2;bad", "../other.su;2;bad"]
    table = written("\n".join(["file;shot;label", *rows]))
    assert find(table, one) == "good" and find(table, two) == "bad" and find(table, other) == "medium"
    # The current folder's own comes before the one that is merely called so.
    assert (
        find(table, two, shot=2) == "bad" and find(table, one, shot=2) is None and find(table, other, shot=2) == "bad"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"row 5: 2 sources are called 'line é.segy'; give the path"):
        written("\n".join(["file;shot;label", *rows]))
    link = tmp_path / "link.su"
    link.symlink_to(other)
    table = written("file,label\nother.su,bad\n")
    assert find(table, link) == "bad"


def test_accents_of_either_kind_match(written):
    name = "line é.segy"
    for form in ("NFC", "NFD"):
        spelled = unicodedata.normalize(form, name)
        table = written(f"file,gather_id,label\none/{spelled},é,bad\n")
        assert find(table, written.sources[0], name=unicodedata.normalize("NFD", "é")) == "bad"


def test_what_does_not_fit_is_named(written):
    rows = ["1,bad", "2,good", "2,good", "2,good", "3,", "4,", "4,medium", "5,bad", "5,", "6,good", "", ",,"[:1]]
    table = written("\n".join(["shot,label", *rows]))
    other = written.sources[2]
    assert find(table, other, shot=1) == "bad" and find(table, other, shot=2) == "good"
    assert find(table, other, shot=3) == "" and find(table, other, shot=4) == "medium"
    assert find(table, other, shot=5) == "bad" and find(table, other, shot=7) is None
    assert table.unknown() == ["shot 6"] and table.empty() == ["shot 3"]
    assert [table.describe(key) for key in table.repeated] == ["shot 2", "shot 2", "shot 4", "shot 5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("shot,label\n1,bad\n2,bad\n1,good\n", r"row 4: shot 1 is labelled 'good', in row 2 'bad'; keep one"),
        ("shot,label\n1,bad\n01,good\n", r"row 3: shot 1 is labelled 'good', in row 2 'bad'"),
        ("shot,label\n1,bad\n2,Bad\n", "row 3: label 'Bad' is 'bad' elsewhere; use one spelling"),
        ("shot,grade\n1,bad\n", "has no column label .its header names 'shot', 'grade'.;"),
        ("label,remark\nbad,1\n", "has none of the columns gather_id, file, line, shot, cable"),
        ("label,shot,shot\nbad,1,1\n", "has the column shot twice"),
        ("label,line,sail_line\nbad,1,1\n", "has the column line twice"),
        ("label,shot\n", "has no rows below its header"),
        ("label,shot\n,\n", "has no rows below its header"),
        ("", "empty; it needs"),
        ("\n\n", "empty; it needs"),
        ("label,shot\nbad,\n", "row 2: its shot is empty"),
        ("label,shot\n\nbad,1\nbad,12a\n", "row 4: shot '12a' is not a whole number"),
        ("label,shot\nbad,1.5\n", "row 2: shot '1.5' is not a whole number"),
        ("label,shot\nbad,nan\n", "row 2: shot 'nan' is not a whole number"),
        (f"label,shot\n{'b' * 101},1\n", "row 2: label 'bbb"),
        ('label,shot\n"b\nd",1\n', r"row 2: label 'b\\nd'"),
        ("label,shot\nbad,1\nbad,1,2\n", "row 3: has 3 cells, more than the header's 2; the last is '2'; remove it"),
        ("\nlabel,shot\n\nbad,1,,x,\n", "row 4: has 4 cells, more than the header's 2; the last is 'x'"),
        ("A title\nlabel;shot\nbad;1\nbad;a\n", "row 4: shot 'a' is not a whole number"),
        ("\n \nlabel,shot\nbad,1\ngood,1\n", "row 5: shot 1 is labelled 'good', in row 4 'bad'"),
        ("\n\nshot;grade,label\n1;bad\n", "has no column label|none of the columns"),
        ('label,shot\n"bad,1\n', "row 2: cannot be read as CSV: a quotation mark is never closed; close or"),
        ('label,shot\nbad,1\nbad,"2', "row 3: cannot be read as CSV: a quotation mark is never closed"),
        (f"label,shot\n{'b' * 200_000},1\n", "row 2: cannot be read as CSV .field larger.*; save it as CSV"),
        (" ;;\n,,\n", "has no column label"),
        (" \n\t\r\n", "empty; it needs"),
        ("label,shot\nm\u00e4\u00dfig,1\n".encode("latin-1"), "not UTF-8 text; save it as CSV in UTF-8"),
        ("label,shot\nbad,1\n".encode("utf-16-le"), "contains NUL characters"),
        ("label,shot\nbad,1\n".encode("utf-16")[:-1], "not UTF-16 text"),
        ("label,shot\n,1\n,2\n", "has no label in any row"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook in the old .* save it as CSV"),
        (b"\x1f\x8b\x08" + bytes(60), "compressed with gzip, not CSV; unpack it"),
        ('<?xml version="1.0"?><Workbook/>', "XML, not CSV; save it as CSV"),
        ("\r\n<HTML><table></table>", "a web page, not CSV"),
        ("label,shot\nbad\0,1\n", "contains NUL characters"),
        (random.Random(1).randbytes(2000), "not UTF-8|NUL"),
    ],
)
def test_tables_that_make_no_sense(written, content, message):
    with pytest.raises(InputError, match=message) as told:
        written(content)
    assert "\n" not in str(told.value) and "grades é.csv" in str(told.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "rows",
    [
        ["shot;label;remark (type, strength, place)", "1;bad;swell, strong, far"],
        ["a,b,c;label;SHOT", ";bad;1"],
        ["shot,label,why; who; when", "1,bad,a; b"],
        ['"sail; line or; cable",Label,Shot', "x,bad,1"],
        ["shot\tlabel\tremark, or none; free, long, text", "1\tbad\t"],
    ],
    ids=["commas in a remark", "commas first", "semicolons", "quoted", "tabs"],
)
def test_the_separator_is_the_one_that_shows_the_columns(written, end, rows):
    table = written(end.join([*rows, ""]))
    assert table.keys == ("shot",) and find(table, written.sources[2]) == "bad"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "before",
    [
        [],
        [""],
        ["", "   ", ""],
        ["Quality of line 12"],
        ["Quality of line 12, by A; B", "2024-05-01", ""],
        ["# shot, of line 12", "# label; by A"],
        ["{0}{0}"],
        ["Quality{0}{0}", "label{0}means"],
        ['"Quality, of ""line"" 12"'],
    ],
)
@pytest.mark.parametrize("after", ["", "{0}", "{0} {0}{0}"])
def test_what_stands_before_the_header_and_behind_the_rows(written, separator, before, after):
    rows = ["shot{0}label", "1{0}bad" + after, after, "2{0}good", "3{0}" + after]
    text = "\n".join([*before, *rows]).replace("{0}", separator)
    table = written(text)
    assert table.keys == ("shot",) and table.labels == {(1,): "bad", (2,): "good", (3,): ""}
    # Rows are numbered as a spreadsheet shows them.
    assert table.rows == {(shot,): len(before) + row for shot, row in ((1, 2), (2, 4), (3, 5))}


@pytest.mark.parametrize("after", [",", ",,", " , "])
def test_a_header_that_ends_in_separators(written, after):
    table = written(f"shot,label{after}\n1,bad\n2,good{after}\n")
    assert table.labels == {(1,): "bad", (2,): "good"}


@pytest.mark.parametrize("row", ['1,"b""ad"', '"1" ,b"ad', '1,"b""ad"\r'])
def test_quotation_marks_within_cells(written, row):
    assert written(f"\ufeff\ufeffshot,label\n{row}\n2,c").labels == {(1,): 'b"ad', (2,): "c"}


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("xl/workbook.xml", "an Excel workbook, not CSV; save it as CSV"),
        ("content.xml", "a LibreOffice or OpenOffice spreadsheet, not CSV"),
        ("Index/Document.iwa", "a Numbers spreadsheet"),
        ("grades.csv", "a zip archive, not CSV; unpack it"),
    ],
)
def test_workbooks_are_known_by_their_content(written, inside, kind):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(inside, "shot,label")
    with pytest.raises(InputError, match=kind):
        written(made.getvalue())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(
    ("first", "separator"), [("sep=;", ";"), ('"sep=;"', ";"), ("SEP=,", ","), ("sep=\t", "\t"), ("sep=|", "|")]
)
def test_excels_line_about_the_separator(written, encoding, end, first, separator):
    rows = [["shot", "label", "a,b;c"], ["1", "m\u00e4\u00dfig", ""]]
    text = end.join([first, *(separator.join(f'"{cell}"' for cell in row) for row in rows)])
    table = written(text.encode(encoding))
    assert table.keys == ("shot",) and find(table, written.sources[2]) == "m\u00e4\u00dfig"


def test_a_row_by_shot_must_fit_one_file_and_line(written):
    one, two, other = written.sources
    table = written("shot,label\n1,bad\n2,\n")
    assert find(table, one) == find(table, one, cable=5) == "bad"
    with pytest.raises(
        InputError, match=r"row 2: shot 1 fits gathers of several sail lines, 3 and 4; add a column line"
    ):
        find(table, one, line=4)
    with pytest.raises(InputError, match=r"shot 1 fits gathers of several files, .*one/line é.segy and .*two/line"):
        find(table, two)
    # A row without a label grades nothing wrongly.
    assert find(table, one, shot=2) == find(table, two, shot=2) == ""
    table = written("shot,cable,label\n1,2,bad\n")
    assert find(table, other) == "bad"
    with pytest.raises(InputError, match="shot 1 cable 2 fits gathers of several files"):
        find(table, one)
    table = written("line,shot,label\n3,1,bad\n")
    assert find(table, one) == "bad"
    with pytest.raises(InputError, match="add a column file"):
        find(table, two)
    table = written("file,shot,label\none/line é.segy,1,bad\n")
    assert find(table, one) == "bad" and find(table, two) is None
    with pytest.raises(InputError, match="add a column line"):
        find(table, one, line=4)


def test_a_row_for_a_whole_line_or_file_means_all_of_it(written):
    one, two, other = written.sources
    table = written("line,label\n3,bad\n0,good\n")
    assert find(table, one) == find(table, two, shot=2) == "bad" and find(table, other, line=0) == "good"
    # Line 0 is that of files that tell none.
    with pytest.raises(InputError, match="line 0 fits gathers of several files"):
        find(table, one, line=0)
    table = written("file,label\nother.su,bad\n")
    assert find(table, other) == find(table, other, line=4, shot=9) == "bad"


def test_rows_by_shot_speak_of_recorded_gathers(written):
    one, two, _ = written.sources
    table = written("shot,label\n1,bad\n")
    geometry = random_recording(1).geometry
    assert table.find("a", one, geometry) == "bad"
    assert table.find("b", two, geometry, synthetic=True) is None
    table = written("gather_id,label\nb,good\n")
    assert table.find("b", two, geometry, synthetic=True) == "good"


@pytest.mark.parametrize(("cell", "label"), [("'=bad", "=bad"), ("=bad", "=bad"), ("'bad'", "'bad'"), ("-1", "-1")])
def test_labels_that_our_tables_mark_as_text_come_back(written, cell, label):
    table = written(f"shot,label\n1,{cell}\n")
    assert find(table, written.sources[0]) == label


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_table_of_any_size_is_not_read(tmp_path, ending):
    path = tmp_path / f"labels.{ending}"
    path.write_bytes(b"PK\x03\x04" if ending == "xlsx" else b"gather_id,label\n")
    os.truncate(path, 1 << 40)
    with pytest.raises(InputError, match=r"has 1,099,512 MB; a table of labels has at most 67; keep only the columns"):
        read_labels(path, [])


def test_a_table_has_no_more_rows_than_surveys_have_gathers(written, monkeypatch):
    rows = "gather_id,label\na,bad\nb,bad\n"
    monkeypatch.setattr(table_text, "MOST_ROWS", 4)
    assert len(written(rows).labels) == 2
    with pytest.raises(InputError, match="has more than 4 rows; remove empty ones"):
        written(rows + ",\n,\n")


def test_no_table(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "none.csv", [])
    with pytest.raises(InputError, match="not a file; give"):
        read_labels(tmp_path, [])


def test_a_range_of_shots(written):
    rows = ["line,First Shot,last shot,cable,label", "3,1,5,2,bad", "3,6,,2,good", "3,5,9,2,", "4,1,5,2,medium"]
    table = written("\n".join(rows))
    other = written.sources[2]
    assert [find(table, other, shot=shot) for shot in (0, 1, 5, 6, 7, 10)] == [None, "bad", "bad", "good", "", None]
    assert find(table, other, shot=3, line=4) == "medium" and find(table, other, shot=3, cable=1) is None
    table = written("\n".join(rows))
    assert table.unknown()[0] == "line 3 shot 1 to 5 cable 2" and table.unknown()[1] == "line 3 shot 6 cable 2"
    table = written("first shot,last shot,label\n1,5,bad\n5,9,good\n")
    assert find(table, other, shot=4) == "bad"
    with pytest.raises(InputError, match="row 3: shot 5 is labelled 'good', in row 2 'bad'; keep one"):
        find(table, other, shot=5)


def test_a_judges_last_row_counts(written):
    log = ["shot,label,judge,time", "1,bad,a,x", "2,bad,a,x", "1,good,a,y", "2,unsure,a,y", "1,good,b,"]
    table = written("\n".join(log))
    assert find(table, written.sources[2]) == "good" and find(table, written.sources[2], shot=2) == ""
    with pytest.raises(InputError, match="row 7: shot 1 is labelled 'bad', in row 4 'good'; keep one"):
        written("\n".join([*log, "1,bad,c,"]))


def test_other_names_of_columns(written):
    table = written("Sail-Line;SHOT;Class;remark;notes;note\n3;1;bad;a;b;c\n")
    assert table.keys == ("line", "shot") and find(table, written.sources[2]) == "bad"
    # Beside the right name, another one is a column like any.
    assert find(written("class,label,shot\n2D,bad,1\n"), written.sources[2]) == "bad"


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        (["101,180,bad,anna", "150,150,unsure,anna"], ""),
        (["101,180,bad,anna", "150,150,,Anna"], ""),
        (["150,150,good,anna", "101,180,bad,ANNA"], "bad"),
        (["101,180,bad,anna", "150,150,unsure,ben"], "bad"),
        (["101,180,bad,anna", "150,150,good,anna", "150,150,Unsure,anna"], ""),
        (["101,180,,anna", "150,150,good,ben"], "good"),
        (["101,180,bad,anna", "150,150,unsure,anna", "101,180,unsure,ben"], ""),
        (["101,180,bad,anna", "150,150,bad,ben", "150,150,unsure,anna", "101,180,unsure,ben"], ""),
    ],
)
def test_a_judges_last_word_on_a_shot_counts(written, rows, label):
    """As in labels of a survey: on the shot alone or on a range with it, whatever the case of the name."""
    table = written("\n".join(["first shot,last shot,label,judge", *rows, "1,1,medium,anna"]))
    assert find(table, written.sources[2], shot=150) == label
    assert find(table, written.sources[2], shot=1) == "medium"


def test_unsure_is_no_class(written):
    table = written("shot,label\n1,bad\n2,unsure\n3,Unsure\n")
    assert [find(table, written.sources[2], shot=shot) for shot in (1, 2, 3)] == ["bad", "", ""]
