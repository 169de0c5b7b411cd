"""Connections that can be hung up: a server can send so slowly that no single read times out."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any


class Wire:
    """The socket of a connection, to hang up: a server can send so slowly that no single read times out."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self._hung_up = False

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Hang up after that many seconds; anything still running then fails with ``TimeoutError``.

        This includes what seems to succeed: http.client takes the end of a stream for the end of the headers.
        """
        timer = threading.Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if self._hung_up:
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
        if self._hung_up:
            raise TimeoutError

    def _hang_up(self) -> None:
        self._hung_up = True
        if self.socket is not None:
            with suppress(OSError):  # closed already
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class _HTTPConnection(http.client.HTTPConnection):
    """A connection with a time limit for the headers."""

    def __init__(self, *args: Any, wire: Wire, seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wire = wire
        self._seconds = seconds

    def connect(self) -> None:
        super().connect()
        self._wire.socket = self.sock

    def getresponse(self) -> http.client.HTTPResponse:
        with self._wire.limit(self._seconds):
            return super().getresponse()


class _HTTPSConnection(_HTTPConnection, http.client.HTTPSConnection):
    """The same with TLS."""


class _HTTPHandler(urllib.request.HTTPHandler):
    def __init__(self, wire: Wire, seconds: float) -> None:
        super().__init__()
        self._connection = partial(_HTTPConnection, wire=wire, seconds=seconds)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, wire: Wire, seconds: float) -> None:
        super().__init__()
        self._connection = partial(_HTTPSConnection, wire=wire, seconds=seconds)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req, context=ssl.create_default_context())


def opener(wire: Wire, timeout_s: float) -> urllib.request.OpenerDirector:
    """An opener for HTTP and HTTPS, directly and by proxies, and nothing else: no files, FTP or data addresses."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _HTTPHandler(wire, timeout_s),
        _HTTPSHandler(wire, timeout_s),
    ):
        made.add_handler(handler)
    return made
