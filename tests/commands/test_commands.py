"""What every command does with its arguments, its errors and its signals."""

import configparser
import errno
import json
import os
import signal
import subprocess
import sys

import pytest

import glowseis
from glowseis import command
from glowseis.__main__ import COMMANDS
from glowseis.errors import FittingError, InputError, StoppedError
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import random_survey

HEAVY = "[name for name in ('tensorflow', 'keras', 'pandas', 'segyio') if name in sys.modules]"


def python(script, *words):
    return subprocess.run(
        [sys.executable, "-c", script, *words], check=False, cwd=CHECKOUT, capture_output=True, text=True
    )


SEVERAL = """
import contextlib, importlib, io, json, sys
from glowseis.command import run

answers = []
for name, *words in json.loads(sys.argv[1]):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            run(importlib.import_module(f"glowseis.{name}").main, words)
        except SystemExit as left:
            status = left.code
    loaded = [one for one in ("tensorflow", "keras", "pandas", "segyio") if one in sys.modules]
    answers.append((status, out.getvalue(), error.getvalue(), loaded))
print(json.dumps(answers))
"""


def one_after_another(calls):
    """Commands in one process of their own: by call the status, output, lines of errors, and what is loaded by then."""
    done = python(SEVERAL, json.dumps(calls))
    assert done.returncode == 0, done.stderr
    return {
        tuple(call): (status, out, error.splitlines(), loaded)
        for call, (status, out, error, loaded) in zip(calls, json.loads(done.stdout), strict=True)
    }


def test_every_module_that_can_be_run_is_tested():
    runnable = {path.stem for path in (CHECKOUT / "glowseis").glob("*.py") if "__main__" in path.read_text()}
    assert runnable - {"command", "__main__"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_parse_call_and_print(name):
    assert len((CHECKOUT / "glowseis" / f"{name}.py").read_text().splitlines()) < 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_and_loads_nothing_heavy(name):
    script = (
        "import runpy, sys\n"
        f"sys.argv = ['{name}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('glowseis.{name}', run_name='__main__', alter_sys=True)\n"
        "finally:\n"
        f"    print('loaded', {HEAVY})\n"
    )
    done = python(script)
    assert done.returncode == 0, done.stderr
    assert f"Usage: python -m glowseis.{name} [OPTIONS]" in done.stdout
    assert f"Example: python -m glowseis.{name}" in done.stdout
    assert "loaded []" in done.stdout and not done.stderr


def test_the_package_loads_nothing_heavy():
    done = python(f"import sys, glowseis; print({HEAVY}, glowseis.__version__)")
    assert done.stdout.startswith("[] ") and not done.stderr


def console(*words, **environment):
    """The function that the console command calls, in a process of its own, and what it loads."""
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    _, place = settings["options.entry_points"]["console_scripts"].split("=")
    module, function = place.strip().split(":")
    script = (
        f"import sys\nfrom {module} import {function}\n"
        f"try:\n    {function}()\nfinally:\n    print('loaded', {HEAVY}, file=sys.stderr)\n"
    )
    words = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(
        words, check=False, cwd=CHECKOUT, capture_output=True, text=True, env={**os.environ, **environment}
    )
    *error, loaded = done.stderr.splitlines()
    assert loaded == "loaded []"
    return done.returncode, done.stdout, error


def test_one_console_command_has_them_all():
    status, out, error = console("--help")
    assert (status, error) == (0, []) and "Usage: glowseis [OPTIONS] COMMAND" in out
    assert [line.split()[0] for line in out.split("Commands:\n")[1].splitlines()] == [*COMMANDS]
    assert console("--version") == (0, f"glowseis {glowseis.__version__}\n", [])
    status, out, error = console("folds", "--help")
    assert status == 0 and "Usage: glowseis folds [OPTIONS]" in out and "Example: glowseis folds surveys" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "glowseis: Missing command; see glowseis --help"),
        (("fly",), "glowseis: No such command 'fly'; see glowseis --help"),
        (("folds", "s", "--zzzz"), "glowseis folds: No such option: --zzzz; see glowseis folds --help"),
        (("train", "nowhere.toml"), "glowseis train: nowhere.toml: no such recipe"),
    ],
)
def test_the_console_command_tells_wrong_words_under_its_own_name(words, message):
    status, out, (line,) = console(*words)
    assert (status, out) == (2, "") and line.startswith(message)


def test_a_shell_completes_commands_and_options():
    assert console(_GLOWSEIS_COMPLETE="complete_bash", COMP_WORDS="glowseis f", COMP_CWORD="1") == (0, "folds\n", [])
    _, out, _ = console(_GLOWSEIS_COMPLETE="complete_bash", COMP_WORDS="glowseis folds --k", COMP_CWORD="2")
    assert out == "--kind\n"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--zzzz",), "No such option: --zzzz"),
        (("--out",), "Option '--out' requires an argument"),
    ],
)
def test_wrong_words_are_told_in_one_line(name, words, message, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    if name == "label":
        # It adds to a file and makes none.
        words, message = ("--labels",) if words == ("--out",) else words, message.replace("--out", "--labels")
    done = command(name, *words)
    assert done.status == 2
    assert done.error == [f"glowseis.{name}: {message}; see python -m glowseis.{name} --help"]
    assert not done.out and not list(tmp_path.iterdir())


BAD_INPUT = [
    ("train", ("nowhere.toml",), "nowhere.toml: no such recipe"),
    ("train", ("--set", "training.batc=2"), "unknown key training.batc; did you mean batch?"),
    ("train", ("a.toml", "b.toml"), "unexpected extra argument"),
    ("generate", ("model", "--out", "new.xyz", "--survey", "s"), "new.xyz: no format ends in .xyz"),
    ("generate", (), "Missing option '--survey'"),
    ("classify", (), "Missing argument 'SOURCE...'"),
    ("classify", ("survey", "--batch", "0"), "Invalid value for '--batch'"),
    ("deliver", (), "Missing argument 'GRADES.csv'"),
    ("describe", (), "Missing argument 'SURVEY|MODEL'"),
    ("folds", ("survey", "--out", "f.json", "--kind", "tenfold"), "Invalid value for '--kind'"),
    ("generate", ("model", "--survey", "s", "--out", "new", "--count", "many"), "Invalid value for '--count'"),
    ("generate", ("model", "--survey", "s", "--out", "README.md"), "README.md: no format ends in .md"),
    ("generate", ("model", "--survey", "s", "--out", "docs"), "docs: the folder is not empty; give another --out"),
    ("train", ("train/window.toml",), "train/window.toml: no section [survey] says what to simulate; pass --survey"),
]


@pytest.fixture(scope="module")
def told():
    return one_after_another([(name, *words) for name, words, _ in BAD_INPUT])


@pytest.mark.parametrize(("name", "words", "message"), BAD_INPUT)
def test_bad_input_is_told_without_loading_tensorflow(name, words, message, told):
    status, _, (line,), loaded = told[name, *words]
    assert status == 2 and not loaded
    assert line.startswith(f"glowseis.{name}: ") and message in line


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("a: is\n  wrong"), 2, "a: is wrong"),
        (FittingError("diverged"), 1, "diverged"),
        (StoppedError("stopped"), 75, "stopped"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: no space left to write; nothing half"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "no space left to write; nothing half"),
        (RuntimeError("a/b; No space left on device"), 2, "no space left to write; nothing half"),
    ],
)
def test_errors_become_a_line_and_a_status(error, status, message, capsys):
    def main() -> None:
        raise error

    main.__module__ = "glowseis.main"
    with pytest.raises(SystemExit) as left:
        command.run(main, [])
    out, told = capsys.readouterr()
    assert left.value.code == status and not out
    (line,) = told.splitlines()
    assert line.startswith(f"glowseis.main: {message}")


def test_errors_of_our_own_keep_their_traceback():
    def main() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        command.run(main, [])


def test_a_command_that_ends_well_has_status_0():
    def main() -> None:
        pass

    with pytest.raises(SystemExit) as left:
        command.run(main, [])
    assert left.value.code == 0


AMISS = [
    ("generate", ("savedmodels/none", "--survey", "{survey}", "--out", "new"), "none: no SavedModel there"),
    ("generate", ("{model}", "--survey", "{survey}/none", "--out", "new"), "none: no such survey"),
    ("generate", ("{model}", "--survey", "{survey}", "--out", "new", "--label", "ugly"), "labelled 'ugly'"),
    ("generate", ("{model}", "--survey", "{large}", "--out", "new"), "is for gathers of 64x64, but"),
    ("generate", ("{other}", "--survey", "{survey}", "--out", "new"), "a classifier, but this needs a flow"),
    ("generate", ("{unsaid}", "--survey", "{survey}", "--out", "new"), "damaged (glowseis.json: No such file"),
    ("generate", ("{model}", "--survey", "{survey}", "--out", "{survey}"), "the folder is not empty"),
    (
        "generate",
        ("{model}", "--survey", "{survey}", "--out", "{table}.segy"),
        "exists already; give another --out",
    ),
    ("classify", ("savedmodels/none", "{table}.csv", "--out", "new.csv"), "none: no SavedModel there"),
    ("classify", ("{model}", "{table}.csv", "--out", "new.csv"), "a flow, but this needs a classifier"),
    ("classify", ("{other}", "none.segy", "--out", "new.csv"), "none.segy: no such file"),
    ("classify", ("{other}", "{table}.csv", "--out", "new.csv"), "table.csv: has 0 bytes"),
    ("train", ("train/window.toml", "--survey", "none"), "none: no such survey"),
    (
        "train",
        ("train/demo.toml", "--set", "survey.size=112x81"),
        "survey.size: gathers of 112x81 cannot be halved",
    ),
    ("train", ("train/demo.toml", "--survey", "{survey}", "--out", "{survey}"), "not the folder of a run"),
    ("train", ("train/demo.toml", "--survey", "{survey}", "--out", "{run}"), "holds a run of another recipe (seed"),
    (
        "train",
        ("train/demo.toml", "--survey", "{survey}", "--out", "{there}"),
        "holds a run on another survey, there",
    ),
]


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    folder = tmp_path_factory.mktemp("amiss")
    from glowseis.recipe import read_recipe

    there = ("survey", "large", "model", "other", "unsaid", "run", "there", "table")
    places = {one: str(folder / one) for one in there}
    for size, place in (((64, 64), "survey"), ((64, 128), "large")):
        random_survey(folder / place, 4, size)
    for place, kind in (("model", "flow"), ("other", "classifier")):
        about = folder / place / "1" / "assets.extra" / "glowseis.json"
        about.parent.mkdir(parents=True)
        about.write_text(json.dumps({"kind": kind, "label": "bad", "image_shape": [64, 64, 1]}))
        (folder / place / "1" / "saved_model.pb").touch()
    (folder / "unsaid").mkdir()
    (folder / "unsaid" / "saved_model.pb").touch()
    recipe = read_recipe(CHECKOUT / "train" / "demo.toml").model_dump()
    for place, changed in (("run", {**recipe, "seed": 9}), ("there", recipe)):
        (folder / place).mkdir()
        record = {"run": "1", "recipe": changed, "survey": "there", "survey_checksum": "1", "versions": {}}
        (folder / place / "run.json").write_text(json.dumps(record))
    (folder / "table.csv").touch()
    told = one_after_another([(name, *(word.format(**places) for word in words)) for name, words, _ in AMISS])
    return dict(zip(((name, words) for name, words, _ in AMISS), told.values(), strict=True))


@pytest.mark.parametrize(("name", "words", "message"), AMISS)
def test_models_surveys_and_runs_are_looked_at_before_tensorflow(name, words, message, looked_at):
    status, out, (line,), loaded = looked_at[name, words]
    assert status == 2 and not out and "tensorflow" not in loaded
    assert line.startswith(f"glowseis.{name}: ") and message in line


def test_an_interruption_is_told(tmp_path):
    script = (
        "import time, sys\n"
        "from glowseis.command import run\n"
        "def main() -> None:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "main.__module__ = 'glowseis.main'\n"
        "run(main, [])\n"
    )
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told.strip().splitlines() == ["glowseis.main: interrupted"]


@pytest.mark.slow
def test_tensorflows_remarks_are_kept_back(tmp_path):
    script = (
        "import os, sys; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n"
        "from glowseis.command import import_tensorflow; import_tensorflow()\n"
        "import tensorflow as tf; print(tf.reduce_sum([1, 2]).numpy())\n"
        "print('heard', file=sys.stderr)\n"
    )
    done = python(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "heard\n")
