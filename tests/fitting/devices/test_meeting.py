"""The processes of a cluster meet, or are told in a line why they do not."""

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


def test_nobody_waits_for_ever_and_all_say_for_whom(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "SAY_AFTER_S", 0.5)
    said = []
    chief, other = together(
        lambda: meet(addresses, 0, wait_s=6, say=said.append), lambda: meet(addresses, 1, wait_s=12, say=said.append)
    )
    assert chief.startswith(f"worker 0 waited 6 s for {addresses[2]} in vain; start all workers")
    assert other.startswith(f"worker 1 waited 12 s for {addresses[0]} in vain")
    assert sorted(said) == [f"worker 0 waits for {addresses[2]}", f"worker 1 waits for {addresses[0]}"]


def test_one_that_left_is_waited_for_again(addresses):
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, addresses, 0, 60)
        gone = meeting._Other(addresses, 2)
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


def test_a_stranger_is_no_worker(addresses):
    def stranger():
        host, port = addresses[0].split(":")
        words = [b"GET / HTTP/1.1\r\n\r\n", b'{"worker": "x"}\n', b"[]\n", b"", b'{"worker": 1, "addresses": 5}\n']
        words += [b'{"worker": Infinity, "addresses": ["a"]}\n', b'{"worker": 1, "addresses": [1]}\n']
        words += [b"[" * 65_000 + b"\n"]
        said = [{"worker": number, "addresses": addresses[:2]} for number in (0, 2, True)]
        words += [json.dumps(one).encode() + b"\n" for one in said]
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


@pytest.mark.parametrize("twice", [True, False])
def test_those_that_do_not_belong_together_are_told(addresses, twice):
    strange = addresses if twice else [*addresses[:2], "elsewhere:1"]
    chief, first, second = together(
        lambda: meet(addresses, 0, wait_s=10),
        lambda: meet(addresses, 1, wait_s=10),
        lambda: time.sleep(1) or meet(strange, 1 if twice else 2, wait_s=10),
    )
    wanted = "worker 1 is there twice" if twice else "worker 2 has other addresses ("
    assert chief.startswith(wanted) and chief.endswith("each a number of its own")
    assert first.startswith("worker 0 says that a worker has other addresses, or that two have one number")
    assert second.startswith("worker 0 says")


def test_an_address_that_no_host_can_have_is_told_at_once():
    with pytest.raises(InputError, match=r"^a\.\.b:1: is no host's name; give worker 0 an address"):
        meet(["a..b:1", "localhost:2"], 1, wait_s=60)


def test_another_who_answers_for_worker_0_is_not_it(addresses):
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
    message = r"worker 0 cannot listen at localhost:\d+ \(Address already in use\); give it another port"
    with socket.create_server(("", int(addresses[0].split(":")[1]))), pytest.raises(InputError, match=message):
        meet(addresses, 0, wait_s=5)
