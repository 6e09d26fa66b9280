"""Standard output and error: what names and terminals do to them, and what becomes of the work when they fail."""

import errno
import os
import shlex
import subprocess
import sys

import pytest

from glowseis import command
from glowseis.errors import InputError
from tests.support.commands import CHECKOUT

TELLING = (
    "import sys\n"
    "from pathlib import Path\n"
    "from glowseis.command import run\n"
    "def main(lines: int = 1) -> None:\n"
    "    for number in range(lines):\n"
    "        print(f'line {number} \\xe9 \\u4e2d')\n"
    "    print('remark \\xe9', file=sys.stderr, flush=True)\n"
    "    Path('done').touch()\n"
    "main.__module__ = 'glowseis.main'\n"
    "run(main)\n"
)
"""A command that says something, then finishes its work."""


def tell(folder, shell, **environment):
    words = f"{shlex.quote(sys.executable)} -c {shlex.quote(TELLING)} {shell}"
    done = subprocess.run(
        ["bash", "-c", f"{words}; exit ${{PIPESTATUS[0]}}"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )
    assert (folder / "done").exists() and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    return done


NAME = "a\x1b[2Jb\x07\x9b\u202ec\x08\rd"
"""A name that clears the screen, rings, turns the line round and goes back in it."""


@pytest.mark.parametrize("error", [InputError(f"{NAME}: bad"), FileNotFoundError(errno.ENOENT, "No such file", NAME)])
def test_no_name_does_anything_to_a_terminal(error, capfd):
    def main() -> None:
        print(f"{NAME}: 5 gathers\n\tmore")
        print(f"warning: {NAME}", file=sys.stderr)
        sys.stdout.writelines([NAME])
        raise error

    main.__module__ = "glowseis.main"
    with pytest.raises(SystemExit):
        command.run(main, [])
    out, told = capfd.readouterr()
    shown = r"a\x1b[2Jb\x07\x9b\u202ec\x08\rd"
    assert out == f"{shown}: 5 gathers\n\tmore\n{shown}"
    # Progress bars begin a line anew; a name in an error is one line.
    warning, last = told.split("\n")[:2]
    assert warning == "warning: " + shown.replace(r"\r", "\r")
    assert last.startswith(f"glowseis.main: {shown.replace(chr(92) + 'r', ' ')}: ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_a_terminal_cannot_show_becomes_escapes(tmp_path, encoding):
    done = tell(tmp_path, "", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and "\\u4e2d" in done.stdout
    if encoding == "ascii":
        assert done.stdout == "line 0 \\xe9 \\u4e2d\n" and done.stderr == "remark \\xe9\n"


@pytest.mark.parametrize("lines", [1, 20_000])
def test_a_full_disk_behind_standard_output_stops_no_work(tmp_path, lines):
    done = tell(tmp_path, f"--lines {lines} > /dev/full")
    assert done.returncode == 74
    assert done.stderr.splitlines() == [
        "remark \xe9",
        "glowseis.main: done, and all files are complete, but standard output was cut short (No space left on device)",
    ]


@pytest.mark.parametrize(
    "shell", ["--lines 20000 | head -1", "--lines 1 | true", "2> /dev/full", ">&- 2>&-", "2>&1 --lines 20000 | head -1"]
)
def test_nobody_to_tell_stops_no_work(tmp_path, shell):
    assert tell(tmp_path, shell).returncode == 0
