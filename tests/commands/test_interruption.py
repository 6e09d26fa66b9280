"""A signal while a command is still loading: the status says whether the same command goes on."""

import contextlib
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import glowseis
from glowseis import command, interruption
from glowseis.interruption import CONTINUES
from tests.support.commands import CHECKOUT, signals_kept
from tests.support.random_gathers import random_recording

LOADING = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{signal})
    time.sleep(60)
except BaseException:
    {then}
"""
"""In place of a package: what catches everything while it loads, as some do."""

LOST, FAILED = "pass", "raise AttributeError('half a package')"

BARE = """
from types import SimpleNamespace
config = SimpleNamespace(list_logical_devices=lambda: [], experimental=SimpleNamespace(
    enable_tensor_float_32_execution=lambda wanted: None))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "package", "name", "then", "status", "told"),
    [
        (["classify"], "tensorflow", "SIGTERM", FAILED, 75, CONTINUES),
        (["classify", "--watch"], "tensorflow", "SIGINT", LOST, 75, CONTINUES),
        (["report"], "tensorflow", "SIGINT", FAILED, 130, "interrupted"),
    ],
)
def test_a_signal_while_a_package_is_loaded(tmp_path, words, package, name, then, status, told):
    (tmp_path / "instead" / package).mkdir(parents=True)
    loading = LOADING.format(signal=name, then=then) + BARE
    (tmp_path / "instead" / package / "__init__.py").write_text(loading)
    folder = tmp_path / "line"
    folder.mkdir()
    glowseis.write_gathers(folder / "a.segy", [random_recording(1, 128, 48, line=12, cable=1)])
    source = folder if "--watch" in words else folder / "a.segy"
    process = subprocess.run(
        [sys.executable, "-m", "glowseis", *words, source, "--out", tmp_path / "out" / "table"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "instead"), str(CHECKOUT)])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (process.returncode, process.stderr) == (status, f"glowseis {words[0]}: {told}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("level", ["3", "0"])
def test_an_interruption_that_tensorflow_lost_is_raised_when_it_is_loaded(monkeypatch, level):
    config = SimpleNamespace(
        list_logical_devices=lambda: os.kill(os.getpid(), signal.SIGTERM),
        experimental=SimpleNamespace(enable_tensor_float_32_execution=lambda wanted: None),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with signals_kept(), interruption.signals_interrupt() as came:
        with contextlib.suppress(KeyboardInterrupt):
            config.list_logical_devices()
        assert came == [signal.SIGTERM]
        config.list_logical_devices = list
        with pytest.raises(KeyboardInterrupt):
            command.import_tensorflow()


def test_a_command_in_the_tests_own_process_leaves_signals_as_they_were(monkeypatch, command, tmp_path):
    monkeypatch.setattr("glowseis.survey.store.survey.open_survey", lambda path: signal.raise_signal(signal.SIGTERM))
    former = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert command("describe", tmp_path).status != 0 and interruption._CAME
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == former
