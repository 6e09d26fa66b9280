"""Attempts to train on what judges, all of which the guard refuses."""

import dataclasses
import hashlib

import numpy as np
import pytest

from eval.study.guard import Guard, Guarded, LeakError
from eval.study.makers import TRACE_BLOCKS, block, mixture
from glowseis.errors import FittingError, InputError
from glowseis.survey.batches.labelled import from_memory, from_survey
from glowseis.survey.gather import Origin
from glowseis.survey.splits.parts import labelled_rows
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.synthesis import child_of
from glowseis.transplant import LOW_BAND, transplant
from tests.support.small_study import name_of, refused, small_survey

TRAINING, VALIDATION, TEST = np.arange(0, 40), np.arange(40, 46), np.arange(46, 60)
LABELS = ("good", "medium", "bad")


@pytest.fixture(scope="module")
def independent(tmp_path_factory):
    return small_survey(tmp_path_factory.mktemp("independent") / "survey", (4, 4, 4), first_shot=500)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """60 recorded gathers; one synthetic one, a child of a test gather; one, a child of training gathers."""
    folder = tmp_path_factory.mktemp("guard")
    recorded = small_survey(folder / "recorded")
    gathers = [recorded.read(row) for row in range(60)]

    def child(name, first, second):
        levels = np.rint(0.5 * gathers[first].image + 0.5 * gathers[second].image).astype(np.uint8)
        origin = Origin((gathers[first].gather_id, gathers[second].gather_id), 0.5, 1, "old/1", "linear")
        return child_of(gathers[first], levels, name, "old flow", origin)

    write_survey(folder / "survey", [*gathers, child("old0", 0, 50), child("old1", 0, 1)], recorded.size, {})
    return open_survey(folder / "survey")


@pytest.fixture
def guard(survey, independent):
    return Guard(survey, TRAINING, VALIDATION, TEST, independent)


def synthetic(folder, parent, parents, *, name="new0", model="pixel-mixing", image=None, gathers=1):
    """A survey of synthetic gathers that say what they like about their origin."""
    random = np.random.default_rng(7)
    pictures = [random.integers(0, 256, parent.image.shape).astype(np.uint8) for _ in range(gathers)]
    if image is not None:
        pictures[0] = image
    origin = Origin(tuple(parents), 0.5, 1, model, "pixels")
    made = (
        dataclasses.replace(child_of(parent, picture, f"{name}{number or ''}", "test", origin), label="bad")
        for number, picture in enumerate(pictures)
    )
    write_survey(folder, made, parent.image.shape, {})
    return open_survey(folder)


def test_a_leak_ends_a_command_with_status_1():
    assert issubclass(LeakError, FittingError)


def test_training_gathers_pass_and_are_read_as_they_are(guard, survey):
    rows = np.array([3, 3, 17, 0])
    given = guard.watched(from_survey(survey, rows, LABELS))
    assert isinstance(given, Guarded) and list(given.ids) == [name_of(survey, row) for row in rows]
    np.testing.assert_array_equal(given.read(np.array([2, 0])), survey.read_images([17, 3]))
    guard.require(given)
    guard.check_ids(given.ids, "a flow")


@pytest.mark.parametrize(
    ("row", "what"), [(TEST[0], "a test gather"), (VALIDATION[0], "a validation gather"), (60, "a child of shot0050")]
)
def test_a_gather_that_may_not_train_is_refused(guard, survey, row, what):
    name = name_of(survey, row)
    with refused(rf"gather {name} \(offered from .*survey\) is {what}"):
        guard.watched(from_survey(survey, np.array([0, row]), LABELS))
    with refused(rf"gather {name} \(seen by flow rare/1\) is {what}"):
        guard.admit_flow("rare/1", [name_of(survey, 0), name])
    if row < 60:
        with refused(rf"gather {name} \(seen by the flow that rare/1 started from\) is {what}"):
            guard.admit_flow("rare/1", [name_of(survey, 0)], earlier_ids=["elsewhere", name])


def test_a_child_in_the_survey_is_refused_whatever_its_parents(guard, survey):
    with refused("gather old0 .* a child of shot0050, which is a test gather"):
        guard.watched(from_survey(survey, np.array([60]), LABELS))
    with refused("gather old1 .* is synthetic and was not admitted"):
        guard.watched(from_survey(survey, np.array([61]), LABELS))


def test_a_flow_that_saw_what_nobody_knows_is_refused(guard):
    with refused("gather elsewhere .* is unknown here"):
        guard.admit_flow("rare/1", ["elsewhere"])
    with refused("rare/1 does not say what it was trained on"):
        guard.admit_flow("rare/1", [])


def test_a_gather_of_the_independent_survey_is_refused(guard, survey, independent, tmp_path):
    with refused("is a gather of the independent test survey"):
        guard.watched(from_survey(independent, np.array([0]), LABELS))
    parents = [name_of(survey, 0), name_of(independent, 1)]
    with refused("new0 .* a child of shot0501, which is a gather of the independent test survey"):
        guard.admit(synthetic(tmp_path / "new", survey.read(0), parents))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((0, TEST[3]), "new0 .* is a child of shot0049, which is a test gather"),
        ((VALIDATION[1], 0), "new0 .* is a child of shot0041, which is a validation gather"),
        ((0, 60), "new0 .* a child of old0, which is a child of shot0050, which is a test gather"),
        ((61, 0), "new0 .* a child of old1, which is synthetic and was not admitted"),
    ],
)
def test_children_and_grandchildren_of_judging_gathers_are_refused(guard, survey, tmp_path, rows, message):
    parents = [name_of(survey, row) for row in rows]
    with refused(message):
        guard.admit(synthetic(tmp_path / "new", survey.read(0), parents))
    images = np.zeros((1, *survey.size), np.uint8)
    with refused(message):
        guard.watched(from_memory(images, [2], ["new0"], [tuple(parents)]))


@pytest.mark.parametrize(
    ("parents", "model", "message"),
    [
        ((), "pixel-mixing", "new0 .* is of unknown origin: it names no parents"),
        (("nobody", "shot0000"), "pixel-mixing", "a child of nobody, which is unknown here"),
        (("shot0001", "shot0000"), "", "of unknown origin: what made it was not checked"),
        (("shot0001", "shot0000"), "rare/1", "of unknown origin: rare/1 was not checked"),
        (("new0", "shot0000"), "pixel-mixing", "a child of new0, which is unknown here"),
    ],
)
def test_synthetic_gathers_of_unknown_origin_are_refused(guard, survey, tmp_path, parents, model, message):
    with refused(message):
        guard.admit(synthetic(tmp_path / "new", survey.read(0), parents, model=model))


def test_admitted_gathers_pass_and_so_do_their_children(guard, survey, tmp_path):
    guard.admit_flow("rare/1", [name_of(survey, row) for row in TRAINING])
    parents = [name_of(survey, 0), name_of(survey, 1)]
    first = synthetic(tmp_path / "first", survey.read(0), parents, model="rare/1")
    with refused("new0 .* is unknown here"):
        guard.watched(from_memory(first.read_images([0]), [2], ["new0"]))
    guard.admit(first)
    image = mixture(first.read_images([0])[0], survey.read_images([0])[0], 0.5)
    parents = ["new0", "shot0000"]
    guard.admit(synthetic(tmp_path / "second", first.read(0), parents, name="grandchild", image=image))
    given = guard.watched(from_survey(first, np.array([0]), LABELS))
    np.testing.assert_array_equal(given.read(np.array([0])), first.read_images([0]))


def test_a_renamed_test_gather_is_refused(guard, survey, tmp_path):
    image = survey.read_images([TEST[5]])
    parents = ["shot0000", "shot0001"]
    with refused("new0 .* is a copy of a test gather, shot0051"):
        guard.admit(synthetic(tmp_path / "new", survey.read(TEST[5]), parents, image=image[0]))
    # Under the name of a training gather it passes until somebody reads it.
    given = guard.watched(from_memory(image, [2], ["shot0000"]))
    with refused("shot0000 .* is a copy of a test gather, shot0051"):
        given.read(np.array([0]))
    assert "shot0051" in str(guard.leak)


def test_another_picture_under_a_training_gathers_name_is_refused(guard, survey):
    given = guard.watched(from_memory(255 - survey.read_images([TEST[5]]), [2], ["shot0000"]))
    with refused("shot0000 .* is not the image of this id"):
        given.read(np.array([0]))


@pytest.mark.parametrize("change", ["one pixel", "brighter", "later"])
def test_a_test_gather_that_was_changed_a_little_is_refused(guard, survey, tmp_path, change):
    gather = survey.read(TEST[5])
    image = gather.image.copy()
    if change == "one pixel":
        image[5, 5] ^= 1
    if change == "brighter":
        image = np.clip(np.rint(128 + 1.05 * (image - 128.0)), 0, 255).astype(np.uint8)
    if change == "later":
        image = np.vstack([image[:1], image[:-1]])
    with refused("new0 .* is nearly a copy of a test gather, shot0051"):
        guard.admit(synthetic(tmp_path / "new", gather, ["shot0000", "shot0001"], image=image))


def test_a_wrong_valid_region_hides_no_copy(guard, survey, tmp_path):
    gather = survey.read(TEST[5])
    image = gather.image.copy()
    image[5, 5] ^= 1
    parent = dataclasses.replace(survey.read(0), valid_samples=1)
    origin = Origin(("shot0000",), 0.5, 1, "rare/1", "linear")
    made = dataclasses.replace(child_of(parent, image, "new0", "test", origin), image=image)
    write_survey(tmp_path / "new", [made], survey.size, {})
    guard.admit_flow("rare/1", ["shot0000"])
    with refused("new0 .* is nearly a copy of a test gather, shot0051"):
        guard.admit(open_survey(tmp_path / "new"))


@pytest.mark.parametrize("model", ["pixel-mixing", "smote"])
def test_a_mixture_of_others_than_its_parents_is_refused(guard, survey, tmp_path, model):
    images = survey.read_images([0, 1, TEST[5]])
    guard.admit(
        synthetic(
            tmp_path / "right",
            survey.read(0),
            ["shot0000", "shot0001"],
            name="right",
            model=model,
            image=mixture(images[0], images[1], 0.5),
        )
    )
    image = mixture(images[0], images[2], 0.5)
    with refused(f"new0 .* is not what {model} makes of its parents"):
        guard.admit(synthetic(tmp_path / "new", survey.read(0), ["shot0000", "shot0001"], model=model, image=image))
    with refused(f"new0 .* is not what {model} makes of its parents"):
        guard.admit(synthetic(tmp_path / "alone", survey.read(0), ["shot0000"], model=model, image=image))


@pytest.mark.parametrize(("model", "make"), [(LOW_BAND, transplant), (TRACE_BLOCKS, None)])
def test_noise_of_others_than_its_donor_is_refused(guard, survey, tmp_path, model, make):
    host, donor, tested = (survey.read(row) for row in (0, 1, TEST[5]))

    def made(other):
        if make:
            return make(host, other, 0.5).image
        return block(host.image, other.image, 0.5)

    parents = ["shot0000", "shot0001"]
    guard.admit(synthetic(tmp_path / "right", host, parents, name="right", model=model, image=made(donor)))
    with refused(f"new0 .* is not what {model} makes of its parents"):
        guard.admit(synthetic(tmp_path / "new", host, parents, model=model, image=made(tested)))


def test_what_is_made_while_training_is_made_of_training_gathers(guard, survey, tmp_path):
    ids, parents = np.array(["new0", "new1"], object), [("shot0000", "shot0001"), ("shot0002", "shot0001")]
    read = guard.making(TRACE_BLOCKS, ids, parents, [0.5, 0.25])
    offered = from_memory(np.zeros((2, *survey.size), np.uint8), [2, 2], ids, parents)
    given = guard.watched(dataclasses.replace(offered, read=read))
    images = survey.read_images([0, 1, 2])
    wanted = [block(images[0], images[1], 0.5), block(images[2], images[1], 0.25)]
    np.testing.assert_array_equal(given.read(np.array([1, 0])), wanted[::-1])
    with refused("new0 .* is not the image of this id"):
        guard.watched(offered).read(np.array([0]))
    for bad, message in (
        (("shot0000", "shot0050"), "made by trace-blocks while training.* a child of shot0050, which is a test gather"),
        (("shot0041", "shot0000"), "a child of shot0041, which is a validation gather"),
        (("shot0000", "nobody"), "a child of nobody, which is unknown here"),
    ):
        with refused(f"new2 .*{message}"):
            guard.making(TRACE_BLOCKS, ["new2"], [bad], [0.5])
    with refused("shot0003 .* is not alone in having this id"):
        guard.making(TRACE_BLOCKS, ["shot0003"], parents[:1], [0.5])
    with refused("shot0050 .* is a test gather"):
        guard.making(TRACE_BLOCKS, ["shot0050"], parents[:1], [0.5])
    # It can be no parent of what the guard would have to make again.
    with refused("child .* is not what pixel-mixing makes of its parents"):
        guard.admit(synthetic(tmp_path / "new", survey.read(0), ["new0", "shot0000"], name="child"))


def test_what_becomes_a_test_gather_while_training_is_refused(survey, tmp_path):
    images = survey.read_images([0, 1])
    gathers = [survey.read(row) for row in range(60)]
    gathers[50] = dataclasses.replace(gathers[50], image=block(images[0], images[1], 0.5))
    write_survey(tmp_path / "survey", gathers, survey.size, {})
    changed = open_survey(tmp_path / "survey")
    guard = Guard(changed, TRAINING, VALIDATION, TEST)
    read = guard.making(TRACE_BLOCKS, ["new0"], [("shot0000", "shot0001")], [0.5])
    with refused("new0 .* is a copy of a test gather, shot0050"):
        read(np.array([0]))
    assert "shot0050" in str(guard.leak)


@pytest.mark.parametrize(("row", "other"), [(0, TEST[3]), (0, VALIDATION[2]), (VALIDATION[0], TEST[3])])
def test_nearly_the_same_gather_in_two_parts_is_refused(survey, tmp_path, row, other):
    gathers = [survey.read(row) for row in range(60)]
    image = gathers[other].image.copy()
    image[5, 5] ^= 1
    gathers[row] = dataclasses.replace(gathers[row], image=image)
    write_survey(tmp_path / "survey", gathers, survey.size, {})
    changed = open_survey(tmp_path / "survey")
    with refused(f"{name_of(survey, row)} .* is nearly a copy of a .* gather, {name_of(survey, other)}"):
        Guard(changed, TRAINING, VALIDATION, TEST)


def test_a_child_whose_parents_were_struck_from_the_index_is_refused(survey, tmp_path):
    folder = tmp_path / "survey"
    write_survey(folder, [survey.read(row) for row in (*range(60), 60)], survey.size, {})
    index = (folder / "gathers.csv").read_text()
    struck = index.replace("shot0000;shot0050", "")
    manifest = (folder / "manifest.json").read_text()
    old, new = (hashlib.sha256(text.encode()).hexdigest() for text in (index, struck))
    (folder / "gathers.csv").write_text(struck)
    (folder / "manifest.json").write_text(manifest.replace(old, new))
    changed = open_survey(folder)
    assert 60 in labelled_rows(changed)
    with pytest.raises(InputError, match=r"record 60 .* says old0, parents shot0000;shot0050, good, gathers.csv"):
        Guard(changed, np.append(TRAINING, 60), VALIDATION, TEST)


def test_a_synthetic_gather_cannot_take_the_name_of_another(guard, survey, tmp_path):
    parents = ["shot0000", "shot0001"]
    with refused("shot0000 .* is not alone in having this id"):
        guard.admit(synthetic(tmp_path / "one", survey.read(0), parents, name="shot0000"))
    with refused("shot0050 .* is a test gather"):
        guard.admit(synthetic(tmp_path / "two", survey.read(0), parents, name="shot0050"))


def test_what_is_changed_after_it_was_let_through_is_refused(guard, survey):
    rows, ids = np.array([1, 2]), np.array(["shot0001", "shot0002"], object)
    images = survey.read_images(rows)
    given = guard.watched(from_memory(images, [0, 1], ids))
    ids[:] = "shot0050"
    given.read(np.array([0, 1]))
    images[1] = survey.read_images([50])[0]
    with refused("shot0002 .* is a copy of a test gather, shot0050"):
        given.read(np.array([0, 1]))


def test_the_same_picture_in_two_parts_is_refused(survey, tmp_path):
    gathers = [survey.read(row) for row in range(8)]
    gathers[6] = dataclasses.replace(gathers[6], image=gathers[1].image)
    write_survey(tmp_path / "torn", gathers, survey.size, {})
    torn = open_survey(tmp_path / "torn")
    Guard(torn, np.array([0, 1, 6]), np.array([4]), np.array([5, 7]))
    with refused("gather shot0001 .* is a copy of a test gather, shot0006"):
        Guard(torn, np.array([0, 1]), np.array([4]), np.array([5, 6]))
    with refused("gather shot0004 .* is a validation gather"):
        Guard(torn, np.array([0, 4]), np.array([4]), np.array([5]))


def test_two_surveys_with_one_id_are_told(survey):
    with pytest.raises(InputError, match=r"like .*survey; give another survey"):
        Guard(survey, TRAINING, VALIDATION, TEST, survey)
