"""The report's table of noise: recorded gathers by label, children by where they lie between their parents."""

import dataclasses

import numpy as np
import pytest

from eval.report.noise import noise_table, quiet_rows
from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.graded_survey import graded_gather

SIZE = (80, 48)


def noisy_gather(number, label, loud):
    """An event from row 50 down, and above it a background of 2 grey levels with a band `loud` times as loud."""
    random = np.random.default_rng(number)
    level = random.normal(0, 2, SIZE)
    level[:, 10:16] *= loud
    level[50:] += 60 * np.sin(np.arange(30))[:, None]
    image = np.clip(np.rint(128 + level), 0, 255).astype(np.uint8)
    gather = graded_gather(number, label, SIZE)
    return dataclasses.replace(gather, image=image, valid_samples=SIZE[0], valid_traces=SIZE[1])


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    gathers = [noisy_gather(n, label, loud) for n, (label, loud) in enumerate([("good", 1), ("bad", 8)] * 8)]
    folder = tmp_path_factory.mktemp("noise") / "survey"
    write_survey(folder, gathers, SIZE, {})
    return open_survey(folder)


def children(folder, survey, path):
    """Near a parent as loud as one; half-way much quieter."""

    def made():
        for number, (alpha, loud) in enumerate([(0.05, 8), (0.5, 2), (0.95, 8), (0.4, 2), (0.2, 30)]):
            origin = Origin(("a", "b"), alpha, 1, "flow/1", path)
            yield dataclasses.replace(
                noisy_gather(100 + number, "bad", loud), origin=origin, gather_id=f"child-{number}"
            )

    write_survey(folder, made(), SIZE, {})
    return open_survey(folder)


def shown(part):
    assert part.macro == "table"
    return {row[0]: [float(cell) for cell in row[1:]] for row in part.content.frame.to_numpy().tolist()}


def test_children_are_told_by_where_they_lie(survey, tmp_path):
    every = np.arange(len(survey))
    quiet = quiet_rows(survey, every)
    assert quiet.min() >= 40 and quiet.max() <= 50
    rows = shown(noise_table({"flow": children(tmp_path / "made", survey, "spherical")}, survey, every))
    assert list(rows) == [
        "recorded good", "recorded bad", "flow interpolation, near a parent", "flow interpolation, half-way",
    ]  # fmt: skip
    assert [rows[name][0] for name in rows] == [8, 8, 2, 2]
    ratios = {name: row[2] for name, row in rows.items()}
    assert ratios["recorded good"] < 2 and 7 < ratios["recorded bad"] < 11
    assert ratios["flow interpolation, near a parent"] > 7 and ratios["flow interpolation, half-way"] < 3.5
    assert rows["recorded bad"][1] > 2 * rows["recorded good"][1]


@pytest.mark.parametrize("path", ["prior", "moved", "transplanted"])
def test_other_gathers_lie_between_no_parents(survey, tmp_path, path):
    made = children(tmp_path / "made", survey, path)
    assert shown(noise_table({"flow-prior": made}, survey, np.arange(len(survey))))["flow prior samples"][0] == 5


def test_gathers_without_a_quiet_part_are_told(survey, tmp_path):
    def full(number):
        image = np.full(SIZE, 200, np.uint8)
        image[number % SIZE[0]] = 90
        return dataclasses.replace(graded_gather(number, "bad", SIZE), image=image)

    write_survey(tmp_path / "full", map(full, range(4)), SIZE, {})
    part = noise_table({}, open_survey(tmp_path / "full"), np.arange(4))
    assert part.macro == "words" and "no quiet part before the first arrivals" in part.content
