"""Stands in for Python, for programs that import TensorFlow: see `warm_server.py`, whose socket lies beside this."""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main():
    words = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        if words[0][:1] == "-" and words[0] != "-m":
            raise ConnectionError("no program")
        server.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "socket"))
    except OSError:
        os.execv(sys.executable, [sys.executable, *words])
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
    fork = int(server.recv(64))
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: os.kill(fork, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    # The program's own output must end with it.
    for file in (0, 1, 2):
        os.close(file)
    status = int(server.recv(64))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
