import itertools
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from glowseis.errors import InputError
from glowseis.recipe import (
    LATER,
    LATER_OF_CLASSIFIERS,
    ClassifierData,
    ClassifierRecipe,
    ClassifierSection,
    ClassifierTraining,
    FlowSection,
    Phase,
    Recipe,
    Section,
    StartedTraining,
    SurveySection,
    TrainingSection,
    identifying,
    read_recipe,
)
from tests.support.commands import CHECKOUT
from tests.support.settings import default_of

TRAIN = CHECKOUT / "train"

BASE = """
name = "small"
[data]
held_out = 0.2
[[phases]]
labels = ["bad"]
epochs = 5
learning_rate = 1e-3
"""


def read(tmp_path, text=BASE, *changes):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return read_recipe(path, list(changes))


@pytest.mark.parametrize("path", sorted(set(TRAIN.glob("*.toml")) - {TRAIN / "hour.toml"}), ids=lambda path: path.stem)
def test_recipes_that_come_with_glowseis_are_valid(path):
    assert read_recipe(path).name == path.stem


def test_the_papers_recipe_is_the_papers():
    recipe = read_recipe(TRAIN / "paper.toml")
    flow = recipe.flow
    assert (flow.levels, flow.steps, flow.filters, flow.attention_levels) == (6, 15, 96, 2)
    assert recipe.survey.size == "896x640"
    assert max(phase.learning_rate for phase in recipe.phases) == 1e-4
    assert recipe.phases[0].warmup_steps == 456


@pytest.mark.parametrize(("before", "now"), [("true", "recomputed"), ("false", "stored"), ("auto", "auto")])
def test_recipes_and_runs_with_the_former_name_of_activations_stay_valid(before, now, tmp_path):
    recipe = read(tmp_path, BASE, f"training.reversible={before}", "training.conditioners=bfloat16")
    assert recipe.training.activations == now and recipe.training.conditioners == "bfloat16"
    stored = {"training": {"batch": 2, "reversible": {"true": True, "false": False}.get(before, before)}}
    assert identifying(stored) == identifying({"training": {"batch": 2, "activations": now}})
    damaged = {"training": {"reversible": [1]}}
    assert identifying(damaged) == damaged


def test_what_is_left_out_has_its_default(tmp_path):
    recipe = read(tmp_path)
    assert (recipe.seed, recipe.flow.levels, recipe.training.batch, recipe.phases[0].decay_power) == (1, 6, 1, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("flow.levls=3", "unknown key flow.levls; did you mean levels?"),
        ("phases.0.epoch=3", "unknown key phases.0.epoch; did you mean epochs?"),
        ("training.zzz=3", "unknown key training.zzz; known here: batch, clip_norm"),
        ("sed=3", "unknown key sed; did you mean seed?"),
        ("weather.rain=1", "unknown key weather; known here: name, seed"),
        ("training.batch=two", "training.batch = 'two': input should be a valid integer"),
        ("training.batch=2.0", "training.batch = 2.0: input should be a valid integer"),
        ("training.batch=true", "training.batch = True: input should be a valid integer"),
        ("training.batch=0", "training.batch = 0: input should be greater than 0"),
        ("phases.0.epochs='5'", "phases.0.epochs = '5': input should be a valid integer"),
        ("phases.0.labels='bad'", "phases.0.labels = 'bad': input should be a valid list"),
        ("phases.0.labels=[1]", "phases.0.labels.0 = 1: input should be a valid string"),
        ("phases.0.learning_rate=inf", "phases.0.learning_rate = inf: input should be a finite number"),
        ("training.clip_norm=nan", "training.clip_norm = nan: input should be a finite number"),
        ("flow.steps='many'", "flow.steps = 'many': input should be a valid integer"),
        ("flow.steps=[1,'x',3]", "flow.steps.1 = 'x': input should be a valid integer"),
        ("flow.steps=[1,0,3]", "flow.steps.1 = 0: input should be greater than 0"),
        ("data.held_out=1", "data.held_out = 1: input should be less than 1"),
        ("data.augment=['flip']", "data.augment.0 = 'flip': input should be 'shift_time'"),
        ("training.keep=first", "training.keep = 'first': input should be 'best' or 'last'"),
        ("seed=-1", "seed = -1: input should be greater than or equal to 0"),
        ("seed=4294967296", "seed = 4294967296: input should be less than 4294967296"),
        ("name=..", "name = '..': string should match pattern"),
        ("name=a/b", "name = 'a/b': string should match pattern"),
        ("flow=3", "flow = 3: input should be a valid dictionary"),
        ("phases=[]", "phases = []: list should have at least 1 item"),
        ("survey.fractions=[1,2]", "survey.fractions = [1, 2]: list should have at least 3 items"),
        ("survey.size=large", "survey.size 'large' is not samples x traces"),
        ("data.held_out=0.0", 'training.keep = "best" needs held-out gathers; set data.held_out above 0'),
        ("training.reversible=maybe", "training.reversible is now called activations; set it"),
        ("training={reversible=true, activations='stored'}", "training.reversible is now called activations; set it"),
        ("training.activations=inverted", "training.activations = 'inverted': input should be 'auto', 'stored' or"),
        ("flow.filters=[8,16]", "flow.filters has 2 values for flow.levels = 6"),
        ("flow.attention_levels=7", "flow.attention_levels = 7 is more than flow.levels"),
        ("flow.filters=90", "flow.filters of an attention level must be a multiple of flow.heads"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_value(tmp_path, change, message):
    with pytest.raises(InputError) as wrong:
        read(tmp_path, BASE, change)
    assert str(wrong.value).startswith(str(tmp_path / "recipe.toml"))
    assert message in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE.replace('name = "small"', ""), "the key name is missing"),
        (BASE.replace("epochs = 5", ""), "the key phases.0.epochs is missing"),
        ("", "the key name is missing"),
        ("name = ", "not a TOML file: Invalid value"),
        ("name = 'a'\nname = 'b'", "not a TOML file"),
        (f"name = {3000 * '['}{3000 * ']'}", r"toml: its values are nested too deeply; nest no setting more than"),
        (f"a{2999 * '.a'} = 1", r"toml: its values are nested too deeply"),
        (BASE + f"seed = {5000 * '9'}", r"toml: an integer has too many digits; it must fit into 64 bits"),
        (f"seed = 0x{5000 * 'f'}\n" + BASE, r"toml: an integer has too many digits"),
        (f"seed = '{5000 * 'x'}'\n" + BASE, r"toml: seed = 'x{79}\.\.: input should be a valid integer$"),
        (f"{5000 * 'x'} = 1\n" + BASE, r"toml: unknown key x{80}\.\.; known here: name, seed"),
        (BASE + 1_000_000 * "#", r"toml: larger than 1,000,000 bytes, so not a recipe"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as wrong:
        read(tmp_path, text)
    assert len(str(wrong.value)) < len(str(tmp_path)) + 300 and "\n" not in str(wrong.value)


def test_files_that_are_no_text_or_not_there(tmp_path):
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\r\n\xff")
    with pytest.raises(InputError, match=r"picture\.toml: not a TOML file"):
        read_recipe(tmp_path / "picture.toml")
    with pytest.raises(InputError, match=f"{tmp_path}: cannot be read: Is a directory; name a TOML file"):
        read_recipe(tmp_path)
    with pytest.raises(InputError, match=r"/dev/zero: larger than 1,000,000 bytes"):
        read_recipe(Path("/dev/zero"))
    with pytest.raises(InputError, match=r"nowhere\.toml: no such recipe; the recipes that come with glowseis"):
        read_recipe(tmp_path / "nowhere.toml")


def test_changes(tmp_path):
    recipe = read(
        tmp_path,
        BASE,
        "phases.0.epochs=1",
        "training.batch = 2",
        "data.label=very bad",
        "flow.steps=[1, 2, 3, 4, 5, 6]",
        "data.augment=['polarity']",
        "data.held_out=0.0",
        "training.keep=last",
    )
    assert recipe.phases[0].epochs == 1 and recipe.phases[0].learning_rate == 1e-3
    assert (recipe.training.batch, recipe.training.keep) == (2, "last")
    assert recipe.data.label == "very bad" and recipe.data.augment == ["polarity"]
    assert recipe.flow.steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("batch", "write it as key=value"),
        ("=2", "write it as key=value"),
        ("phases.1.epochs=1", "the recipe has no such key"),
        ("phases.first.epochs=1", "the recipe has no such key"),
        ("name.first=1", "the recipe has no such key"),
        ("seed=" + 5000 * "9", "an integer has too many digits"),
        ("seed=" + 3000 * "[", "its values are nested too deeply"),
    ],
)
def test_changes_that_cannot_be_made(tmp_path, change, message):
    with pytest.raises(InputError, match=rf"--set {re.escape(change[:80])}(\.\.)?: {message}"):
        read(tmp_path, BASE, change)


def test_later_settings_tell_recipes_apart_unless_they_are_at_their_default():
    everywhere = itertools.product((Recipe, ClassifierRecipe), LATER.items())
    for kind, (key, default) in [*everywhere, *((ClassifierRecipe, one) for one in LATER_OF_CLASSIFIERS.items())]:
        found = default_of(kind, key)
        assert (found.model_dump() if isinstance(found, Section) else found) in (None, default)
    old = {"seed": 1, "training": {"batch": 2}, "study": {"training": {"at_once": 0}}}
    new = {"seed": 1, "training": {"batch": 2, "at_once": 0}, "study": {"training": {"at_once": 0}}}
    assert identifying(new) == identifying(old) == old and new["training"] == {"batch": 2, "at_once": 0}
    # Of a section that is not its own the library knows nothing; whoever adds it says what came later there.
    assert identifying(new, {"study.training.at_once": 0}) == {**old, "study": {"training": {}}}
    given = {"training": {"at_once": 4, "batch": 2}, "study": None}
    assert identifying(given) == given and identifying(None) is None


def test_augmentations_came_later_to_classifiers_alone():
    """A flow that was trained without any is still told by it, as its kept outcomes say."""
    flows = {"flow": {}, "data": {"label": "bad", "augment": []}}
    assert identifying(flows) == flows
    classifiers = {"classifier": {}, "data": {"labels": [], "augment": [], "window": ""}}
    assert identifying(classifiers) == {"classifier": {}, "data": {"labels": []}}
    given = {"classifier": {}, "data": {"augment": ["gain"], "window": "24x16"}}
    assert identifying(given) == given
    one = {"count": 3, "acquisitions": 0, "first_acquisition": 1, "weather": 0.0}
    assert identifying({"survey": one}) == {"survey": {"count": 3}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.augment=['flip']", "data.augment.0 = 'flip': input should be 'trace_order', 'polarity'"),
        ("data.augment=['shift_traces']", "data.augment.0 = 'shift_traces': input should be 'trace_order'"),
        ("data.window=large", "data.window: size 'large' is not samples x traces; write it like 896x640"),
        ("data.window=00x128", "data.window: size '00x128': each side must be between 1 and 32768"),
        ("data.windows=24x16", "unknown key data.windows; did you mean window?"),
    ],
)
def test_a_wrong_setting_of_a_classifiers_data_is_named(change, message):
    with pytest.raises(InputError) as wrong:
        read_recipe(TRAIN / "classifier.toml", [change])
    assert str(wrong.value).startswith(f"{TRAIN / 'classifier.toml'}: {message}")


PHASE = Phase(labels=["bad"], epochs=1, learning_rate=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SurveySection(size="large"), "size 'large' is not samples x traces"),
        (lambda: FlowSection(levels=3, steps=[1, 2]), "steps has 2 values for flow.levels = 3"),
        (lambda: FlowSection(levels=2, attention_levels=3), "attention_levels = 3 is more than flow.levels"),
        (lambda: FlowSection(filters=90, heads=4), "filters of an attention level must be a multiple of flow.heads"),
        (lambda: TrainingSection(reversible=1), "reversible is now called activations"),
        (lambda: Recipe(name="a", phases=[PHASE]), "needs held-out gathers"),
        (lambda: ClassifierData(window="large"), "window: size 'large' is not"),
        (lambda: ClassifierData(labels=["good"]), "name at least two labels, each once"),
        (
            lambda: ClassifierTraining(class_weights=[0, 0.0]),
            "class_weights are all 0; give at least one class a weight above 0",
        ),
        (lambda: classifiers({"labels": ["a", "b"]}, {"class_weights": [1.0, 2.0, 3.0]}), "has 3 values for 2 labels"),
        (lambda: classifiers({"validation": 0.0}, {"keep": "best"}), "need validation gathers; set data.validation"),
        (lambda: classifiers({"validation": 0.0}, {"patience": 2}), "need validation gathers; set data.validation"),
    ],
)
def test_settings_are_checked_whoever_makes_them(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def classifiers(data, training):
    return ClassifierRecipe(
        name="a",
        classifier=ClassifierSection(),
        data=ClassifierData(**data),
        training=StartedTraining(**training),
    )
