import contextlib
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.commands import CHECKOUT, lines, run_here, signals_kept
from tests.support.graphs import rewrite_graphs
from tests.support.shared import shared_folder
from tests.support.warm import hold, start_server

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Tests that run in the background inherit this, and so would the commands that they interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The tests' processes share the cores: threads of each would wait for one another more than they help.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(name, "1")
# XLA, TensorFlow's and JAX's, compiles small programs longer than it runs them.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

TINY = """
name = "tiny"
seed = 3

[data]
held_out = 0.25
augment = ["shift_time", "polarity"]

[flow]
levels = 2
steps = [1, 2]
filters = 8
attention_levels = 1
heads = 2

[[phases]]
labels = ["good", "bad"]
epochs = 3
learning_rate = 1e-2
warmup_steps = 3
end_learning_rate = 3e-3

[[phases]]
labels = ["bad"]
epochs = 4
learning_rate = 3e-3

[training]
batch = 3
clip_norm = 10.0
adapt_gathers = 6
evaluate_every_epochs = 2
pictures_every_epochs = 100
"""
"""A training of seconds: 3 epochs of 7 steps, then 4 of 3."""


FITTED = {"trained", "saved", "models"}
"""Fixtures that train or export models; the first test that asks for one waits for it."""


LONGEST = {"test_shipped.py", "test_site.py", "test_training.py", "test_devices.py", "test_activations.py"}
"""Files with tests of more than half a minute."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if FITTED & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    # Processes share what is left of the tests: files with long ones come first, so that none is left to the end.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path not in long))


def pytest_collection_finish():
    # Of what collecting imported, TensorFlow above all, nothing is ever garbage, and looking takes long.
    gc.freeze()
    if "tensorflow" in sys.modules:
        rewrite_graphs(False)
        # Studies clear Keras' session between their parts, which looks for garbage too.
        sys.modules["keras"].backend.clear_session = lambda: None


@pytest.fixture
def command(capsys):
    """A command of glowseis, or `eval.NAME`, in this process: exit status, what it printed, its errors by line."""

    def call(module, *words):
        import importlib

        from glowseis.command import run

        with signals_kept(), pytest.raises(SystemExit) as left:
            name = module if module.startswith("eval.") else f"glowseis.{module}"
            run(importlib.import_module(name).main, [str(word) for word in words])
        out, error = capsys.readouterr()
        return SimpleNamespace(status=left.value.code, out=out, error=lines(error))

    return call


@pytest.fixture(scope="session")
def thorough(pytestconfig):
    """Whether slow tests run too: tests of many random cases then try more of them."""
    return "not slow" not in pytestconfig.option.markexpr


@pytest.fixture
def late_writer(monkeypatch):
    """Gives a function: from then on, whenever a folder is removed, somebody else writes into another if it exists."""

    def writing(into):
        def rmtree(folder, ignore_errors=False):
            for left in sorted(Path(folder).rglob("*"), reverse=True):
                left.rmdir() if left.is_dir() else left.unlink()
            with contextlib.suppress(FileNotFoundError):
                (into / "late").touch()
            with contextlib.suppress(*[OSError] * ignore_errors):
                Path(folder).rmdir()

        monkeypatch.setattr("shutil.rmtree", rmtree)

    return writing


@pytest.fixture
def eagerly():
    """Functions are run as they stand: what is called a few times takes longer to be traced than to run."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def eager_fitting():
    """Fittings run their steps as they stand: a few steps take longer to be traced than to run."""
    import tensorflow as tf

    from glowseis.fitting.classifier.fitting import ClassifierFitting
    from glowseis.fitting.flow.fitting import FlowFitting

    def eagerly(run):
        def running(*given, **named):
            tf.config.run_functions_eagerly(True)
            try:
                return run(*given, **named)
            finally:
                tf.config.run_functions_eagerly(False)

        return running

    with pytest.MonkeyPatch.context() as patch:
        for kind in (ClassifierFitting, FlowFitting):
            patch.setattr(kind, "run", eagerly(kind.run))
        yield


@pytest.fixture(scope="module")
def one_core():
    """Whoever counts cores finds one, so that simulating starts no processes, each of which imports NumPy and SciPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda process: {0})
        yield


@pytest.fixture
def rewritten_graphs():
    """Graphs are rewritten before they run, as they are for users."""
    rewrite_graphs(True)
    yield
    rewrite_graphs(False)


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory):
    """An executable that runs modules and programs as Python does, with TensorFlow imported already."""
    folder = shared_folder(tmp_path_factory, "warm", start_server)
    hold(folder)
    return folder / "python"


@pytest.fixture(scope="session")
def jax_python(tmp_path_factory):
    """The same with Keras on JAX, which compiles once what several programs share."""
    pytest.importorskip("jax")

    def make(folder):
        start_server(
            folder,
            KERAS_BACKEND="jax",
            JAX_COMPILATION_CACHE_DIR=str(folder / "compiled"),
            JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
        )

    folder = shared_folder(tmp_path_factory, "jax", make)
    hold(folder)
    return folder / "python"


@pytest.fixture(scope="session")
def built_package(tmp_path_factory):
    """A folder with the package as a wheel has it."""

    def make(folder):
        words = ["build", "--build-base", folder, "--build-lib", folder / "lib", "egg_info", "--egg-base", folder]
        subprocess.run([sys.executable, "setup.py", "-q", *map(str, words)], cwd=CHECKOUT, check=True)

    return shared_folder(tmp_path_factory, "package", make) / "lib"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A recipe and a survey of 12 good and 12 bad gathers, smaller than their pictures and of several widths."""

    def make(folder):
        from glowseis.survey.store.survey import write_survey
        from tests.support.random_gathers import random_gather

        (folder / "tiny.toml").write_text(TINY)
        gathers = (
            random_gather(shot, (32, 32), samples=30, traces=28 + shot % 5, label=("good", "bad")[shot % 2])
            for shot in range(24)
        )
        write_survey(folder / "survey", gathers, (32, 32), {})

    folder = shared_folder(tmp_path_factory, "tiny", make)
    return SimpleNamespace(recipe=folder / "tiny.toml", survey=folder / "survey")


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory):
    """The tiny recipe trained without a stop by `train`, in the process of whichever test is first."""

    def make(folder):
        done = run_here("train", tiny.recipe, "--survey", tiny.survey, folder=folder)
        assert done.status == 0, done.error
        (folder / "out").write_text(done.out)

    folder = shared_folder(tmp_path_factory, "trained", make)
    return SimpleNamespace(
        folder=folder,
        run=folder / "runs" / "tiny",
        savedmodel=folder / "savedmodels" / "tiny" / "1",
        out=(folder / "out").read_text(),
    )
