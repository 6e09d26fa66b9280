"""Sources with an address: on fsspec's storage in memory, and on a web server of this machine."""

import contextlib
import functools
import os
import sys
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
import pytest

import glowseis
from glowseis.errors import InputError
from glowseis.escapes import SHOWN_AS
from glowseis.streams import lasting_streams
from glowseis.survey import remote
from glowseis.survey.formats.writing import write_gathers
from glowseis.survey.gather import Origin
from glowseis.survey.remote import fetched
from glowseis.survey.store.survey import open_survey
from tests.support.random_gathers import random_gather, random_survey

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A survey, and SEG-Y of two gathers, in memory."""
    monkeypatch.setenv(remote.CACHE, str(tmp_path / "cache"))
    storage = fsspec.filesystem("memory")
    random_survey(tmp_path / "made/small", 4)
    write_gathers(tmp_path / "made/line1.segy", (random_gather(shot) for shot in range(2)))
    storage.put(str(tmp_path / "made"), "/bucket", recursive=True)
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]
    SHOWN_AS.clear()


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path, bucket):
    """The address of a web server with the same files."""
    handler = functools.partial(Handler, directory=tmp_path / "made")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_survey_elsewhere_is_the_survey(bucket, tmp_path):
    there, here = open_survey("memory://bucket/small"), open_survey(tmp_path / "made/small")
    assert there.checksum == here.checksum and np.array_equal(there.read_images([2]), here.read_images([2]))


def test_files_elsewhere_are_named_by_their_address(bucket, command, tmp_path):
    (first, _) = glowseis.read_gathers("memory://bucket/line1.segy")
    assert first.source.startswith("memory://bucket/line1.segy") and "cache" not in first.source
    done = command("ingest", "memory://bucket/line1.segy", "--out", tmp_path / "own")
    assert done.status == 0, done.error
    assert "memory://bucket/line1.segy" in (tmp_path / "own/gathers.csv").read_text()
    counted = command("describe", "memory://bucket/small")
    assert counted.status == 0 and "4 gathers" in counted.out


def test_messages_name_addresses_and_what_else_lies_beside_the_copies_by_its_path(bucket, capsys):
    survey, line = fetched("memory://bucket/small"), fetched("memory://bucket/line1.segy")
    with lasting_streams():
        print(f"{survey}: no gather; {line}, trace 3. See {survey / 'gathers.csv'} in {survey}.")
        print(f"kept in {survey / 'looks'}")
    assert capsys.readouterr().out == (
        "memory://bucket/small: no gather; memory://bucket/line1.segy, trace 3. "
        f"See memory://bucket/small/gathers.csv in memory://bucket/small.\nkept in {survey}/looks\n"
    )


def test_the_case_of_a_scheme_does_not_matter(bucket):
    assert fetched("MEMORY://bucket/line1.segy") == fetched("memory://bucket/line1.segy")


def test_labels_may_lie_elsewhere(bucket, command, tmp_path):
    bucket.pipe("/bucket/anna.csv", b"shot,label\n1,bad\n")
    words = ("memory://bucket/line1.segy", "--labels", "memory://bucket/anna.csv")
    done = command("ingest", *words, "--out", tmp_path / "own")
    assert done.status == 0 and open_survey(tmp_path / "own").index["label"].tolist() == ["", "bad"]


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "line1.segy", "--model", "s3://bucket/model", "--out", "grades.csv"),
        ("label", "s3://bucket/model"),
        ("convert", "s3://bucket/model", "--out", "model.onnx"),
        ("train", "s3://bucket/model"),
        ("report", "line1.segy", "--rules", "s3://bucket/model", "--out", "line.html"),
        ("folds", "survey", "--out", "s3://bucket/model"),
    ],
)
def test_what_is_not_copied_from_elsewhere_is_refused(command, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = command(*words)
    told = "s3://bucket/model: is an address; only sources, surveys and labels may be elsewhere, so give a path here"
    assert (done.status, len(done.error)) == (2, 1) and done.error[0].endswith(told)
    assert not list(tmp_path.iterdir())


def test_only_what_changed_is_copied_again(bucket, monkeypatch):
    taken = []
    get = type(bucket).get_file

    def noted(self, address, *words, **more):
        taken.append(address)
        get(self, address, *words, **more)

    monkeypatch.setattr(type(bucket), "get_file", noted)
    folder = fetched("memory://bucket/small")
    assert len(taken) == 3 and fetched("memory://bucket/small") == folder and len(taken) == 3
    bucket.pipe_file("/bucket/small/gathers.csv", b"another")
    fetched("memory://bucket/small")
    assert taken[3:] == ["memory://bucket/small/gathers.csv"] and (folder / "gathers.csv").read_bytes() == b"another"
    bucket.rm("/bucket/small/gathers.csv")
    assert not (fetched("memory://bucket/small") / "gathers.csv").exists()
    (folder / "manifest.json").unlink()
    fetched("memory://bucket/small")
    assert (folder / "manifest.json").exists()


def test_a_copy_that_fails_leaves_the_former_one(bucket, monkeypatch):
    folder = fetched("memory://bucket/small")
    before = (folder / "gathers.csv").read_bytes()
    bucket.pipe_file("/bucket/small/gathers.csv", b"another")

    def broken(self, address, target, **more):
        with open(target, "wb") as file:
            file.write(b"ano")
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(type(bucket), "get_file", broken)
    with pytest.raises(InputError, match=r"small/gathers\.csv: cannot be read \(reset by peer\)"):
        fetched("memory://bucket/small")
    assert (folder / "gathers.csv").read_bytes() == before


def test_synthetic_gathers_stay_marked(bucket, tmp_path):
    made = [random_gather(shot) for shot in range(2)]
    origin = Origin(("a", "b"), 0.5, 1, "flow/1", "spherical")
    write_gathers(tmp_path / "new.npy", (replace(one, origin=origin) for one in made))
    bucket.put(str(tmp_path / "new.npy"), "/bucket/new.npy")
    bucket.put(str(tmp_path / "new.csv"), "/bucket/new.csv")
    read = glowseis.read_gathers("memory://bucket/new.npy", axes="gather,time,trace", sample_interval_s=0.008)
    assert [one.origin.parents for one in read] == [("a", "b")] * 2


def test_a_web_server(served, tmp_path):
    assert len(glowseis.read_gathers(f"{served}/line1.segy")) == 2
    assert open_survey(f"{served}/small/").checksum == open_survey(tmp_path / "made/small").checksum
    with pytest.raises(InputError, match=r"line2\.segy: nothing to read there; check the address"):
        glowseis.read_gathers(f"{served}/line2.segy")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("line1.segy?sig=a.b/c", "line1.segy"),
        ("line1.segy?sig=a.b/c&as=new.csv", "line1.segy"),
        ("download?file=line1.segy", "download?file=line1.segy"),
        ("download?sig=a.b/c&file=made%2Fline1.segy", "download?file=made%2Fline1.segy"),
    ],
)
def test_an_address_with_a_query_is_that_of_its_file(served, monkeypatch, address, shown):
    """The server gets all of it; the copy's name and messages have no signature."""

    def sent(self):
        """Answer 403 to other queries."""
        if unquote(self.path) != unquote(f"/{address}"):
            return self.send_error(403)
        self.path = "/line1.segy"
        return SimpleHTTPRequestHandler.send_head(self)

    monkeypatch.setattr(Handler, "send_head", sent)
    gathers = fetched(f"{served}/{address}")
    assert gathers.name == "line1.segy"
    (first, _) = glowseis.read_gathers(gathers)
    assert first.source.startswith(f"{served}/{shown}") and "sig" not in first.source


@pytest.mark.parametrize("address", ["none/?sig=abc", "line1.segy?sig=abc", "small/?sig=abc", "denied.segy?sig=abc"])
def test_a_signature_is_not_shown(served, monkeypatch, address):
    monkeypatch.setattr(remote, "_copy", lambda *words: None)
    monkeypatch.setattr(remote, "locked", lambda place, why, wait: noted.append(why) or contextlib.nullcontext())
    monkeypatch.setattr(Handler, "send_error", lambda self, *words: SimpleHTTPRequestHandler.send_error(self, 403))
    noted = []
    try:
        fetched(f"{served}/{address}")
    except InputError as wrong:
        noted.append(str(wrong))
    assert noted and "abc" not in str([noted, SHOWN_AS])


def test_a_file_that_changes_on_a_web_server_is_copied_again(served, tmp_path, monkeypatch):
    """Its length stays; the server tells when it was last changed, or nothing."""
    where, copy = tmp_path / "made/line1.segy", fetched(f"{served}/line1.segy")
    content = bytearray(where.read_bytes())
    os.utime(copy, ns=(1, 1))
    assert fetched(f"{served}/line1.segy").stat().st_mtime_ns == 1
    content[-1] ^= 1
    where.write_bytes(content)
    os.utime(where, (10**9, 10**9))
    assert fetched(f"{served}/line1.segy").read_bytes() == bytes(content)
    monkeypatch.setattr(remote, "VERSIONS", ())
    content[-1] ^= 1
    where.write_bytes(content)
    os.utime(where, (10**9, 10**9))
    assert fetched(f"{served}/line1.segy").read_bytes() == bytes(content)


def test_a_copy_that_was_cut_is_made_again(bucket):
    copy = fetched("memory://bucket/line1.segy")
    whole = copy.read_bytes()
    copy.write_bytes(whole[:100])
    assert fetched("memory://bucket/line1.segy").read_bytes() == whole


def deny(self, *words, **more):
    raise PermissionError("403")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://bucket/none", "none: nothing to read there; check the address"),
        ("nosuch://bucket/line1.segy", "fsspec knows no storage called 'nosuch'; check the address"),
        ("http://127.0.0.1:9/line1.segy", "cannot be read .*; check the address, the network and your credentials"),
        ("memory://bucket/small", "small: access is denied; check your credentials and your rights to it"),
    ],
)
def test_what_cannot_be_read_is_one_line(bucket, command, tmp_path, monkeypatch, address, message):
    if "denied" in message:
        monkeypatch.setattr(type(bucket), "ls", deny)
    with pytest.raises(InputError, match=message):
        fetched(address)
    done = command("ingest", address, "--out", tmp_path / "own")
    assert (done.status, len(done.error)) == (2, 1) and not (tmp_path / "own").exists()


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    def missing(scheme):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(InputError, match=r"s3://bucket/x\.segy: Install s3fs to access S3; install that package"):
        fetched("s3://bucket/x.segy")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"run pip install 'glowseis\[cloud\]'"):
        fetched("s3://bucket/x.segy")


def test_paths_of_this_machine_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("line1.segy", "a/b", r"C:\data\line1.segy", "c:/data/line1.segy", os.fspath(tmp_path)):
        assert fetched(path) == remote.Path(path)
    odd = tmp_path / "s3:/bucket"
    odd.mkdir(parents=True)
    assert fetched("s3://bucket") == remote.Path("s3:/bucket")
    assert fetched("file:///data/line1.segy") == remote.Path("/data/line1.segy")
