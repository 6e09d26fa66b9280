"""Labels from CSV files."""

import dataclasses
import os
import unicodedata

import pytest
from random_gathers import random_recording

from glowseis.errors import InputError
from glowseis.survey.label_table import read_labels


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
    with pytest.raises(InputError, match=r"row 5: 2 sources are called 'line é.segy'; write the path"):
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
        ("shot,label\n1,bad\n2,Bad\n", "row 3: label 'Bad' is 'bad' elsewhere; write both alike"),
        ("shot,grade\n1,bad\n", "has no column label, its header names 'shot', 'grade'"),
        ("label,remark\nbad,1\n", "has none of the columns gather_id, file, line, shot, cable"),
        ("label,shot,shot\nbad,1,1\n", "has the column shot twice"),
        ("label,line,sail_line\nbad,1,1\n", "has the column line twice"),
        ("label,shot\n", "has no rows below its header"),
        ("label,shot\n,\n", "has no rows below its header"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("label,shot\nbad,\n", "row 2: its shot is empty"),
        ("label,shot\n\nbad,1\nbad,12a\n", "row 4: shot '12a' is no whole number"),
        ("label,shot\nbad,1.5\n", "row 2: shot '1.5' is no whole number"),
        ("label,shot\nbad,nan\n", "row 2: shot 'nan' is no whole number"),
        (f"label,shot\n{'b' * 101},1\n", "row 2: label 'bbb"),
        ('label,shot\n"b\nd",1\n', r"row 2: label 'b\\nd'"),
        ("label,shot\nbad,1\nbad,1,2\n", "cannot be read as CSV .*saw 3"),
        ('label,shot\n"bad,1\n', "cannot be read as CSV"),
        ("label,shot\nm\u00e4\u00dfig,1\n".encode("latin-1"), "is not UTF-8 text; save it as CSV in UTF-8"),
        ("label,shot\nbad,1\n".encode("utf-16"), "is not UTF-8 text"),
        ("label,shot\nbad\0,1\n", "holds NUL characters"),
        (os.urandom(2000), "is not UTF-8|NUL"),
    ],
)
def test_tables_that_make_no_sense(written, content, message):
    with pytest.raises(InputError, match=message) as told:
        written(content)
    assert "\n" not in str(told.value) and "grades é.csv" in str(told.value)


def test_no_table(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "none.csv", [])
    with pytest.raises(InputError, match="is no file"):
        read_labels(tmp_path, [])
