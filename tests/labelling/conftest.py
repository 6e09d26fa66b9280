import contextlib
import threading

import pytest
import waitress

from glowseis.labelling.order import along_lines
from glowseis.labelling.server import application, bound
from glowseis.labelling.session import Session
from tests.support.driven import driver
from tests.support.labelling_page import COUNT
from tests.support.random_gathers import random_survey


class Model:
    """In place of a classifier, an opinion that is ready once it is loaded."""

    name = "stand-in/1"

    def __init__(self):
        self.asked = []
        self.loading = True

    def of(self, gather_id):
        self.asked.append(gather_id)
        if self.loading:
            return None
        return {"model": self.name, "grade": "bad", "probabilities": {"good": 0.1, "bad": 0.9}, "unlike": 1.5}


@pytest.fixture(scope="module")
def open_window(tmp_path_factory):
    with driver(tmp_path_factory.mktemp("driver")) as window:
        yield window


@pytest.fixture(scope="module")
def window(open_window):
    found = open_window()
    yield found
    assert not [one for one in found.complaints() if "status of" not in one["message"]]
    found.close()


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Shots 0 to 5 of line 3."""
    return random_survey(tmp_path_factory.mktemp("paged") / "survey", COUNT, labels=("good",))


@pytest.fixture
def serve(monkeypatch):
    """A function that serves sessions, all at one port, and returns the addresses of their pages."""
    monkeypatch.setattr("glowseis.labelling.server.Opinions", Model)
    served = {}
    listener = bound(0)
    server = waitress.create_server(
        lambda environ, start: served[environ["PATH_INFO"].split("/")[1]](environ, start),
        sockets=[listener],
        threads=4,
    )
    threading.Thread(target=server.run, daemon=True).start()

    def address_of(session, model, token="token"):
        served[token] = application(session, model, token)
        return f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"

    yield address_of
    server.task_dispatcher.shutdown()
    server.close()


@pytest.fixture
def served(serve, survey, tmp_path):
    """A session and the address of its page."""
    order = [(gather_id, "least certain") for gather_id, _ in along_lines(survey)]
    session = Session(survey, tmp_path / "anna.csv", "anna", order)
    session.model = Model()
    return session, serve(session, session.model)


@pytest.fixture
def full(monkeypatch):
    """Within this context the disk is full."""

    def write(path, content):
        raise OSError(28, "No space left on device", str(path))

    @contextlib.contextmanager
    def patched():
        with monkeypatch.context() as within:
            within.setattr("glowseis.survey.labels.adding._write", write)
            yield

    return patched
