"""On the page, one gesture labels one gather, and a note is of the gather for which it was typed."""

import time

import pytest

from tests.support.driven import needs_driver
from tests.support.labelling_page import LATER, SHOWN, labels_of, shot

pytestmark = needs_driver


def double_click(window):
    place = window.run(
        "const box = document.querySelector('[data-label=bad]').getBoundingClientRect();"
        "return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]"
    )
    click = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
    strokes = [{"type": "pointerMove", "x": place[0], "y": place[1], "duration": 0}, *click]
    strokes += [{"type": "pause", "duration": 150}, *click]
    window.act({"type": "pointer", "id": "mouse", "actions": strokes})


def held_enter(window):
    window.run("document.querySelector('[data-label=bad]').focus()")
    for repeat in (False, True, True):
        window.key("keyDown", "Enter", repeat)
        window.wait(SHOWN, shot(1))
        window.run(LATER)
    window.key("keyUp", "Enter")


def bouncing_key(window):
    window.press("3")
    window.wait(SHOWN, shot(1))
    window.press("3")


@pytest.mark.parametrize("gesture", [double_click, held_enter, bouncing_key])
def test_one_gesture_labels_one_gather(served, window, gesture):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    gesture(window)
    time.sleep(0.1)
    assert [row[:2] for row in labels_of(session)] == [(shot(0), "bad")] and window.run(SHOWN, shot(1))
    # What was taken back can be labelled at once, and half a second later so can the next gather.
    window.press("z")
    window.wait(SHOWN, shot(0))
    window.press("1")
    window.wait(SHOWN, shot(1))
    window.run(LATER)
    window.press("2")
    window.wait(SHOWN, shot(2))


def test_a_note_stays_with_the_gather_for_which_it_was_typed(served, window):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    window.press("n", *"far", "Enter", "3")
    window.wait(SHOWN, shot(1))
    window.press("n", *"near", "Enter", "z")
    window.wait(SHOWN, shot(0))
    note = "return document.getElementById('note').value"
    assert window.run(note) == "far"
    window.press("2")
    window.wait(SHOWN, shot(1))
    assert window.run(note) == "near"
    window.run(LATER)
    window.press("1")
    window.wait(SHOWN, shot(2))
    assert window.run(note) == ""
    assert [row for row in labels_of(session) if row[1]] == [
        (shot(0), "bad", "far"),
        (shot(0), "medium", "far"),
        (shot(1), "good", "near"),
    ]


def test_a_label_that_is_saved_later_leaves_the_note_of_another_gather(served, window, full):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    window.press("3")
    window.wait(SHOWN, shot(1))
    window.run(LATER)
    with full():
        window.press("n", *"near", "Enter", "2")
        window.wait("return !document.getElementById('again').hidden")
    window.press("z")
    window.wait(SHOWN, shot(0))
    window.press("n", *"far", "Enter")
    window.click("#again")
    window.wait("return document.getElementById('again').hidden")
    assert window.run("return document.getElementById('note').value") == "far" and window.run(SHOWN, shot(0))
    assert labels_of(session)[-1] == (shot(1), "medium", "near")
