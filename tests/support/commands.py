"""Commands of glowseis, run as users run them."""

import contextlib
import importlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

CHECKOUT = Path(__file__).parent.parent.parent


def start(module, *words, folder=None, python=sys.executable):
    """Start a command of glowseis in a process of its own; runs and SavedModels go below `folder`."""
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [python, "-m", f"glowseis.{module}", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Wait for a command; its exit status, what it printed, and its errors line by line, progress bars apart."""
    out, error = process.communicate()
    return SimpleNamespace(status=process.returncode, out=out, error=lines(error))


@contextlib.contextmanager
def signals_kept():
    """After this context, signals do what they did before it.

    A command that a signal stopped ignores further ones, and so would the programs that later tests start.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_here(module, *words, folder):
    """Run a command of glowseis in this process; runs and SavedModels go below `folder`."""
    from glowseis.command import run

    out, error = io.StringIO(), io.StringIO()
    main = importlib.import_module(f"glowseis.{module}").main
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            with signals_kept():
                run(main, [str(word) for word in words])
        except SystemExit as left:
            status = left.code
    return SimpleNamespace(status=status, out=out.getvalue(), error=lines(error.getvalue()))


@contextlib.contextmanager
def stopped_after(monkeypatch, run, steps):
    """Within this context a training is sent SIGTERM after so many steps.

    Args:
        monkeypatch: Pytest's.
        run: The class that logs its steps, `FlowRun` or `ClassifierRun`.
        steps: How many steps.
    """
    after_step = run.after_step

    def stop(self, step, *told):
        after_step(self, step, *told)
        if step == steps:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(run, "after_step", stop)
        yield


def lines(error):
    """The lines of an error, without progress bars and the lines that a slow machine gets in their place."""
    told = [line for line in error.replace("\r", "\n").splitlines() if line.strip() and "%|" not in line]
    return [line for line in told if not re.match(r"[a-z ]+(: \d+( of \d+)? \w+s after |.* after the start$)", line)]


def ingest(*words):
    """Ingest in this process; gives exit status, output and the lines of errors."""
    done = run_here("ingest", *words, folder=CHECKOUT)
    return done.status, done.out, done.error


def ingest_apart(*words, **settings):
    """The same in a process of its own; words may be bytes."""
    words = [word if isinstance(word, bytes) else str(word) for word in words]
    call = [sys.executable, "-m", "glowseis.ingest", *words]
    done = subprocess.run(call, check=False, cwd=CHECKOUT, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout, done.stderr.splitlines()


def on_backend(backend, python, *words):
    """Run a program with Keras on a backend in a process of its own, to its end."""
    return subprocess.run(
        [python, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )


def free_ports(count):
    """Ports on which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def dask_cluster(workers=2, *, processes=False, **settings):
    """A Dask scheduler with workers, in this process unless they are processes of their own; gives the cluster."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=processes,
        protocol=None if processes else "tcp://",
        host="127.0.0.1",
        dashboard_address=":0",
        **settings,
    ) as cluster:
        yield cluster
