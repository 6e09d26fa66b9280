"""The processes of a cluster meet before TensorFlow joins them.

TensorFlow waits for the others in silence and without an end, and no signal's handler runs meanwhile. So the processes
first find each other by a few lines over TCP, at the address that TensorFlow will use: worker 0 listens, the others say
who they are, and when all have come it lets them go on.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from glowseis.errors import InputError

WAIT_S = 600.0
"""How long processes wait for each other."""

SAY_AFTER_S = 15.0
"""After so long they say for whom."""

ASK_AGAIN_S = 0.2

GO, NO = b"go\n", b"no\n"


def meet(
    addresses: Sequence[str], worker: int, wait_s: float = WAIT_S, say: Callable[[str], None] = lambda line: None
) -> None:
    """Wait until all processes of a cluster are there.

    Args:
        addresses: `host:port` of each, the first worker 0's.
        worker: Number of this one.
        wait_s: How long to wait.
        say: Called with a line when it takes longer.

    Raises:
        InputError: Somebody did not come, has other addresses or the same number, or this address is in use.
    """
    if len(addresses) > 1:
        patience = _Patience(wait_s, say)
        with contextlib.closing(_Chief(addresses) if worker == 0 else _Other(addresses, worker)) as side:
            while missing := side.missing():
                patience.check(worker, [addresses[one] for one in missing])


class _Patience:
    def __init__(self, wait_s: float, say: Callable[[str], None]):
        self._started = time.monotonic()
        self._wait_s = wait_s
        self._say = say
        self._said = False

    def check(self, worker: int, missing: Sequence[str]) -> None:
        waited, whom = time.monotonic() - self._started, ", ".join(missing)
        if waited > self._wait_s:
            raise InputError(
                f"worker {worker} waited {self._wait_s:.0f} s for {whom} in vain; start all workers, at addresses that "
                "they can reach"
            )
        if waited > SAY_AFTER_S and not self._said:
            self._said = True
            self._say(f"worker {worker} waits for {whom}")
        time.sleep(ASK_AGAIN_S)


class _Chief:
    """Worker 0: waits for all others."""

    def __init__(self, addresses: Sequence[str]):
        self._addresses = list(addresses)
        self._there: dict[int, socket.socket] = {}
        _, _, port = addresses[0].rpartition(":")
        try:
            family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
            self._server = socket.create_server(
                ("", int(port)), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=128
            )
        except OSError as wrong:
            raise InputError(
                f"worker 0 cannot listen at {addresses[0]} ({os.strerror(wrong.errno or 0)}); give it another port"
            ) from None
        self._server.setblocking(False)

    def missing(self) -> list[int]:
        """Who has not come; when nobody is missing, all may go on."""
        # Who left may be here again, and who came may have left.
        self._drop_those_that_left()
        for one in self._arriving():
            self._let_in(one)
        self._drop_those_that_left()
        missing = [number for number in range(1, len(self._addresses)) if number not in self._there]
        if not missing:
            for one in self._there.values():
                # One that dies just now cannot be told; the others may have been let go on already.
                with contextlib.suppress(OSError):
                    one.sendall(GO)
            # Whoever closes first keeps the port busy for a while; it must not be this one, which TensorFlow needs.
            for one in self._there.values():
                one.settimeout(5.0)
                with contextlib.suppress(OSError):
                    one.recv(1)
        return missing

    def _drop_those_that_left(self) -> None:
        for number, one in list(self._there.items()):
            if _has_left(one):
                self._there.pop(number).close()

    def _arriving(self) -> Iterator[socket.socket]:
        while True:
            try:
                yield self._server.accept()[0]
            except BlockingIOError:
                return

    def _let_in(self, one: socket.socket) -> None:
        one.settimeout(2.0)
        try:
            with one.makefile("r") as lines:
                said = json.loads(lines.readline(65_536))
            number, addresses = said["worker"], said["addresses"]
            if not (isinstance(addresses, list) and all(map(str.isprintable, addresses))):
                raise TypeError(said)
            if type(number) is not int or not 0 < number < len(addresses):
                raise ValueError(said)
        # Whoever looks at an open port is no worker.
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            one.close()
            return
        same = addresses == self._addresses
        if same and number not in self._there:
            self._there[number] = one
            return
        for each in (one, *self._there.values()):
            with contextlib.suppress(OSError):
                each.sendall(NO)
        one.close()
        what = "is there twice" if same else f"has other addresses ({', '.join(addresses)})"
        raise InputError(f"worker {number} {what}; give all workers the same addresses, and each a number of its own")

    def close(self) -> None:
        """Leave."""
        for one in [*self._there.values(), self._server]:
            one.close()


class _Other:
    """Another worker: tells worker 0 that it is there, and waits until it may go on."""

    def __init__(self, addresses: Sequence[str], worker: int):
        host, _, port = addresses[0].rpartition(":")
        self._chief = host.strip("[]"), int(port)
        try:
            self._chief[0].encode("idna")
        except UnicodeError:
            raise InputError(f"{addresses[0]}: is no host's name; give worker 0 an address that it has") from None
        self._word = json.dumps({"worker": worker, "addresses": list(addresses)}).encode() + b"\n"
        self._socket: socket.socket | None = None

    def missing(self) -> list[int]:
        """Worker 0, while it has not said that all are there."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._chief, timeout=2.0)
                self._socket.sendall(self._word)
                self._socket.setblocking(False)
            answer = self._socket.recv(len(GO))
        except BlockingIOError:
            return [0]
        except OSError:
            answer = b""
        if answer == GO:
            return []
        self.close()
        # Whoever else answers there is not worker 0, or no longer.
        if answer == NO:
            raise InputError(
                "worker 0 says that a worker has other addresses, or that two have one number; give all workers the "
                "same addresses, and each a number of its own"
            )
        return [0]

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _has_left(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return not one.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
