"""A page as Chromium shows it, in a window as wide as a phone or a screen, in light or dark mode."""

import html
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")

MEASURE = """
const page = document.querySelector("iframe").contentDocument;
const folded = [...page.querySelectorAll("details")].filter(one => !one.children[1].checkVisibility())
  .map(one => one.children[0].innerText);
for (const one of page.querySelectorAll("details")) one.open = true;
const tables = {}, contrasts = [];
for (const table of page.querySelectorAll("table"))
  tables[table.id] = [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim()));
for (const text of page.querySelectorAll("p, h1, h2, caption, td, th, figcaption, a"))
  contrasts.push(page.defaultView.getComputedStyle(text).color);
for (const text of page.querySelectorAll("svg text")) contrasts.push(page.defaultView.getComputedStyle(text).fill);
const figures = [...page.querySelectorAll("svg, img")].map(one => one.getBoundingClientRect().width);
const boxes = [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length;
const ticks = [...page.querySelectorAll(".ticks span")].map(one => one.getBoundingClientRect().height);
const marks = [...page.querySelectorAll(".ticks i")].map(one => {
  const [own, label, row] = [one, one.nextElementSibling, one.parentElement].map(box => box.getBoundingClientRect());
  return [100 * (own.left - row.left) / row.width, label.left + label.width / 2 - own.left];
});
const found = {folded, ticks, marks, tables, figures, boxes, colours: [...new Set(contrasts)],
  width: page.documentElement.clientWidth,
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
