"""`label` as a process: it prints its address, keeps every decision whatever ends it, and ends in a line."""

import _thread
import contextlib
import json
import re
import shlex
import signal
import subprocess
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from glowseis.errors import InputError
from glowseis.labelling.after import commands_after
from glowseis.labelling.session import Session
from glowseis.labelling.start import begin
from glowseis.survey.store.survey import open_survey
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import random_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return random_survey(tmp_path_factory.mktemp("label") / "survey", 4, labels=("",)).path


@pytest.fixture
def serving(warm_python, survey):
    """Start the command: its process and the address that it prints."""
    with contextlib.ExitStack() as stack:

        def start(*words):
            process = subprocess.Popen(
                [warm_python, "-m", "glowseis.label", survey, "--no-browser", "--port", "0", *words],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            line = process.stdout.readline()
            found = re.search(r"at (http://127\.0\.0\.1:\d+/\S{20,}/) \(Ctrl-C ends\)$", line)
            assert found, line
            return process, found[1]

        yield start


def ask(address, path, given=None):
    body = None if given is None else json.dumps(given).encode()
    asked = urllib.request.Request(address + path, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as reply:
        return json.load(reply)


@pytest.mark.slow
def test_a_killed_one_has_kept_every_decision_and_the_next_goes_on(serving, survey):
    process, address = serving("--judge", "anna")
    first, second = ask(address, "state")["coming"][:2]
    ask(address, "label", {"gather_id": first, "label": "bad"})
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process, address = serving("--judge", "anna")
    state = ask(address, "session")
    assert state["coming"][0] == second and state["progress"]["counts"]["bad"] == 1
    assert "robust" in state["model"] and not state["no_model"]
    ask(address, "label", {"gather_id": second, "label": "good"})
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    labels = survey.parent / "survey-labels" / "anna.csv"
    assert process.returncode == 0
    assert out == f"1 gather labelled in this session, 2 of 4 in all (good 1, bad 1); labels: {labels}\n"
    assert labels.read_text().count("\n") == 3


def stopped(**_):
    raise InputError("everything is there")


def test_the_end_names_commands_that_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    survey = random_survey(tmp_path / "my line (12)", 4, labels=("",)).path
    Path("runs/my-line-12-").mkdir(parents=True)
    order = [(gather_id, "") for gather_id in open_survey(survey).index["gather_id"][:3]]
    session = Session(open_survey(survey), tmp_path / "anna's.csv", "anna", order)
    for gather_id, _ in order:
        session.label(gather_id, "good")
    train, choose, again = ([*shlex.split(one["command"])] for one in commands_after(session))
    assert train[:3] == ["glowseis", "train", "train/finetune.toml"] and train[-1] == "name=my-line-12--2"
    assert choose[-3:] == ["1", "--out", "next.csv"]
    # Both get as far as to what takes long.
    with monkeypatch.context() as within:
        within.setattr("glowseis.command.import_tensorflow", stopped)
        for words in (train, choose):
            assert command(*words[1:]).error == [f"glowseis.{words[1]}: everything is there"]
    Path("next.csv").write_text(f"gather_id,reason\n{open_survey(survey).index['gather_id'].iat[3]},random\n")
    assert begin(survey, Path(again[6]), again[4], Path(again[8]), "line").coming(9)
    assert commands_after(session)[1]["command"].endswith("next-2.csv")


def test_the_secret_is_no_word_of_the_browsers_command_line(survey, monkeypatch, command, tmp_path):
    given, labels = [], tmp_path / "all" / "carl.csv"

    def look(address):
        path = Path(urlsplit(address).path)
        given.append((address, path, path.read_text(), path.stat().st_mode & 0o777))
        _thread.interrupt_main()

    monkeypatch.setattr("webbrowser.open", look)
    monkeypatch.setenv("DISPLAY", ":0")
    done = command("label", survey, "--judge", "carl", "--port", 0, "--labels", labels)
    # Nothing was judged, so nothing is left.
    assert not labels.parent.exists()
    ((word, path, page, mode),) = given
    address = re.search(r"at (http://127\.0\.0\.1:\d+/(\S{20,})/) ", done.out)
    assert word == f"file://{path}" and address[2] not in word
    assert f'http-equiv="refresh" content="0; url={address[1]}"' in page and mode == 0o600 and not path.exists()


def test_bad_input_is_told_in_one_line_before_anything_is_served(command, survey, tmp_path):
    (tmp_path / "line.segy").touch()
    (tmp_path / "spoilt.csv").write_text("gather_id,label,judge\nnobody,bad,anna\n")
    for words, message in (
        ([tmp_path / "line.segy"], "is a file, not a survey; make one from it with glowseis ingest"),
        ([tmp_path / "none"], "no such survey"),
        ([survey, "--next", "best"], "--next best: choose line or random"),
        ([survey, "--model", tmp_path / "none"], "no SavedModel there"),
        ([survey, "--labels", tmp_path / "spoilt.csv"], "is for another survey"),
        ([survey, "--judge", " anna"], "judge ' anna'"),
        ([survey, "--order", tmp_path / "none.csv"], "no such file"),
    ):
        done = command("label", *words)
        (line,) = done.error
        assert done.status == 2 and message in line and not done.out
