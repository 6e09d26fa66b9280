"""The server of the page: on this machine alone, for whoever has the token in its address."""

import contextlib
import errno
import hmac
import json
import math
import secrets
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import waitress
from flask import Blueprint, Flask, Response, abort, jsonify, request, send_from_directory
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from glowseis.errors import InputError
from glowseis.labelling import views
from glowseis.labelling.after import commands_after
from glowseis.labelling.opinions import Opinions
from glowseis.labelling.session import NotYetError, Session
from glowseis.pages.page import style
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_rows import UNSURE
from glowseis.survey.labels.traces import KINDS
from glowseis.survey.wording import line_name

HOSTS = ["127.0.0.1", "localhost"]
"""Names by which a browser may ask for the page: any other means that a site's name leads to this machine."""

PAGE = Path(__file__).parent / "page"

FILES = ", ".join(f"'{file.name}'" for file in sorted(PAGE.glob("*.[cj]s*")))
"""The page's own files, as a route takes them."""

AHEAD = 4
"""Gathers that a page knows of in advance."""

MOST_BYTES = 1 << 16
"""Longest request."""

PORT = 8640

PORTS_TRIED = 20

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The system's errors of a full disk."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def application(session: Session, opinions: Opinions | str, token: str) -> Flask:
    """The page and what it asks for, under an address that begins with the token.

    Args:
        session: The judge's session.
        opinions: A model's, or why there are none.
        token: What the address must begin with.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(TRUSTED_HOSTS=HOSTS, MAX_CONTENT_LENGTH=MOST_BYTES)
    # Counts keep the order of the classes.
    app.json = provider = DefaultJSONProvider(app)
    provider.sort_keys = False
    app.register_blueprint(_routes(session, opinions, token))

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(InputError)
    def wrong_input(wrong: InputError) -> tuple[Response, int]:
        return jsonify(error=str(wrong)), 400

    @app.errorhandler(NotYetError)
    def too_early(wrong: NotYetError) -> tuple[Response, int]:
        return jsonify(error=str(wrong)), 409

    @app.errorhandler(OSError)
    def not_written(wrong: OSError) -> tuple[Response, int]:
        where = f"{source_text(Path(wrong.filename))}: " if isinstance(wrong.filename, str) else ""
        full = "; free some space, then try again" if wrong.errno in FULL else ""
        return jsonify(error=f"{where}{wrong.strerror or wrong}{full}"), 507

    @app.errorhandler(404)
    def nowhere(wrong: HTTPException) -> tuple[Response, int]:
        return jsonify(error="there is nothing here; open the address that glowseis label printed"), 404

    @app.errorhandler(HTTPException)
    def refused(wrong: HTTPException) -> tuple[Response, int]:
        return jsonify(error=wrong.description), wrong.code or 500

    return app


def _routes(session: Session, opinions: Opinions | str, token: str) -> Blueprint:
    routes = Blueprint("page", __name__, url_prefix="/<token>")
    around = views.neighbours(session.survey)

    @routes.url_value_preprocessor
    def admit(endpoint: str | None, values: dict[str, Any] | None) -> None:
        given = (values or {}).pop("token", "")
        if not hmac.compare_digest(str(given).encode(), token.encode()):
            abort(403, "this page is not of the glowseis label that runs now; open the address that it printed last")
        origin = request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != request.host:
            abort(403, "pages of other sites may not add labels")

    @routes.get("/")
    def page() -> Response:
        return send_from_directory(PAGE, "label.html")

    @routes.get(f"/<any({FILES}):name>")
    def file(name: str) -> Response:
        return send_from_directory(PAGE, name)

    @routes.get("/style.css")
    def colours() -> Response:
        return Response(style(), mimetype="text/css")

    @routes.get("/session")
    def about() -> dict[str, Any]:
        return {
            "judge": session.judge,
            "survey": source_text(session.survey.path),
            "labels": source_text(session.labels),
            "work": f"{session.survey.checksum} {session.judge} {session.labels.resolve()}",
            "classes": [*session.classes],
            "unsure": UNSURE,
            "kinds": [*KINDS],
            "warning": session.warning,
            "model": opinions.name if isinstance(opinions, Opinions) else "",
            "no_model": opinions if isinstance(opinions, str) else "",
            "range_db": views.RANGE_DB,
            **state(),
        }

    @routes.get("/state")
    def state() -> dict[str, Any]:
        coming = session.coming(AHEAD)
        after = [] if coming else commands_after(session)
        return {"coming": coming, "progress": session.progress(), "last": session.last, "after": after}

    @routes.get("/gather/<gather_id>")
    def gather(gather_id: str) -> Response:
        row = session.survey.row(gather_id)
        one = session.survey.read(row)
        axes, amplitude = views.axes_of(one), views.amplitudes(one)
        if "low" in request.args or "high" in request.args:
            band_hz = (_number("low", 0.0), _number("high", float("inf")))
            amplitude = views.band_passed(amplitude, axes.interval_s, band_hz)
        geometry = one.geometry
        head = {
            "id": one.gather_id,
            "line": line_name(geometry.sail_line, one.source),
            "shot": geometry.shot,
            "cable": geometry.cable,
            "samples": one.valid_samples,
            "traces": one.valid_traces,
            "full_scale": views.FULL_SCALE,
            "start_s": axes.start_s,
            "interval_s": _known(axes.interval_s),
            "trace": axes.trace.round(3).tolist(),
            "channel": axes.channel.tolist(),
            "offset_m": [_known(round(float(offset), 2)) for offset in axes.offset_m],
            "before": around[row][0],
            "after": around[row][1],
            **marks(gather_id),
        }
        told = json.dumps(head).encode()
        # Samples begin at an even byte, as arrays of 16 bits must.
        told += b" " * (len(told) % 2)
        content = struct.pack("<I", len(told)) + told + views.samples_of(amplitude)
        return Response(content, mimetype="application/octet-stream")

    @routes.get("/marks/<gather_id>")
    def marks(gather_id: str) -> dict[str, Any]:
        found = session.marked(gather_id)
        return {"marks": [{"first": one.first_trace, "last": one.last_trace, "kind": one.kind} for one in found]}

    @routes.get("/spectra/<gather_id>")
    def window(gather_id: str) -> dict[str, Any]:
        rows, columns = (
            (int(_number(f"first_{name}", 0)), int(_number(f"last_{name}", 0))) for name in ("row", "column")
        )
        return views.spectra(session.survey.read(gather_id), rows, columns)

    @routes.post("/label")
    def label() -> dict[str, Any]:
        given = _given()
        told = session.label(given("gather_id"), given("label"), given("note"), given("known"))
        return {"told": told, "revealed": session.revealed(given("gather_id")), **state()}

    @routes.post("/take-back")
    def take_back() -> dict[str, Any]:
        given = _given()
        found = session.take_back(given("shown"), _whole(given("marks") or "0"), given("last"))
        if found is None:
            return {"told": "there is nothing to take back", "show": "", "known": "", "note": "", **state()}
        return {"told": found.line, "show": found.gather_id, "known": found.label, "note": found.note, **state()}

    @routes.post("/mark")
    def mark() -> dict[str, Any]:
        given = _given()
        first, last = (_whole(given(name)) for name in ("first", "last"))
        session.mark(given("gather_id"), first, last, given("kind"))
        return marks(given("gather_id"))

    @routes.get("/opinion/<gather_id>")
    def opinion(gather_id: str) -> dict[str, Any] | tuple[dict[str, Any], int]:
        revealed = session.revealed(gather_id)
        if isinstance(opinions, str):
            raise InputError(opinions)
        found = opinions.of(gather_id)
        if found is None:
            return {"revealed": revealed, "loading": opinions.loading}, 202
        return {"revealed": revealed, "opinion": found}

    return routes


def bound(port: int | None) -> socket.socket:
    """A socket at a port of this machine.

    Args:
        port: The port, 0 for any that is free; the first free one from `PORT` on when None.

    Raises:
        InputError: It is taken, or all that were tried are.
    """
    tried = range(PORT, PORT + PORTS_TRIED) if port is None else [port]
    for one in tried:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOSTS[0], one))
            # Two sockets may be bound to a port as long as neither listens.
            listener.listen()
            return listener
        except OSError as wrong:
            listener.close()
            reason = wrong.strerror
    which = f"ports {PORT} to {PORT + PORTS_TRIED - 1} are" if port is None else f"--port {port} is"
    raise InputError(f"{which} not free on {HOSTS[0]} ({reason}); give another --port, or 0 for any")


def serve(
    session: Session,
    opinions: Opinions | str,
    listener: socket.socket,
    opened: Callable[[str], contextlib.AbstractContextManager[None]],
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        session: The judge's session.
        opinions: A model's, or why there are none.
        listener: Where; from `bound`.
        opened: Called with the page's address once the page can be opened; its context lasts until the end.
    """
    token = secrets.token_urlsafe(24)
    app = application(session, opinions, token)
    server = waitress.create_server(app, sockets=[listener], threads=6, ident=None)
    address = f"http://{HOSTS[0]}:{listener.getsockname()[1]}/{token}/"
    with contextlib.closing(listener), opened(address):
        server.run()


def _given() -> Callable[[str], str]:
    """The texts of a request's JSON object, by name; empty if missing."""
    try:
        content = request.get_json()
    except RecursionError:
        abort(400, "send a JSON object that is not nested")
    if not isinstance(content, dict):
        abort(400, "send a JSON object")
    return lambda name: str(content.get(name) or "")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        abort(400, f"{text!r} is not a whole number")


def _number(name: str, otherwise: float) -> float:
    text = request.args.get(name, "")
    try:
        found = float(text) if text else otherwise
    except ValueError:
        found = math.nan
    if text and not math.isfinite(found):
        abort(400, f"{name} {text!r} is not a number")
    return found


def _known(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if math.isnan(value) else value
