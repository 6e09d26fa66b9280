"""Time from a key on the labelling page to the next gather on the screen, in headless Chromium.

    python -m benchmarks.labelling surveys/NAME [--picture page.png]

Every gather of the survey is labelled in each display, in a temporary file, with `glowseis label` in a process of its
own. The time includes the label's way to the disk. Needs chromium and chromedriver, and the extra `test`.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from glowseis.command import run
from tests.support.driven import Page, driver

DISPLAYS = {
    "grey": {"colours": "grey"},
    "red-blue, AGC": {"colours": "red-blue", "agc": True},
    "grey, band-pass": {"colours": "grey", "band": True, "low": 5, "high": 40},
    "wiggle": {"colours": "wiggle"},
}

PRESS = """
const canvas = document.getElementById("gather"), before = canvas.dataset.shown, end = arguments[0];
return new Promise(done => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "2", bubbles: true}));
  const name = document.getElementById("name");
  const shown = () => end ? name.innerText.startsWith("All ") : canvas.dataset.shown !== before;
  const look = () => requestAnimationFrame(() => shown() ? done(performance.now() - begun) : look());
  look();
});
"""


def main(
    survey: Annotated[Path, typer.Argument(help="Folder of a survey.", show_default=False)],
    *,
    picture: Annotated[Path | None, typer.Option(help="PNG file to draw the page to.", show_default=False)] = None,
) -> None:
    """Measure it.

    Example: python -m benchmarks.labelling surveys/NAME
    """
    with tempfile.TemporaryDirectory() as name, driver(Path(name)) as window:
        page = window(1600)
        for display, settings in DISPLAYS.items():
            labels = Path(name, f"{display}.csv")
            with _served(survey, labels) as server:
                times_ms = _judged(page, server, settings, picture)
            low, high = statistics.median(times_ms), max(times_ms)
            print(f"{display}: {len(times_ms)} gathers, median {low:.0f} ms, slowest {high:.0f} ms", flush=True)
            picture = None
        page.close()


def _served(survey: Path, labels: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "glowseis.label", str(survey), "--no-browser", "--port", "0"]
    return subprocess.Popen(
        [*words, "--judge", "benchmark", "--labels", str(labels)], stdout=subprocess.PIPE, text=True
    )


def _judged(
    page: Page, server: subprocess.Popen[str], settings: dict[str, object], picture: Path | None
) -> list[float]:
    try:
        assert server.stdout
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found
        page.open(found[0])
        page.run("localStorage.setItem('glowseis-label-display', JSON.stringify(arguments[0]))", settings)
        page.open(found[0])
        page.wait("return document.getElementById('gather').dataset.shown")
        count = page.run("return fetch('state').then(reply => reply.json()).then(state => state.progress.of)")
        if picture:
            page.picture(picture)
        times_ms = []
        for number in range(count):
            # A key within 0.4 s of the last label labels nothing.
            time.sleep(0.5)
            times_ms.append(page.run(PRESS, number == count - 1))
        return times_ms[:-1]
    finally:
        server.terminate()


if __name__ == "__main__":
    run(main)
