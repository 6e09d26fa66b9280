"""A page in Chromium, driven by keys, clicks and drags through ChromeDriver's protocol (W3C WebDriver)."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests.support.browser import CHROMIUM

DRIVER = shutil.which("chromedriver")

needs_driver = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium to drive: apt-get install chromium chromium-driver"
)

KEYS = {"Escape": "\ue00c", "Enter": "\ue007", "Left": "\ue012", "Right": "\ue014"}

PATIENCE_S = 20.0


class Page:
    """A window of a browser."""

    def __init__(self, address):
        self._address = address

    def _ask(self, path, given=None, method="POST"):
        body = None if method != "POST" else json.dumps(given or {}).encode()
        asked = urllib.request.Request(self._address + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as wrong:
            raise AssertionError(wrong.read().decode()) from None

    def open(self, url):
        self._ask("/url", {"url": url})

    def run(self, script, *given):
        """What a script returns; its arguments are `arguments`."""
        return self._ask("/execute/sync", {"script": script, "args": list(given)})

    def wait(self, script, *given):
        """Wait until a script returns something that is true, and return that."""
        end = time.monotonic() + PATIENCE_S
        while not (found := self.run(script, *given)):
            assert time.monotonic() < end, f"{script}: {self.run('return document.body.innerText')} {self.complaints()}"
            time.sleep(0.02)
        return found

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def press(self, *keys):
        strokes = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self.act({"type": "key", "id": "keys", "actions": strokes})

    def key(self, kind, name, repeat=False):
        """Let a key go down or up, or repeat because it is held."""
        given = {"type": kind, "key": name, "code": name, "autoRepeat": repeat}
        if name == "Enter":
            given |= {"text": "\r" * (kind == "keyDown"), "windowsVirtualKeyCode": 13}
        self._ask("/goog/cdp/execute", {"cmd": "Input.dispatchKeyEvent", "params": given})

    def act(self, actions):
        """Let an input device do something (W3C WebDriver, Actions)."""
        self._ask("/actions", {"actions": [actions]})

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def drag(self, selector, start, end):
        """Drag between two places, as shares of an element's width and height."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        (x, y), (to_x, to_y) = (
            (round(box["x"] + place[0] * box["width"]), round(box["y"] + place[1] * box["height"]))
            for place in (start, end)
        )
        strokes = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "x": to_x, "y": to_y, "duration": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.act({"type": "pointer", "id": "mouse", "actions": strokes})

    def complaints(self):
        """What the browser logged, such as errors of scripts."""
        return self._ask("/se/log", {"type": "browser"})

    def picture(self, path):
        path.write_bytes(base64.b64decode(self._ask("/screenshot", method="GET")))

    def close(self):
        self._ask("", method="DELETE")


@contextlib.contextmanager
def driver(folder):
    """A function that opens windows, each of a browser of its own: of a width, light or dark."""
    with (folder / "driver.log").open("w") as log:
        process = subprocess.Popen([DRIVER, "--port=0"], stdout=log, stderr=log)
        try:
            end = time.monotonic() + PATIENCE_S
            while not (found := re.search(r"successfully on port (\d+)", (folder / "driver.log").read_text())):
                assert process.poll() is None and time.monotonic() < end, (folder / "driver.log").read_text()
                time.sleep(0.02)

            def window(width=1200, *, dark=False):
                words = [
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    "--disable-dev-shm-usage",
                ]
                words += [f"--window-size={width},900", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
                options = {"binary": CHROMIUM, "args": words}
                if width < 500:
                    options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": 844, "pixelRatio": 2}}
                wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
                address = f"http://127.0.0.1:{found[1]}/session"
                session = Page(address)._ask("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
                return Page(f"{address}/{session}")

            yield window
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                # Seen once: it had no browser left, and waited for itself for ever.
                process.kill()
                process.wait()
