import html
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from eval.report.drawing import IN_THE_DARK
from tests.support.reported_study import check_numbers, reported

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The report of a study of three arms."""
    return reported(tmp_path_factory.mktemp("reported"))


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
        [CHROMIUM, *words, "--dump-dom", around.as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    content = re.search(r'(?s)<pre id="found">(.*?)</pre>', done.stdout)
    assert content, done.stdout[:500] + done.stderr[-500:]
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
    assert phone.boxes == 0, "a table is wider than the phone"
    assert phone.images and all(40 < width <= 390 for width in phone.figures)
    assert (phone.paper == "rgb(255, 255, 255)") != dark
    assert min(contrast(colour, phone.paper) for colour in phone.colours) >= 4.5


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_measure_of_overflow_sees_one(made, tmp_path):
    wide = made.text.replace("</main>", '<div style="width:500px">wide</div></main>').replace(
        "max-width:40rem", "width:1px"
    )
    seen = rendered(tmp_path, wide, 390, False)
    assert seen.scrolled > 390 and seen.boxes > 0


@pytest.mark.parametrize(("light", "dark"), IN_THE_DARK.items())
def test_colours_can_be_told_from_the_page(light, dark):
    def rgb(colour):
        return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))

    assert contrast(rgb(light), "255,255,255") >= 3 and contrast(rgb(dark), "13,17,23") >= 3
