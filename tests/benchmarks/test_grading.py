"""The benchmark of grading: that both ways grade the same windows, and what it prints."""

import sys

import pytest

from benchmarks import grading
from glowseis.command import run


@pytest.mark.slow
def test_classify_and_its_network_are_timed(capsys):
    with pytest.raises(SystemExit) as left:
        run(grading.main, ["--sizes", "112x80", "--gathers", "2", "--repetitions", "1"])
    told = capsys.readouterr().out
    assert left.value.code == 0
    # The ready classifier looks at a window and its three mirror images.
    assert "112x80, 4.0 windows a gather" in told and "of the speed of network classify reaches" in told


def test_packages_that_are_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SystemExit) as left:
        run(grading.main, ["--onnx"])
    assert left.value.code == 2 and "pip install onnx" in capsys.readouterr().err
