"""A study of seconds: three folds of 60 gathers that a small network tells apart."""

import dataclasses
import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from glowseis.command import run
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.graded_survey import LABELS, graded_gather

RECIPE = """
name = "tiny"
seed = 3

[data]
held_out = 0.2

[flow]
levels = 2
steps = 1
filters = 8
attention_levels = 0

[[phases]]
labels = ["bad"]
epochs = 2
learning_rate = 1e-3

[training]
batch = 4
clip_norm = 10.0
adapt_gathers = 6

[study]
folds = 3
validation = 0.25
arms = ["none", "oversampling", "pixel-mixing", "flow"]
augmentations = 6

[study.classifier]
alpha = 1

[study.training]
epochs = 2
batch = 8
learning_rate = 1e-2
keep = "best"
"""

SIZE = (32, 32)


def tiny_survey(folder, counts=(24, 20, 16), first=0):
    """Gathers on fifteen sail lines, all labels on each, a few rows and columns smaller than their pictures."""
    every = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))

    def gathers():
        for shot, one in enumerate(every, start=first):
            gather = graded_gather(shot, LABELS[one], SIZE)
            geometry = dataclasses.replace(gather.geometry, sail_line=1 + shot % 15)
            yield dataclasses.replace(gather, geometry=geometry, gather_id=f"{LABELS[one]}-{shot:03d}")

    write_survey(folder, gathers(), SIZE, {})
    return open_survey(folder)


def tiny_study(folder, recipe=RECIPE):
    """Write recipe and survey; the words of a command line that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(recipe)
    tiny_survey(folder / "survey")
    return [folder / "tiny.toml", "--survey", folder / "survey", "--out", folder / "study"]


def called(capsys, module, *words):
    """Call a command of `eval` in this process: its exit status, what it printed, its errors line by line."""
    with pytest.raises(SystemExit) as left:
        run(importlib.import_module(f"eval.{module}").main, [str(word) for word in words])
    out, error = capsys.readouterr()
    lines = [line for line in error.replace("\r", "\n").splitlines() if line.strip() and "%|" not in line]
    return SimpleNamespace(status=left.value.code, out=out, error=lines)
