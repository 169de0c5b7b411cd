"""One HTTP request for a file or the rest of it, with checks on everything the server sends.

Proxies come from the environment (``https_proxy``, ``http_proxy``, ``no_proxy``), as in urllib. Redirects are
followed here, because urllib reads a redirect's body to its end, however long.
"""

from __future__ import annotations

import email.utils
import http.client
import re
import socket
import ssl
import string
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urljoin, urlsplit

from posetrack import __version__
from posetrack.zoo.wire import Wire, opener

READ_BYTES = 1 << 16
MOST_REDIRECTS = 10
SLOWEST_BYTES_PER_S = 1000
"""A connection slower than this over a whole time limit counts as stalled."""

_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)
_LASTING = (501, 505)
_LINKED_HASH = re.compile(r'"?([0-9a-fA-F]{64})"?')
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


class TransferError(Exception):
    """A try failed, but another may succeed.

    Attributes:
        retry_after_s: Seconds the server asks to wait, if it does.
        unreachable: There is no network, which is unlikely to change within seconds.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable


class RefusedError(Exception):
    """A try failed, and trying again would not help."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A server's answer.

    Attributes:
        start: First byte of the file that it sends; None if it does not have the range.
        total: Size of the whole file in bytes; None if unknown.
        content_type: According to the server.
        sha256: The file's hash according to the server, 64 hex digits, if it says so (Hugging Face does).
        chunks: The bytes; raises ``TransferError`` when they stall or the connection breaks.
    """

    start: int | None
    total: int | None
    content_type: str
    chunks: Iterator[bytes]
    sha256: str | None


@contextmanager
def requested(url: str, offset: int, timeout_s: float, method: Literal["GET", "HEAD"] = "GET") -> Iterator[Answer]:
    """Request a file, starting at a byte.

    Args:
        url: An http or https address.
        offset: The first byte wanted. A server may still send the whole file.
        timeout_s: Maximum number of seconds to connect, to receive all headers, and to receive the next bytes.
        method: ``HEAD`` asks only for what the server says about the file.

    Raises:
        TransferError: no connection, no answer in time, or a temporary fault of the server.
        RefusedError: the server does not have the file or refuses it, or redirects to an unsafe address.
    """
    headers = {"User-Agent": f"posetrack/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    wire = Wire()
    opening = opener(wire, timeout_s)
    told: str | None = None
    for _ in range(MOST_REDIRECTS + 1):
        with _transfer_errors():
            request = urllib.request.Request(url, headers=headers, method=method)
            response = opening.open(request, timeout=timeout_s)
        with response:
            told = told or _told_sha256(response)
            if response.status not in _REDIRECTS:
                yield _answer(response, offset, _chunks(response, wire, timeout_s), told)
                return
            url = _redirected(url, response.headers.get("Location"))
    raise RefusedError(f"{MOST_REDIRECTS} redirects lead nowhere")


def _told_sha256(response: http.client.HTTPResponse) -> str | None:
    """The file's hash, as Hugging Face tells it beside the redirect to the file."""
    found = _LINKED_HASH.fullmatch(response.headers.get("X-Linked-Etag", "").strip())
    return found[1].lower() if found else None


def _redirected(url: str, location: str | None) -> str:
    """The target of a redirect, if it is safe."""
    try:
        target = urljoin(url, quote(location or "", encoding="latin-1", safe=string.punctuation))
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise RefusedError(f"the server redirects to an impossible address ({error})") from error
    if not location or scheme not in ("http", "https"):
        raise RefusedError(f"the server redirects to {location!r}, which is not followed")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise RefusedError(f"the server redirects from https to {location!r}, which is not followed")
    return target


def _answer(
    response: http.client.HTTPResponse, offset: int, chunks: Iterator[bytes], sha256: str | None
) -> Answer:
    status, headers = response.status, response.headers
    encoding = headers.get("Content-Encoding", "identity")
    if status in (200, 206) and encoding.lower() != "identity":
        raise RefusedError(f"the server sends the file encoded ({encoding}), which was not asked for")
    content_type = headers.get("Content-Type", "")
    if status == 200:
        found = None if response.chunked else _LENGTH.fullmatch(headers.get("Content-Length", "").strip())
        total = int(found[0]) if found else None
        return Answer(start=0, total=total, content_type=content_type, chunks=chunks, sha256=sha256)
    if status == 206 and offset:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        start = int(found[1]) if found else None
        total = int(found[2]) if found and found[2] != "*" else None
        return Answer(start=start, total=total, content_type=content_type, chunks=chunks, sha256=sha256)
    if status == 416 and offset:
        return Answer(start=None, total=None, content_type=content_type, chunks=iter(()), sha256=sha256)
    said = f"the server answers {status} {response.reason or ''}".strip()
    if status in _PASSING or (status >= 500 and status not in _LASTING):
        raise TransferError(said, retry_after_s=_seconds(headers.get("Retry-After")))
    raise RefusedError(said)


def _chunks(response: http.client.HTTPResponse, wire: Wire, timeout_s: float) -> Iterator[bytes]:
    """The body as it comes; each window of ``timeout_s`` must bring enough bytes."""
    window_start, window_bytes = time.monotonic(), 0
    while True:
        with _transfer_errors(), wire.limit(timeout_s) if response.chunked else nullcontext():
            chunk = response.read1(READ_BYTES)
        if not chunk:
            return
        window_bytes += len(chunk)
        elapsed_s = time.monotonic() - window_start
        yield chunk
        if elapsed_s >= timeout_s:
            if window_bytes < SLOWEST_BYTES_PER_S * elapsed_s:
                raise TransferError(f"the connection stalls: {window_bytes} bytes in {elapsed_s:.1f} s")
            window_start, window_bytes = time.monotonic(), 0


def _seconds(retry_after: str | None) -> float | None:
    """Seconds to wait: the header gives seconds or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


@contextmanager
def _transfer_errors() -> Iterator[None]:
    """Turns errors of urllib, http.client, ssl and sockets into ``TransferError`` or ``RefusedError``."""
    try:
        yield
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            remedy = "SSL_CERT_FILE can name a file with your network's certificates"
            raise RefusedError(
                f"the server's certificate is not trusted ({reason.verify_message}; {remedy})"
            ) from error
        if isinstance(reason, socket.gaierror):
            raise TransferError(f"no internet connection ({reason.strerror})", unreachable=True) from error
        if isinstance(reason, TimeoutError):
            raise TransferError("the connection timed out") from error
        if isinstance(reason, OSError):
            raise TransferError(reason.strerror or str(reason)) from error
        raise RefusedError(str(reason)) from error
    except http.client.InvalidURL as error:
        raise RefusedError(f"impossible address: {error}") from error
    except TimeoutError as error:
        raise TransferError("the connection timed out") from error
    except (http.client.HTTPException, OSError) as error:
        raise TransferError(f"the connection broke off ({error or type(error).__name__})") from error
    except ValueError as error:
        raise RefusedError(f"impossible address: {error}") from error
