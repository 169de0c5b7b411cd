"""Requests to the page's server: who may ask, and what for."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import orjson

from posetrack.errors import PoseTrackError, VideoError
from posetrack.refine.edits_file import EditConflict

if TYPE_CHECKING:
    from posetrack.review.server import ReviewServer

_LARGEST_REQUEST = 64 * 1024
_IDLE_S = 600
_JSON, _BINARY, _JPEG, _TEXT = (
    "application/json", "application/octet-stream", "image/jpeg", "text/plain; charset=utf-8",
)  # fmt: skip
_FOR_EVER = "private, max-age=31536000, immutable"

Query = Mapping[str, str]


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class ReviewHandler(BaseHTTPRequestHandler):
    """Answers one connection. Every request must name this host, carry the token, and come from no other site."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "posetrack", ""
    timeout = _IDLE_S

    @property
    def review(self) -> ReviewServer:
        """The server."""
        return cast("ReviewServer", self.server.review)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """Pages, data and pictures."""
        self._answer(
            {
                "": self._page,
                "clip": self._clip,
                "refined": self._refined,
                "track": self._track,
                "frame": self._frame,
                "person": self._person,
                "events": self._events,
            }
        )

    def do_POST(self) -> None:
        """Repairs."""
        self._answer({"edits": self._edits})

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are nobody's concern."""

    def _answer(self, routes: Mapping[str, Callable[[Query], None]]) -> None:
        try:
            name, query = self._checked()
            if name not in routes:
                raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
            routes[name](query)
        except _Refused as refused:
            self.close_connection = True
            self._send(str(refused).encode(), _TEXT, refused.status)
        except EditConflict as error:
            self._send(str(error).encode(), _TEXT, HTTPStatus.PRECONDITION_FAILED)
        except VideoError as error:
            self._send(str(error).encode(), _TEXT, HTTPStatus.NOT_FOUND)
        except PoseTrackError as error:
            self._send(str(error).encode(), _TEXT, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _checked(self) -> tuple[str, Query]:
        """What is asked for, if the request may be answered at all."""
        review, headers = self.review, self.headers
        if headers.get_all("Host") != [review.origin.removeprefix("http://")]:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 only.")
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "none")
        if origin not in (None, review.origin) or site not in ("none", "same-origin"):
            raise _Refused(HTTPStatus.FORBIDDEN, "Requests of other pages are not answered.")
        if self.command != "GET" and origin is None:
            raise _Refused(HTTPStatus.FORBIDDEN, "Changes are taken from the page only.")
        address = urlsplit(self.path)
        _, token, *rest = [*address.path.split("/"), "", ""][:3] if address.path.count("/") == 2 else ("", "", "")
        if not hmac.compare_digest(token.encode(), review.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "The address lacks the token: take the whole one.")
        return rest[0], dict(parse_qsl(address.query))

    def _send(
        self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, cache: str = "no-store"
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": cache,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _page(self, query: Query) -> None:
        self._send(self.review.page, "text/html; charset=utf-8")

    def _clip(self, query: Query) -> None:
        self._send(orjson.dumps(self.review.session.describe()), _JSON)

    def _refined(self, query: Query) -> None:
        self._send(orjson.dumps(self.review.session.describe_refined()), _JSON)

    def _edits(self, query: Query) -> None:
        """A change of the repairs; ``If-Match`` has the version that the page shows."""
        length = self.headers.get("Content-Length", "")
        version = self.headers.get("If-Match", "").strip('"')
        if not (length.isdigit() and int(length) <= _LARGEST_REQUEST and version.isdigit()):
            raise _Refused(HTTPStatus.BAD_REQUEST, "A repair needs a length and a version.")
        try:
            request = orjson.loads(self.rfile.read(int(length)))
        except orjson.JSONDecodeError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, "A repair must be JSON.") from error
        if self.headers.get("Content-Type") != _JSON or not isinstance(request, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "A repair must be a JSON object.")
        self.review.session.change(request, int(version))
        self.review.notify()
        self._send(b"{}", _JSON)

    def _track(self, query: Query) -> None:
        self._found(self.review.session.packed(query.get("key", "")), _BINARY)

    def _frame(self, query: Query) -> None:
        number = query.get("number", "")
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise _Refused(HTTPStatus.BAD_REQUEST, "A frame needs a number.")
        self._found(self.review.session.frame(int(number)), _JPEG)

    def _person(self, query: Query) -> None:
        self._found(self.review.session.thumbnail(query.get("key", "")), _JPEG)

    def _found(self, content: bytes | None, kind: str) -> None:
        if content is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such frame, track or person.")
        self._send(content, kind, cache=_FOR_EVER)

    def _events(self, query: Query) -> None:
        """The version of the edits, once a second and at every change, for as long as the page is open."""
        self.send_response(HTTPStatus.OK)
        for name, value in (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self.review.page_opened()
        try:
            while True:
                self.wfile.write(f"data: {self.review.session.version}\n\n".encode())
                self.review.wait()
        except OSError:  # the page has been closed
            pass
        finally:
            self.review.page_closed()
