"""The page's server: for one user, on this computer, for as long as a page is open.

Python's own HTTP server suffices: it listens on 127.0.0.1 only and serves a handful of fixed addresses, none of
which names a file. So nothing has to be installed for it.
"""

from __future__ import annotations

import secrets
import socket
import socketserver
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

from posetrack.errors import ConfigError
from posetrack.review.handler import ReviewHandler
from posetrack.review.page import live_page
from posetrack.review.session import Session

_HOST = "127.0.0.1"
_BEAT_S = 1.0
_LEAVE_S = 2.0
"""Answers at work get this long to notice that nobody waits for them any more."""
_GRACE_S = 4.0
"""After the last page has gone, the server waits this long for one: a page may just be loaded again."""


class ReviewServer:
    """Serves a session until its page is closed, or ``stop`` is called.

    Args:
        session: What is reviewed.
        port: To listen on; 0 takes a free one.

    Attributes:
        origin: Scheme, host and port.
        token: Random; the first part of every path that is served.
        url: Address of the page.

    Raises:
        ConfigError: the port is taken or not allowed.
    """

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(24)
        try:
            self._server = _LocalServer(self, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"--port {port} cannot be used ({reason}); give another, or none, so that a free one is taken."
            ) from error
        self.origin = f"http://{_HOST}:{self._server.server_address[1]}"
        self.url = f"{self.origin}/{self.token}/"
        self.page = live_page(session.title)
        self._pages = 0
        self._changed = threading.Condition()
        self._leaving: threading.Timer | None = None

    def serve(self) -> None:
        """Answer requests; returns after ``stop``."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Make ``serve`` return. Not to be called by its thread."""
        self._server.shutdown()

    def close(self) -> None:
        """Free the port."""
        with self._changed:
            if self._leaving is not None:
                self._leaving.cancel()
        self._server.server_close()

    def page_opened(self) -> None:
        """A page listens to events."""
        with self._changed:
            self._pages += 1
            if self._leaving is not None:
                self._leaving.cancel()
                self._leaving = None

    def page_closed(self) -> None:
        """A page has gone. After the last one, the server stops, unless another comes soon."""
        with self._changed:
            self._pages -= 1
            if self._pages == 0:
                self._leaving = threading.Timer(_GRACE_S, self.stop)
                self._leaving.daemon = True
                self._leaving.start()

    def notify(self) -> None:
        """Wake the event streams: the edits have changed."""
        with self._changed:
            self._changed.notify_all()

    def wait(self) -> None:
        """Until the edits change, for a second at most."""
        with self._changed:
            self._changed.wait(_BEAT_S)


class _LocalServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, review: ReviewServer, port: int) -> None:
        self.review = review
        self._connections: set[Any] = set()
        self._ended = threading.Condition()
        super().__init__((_HOST, port), ReviewHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        with self._ended:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        super().shutdown_request(request)
        with self._ended:
            self._connections.discard(request)
            self._ended.notify_all()

    def server_close(self) -> None:
        """Free the port, and end the connections that browsers keep open, with their threads."""
        super().server_close()
        with self._ended:
            for connection in self._connections:
                with suppress(OSError):  # it has just ended by itself
                    connection.shutdown(socket.SHUT_RDWR)
            self._ended.wait_for(lambda: not self._connections, timeout=_LEAVE_S)

    def server_bind(self) -> None:
        """Without the look-up of the computer's name, which may ask the network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that breaks off a connection is no error."""
