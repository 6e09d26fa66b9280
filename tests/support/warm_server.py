"""Runs Python programs in forks of a process that has imported Keras' backend: `warm_server.py SOCKET PYTHON`.

Importing TensorFlow, or JAX, takes longer than most of what the tests' programs do. `warm_client.py`, which is run as
PYTHON, passes its words, folder, environment and standard files on to here, and ends as the fork ends; if it is killed,
so is the fork. The server ends when its standard input is closed.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys

from tests.support.graphs import rewrite_graphs

IMPORTED = (
    "keras",
    "matplotlib.pyplot",
    # Keeps the true interpreter, for processes that get other files too.
    "multiprocessing.spawn",
    "pandas",
    "sklearn.metrics",
)
OF_BACKENDS = {
    "tensorflow": ("tensorflow", "eval.running.folds", "glowseis.run.classifier", "glowseis.run.flow"),
    "jax": ("jax", "eval.on_jax.classifier", "eval.on_jax.flow"),
}


class Server:
    """Forks for every request that comes to a socket."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{path}.new")
        self.listener.listen(64)
        os.rename(f"{path}.new", path)
        self.events = selectors.DefaultSelector()
        self.clients, self.ends = {}, {}
        self.events.register(self.listener, selectors.EVENT_READ)
        self.events.register(0, selectors.EVENT_READ)

    def serve(self):
        """Gives a request in the fork that is to run it, and None at the end of the server."""
        while True:
            for key, _ in self.events.select():
                if key.fileobj == 0:
                    return None
                if key.fileobj is self.listener:
                    request = self.fork()
                    if request:
                        return request
                elif key.data not in self.clients:
                    continue
                elif key.fileobj is self.clients[key.data]:
                    # A client says nothing after its request: this is its end.
                    self.events.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
                else:
                    self.tell_end(key.data)

    def fork(self):
        client, _ = self.listener.accept()
        text, files, _, _ = socket.recv_fds(client, 1 << 20, 3)
        child = os.fork() if text else None
        if child == 0:
            for number, file in enumerate(files):
                os.dup2(file, number)
            for one in (self.events, self.listener, client, *self.clients.values()):
                one.close()
        for file in (*files, *(self.ends.values() if child == 0 else ())):
            os.close(file)
        if child == 0:
            return json.loads(text)
        if child:
            self.clients[child], self.ends[child] = client, os.pidfd_open(child)
            for file in (client, self.ends[child]):
                self.events.register(file, selectors.EVENT_READ, child)
            tell(client, child)
        return None

    def tell_end(self, child):
        client, end = self.clients.pop(child), self.ends.pop(child)
        for file in (client, end):
            with contextlib.suppress(KeyError):
                self.events.unregister(file)
        os.close(end)
        tell(client, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        client.close()


def tell(client, number):
    with contextlib.suppress(OSError):
        client.send(str(number).encode())


def run(request, executable, own_path):
    """What Python does with these words: `-m MODULE ...` or `PROGRAM ...`."""
    # Python draws other random numbers in each fork, and so must NumPy.
    importlib.import_module("numpy").random.seed()
    # The former ones learnt from the server's files what can be done with them.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.executable = executable
    *option, program = request["words"][: 1 + (request["words"][0] == "-m")]
    sys.argv = [program, *request["words"][1 + len(option) :]]
    first = os.getcwd() if option else os.path.dirname(os.path.abspath(program))
    given = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [first, *given, *own_path]
    imported = os.path.dirname(importlib.import_module("glowseis").__file__)
    if any(os.path.isdir(other := os.path.join(one, "glowseis")) and other != imported for one in given):
        # Another package than that of the checkout, which is imported already.
        for name in [one for one in sys.modules if one.split(".")[0] in ("glowseis", "eval")]:
            del sys.modules[name]
    if option:
        sys.modules.pop(program, None)
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [one for one in sys.path[1:] if one not in given]
    for name in (*IMPORTED, *OF_BACKENDS[os.environ.get("KERAS_BACKEND", "tensorflow")]):
        importlib.import_module(name)
    if "tensorflow" in sys.modules:
        rewrite_graphs(False)
    gc.freeze()
    asked = Server(sys.argv[1]).serve()
    if asked:
        run(asked, sys.argv[2], path)
