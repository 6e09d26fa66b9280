"""The page as people use it: keys, clicks and drags in Chromium."""

import time

import numpy as np
import pytest

from glowseis.labelling.after import commands_after
from glowseis.labelling.order import along_lines
from glowseis.labelling.session import Session
from glowseis.survey.render import render_recording
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.browser import contrast
from tests.support.driven import needs_driver
from tests.support.labelling_page import COUNT, LATER, SHOWN, labels_of, shot
from tests.support.random_gathers import random_recording

pytestmark = needs_driver


@pytest.mark.slow
def test_keys_and_clicks_judge_and_what_is_known_shows_afterwards(served, window):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    assert window.text("#progress") == f"0 of {COUNT} judged"
    before = window.run("return document.body.innerText")
    assert "least certain" not in before and "records" not in before
    window.press("n", "s", "w", "1", "Enter", "3")
    window.wait(SHOWN, shot(1))
    assert labels_of(session) == [(shot(0), "bad", "sw1")]
    judged = window.text("#judged")
    assert all(words in judged for words in ("you said bad", "records: good", "Why it was chosen: least certain"))
    assert not session.model.asked
    window.press("o")
    window.wait("return document.getElementById('judged').innerText.includes('stand-in/1 is loaded first')")
    session.model.loading = False
    window.wait(
        "return document.getElementById('judged').innerText.includes('stand-in/1 says bad (good 10 %, bad 90 %)')"
    )
    assert "do not rely on it" in window.text("#judged") and set(session.model.asked) == {shot(0)}
    window.run(LATER)
    window.click("[data-label=unsure]")
    window.wait(SHOWN, shot(2))
    window.press("z")
    window.wait(SHOWN, shot(1))
    assert "unsure taken back" in window.text("#told")
    window.press("2")
    window.wait(SHOWN, shot(2))
    assert labels_of(session)[1:] == [(shot(1), "unsure", ""), (shot(1), "", ""), (shot(1), "medium", "")]
    assert window.text("#progress").startswith(f"2 of {COUNT} judged (medium 1, bad 1)")
    window.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '1', repeat: true, bubbles: true}))")
    time.sleep(0.1)
    assert len(labels_of(session)) == 4


def test_take_back_pressed_twice_fast_takes_back_one_judgement(served, window):
    session, address = served
    window.open(address)
    for number in range(2):
        window.wait(SHOWN, shot(number))
        window.run(LATER)
        window.press("3")
    window.wait(SHOWN, shot(2))
    window.press("z")
    window.wait(SHOWN, shot(1))
    window.click("#take-back")
    assert window.run(SHOWN, shot(1)) and session.progress()["judged"] == 1
    window.run(LATER)
    window.press("z")
    window.wait(SHOWN, shot(0))
    assert session.progress()["judged"] == 0


def test_neighbours_are_for_comparison_and_cannot_be_judged(served, window):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    window.press("Right")
    window.wait(SHOWN, shot(1))
    window.press("3", "d")
    window.drag("#gather", (0.5, 0.5), (0.6, 0.6))
    assert "not the gather to judge" in window.text("#context")
    window.press("Escape")
    window.wait(SHOWN, shot(0))
    window.press("1")
    window.wait(SHOWN, shot(1))
    assert [row[:2] for row in labels_of(session)] == [(shot(0), "good")] and not session.marked(shot(1))


def test_a_column_of_a_resized_gather_marks_all_its_traces(serve, window, tmp_path):
    recording = random_recording(0, 128, 24)
    recording.geometry.channel[:] += 120
    gathers = [render_recording(recording, 64, 12, "resize")]
    write_survey(tmp_path / "survey", gathers, (64, 12), {})
    survey = open_survey(tmp_path / "survey")
    session = Session(survey, tmp_path / "anna.csv", "anna", along_lines(survey))
    window.open(serve(session, None, "resized"))
    window.wait(SHOWN, gathers[0].gather_id)
    place = window.run(
        "const box = document.getElementById('gather').getBoundingClientRect();"
        "return [52 / box.width, (box.width - 58) / box.width]"
    )
    first = place[0] + place[1] * 0.5 / 12
    window.press("d")
    window.drag("#gather", (first, 0.5), (first, 0.5))
    window.wait("return document.querySelector('#marks button')")
    (mark,) = session.marked(gathers[0].gather_id)
    assert (mark.first_trace, mark.last_trace, mark.kind) == (1, 2, "dead")
    assert session.marks.read_text().endswith(",121,122\n")
    assert "trace 2 (channel 122)" in window.text("#readout")


def test_traces_are_marked_by_dragging_and_taken_back(served, window):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    place = window.run(
        "const box = document.getElementById('gather').getBoundingClientRect();"
        "return [52 / box.width, (box.width - 58) / box.width]"
    )
    # Of 24 traces the fifth to the eighth, in their middles.
    start, end = (place[0] + place[1] * (trace - 0.5) / 24 for trace in (5, 8))
    window.press("x")
    window.drag("#gather", (end, 0.7), (start, 0.4))
    window.wait("return document.querySelector('#marks button')")
    assert window.text("#marks").startswith("noisy 5–8")
    window.press("d")
    window.drag("#gather", (start, 0.5), (start, 0.5))
    window.wait("return document.querySelectorAll('#marks button').length === 2")
    assert [(mark.first_trace, mark.last_trace, mark.kind) for mark in session.marked(shot(0))] == [
        (5, 8, "noisy"),
        (5, 5, "dead"),
    ]
    window.press("z")
    window.wait("return document.querySelectorAll('#marks button').length === 1")
    window.click("#marks button")
    window.wait("return !document.querySelector('#marks button')")
    assert not session.marked(shot(0)) and not session.labels.exists()


@pytest.mark.slow
def test_displays_differ_and_spectra_of_a_window_are_drawn(served, window):
    _, address = served
    window.open(address)
    window.run("localStorage.clear()")
    window.open(address)
    window.wait(SHOWN, shot(0))
    drawn = "return document.getElementById('gather').toDataURL()"
    seen = [window.run(drawn)]
    for keys in (("c",), ("c",), ("c", "a"), ("a", "b"), ("b", "+")):
        window.press(*keys)
        window.wait("return !arguments[0].includes(document.getElementById('gather').toDataURL())", seen)
        seen.append(window.run(drawn))
    window.press("-", "v")
    window.wait("return document.getElementById('gather').toDataURL() === arguments[0]", seen[0])
    window.drag("#gather", (0.3, 0.3), (0.6, 0.6))
    assert window.run(drawn) not in seen
    window.press("0", "s")
    assert window.run(drawn) == seen[0]
    tools = "return JSON.stringify(document.getElementById('tools').getBoundingClientRect())"
    place, opened = window.run(tools), "return document.getElementById('spectra').offsetHeight > 100"
    for close in (lambda: window.press("Escape"), lambda: window.click("#close")):
        window.drag("#gather", (0.2, 0.3), (0.5, 0.9))
        window.wait(opened)
        assert window.run(tools) == place
        close()
        assert not window.run(opened)
    kept = window.run("return JSON.parse(localStorage.getItem('glowseis-label-display')).colours")
    assert kept == "grey"


def test_scripts_compute_what_numpy_does(served, window):
    _, address = served
    window.open(address)
    call = "return import('./' + arguments[0]).then(script => script[arguments[1]](...arguments[2]))"

    def script(file, function, *given):
        return window.run(call, file, function, given)

    samples = np.random.default_rng(1).normal(size=(3, 50)).round(3)
    samples[1] = 0
    found = script("amplitudes.js", "agc", samples.ravel().tolist(), 50, 10)
    gained = np.array([found[str(place)] for place in range(150)] if isinstance(found, dict) else found)
    for trace, i in ((0, 0), (0, 20), (2, 49)):
        around = samples[trace, max(0, i - 5) : i + 6]
        assert gained[trace * 50 + i] == pytest.approx(samples[trace, i] / np.sqrt((around**2).mean()), rel=1e-5)
    assert not gained[50:100].any()
    live = np.abs(samples[[0, 2]]).ravel()
    clip = script("amplitudes.js", "clipOf", samples.ravel().tolist(), 90)
    assert (live < clip).mean() == pytest.approx(0.9, abs=0.02)
    inked = window.run(
        "const given = arguments; return import('./amplitudes.js').then(one => [...one.wigglesOf(...given).data])",
        [4, 4, -1, -1, 0, 0, 0, 0],
        4,
        4,
        {"left": 0, "right": 2, "first": 0, "last": 4},
        1,
        40,
        4,
    )
    opacity = np.reshape(inked, (4, 40, 4))[..., 3]
    # Filled from zero, at 10, to the clip, where the second trace is; a line a quarter of that before it.
    assert opacity[0].tolist() == pytest.approx([0] * 10 + [255] * 20 + [153] + [0] * 9, abs=1)
    assert opacity[3].tolist() == pytest.approx([0] * 4 + [76] * 2 + [0] * 23 + [76] * 2 + [0] * 9, abs=1)
    for said, told in (
        ("the window is too small", "The window is too small."),
        ("There is none.", "There is none."),
        ("line3-shot1: bad taken back", "line3-shot1: bad taken back."),
        ("survey: was rebuilt", "survey: was rebuilt."),
        ("glowseis label does not answer", "glowseis label does not answer."),
        ("", ""),
    ):
        assert script("server.js", "sentence", said) == told
    for offset_m in ([100 + 12.5 * trace for trace in range(80)], [-(100 + 12.5 * trace) for trace in range(80)]):
        ticks = script("drawing.js", "offsetTicks", {"offset_m": offset_m, "traces": 80}, 10, 60, 400)
        for column, text in ticks:
            assert np.interp(column, range(80), offset_m) == pytest.approx(float(text.removesuffix(" m")))
        assert len(ticks) > 2 and {float(text.removesuffix(" m")) % 100 for _, text in ticks} == {0.0}
    unknown = {"offset_m": [100, None, 120], "traces": 3}
    assert script("drawing.js", "offsetTicks", unknown, 0, 3, 400) == [[1.5, "unknown"]]
    back = {"offset_m": [100, 90, 120], "traces": 3}
    assert script("drawing.js", "offsetTicks", back, 0, 3, 400) == [[0, "100 m"], [2, "120 m"]]


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_the_gather_stays_where_and_as_large_as_it_is(served, open_window, full, width):
    _, address = served
    window = open_window(width)
    window.open(address)
    window.wait(SHOWN, shot(0))
    place = "return JSON.stringify(document.getElementById('gather').getBoundingClientRect())"
    first, marked = window.run(place), "return document.querySelectorAll('#marks button').length === arguments[0]"
    for number in range(8):
        window.run("document.querySelector('#tools [data-value=dead]').click()")
        window.drag("#gather", (0.3 + 0.06 * number, 0.5), (0.3 + 0.06 * number, 0.5))
        window.wait(marked, number + 1)
        assert window.run(place) == first
    window.press("Right")
    window.wait(SHOWN, shot(1))
    window.drag("#gather", (0.5, 0.5), (0.5, 0.5))
    assert window.text("#context") and "only mark traces" in window.text("#told") and window.run(place) == first
    window.press("Escape")
    window.wait(SHOWN, shot(0))
    with full():
        window.press("3")
        window.wait("return !document.getElementById('problem').hidden")
    assert window.run(place) == first
    window.click("#again")
    window.wait(SHOWN, shot(1))
    assert window.run(place) == first
    window.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 800, 1200])
def test_spectra_and_opinions_neither_cover_the_gather_nor_move_the_controls(served, open_window, width):
    session, address = served
    session.model.loading = False
    window = open_window(width)
    window.open(address)
    window.wait(SHOWN, shot(0))
    # On the page, whatever part of it is on the screen.
    places = (
        "return [...document.querySelectorAll('button:not(#close), input, #gather')].map(one => {"
        "const box = one.getBoundingClientRect();"
        "return [one.id || one.innerText, box.x, box.y + scrollY].join(' ')"
        "}).filter(text => !text.startsWith('back') && !text.startsWith('again'))"
    )
    first = window.run(places)
    window.press("s")
    window.drag("#gather", (0.2, 0.2), (0.6, 0.6))
    window.wait("return document.getElementById('spectra').offsetHeight > 100")
    assert window.run(places) == first
    gather, spectra = (
        window.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", name)
        for name in ("#gather", "#spectra")
    )
    assert spectra["left"] >= gather["right"] or spectra["top"] >= gather["bottom"]
    assert spectra["bottom"] <= window.run("return innerHeight") + 1 and spectra["right"] <= width
    window.press("Escape")
    window.press("3")
    window.wait(SHOWN, shot(1))
    assert "you said bad" in window.text("#judged") and window.run(places) == first
    window.press("o")
    window.wait("return document.getElementById('judged').innerText.includes('do not rely on it')")
    assert window.run(places) == first
    window.close()


def test_labels_of_the_axes_end_where_the_gather_does(served, window):
    _, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    # Trace 20 lies just within the right edge.
    start, end = window.run(
        "const width = document.getElementById('gather').offsetWidth;"
        "return [3, 19.6].map(column => (52 + column / 24 * (width - 58)) / width)"
    )
    window.press("v")
    window.drag("#gather", (start, 0.2), (end, 0.8))
    ends = window.run(
        "const ends = {}, pen = CanvasRenderingContext2D.prototype, write = pen.fillText;"
        "pen.fillText = function (text, x, y) {"
        "  if (this.textAlign === 'center') ends[text] = x + this.measureText(text).width / 2;"
        "  return write.call(this, text, x, y); };"
        "document.querySelector('#colours [data-value=grey]').click(); pen.fillText = write; return ends"
    )
    assert "20" in ends and max(ends.values()) <= window.run("return document.getElementById('gather').offsetWidth") - 6


def test_a_window_that_is_behind_is_told_and_goes_on(served, window):
    session, address = served
    window.open(address)
    window.wait(SHOWN, shot(0))
    for number in range(3):
        session.label(shot(number), "good")
    window.press("3")
    window.wait(SHOWN, shot(3))
    assert "was judged good in another window" in window.text("#told") and session.revealed(shot(0))["label"] == "bad"
    for number in (3, 4, 5):
        window.wait(SHOWN, shot(number))
        window.run(LATER)
        window.press("1")
        window.wait("return document.getElementById('progress').innerText.startsWith(arguments[0])", str(number + 1))
    assert window.text("#name") == f"All {COUNT} gathers are judged"
    commands = window.run("return [...document.querySelectorAll('#end dd')].map(one => one.innerText)")
    assert commands == [one["command"] for one in commands_after(session)] and commands[0].startswith("glowseis train ")
    window.press("Left")
    window.wait("return document.getElementById('end').hidden")
    assert "not the gather to judge" in window.text("#context")
    window.press("Escape")
    assert window.run("return document.getElementById('end').offsetHeight") > 100
    window.press("z")
    window.wait(SHOWN, shot(5))
    assert window.run("return document.getElementById('end').hidden")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_all_in_its_width(served, open_window, dark):
    _, address = served
    window = open_window(390, dark=dark)
    window.open(address)
    window.wait(SHOWN, shot(0))
    width, scrolled, height, paper, *inks = window.run(
        "const colour = one => getComputedStyle(document.querySelector(one));"
        "return [innerWidth, document.documentElement.scrollWidth, document.getElementById('gather').offsetHeight,"
        "colour('body').backgroundColor, ...['h1', '#progress', 'button', 'summary'].map(one => colour(one).color)]"
    )
    assert (width, scrolled) == (390, 390) and height > 400
    assert min(contrast(paper, ink) for ink in inks) >= 4.5 and (contrast(paper, "rgb(0,0,0)") < 3) == dark
    window.close()
