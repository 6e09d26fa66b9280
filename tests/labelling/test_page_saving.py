"""What the page does with a judgement or a mark that could not be saved, in Chromium."""

import shutil

import pytest

from glowseis.labelling.order import along_lines
from glowseis.labelling.session import Session
from tests.support.driven import needs_driver
from tests.support.labelling_page import SHOWN, labels_of, shot
from tests.support.random_gathers import random_survey

pytestmark = needs_driver

OFFERED = "return !document.getElementById('problem').hidden && !document.getElementById('again').hidden"


@pytest.mark.slow
def test_what_could_not_be_saved_is_kept_and_tried_again(served, window, full):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    with full():
        window.press("3")
        window.wait("return !document.getElementById('problem').hidden")
        assert f"Not saved: bad for {shot(0)}." in window.text("#problem") and "No space left" in window.text(
            "#problem"
        )
        assert window.run(SHOWN, shot(0)) and not session.labels.exists()
        # Another judge's page at the same port does not offer it.
        session.judge = "bert"
        window.open(address)
        window.wait(SHOWN, shot(0))
        assert window.run("return document.getElementById('problem').hidden")
        session.judge = "anna"
        window.open(address)
        window.wait("return !document.getElementById('problem').hidden")
    window.click("#again")
    window.wait(SHOWN, shot(1))
    assert [row[:2] for row in labels_of(session)] == [(shot(0), "bad")]
    assert window.run("return document.getElementById('problem').hidden")


@pytest.mark.parametrize("read", ["json", "arrayBuffer"])
def test_a_reply_that_breaks_off_is_told(served, window, read):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    broken = f"const {read} = Response.prototype.{read};"
    window.run(
        f"{broken} Response.prototype.{read} = () => {{"
        f"  Response.prototype.{read} = {read}; return Promise.reject(new TypeError('network error')); }}"
    )
    window.press("3" if read == "json" else "b")
    window.wait("return !document.getElementById('problem').hidden")
    told = window.text("#problem")
    assert "broke off" in told and told.startswith("Not saved: bad for") == (read == "json")
    if read == "json":
        window.click("#again")
        window.wait(SHOWN, shot(1))
        assert [row[:2] for row in labels_of(session)] == [(shot(0), "bad")]
    window.run("localStorage.clear()")


@pytest.mark.parametrize("by", ["button", "label"])
def test_marks_that_could_not_be_saved_are_tried_again(served, window, full, by):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    with full():
        window.press("x")
        window.drag("#gather", (0.3, 0.5), (0.5, 0.5))
        window.wait(OFFERED)
        told = window.text("#problem")
        assert told.startswith("Not saved: noisy, traces ") and "No space left" in told
    if by == "button":
        window.click("#again")
        window.wait("return document.querySelector('#marks button')")
    else:
        window.press("1")
        window.wait(SHOWN, shot(1))
        assert session.revealed(shot(0))["label"] == "good"
    assert window.run("return document.getElementById('problem').hidden")
    assert [mark.kind for mark in session.marked(shot(0))] == ["noisy"]


@pytest.mark.parametrize("change", ["judge", "survey", "rebuilt"])
def test_what_could_not_be_saved_is_told_and_not_offered_elsewhere(serve, window, full, tmp_path, change):
    def begun(name, judge, label):
        opened = random_survey(tmp_path / name, 2, labels=(label,))
        return Session(opened, tmp_path / "labels.csv", judge, along_lines(opened))

    window.open(serve(begun("survey", "dora", "good"), "no model", "first"))
    window.wait(SHOWN, shot(0))
    with full():
        window.press("3")
        window.wait(OFFERED)
    if change == "rebuilt":
        shutil.rmtree(tmp_path / "survey")
    names = {"judge": ("survey2", "emil"), "survey": ("other", "dora"), "rebuilt": ("survey", "dora")}
    session = begun(*names[change], "bad")
    address = serve(session, "no model", "second")
    window.open(address)
    window.wait(SHOWN, shot(0))
    assert window.run("return document.getElementById('problem').hidden")
    anew = change == "rebuilt"
    whose = "has been rebuilt since" if anew else f"to dora's labels of {tmp_path / 'survey'}, and is offered"
    assert f"Not saved: bad for {shot(0)}. " in window.text("#told") and whose in window.text("#told")
    window.press("o")
    window.wait("return document.getElementById('told').innerText === \"No model's opinion: no model.\"")
    window.press("1")
    window.wait(SHOWN, shot(1))
    assert [row[:2] for row in labels_of(session)] == [(shot(0), "good")]
    window.open(address)
    window.wait(SHOWN, shot(1))
    assert bool(window.text("#told")) != anew
