"""An HTTP server that misbehaves on request, written on plain sockets so that it can break the protocol itself."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came: ``target`` may be a whole address, if it came to a proxy."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def first_byte(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One connection of a server, as a manner of answering sees it."""

    connection: socket.socket
    request: Request
    data: bytes
    stopping: threading.Event

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self, status: str, **headers: object) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def begin(self) -> bytes:
        """The headers of a good answer; returns the body that should follow."""
        first = self.request.first_byte
        if first is None:
            self.head("200 OK", Content_Length=len(self.data))
            return self.data
        if first >= len(self.data):
            self.head("416 Range Not Satisfiable", Content_Range=f"bytes */{len(self.data)}", Content_Length=0)
            return b""
        rest = self.data[first:]
        span = f"bytes {first}-{len(self.data) - 1}/{len(self.data)}"
        self.head("206 Partial Content", Content_Length=len(rest), Content_Range=span)
        return rest

    def wait(self) -> None:
        """Say nothing more until the client goes or the server stops."""
        self.connection.settimeout(0.05)
        while not self.stopping.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


Manner = Callable[[Talk], None]


def good(talk: Talk) -> None:
    talk.send(talk.begin())


def without_ranges(talk: Talk) -> None:
    talk.head("200 OK", Content_Length=len(talk.data))
    talk.send(talk.data)


def truncated(after: int, manner: Callable[[Talk], bytes] = Talk.begin) -> Manner:
    """Promises all and sends so many bytes."""
    return lambda talk: talk.send(manner(talk)[:after])


def truncated_without_ranges(after: int) -> Manner:
    def answer(talk: Talk) -> None:
        talk.head("200 OK", Content_Length=len(talk.data))
        talk.send(talk.data[:after])

    return answer


def truncated_without_length(after: int | None) -> Manner:
    def answer(talk: Talk) -> None:
        talk.head("200 OK")
        talk.send(talk.data[:after])

    return answer


def stalled(after: int) -> Manner:
    """Sends so many bytes and then nothing, but does not hang up."""

    def answer(talk: Talk) -> None:
        talk.send(talk.begin()[:after])
        talk.wait()

    return answer


def silent(talk: Talk) -> None:
    talk.wait()


def dripping(talk: Talk) -> None:
    """A byte now and then: no single read ever times out."""
    body = talk.begin()
    for k in range(len(body)):
        talk.send(body[k : k + 1])
        if talk.stopping.wait(0.05):
            return


def dripping_chunk_size(talk: Talk) -> None:
    """A chunk whose size line never ends."""
    talk.head("200 OK", Transfer_Encoding="chunked")
    talk.send(b"5;")
    while not talk.stopping.wait(0.05):
        talk.send(b"x")


def dripping_headers(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\n")
    while not talk.stopping.wait(0.05):
        talk.send(b"X-Y: z\r\n")


def continuing_forever(talk: Talk) -> None:
    while not talk.stopping.wait(0.01):
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def corrupted(talk: Talk) -> None:
    """Right length, one wrong bit."""
    body = bytearray(talk.begin())
    body[len(body) // 2] ^= 1
    talk.send(bytes(body))


def status(line: str, **headers: object) -> Manner:
    return lambda talk: talk.head(line, Content_Length=0, **headers)


def redirecting(location: str, line: str = "302 Found") -> Manner:
    return lambda talk: talk.head(line, Location=location, Content_Length=0)


def redirecting_with_endless_body(location: str) -> Manner:
    def answer(talk: Talk) -> None:
        talk.head("302 Found", Location=location)
        while not talk.stopping.is_set():
            talk.send(b"x" * 65536)

    return answer


def wrong_range(talk: Talk) -> None:
    """206, but from the file's beginning."""
    last = len(talk.data) - 1
    talk.head("206 Partial Content", Content_Length=last + 1, Content_Range=f"bytes 0-{last}/{last + 1}")
    talk.send(talk.data)


def range_of_another_file(talk: Talk) -> None:
    """206 where it was asked for, but of a file that has another size."""
    first = talk.request.first_byte or 0
    rest = talk.data[first:] + b"more"
    span = f"bytes {first}-{first + len(rest) - 1}/{first + len(rest)}"
    talk.head("206 Partial Content", Content_Length=len(rest), Content_Range=span)
    talk.send(rest)


def range_without_saying_which(talk: Talk) -> None:
    talk.head("206 Partial Content", Content_Length=len(talk.data))
    talk.send(talk.data)


def never_satisfiable(talk: Talk) -> None:
    if talk.request.first_byte is None:
        good(talk)
    else:
        talk.head("416 Range Not Satisfiable", Content_Length=0)


def reset(after: int) -> Manner:
    """Sends so many bytes and then breaks the connection with a reset."""

    def answer(talk: Talk) -> None:
        talk.send(talk.begin()[:after])
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def garbage(talk: Talk) -> None:
    talk.send(b"\x00\xff SSH-2.0 what?\r\n\r\n")


def cut_in_the_headers(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def endless(talk: Talk) -> None:
    talk.head("200 OK")
    while not talk.stopping.is_set():
        talk.send(b"\0" * 65536)


def chunked(talk: Talk) -> None:
    talk.head("200 OK", Transfer_Encoding="chunked")
    for start in range(0, len(talk.data), 1000):
        piece = talk.data[start : start + 1000]
        talk.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    talk.send(b"0\r\n\r\n")


def chunked_and_cut(talk: Talk) -> None:
    talk.head("200 OK", Transfer_Encoding="chunked")
    talk.send(b"3e8\r\n" + talk.data[:700])


def compressed(talk: Talk) -> None:
    talk.head("200 OK", Content_Length=len(talk.data), Content_Encoding="gzip")
    talk.send(talk.data)


def web_page(talk: Talk) -> None:
    page = b"<!DOCTYPE html><html><body>Please log in to the hotel network.</body></html>"
    talk.head("200 OK", Content_Length=len(page), Content_Type="text/html; charset=utf-8")
    talk.send(page)


def promising(length: str) -> Manner:
    """A Content-Length of that text, and the data."""

    def answer(talk: Talk) -> None:
        talk.head("200 OK", Content_Length=length)
        talk.send(talk.data)

    return answer


@dataclass
class HostileServer:
    """Serves files, each in manners that follow one another; the last one holds for all further requests.

    Use as a context manager. ``requests`` has all that came, in order.
    """

    files: dict[str, bytes]
    manners: dict[str, list[Manner]] = field(default_factory=dict)
    certificate: tuple[Path, Path] | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> HostileServer:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._context = None
        if self.certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.certificate)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'http' if self.certificate is None else 'https'}://127.0.0.1:{self.port}"

    def first_bytes(self) -> list[int | None]:
        """From which byte each request wanted the file."""
        return [request.first_byte for request in self.requests]

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._answer(connection)
        except OSError:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                return
            received += piece
        line, *fields = received.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
        request = Request(method=method, target=target, headers=headers)
        with self._lock:
            self.requests.append(request)
            manners = self.manners.get(request.path, [])
            manner = manners.pop(0) if len(manners) > 1 else (manners or [good])[0]
        if request.path not in self.files and manner is good:
            manner = status("404 Not Found")
        data = self.files.get(request.path, b"")
        manner(Talk(connection=connection, request=request, data=data, stopping=self._stopping))
