"""A page printed as PDF, by a Chromium that is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from glowseis.errors import InputError
from glowseis.files import whole_file

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

PATIENCE_S = 300
"""How long printing may take."""


def find_browser() -> str:
    """The path of a Chromium.

    Raises:
        InputError: None is installed.
    """
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise InputError(
        f"--pdf needs Chromium, and none of {', '.join(BROWSERS)} is installed; install one, or leave --pdf out and "
        "print the page from any browser"
    )


def print_pdf(browser: str, page: Path, out: Path) -> None:
    """Print a page, whole or not at all.

    Args:
        browser: As `find_browser` returns it.
        page: The HTML file.
        out: The PDF to make.

    Raises:
        InputError: The browser fails, or `out` exists.
        OSError: The disk is full or not writable.
    """
    with whole_file(out) as path, tempfile.TemporaryDirectory() as profile:
        words = [browser, "--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            # Chromium's sandbox refuses root. The page has no script.
            words.append("--no-sandbox")
        words += [f"--print-to-pdf={path}", page.absolute().as_uri()]
        mend = f"{page} is complete: print it from a browser"
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{out}: {browser} did not print the page in {PATIENCE_S} s; {mend}") from None
        if done.returncode or not path.exists():
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:200]
            raise InputError(f"{out}: {browser} could not print the page ({said}); {mend}")
