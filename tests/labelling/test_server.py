"""The server: who is let in, and what it answers."""

import json
import socket
import struct

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.files import write_json
from glowseis.labelling import server
from glowseis.labelling.opinions import Opinions
from glowseis.labelling.order import along_lines
from glowseis.labelling.server import PAGE, application, bound
from glowseis.labelling.session import Session
from tests.support.random_gathers import random_survey

TOKEN = "secret"
NO_MODEL = "no model here"


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return random_survey(tmp_path_factory.mktemp("served") / "survey", 6, labels=("bad",))


@pytest.fixture
def session(survey, tmp_path):
    return Session(survey, tmp_path / "anna.csv", "anna", [(one, "its turn") for one, _ in along_lines(survey)])


@pytest.fixture
def client(session):
    return application(session, NO_MODEL, TOKEN).test_client()


def get(client, path, **words):
    return client.get(f"/{TOKEN}/{path}", base_url="http://127.0.0.1:8640", **words)


def post(client, path, given, **words):
    return client.post(f"/{TOKEN}/{path}", json=given, base_url="http://127.0.0.1:8640", **words)


@pytest.mark.parametrize("name", ["", "session", "state", "gather/line3-shot0", "label.js", "opinion/line3-shot0"])
def test_without_the_token_nothing_is_told(client, name):
    for token in ("", "x", "Secret", "secre", "s\u00e9cret", "secret%20"):
        reply = client.get(f"/{token}/{name}" if token else f"/{name}", base_url="http://127.0.0.1:8640")
        # A bare word counts as a token that lacks its slash.
        assert reply.status_code in (308, 403, 404) and b"line3" not in reply.data.replace(name.encode(), b"")
    assert client.post("/x/label", json={"gather_id": "line3-shot0", "label": "bad"}).status_code == 403


def test_only_this_machine_s_names_lead_here_and_no_other_site_s_page(client, session):
    for host, status in (("evil.example:8640", 400), ("127.0.0.1.evil.example", 400), ("localhost:1", 200)):
        assert client.get(f"/{TOKEN}/session", base_url=f"http://{host}").status_code == status
    given = {"gather_id": "line3-shot0", "label": "bad"}
    assert post(client, "label", given, headers={"Origin": "http://evil.example"}).status_code == 403
    assert post(client, "label", given, headers={"Origin": "null"}).status_code == 403
    assert not session.labels.exists()
    assert post(client, "label", given, headers={"Origin": "http://127.0.0.1:8640"}).status_code == 200
    reply = get(client, "")
    assert "Access-Control-Allow-Origin" not in reply.headers and reply.headers["Cache-Control"] == "no-store"
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_has_all_its_files_and_loads_no_others(client):
    for file in PAGE.iterdir():
        reply = get(client, "" if file.suffix == ".html" else file.name)
        assert reply.status_code == 200 and reply.data == file.read_bytes()
        assert b"http" not in reply.data.replace(b"http-equiv", b"")
    assert b"prefers-color-scheme:dark" in get(client, "style.css").data
    assert get(client, "..%2fserver.py").status_code == get(client, "server.py").status_code == 404


def test_a_gather_comes_with_its_axes_and_samples(client, survey):
    told = get(client, "session").json
    assert told["classes"] == ["good", "medium", "bad"] and told["coming"][0] == "line3-shot0"
    assert list(told["progress"]["counts"]) == ["good", "medium", "bad", "unsure"]
    content = get(client, "gather/line3-shot0").data
    (length,) = struct.unpack("<I", content[:4])
    head = json.loads(content[4 : 4 + length])
    samples = np.frombuffer(content[4 + length :], "<i2").reshape(head["traces"], head["samples"])
    assert np.array_equal(samples.T, (survey.read(0).image[:40, :24].astype(int) - 128) * 128)
    assert (head["interval_s"], head["offset_m"][:2], head["after"]) == (0.008, [-150.0, -162.5], "line3-shot1")
    assert "bad" not in json.dumps(head) and "reason" not in head
    low = get(client, "gather/line3-shot0?low=5&high=20").data
    assert len(low) == len(content) and low != content
    for words, status in (("low=x", 400), ("low=nan", 400), ("high=inf", 400), ("low=50&high=20", 400)):
        reply = get(client, f"gather/line3-shot0?{words}")
        assert reply.status_code == status and reply.json["error"]
    assert get(client, "gather/other").status_code == 400


def test_labels_marks_and_what_is_taken_back(client, session):
    assert get(client, "opinion/line3-shot0").status_code == 409
    reply = post(client, "label", {"gather_id": "line3-shot0", "label": "good", "note": "n"}).json
    assert reply["revealed"] == {"label": "good", "record": "bad", "reason": "its turn"} and reply["told"] == ""
    assert reply["coming"][0] == "line3-shot1" and reply["progress"]["judged"] == 1
    assert get(client, "opinion/line3-shot0").json == {"error": NO_MODEL}
    mark = {"gather_id": "line3-shot1", "first": 2, "last": 5, "kind": "noisy"}
    assert post(client, "mark", mark).json == {"marks": [{"first": 2, "last": 5, "kind": "noisy"}]}
    assert post(client, "take-back", {"shown": "line3-shot1"}).json["show"] == "line3-shot1"
    assert get(client, "marks/line3-shot1").json == {"marks": []}
    reply = post(client, "take-back", {"shown": "line3-shot1"}).json
    assert (reply["show"], reply["known"], reply["progress"]["judged"]) == ("line3-shot0", "", 0)
    assert post(client, "take-back", {}).json["told"] == "there is nothing to take back" and not reply["last"]
    for number in (0, 1):
        state = post(client, "label", {"gather_id": f"line3-shot{number}", "label": "good"}).json
    for _ in range(2):
        reply = post(client, "take-back", {"shown": "line3-shot2", "marks": 0, "last": state["last"]}).json
        assert (reply["show"], reply["progress"]["judged"]) == ("line3-shot1", 1)
    spectra = get(client, "spectra/line3-shot0?first_row=0&last_row=30&first_column=0&last_column=20").json
    assert len(spectra["db"]) == 16


def test_what_is_nested_deeply_is_answered_in_a_line(client):
    words = {"content_type": "application/json", "base_url": "http://127.0.0.1:8640"}
    reply = client.post(f"/{TOKEN}/label", data="[" * 20000 + "]" * 20000, **words)
    assert reply.status_code == 400 and "send a JSON object" in reply.json["error"]


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [
        ("label", {"gather_id": "x", "label": "bad"}, "no gather 'x'"),
        ("label", {"gather_id": "line3-shot0", "label": "awful"}, "label 'awful'"),
        ("label", ["line3-shot0"], "send a JSON object"),
        ("label", {"gather_id": "line3-shot0", "label": "bad", "note": "x" * (1 << 17)}, "exceeds"),
        ("mark", {"gather_id": "line3-shot0", "first": "a", "last": 2, "kind": "dead"}, "'a' is not a whole number"),
        ("mark", {"gather_id": "line3-shot0", "first": 1, "last": 2, "kind": "odd"}, "mark them as dead or noisy"),
    ],
)
def test_bad_requests_are_answered_in_a_line(client, session, path, given, message):
    reply = post(client, path, given)
    assert 400 <= reply.status_code < 500 and message in reply.json["error"]
    assert not session.labels.exists() and not session.marks.exists()


def test_a_full_disk_is_told(client, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("glowseis.survey.labels.adding._write", full)
    reply = post(client, "label", {"gather_id": "line3-shot0", "label": "bad"})
    assert reply.status_code == 507
    assert reply.json["error"].endswith("anna.csv: No space left on device; free some space, then try again")


def test_a_port_that_is_taken_is_passed_over_or_told(monkeypatch):
    with bound(0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "PORT", port)
        with pytest.raises(InputError, match=f"--port {port} is not free on 127.0.0.1 .*; give another --port"):
            bound(port)
        with bound(None) as other:
            assert port < other.getsockname()[1] < port + server.PORTS_TRIED
            assert other.family == socket.AF_INET and other.getsockname()[0] == "127.0.0.1"
        monkeypatch.setattr(server, "PORTS_TRIED", 1)
        with pytest.raises(InputError, match="are not free"):
            bound(None)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (
            {"kind": "classifier", "labels": ["calm", "rough"]},
            "knows the classes calm, rough, but this survey's are good",
        ),
        ({"kind": "flow"}, "a flow, but this needs a classifier"),
    ],
)
def test_a_model_of_other_classes_or_another_kind_is_refused(survey, tmp_path, about, message):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").touch()
    write_json(tmp_path / "1" / "assets.extra" / "glowseis.json", about)
    with pytest.raises(InputError, match=message):
        Opinions(survey.path, tmp_path, ("good", "bad"), print)
