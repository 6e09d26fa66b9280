"""What glowseis needs of the machine: other systems than Linux lack some of it, and its imports must not need that."""

import subprocess
import sys

import pytest

from glowseis import machine
from glowseis.survey.formats import probe
from tests.support.commands import CHECKOUT

HIDING = """
import importlib, os, pkgutil, sys
for name in ("fcntl", "resource", "termios", "pwd"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "fork", "preadv", "pread", "O_NOFOLLOW", "O_DIRECTORY", "getuid", "posix_fadvise"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules["tensorflow"] = sys.modules["keras"] = None
import glowseis
for name in ("command", "files", "machine", "simulate", "ingest", "describe", "folds", "train", "generate", "classify",
             "qc", "report", "next", "label", "deliver"):
    importlib.import_module(f"glowseis.{name}")
for room in ("survey.formats", "survey.store", "survey.simulate", "survey.ingestion", "survey.labels", "judging",
             "attributes", "delivery", "recipe"):
    package = importlib.import_module(f"glowseis.{room}")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"glowseis.{room}.{found.name}")
from glowseis.machine import cores
print(cores())
"""


@pytest.mark.slow
def test_what_other_systems_lack_is_not_imported():
    done = subprocess.run([sys.executable, "-c", HIDING], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def test_the_cores_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    assert machine.cores() == 3
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    assert machine.cores() == 1


def test_where_processes_cannot_be_copied_nothing_is_tried_before(monkeypatch):
    monkeypatch.delattr(probe.os, "fork")
    assert probe.survives(lambda: pytest.fail("it must not run here"))
