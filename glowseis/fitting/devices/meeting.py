"""The processes of a cluster meet before TensorFlow joins them.

TensorFlow waits for the others silently and forever, and no signal handler runs meanwhile. So the processes first find
each other over TCP, at the address that TensorFlow will use: worker 0 listens, the others say who they are, and when
all have arrived it lets them go on.

Each side proves that it knows a shared secret, without sending it, by a keyed hash of a challenge that the other side
draws; anything else is ignored. What TensorFlow does at that address afterwards is not protected in this way.
"""

import contextlib
import errno
import hmac
import ipaddress
import itertools
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from glowseis.errors import InputError

SECRET = "GLOWSEIS_SECRET"
"""The environment variable with the secret, the same for all processes of a cluster."""

SHORTEST_SECRET = 16

WAIT_S = 600.0
"""Seconds that processes wait for each other."""

SAY_AFTER_S = 15.0
"""Seconds after which they print whom they are waiting for."""

ASK_AGAIN_S = 0.2

LET_IN_S = 2.0
"""Seconds that worker 0 listens to a new connection; others wait their turn."""

GO, NO, UNKNOWN = b"go", b"no", b"unknown"

LONGEST_LINE = 65_536


def meet(
    addresses: Sequence[str],
    worker: int,
    wait_s: float = WAIT_S,
    say: Callable[[str], None] = lambda line: None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Wait until all processes of a cluster have arrived.

    Args:
        addresses: `host:port` of each, the first worker 0's.
        worker: Number of this process.
        wait_s: Seconds to wait.
        say: Called with a line if it takes long.
        environment: Environment variables with the secret; not needed by a single process.

    Raises:
        InputError: There is no secret, or worker 0 has a different one; a worker did not arrive, or has different
            addresses or the same number as another; or the address is in use or not one of this machine's.
    """
    if len(addresses) > 1:
        secret = _secret(environment)
        patience = _Patience(wait_s, say)
        side = _Chief(addresses, secret) if worker == 0 else _Other(addresses, worker, secret)
        with contextlib.closing(side):
            while missing := side.missing():
                patience.check(worker, [addresses[one] for one in missing])


def _secret(environment: Mapping[str, str]) -> bytes:
    secret = environment.get(SECRET, "").strip()
    if len(secret) < SHORTEST_SECRET:
        raise InputError(
            f"{SECRET} is {'too short' if secret else 'not set'}: workers recognise each other by it; set it to the "
            f"same {SHORTEST_SECRET} or more random characters for all workers, for example from: openssl rand -hex 32"
        )
    return os.fsencode(secret)


def _proof(secret: bytes, challenge: bytes, word: bytes) -> bytes:
    """The answer to a challenge, together with a word, that only a process with the secret can give."""
    return hmac.digest(secret, challenge + b" " + word, "sha256").hex().encode()


def _challenge() -> bytes:
    return secrets.token_hex(32).encode()


def _place(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    host, _, port = address.rpartition(":")
    try:
        host.encode("idna")
    except UnicodeError:
        raise InputError(f"{address}: not a host name; give worker 0 an address that it has") from None
    return host.strip("[]"), int(port)


def _listening(addresses: Sequence[str]) -> list[socket.socket]:
    """Sockets that listen only at worker 0's address."""
    servers: list[socket.socket] = []
    errors: list[int] = []
    for family, place in _places(addresses):
        try:
            servers.append(socket.create_server(place, family=family, backlog=128))
            servers[-1].setblocking(False)
        # A name may have more addresses than the machine.
        except OSError as wrong:
            errors.append(wrong.errno or 0)
    if errno.EADDRINUSE in errors or not servers:
        for server in servers:
            server.close()
        reason = os.strerror(errno.EADDRINUSE if errno.EADDRINUSE in errors else errors[0])
        raise InputError(
            f"worker 0 cannot listen at {addresses[0]} ({reason}); give it an address of its machine and a free port"
        )
    return servers


def _places(addresses: Sequence[str]) -> list[tuple[int, tuple[Any, ...]]]:
    """Worker 0's address on this machine: often two, IPv4 and IPv6."""
    host, port = _place(addresses[0])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as wrong:
        raise InputError(
            f"worker 0 cannot listen at {addresses[0]} ({wrong.strerror}); give it an address of its machine"
        ) from None
    local = all(ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback for *_, place in found)
    if local and len({address.rpartition(":")[0] for address in addresses}) > 1:
        # On Debian a host resolves its own name to 127.0.1.1, where no other host can reach it.
        return [(socket.AF_INET, ("", port)), (socket.AF_INET6, ("", port))]
    return list(dict.fromkeys((family, place) for family, *_, place in found))


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
                f"worker {worker} waited {self._wait_s:.0f} s for {whom} in vain; start all workers, with addresses "
                "that they can reach"
            )
        if waited > SAY_AFTER_S and not self._said:
            self._said = True
            self._say(f"worker {worker} is waiting for {whom}")
        time.sleep(ASK_AGAIN_S)


class _Arrived(NamedTuple):
    """A worker that worker 0 has recognised, and the challenge to answer."""

    socket: socket.socket
    challenge: bytes


class _Chief:
    """Worker 0: waits for all others."""

    def __init__(self, addresses: Sequence[str], secret: bytes):
        self._addresses = list(addresses)
        self._secret = secret
        self._there: dict[int, _Arrived] = {}
        self._servers = _listening(addresses)

    def missing(self) -> list[int]:
        """Workers that have not arrived; when none is missing, all may go on."""
        # A worker that left may be back, and one that arrived may have left.
        self._drop_those_that_left()
        # Limited, so that strangers who keep arriving cannot stop it from checking the time.
        for one in itertools.islice(self._arriving(), len(self._addresses)):
            self._let_in(one)
        self._drop_those_that_left()
        missing = [number for number in range(1, len(self._addresses)) if number not in self._there]
        if not missing:
            # A worker that dies right now goes unnoticed: the others may have been let go on already.
            for each in self._there.values():
                self._answer(each, GO)
            # The side that closes first keeps its port busy for a while; not this one, because TensorFlow needs it.
            for each in self._there.values():
                each.socket.settimeout(5.0)
                with contextlib.suppress(OSError):
                    each.socket.recv(1)
        return missing

    def _drop_those_that_left(self) -> None:
        for number, one in list(self._there.items()):
            if _has_left(one.socket):
                self._there.pop(number).socket.close()

    def _arriving(self) -> Iterator[socket.socket]:
        for server in self._servers:
            with contextlib.suppress(BlockingIOError):
                while True:
                    yield server.accept()[0]

    def _let_in(self, one: socket.socket) -> None:
        one.settimeout(LET_IN_S)
        challenge = _challenge()
        try:
            one.sendall(challenge + b"\n")
            word, proof = _lines(one, 2, time.monotonic() + LET_IN_S)
            if not hmac.compare_digest(proof, _proof(self._secret, challenge, word)):
                one.sendall(UNKNOWN + b"\n")
                raise ValueError("it does not know the secret")
            said = json.loads(word)
            number, addresses, answered = said["worker"], said["addresses"], said["challenge"].encode()
            if not (isinstance(addresses, list) and all(map(str.isprintable, addresses))):
                raise TypeError(said)
            if type(number) is not int or not 0 < number < len(addresses):
                raise ValueError(said)
        # Something that only probes an open port is not a worker.
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            one.close()
            return
        arrived = _Arrived(one, answered)
        same = addresses == self._addresses
        if same and number not in self._there:
            self._there[number] = arrived
            return
        for each in (arrived, *self._there.values()):
            self._answer(each, NO)
        one.close()
        what = "is there twice" if same else f"has other addresses ({', '.join(addresses)})"
        raise InputError(f"worker {number} {what}; give all workers the same addresses and each its own number")

    def _answer(self, one: _Arrived, word: bytes) -> None:
        with contextlib.suppress(OSError):
            one.socket.sendall(word + b" " + _proof(self._secret, one.challenge, word) + b"\n")

    def close(self) -> None:
        """Close the connections."""
        for one in [*(each.socket for each in self._there.values()), *self._servers]:
            one.close()


class _Other:
    """Any other worker: tells worker 0 that it has arrived, and waits until it may go on."""

    def __init__(self, addresses: Sequence[str], worker: int, secret: bytes):
        self._chief = _place(addresses[0])
        self._secret = secret
        self._said = {"worker": worker, "addresses": list(addresses)}
        self._challenge = b""
        self._heard = b""
        self._socket: socket.socket | None = None

    def missing(self) -> list[int]:
        """Worker 0, until it has said that all have arrived."""
        try:
            if self._socket is None:
                self._socket = self._introduced()
            heard = self._socket.recv(256)
            self._heard += heard
            if heard and not self._heard.endswith(b"\n") and len(self._heard) < LONGEST_LINE:
                return [0]
            answer = self._heard.rstrip(b"\n")
        except BlockingIOError:
            return [0]
        except OSError:
            answer = b""
        self.close()
        if answer == UNKNOWN:
            raise InputError(f"worker 0 has another {SECRET}; give all workers the same one")
        word, _, proof = answer.partition(b" ")
        # Anything else that answers there is not worker 0, or no longer.
        if not hmac.compare_digest(proof, _proof(self._secret, self._challenge, word)):
            return [0]
        if word == NO:
            raise InputError(
                "worker 0 reports that a worker has different addresses, or that two have the same number; give all "
                "workers the same addresses and each its own number"
            )
        return [] if word == GO else [0]

    def _introduced(self) -> socket.socket:
        """A connection on which this worker has introduced itself."""
        one = socket.create_connection(self._chief, timeout=2.0)
        try:
            # Worker 0 may have to listen to other workers first.
            one.settimeout(4 * LET_IN_S)
            with one.makefile("rb") as lines:
                asked = lines.readline(LONGEST_LINE).rstrip(b"\n")
            self._challenge, self._heard = _challenge(), b""
            word = json.dumps(self._said | {"challenge": self._challenge.decode()}).encode()
            one.sendall(word + b"\n" + _proof(self._secret, asked, word) + b"\n")
            one.setblocking(False)
        except OSError:
            one.close()
            raise
        return one

    def close(self) -> None:
        """Close the connections."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _lines(one: socket.socket, count: int, deadline: float) -> list[bytes]:
    """The first lines from a socket, received before a deadline by `time.monotonic`."""
    heard = b""
    while heard.count(b"\n") < count:
        if len(heard) > count * LONGEST_LINE:
            raise ValueError("its lines are too long")
        one.settimeout(max(deadline - time.monotonic(), 1e-3))
        more = one.recv(LONGEST_LINE)
        if not more or time.monotonic() > deadline:
            raise ValueError("it says too little")
        heard += more
    return heard.split(b"\n")[:count]


def _has_left(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return not one.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
