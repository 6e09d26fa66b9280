"""The processes of a cluster meet, or are told in a line why they do not."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glowseis.errors import InputError
from glowseis.fitting.devices import meeting
from glowseis.fitting.devices.meeting import meet
from tests.support.commands import free_ports

SECRET = b"one long random text"


@pytest.fixture(autouse=True)
def one_secret(monkeypatch):
    monkeypatch.setenv(meeting.SECRET, SECRET.decode())


@pytest.fixture
def addresses():
    return [f"localhost:{port}" for port in free_ports(3)]


def together(*calls):
    """What several calls side by side end with: None, or the error's text."""

    def ended(call):
        try:
            return call()
        except InputError as wrong:
            return str(wrong)

    with ThreadPoolExecutor(len(calls)) as threads:
        return [one.result(timeout=60) for one in [threads.submit(ended, call) for call in calls]]


@pytest.mark.slow
def test_all_go_on_when_the_last_has_come_and_the_port_is_free(addresses):
    ended = []

    def late(worker, after_s):
        time.sleep(after_s)
        meet(addresses, worker, wait_s=30)
        ended.append(time.monotonic())

    started = time.monotonic()
    assert together(lambda: late(1, 0), lambda: late(0, 0.5), lambda: late(2, 1.5)) == [None] * 3
    assert min(ended) - started >= 1.5 and max(ended) - min(ended) < 2
    # TensorFlow listens there next.
    socket.create_server(("", int(addresses[0].split(":")[1])), reuse_port=True).close()


@pytest.mark.slow
def test_nobody_waits_for_ever_and_all_say_for_whom(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "SAY_AFTER_S", 0.5)
    said = []
    chief, other = together(
        lambda: meet(addresses, 0, wait_s=2, say=said.append), lambda: meet(addresses, 1, wait_s=4, say=said.append)
    )
    assert chief.startswith(f"worker 0 waited 2 s for {addresses[2]} in vain; start all workers")
    assert other.startswith(f"worker 1 waited 4 s for {addresses[0]} in vain")
    assert sorted(said) == [f"worker 0 is waiting for {addresses[2]}", f"worker 1 is waiting for {addresses[0]}"]


@pytest.mark.slow
def test_one_that_left_is_waited_for_again(addresses):
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, addresses, 0, 60)
        gone = meeting._Other(addresses, 2, SECRET)
        late = time.monotonic() + 30
        while gone._socket is None:
            assert gone.missing() and time.monotonic() < late
            time.sleep(0.05)
        gone.close()
        other = threads.submit(meet, addresses, 1, 60)
        time.sleep(2)
        assert not chief.done() and not other.done()
        meet(addresses, 2, wait_s=60)
        assert chief.result(60) is None and other.result(60) is None


@pytest.mark.slow
def test_a_stranger_is_no_worker(addresses):
    def stranger():
        host, port = addresses[0].split(":")
        words = [b"GET / HTTP/1.1\r\n\r\n", b'{"worker": "x"}\n', b"[]\n", b"", b'{"worker": 1, "addresses": 5}\n']
        words += [b'{"worker": Infinity, "addresses": ["a"]}\n', b'{"worker": 1, "addresses": [1]}\n']
        words += [b"[" * 65_000 + b"\n"]
        # What would have been believed once, and would end the cluster.
        said = [{"worker": number, "addresses": addresses[:2], "challenge": "0"} for number in (0, 1, 2, True)]
        said += [{"worker": 1, "addresses": ["elsewhere:1", "elsewhere:2"], "challenge": "0"}]
        words += [json.dumps(one).encode() + proof for one in said for proof in (b"\n", b"\n" + b"0" * 64 + b"\n")]
        for word in words:
            late = time.monotonic() + 20
            while time.monotonic() < late:
                try:
                    with socket.create_connection((host, int(port)), timeout=1) as one:
                        one.sendall(word)
                    break
                except OSError:
                    time.sleep(0.05)

    two = addresses[:2]
    watching = threading.Thread(target=stranger)
    watching.start()
    started = time.monotonic()

    def other():
        watching.join()
        meet(two, 1, wait_s=30)

    assert together(lambda: meet(two, 0, wait_s=30), other) == [None, None]
    assert time.monotonic() - started < 25


@pytest.mark.slow
@pytest.mark.parametrize("strangers", [1, 5])
def test_strangers_who_say_little_for_long_do_not_keep_the_others(addresses, monkeypatch, strangers):
    monkeypatch.setattr(meeting, "LET_IN_S", 0.3)
    two, done = addresses[:2], threading.Event()
    host, port = two[0].split(":")

    def drip():
        while not done.is_set():
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as one:
                while not done.wait(0.1):
                    one.sendall(b"x")
            time.sleep(0.02)

    dripping = [threading.Thread(target=drip) for _ in range(strangers)]
    for thread in dripping:
        thread.start()
    started = time.monotonic()
    ended = together(lambda: meet(two, 0, wait_s=3))
    done.set()
    for thread in dripping:
        thread.join()
    assert "waited 3 s for" in ended[0] and time.monotonic() - started < 7


@pytest.mark.slow
@pytest.mark.parametrize("twice", [True, False])
def test_those_that_do_not_belong_together_are_told(addresses, twice):
    strange = addresses if twice else [*addresses[:2], "elsewhere:1"]
    chief, first, second = together(
        lambda: meet(addresses, 0, wait_s=10),
        lambda: meet(addresses, 1, wait_s=10),
        lambda: time.sleep(1) or meet(strange, 1 if twice else 2, wait_s=10),
    )
    wanted = "worker 1 is there twice" if twice else "worker 2 has other addresses ("
    assert chief.startswith(wanted) and chief.endswith("each its own number")
    assert first.startswith("worker 0 reports that a worker has different addresses, or that two have the same number")
    assert second.startswith("worker 0 reports")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("secret", [None, "", "short"])
def test_a_secret_is_needed(addresses, secret, number):
    message = "GLOWSEIS_SECRET is (not set|too short): workers recognise each other by it; set it to the same"
    with pytest.raises(InputError, match=message):
        meet(addresses, number, wait_s=5, environment={} if secret is None else {meeting.SECRET: secret})
    meet(addresses[:1], 0, environment={})


@pytest.mark.slow
def test_another_secret_is_told_to_the_one_that_has_it(addresses):
    two = addresses[:2]
    chief, wrong, right = together(
        lambda: meet(two, 0, wait_s=30),
        lambda: meet(two, 1, wait_s=30, environment={meeting.SECRET: "another long random text"}),
        lambda: time.sleep(2) or meet(two, 1, wait_s=30),
    )
    assert wrong == "worker 0 has another GLOWSEIS_SECRET; give all workers the same one"
    assert chief is None and right is None


def connected(address, wait_s=20):
    """A connection to an address where somebody will listen soon."""
    host, port = address.split(":")
    late = time.monotonic() + wait_s
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=10)
        except ConnectionRefusedError:
            if time.monotonic() > late:
                raise
            time.sleep(0.05)


def exchanged(addresses, change=lambda line: line, wait_s=20):
    """What is sent while two meet by way of a third, line by line; who may change what worker 0 says."""
    lines = []
    through, direct = addresses[2], addresses[:1]

    def relay(server):
        one, _ = server.accept()
        with one, connected(direct[0]) as other:
            first, second = other.makefile("rb"), one.makefile("rb")
            for source, target in ((first, one), (second, other), (second, other), (first, one)):
                lines.append(source.readline())
                target.sendall(change(lines[-1]) if source is first else lines[-1])

    host, port = through.split(":")
    two = [direct[0], addresses[1]]
    with socket.create_server((host, int(port))) as server:
        relaying = threading.Thread(target=relay, args=(server,), daemon=True)
        relaying.start()
        other = meeting._Other(two, 1, SECRET)
        other._chief = (host, int(port))
        ended = together(lambda: meet(two, 0, wait_s=20), lambda: waited(other, wait_s))
        relaying.join(20)
    return ended, lines


def waited(other, wait_s):
    late = time.monotonic() + wait_s
    with contextlib.closing(other):
        while missing := other.missing():
            if time.monotonic() > late:
                raise InputError("in vain")
            time.sleep(0.05)
    return missing


def test_the_secret_is_not_sent_and_nothing_sent_is_of_use_again(addresses):
    ended, first = exchanged(addresses)
    assert ended == [None, []] and len(first) == 4 and not any(SECRET in line for line in first)
    _, second = exchanged([f"localhost:{port}" for port in free_ports(3)])
    assert not set(first) & set(second)


@pytest.mark.slow
def test_who_only_says_go_is_not_worker_0(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "LET_IN_S", 1.0)
    changed = exchanged(
        addresses, lambda line: b"go " + b"0" * 64 + b"\n" if line.startswith(b"go ") else line, wait_s=5
    )
    assert changed[0][1] == "in vain"


def listening_at(addresses):
    servers = meeting._listening(addresses)
    try:
        return sorted({server.getsockname()[0] for server in servers})
    finally:
        for server in servers:
            server.close()


def test_it_listens_at_the_address_given_alone(addresses, monkeypatch):
    (port,) = free_ports(1)
    assert listening_at([f"127.0.0.1:{port}", "elsewhere:1"]) != ["127.0.0.1"]
    assert listening_at([f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"]) == ["127.0.0.1"]
    assert set(listening_at(addresses)) <= {"127.0.0.1", "::1"}
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    # One of several addresses is another machine's.
    assert listening_at([f"node1:{port}", "node2:1"]) == ["127.0.0.1"]
    with pytest.raises(InputError, match=r"cannot listen at node1:\d+ \(Cannot assign requested address\); give it an"):
        found[:] = found[1:]
        listening_at([f"node1:{port}", "node2:1"])
    monkeypatch.undo()
    with pytest.raises(
        InputError, match=r"cannot listen at nobody\.invalid:1 \(.*\); give it an address of its machine"
    ):
        listening_at(["nobody.invalid:1", "b:1"])


def test_an_address_that_no_host_can_have_is_told_at_once():
    with pytest.raises(InputError, match=r"^a\.\.b:1: not a host name; give worker 0 an address"):
        meet(["a..b:1", "localhost:2"], 1, wait_s=60)


@pytest.mark.slow
def test_another_who_answers_for_worker_0_is_not_it(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "LET_IN_S", 1.0)
    with socket.create_server(("localhost", int(addresses[0].split(":")[1]))) as server:

        def answer():
            for _ in range(2):
                one, _ = server.accept()
                one.sendall(b"PRI * HTTP/2.0\r\n\r\n")
                one.close()

        strange = threading.Thread(target=answer, daemon=True)
        strange.start()
        with pytest.raises(InputError, match="in vain"):
            meet(addresses, 1, wait_s=1.5)


def test_a_port_in_use_is_told(addresses):
    message = (
        r"worker 0 cannot listen at localhost:\d+ \(Address already in use\); give it an address of its machine and"
    )
    with socket.create_server(("", int(addresses[0].split(":")[1]))), pytest.raises(InputError, match=message):
        meet(addresses, 0, wait_s=5)
