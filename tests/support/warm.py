"""Starts `warm_server.py`, for programs that would only import TensorFlow or JAX again."""

import os
import subprocess
import sys
import time

from tests.support.commands import CHECKOUT


def start_server(folder, **environment):
    """Leave in a folder `python`, to be run in place of Python, and `holders`; the server ends when nobody holds it.

    Args:
        folder: An empty one.
        **environment: What its programs have in their environment when they import Keras' backend.
    """
    client = (CHECKOUT / "tests/support/warm_client.py").read_text()
    (folder / "python").write_text(f"#!{sys.executable} -IS\n{client}")
    (folder / "python").chmod(0o755)
    os.mkfifo(folder / "holders")
    hold(folder)
    with open(os.open(folder / "holders", os.O_RDONLY)) as held, (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, CHECKOUT / "tests/support/warm_server.py", folder / "socket", folder / "python"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
            stdin=held,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not (folder / "socket").exists():
        assert server.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)


def hold(folder):
    """Keep the server while this process lives."""
    os.open(folder / "holders", os.O_RDWR)
