"""A headless Chromium for the tests of pages, driven over a pipe by its DevTools protocol; nothing to install."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
PATIENCE_S = 120

_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 10) for number in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium takes commands from descriptor 3 and answers to 4."""


def find_chromium() -> str | None:
    """Its program, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page of a browser of its own; a context manager.

    Args:
        program: From ``find_chromium``.
        folder: For its profile.
    """

    def __init__(self, program: str, folder: Path) -> None:
        command_out, self._commands = os.pipe()
        self._answers, answer_in = os.pipe()
        flags = (
            "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-dev-shm-usage --mute-audio "
            # a page that the system thinks hidden or idle would show no frames
            "--disable-renderer-backgrounding --disable-background-timer-throttling "
            "--disable-backgrounding-occluded-windows"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(command_out), str(answer_in), program, *flags.split(),
             "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            pass_fds=(command_out, answer_in), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(command_out)
        os.close(answer_in)
        self.process_id = self._process.pid
        self._buffer = b""
        self._serial = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command's result; events that come meanwhile are kept in ``events``."""
        self._serial += 1
        message = {"id": self._serial, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._serial:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], PATIENCE_S)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._answers, 2**20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def open(self, url: str) -> None:
        """Load a page, and wait until it is loaded."""
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"].get("description"))
        return told["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        end_s = time.monotonic() + PATIENCE_S
        while not self.evaluate(condition):
            if time.monotonic() > end_s:
                raise TimeoutError(f"never came true: {condition}")
            time.sleep(0.05)

    def wait_for_frames(self) -> None:
        """Until what has been asked of the page is drawn: one frame may change the layout, the next follows it."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, key: str) -> None:
        """A key, as on a keyboard: ``Tab``, ``Enter``, ``/``, ``Shift+D``, ``Ctrl+z``."""
        *held, key = key.split("+") if len(key) > 1 else [key]
        modifiers = sum({"Alt": 1, "Ctrl": 2, "Shift": 8}[one] for one in held)
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 and modifiers in (0, 8) else "")
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, " ": 32}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, x: float, y: float) -> None:
        """The left button, at a place of the window in CSS pixels."""
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the left button at one place, and let it go at another."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        button: dict[str, Any] = {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], buttons=1, **button)
        if end != start:
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=end[0], y=end[1], buttons=1, button="left")
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], buttons=0, **button)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Of the window, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def media(self, *, scheme: str = "light", kind: str = "") -> None:
        """``light`` or ``dark``; ``print`` or nothing."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def screenshot(self) -> bytes:
        """A PNG file of what is in view."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def print(self) -> bytes:
        """A PDF file."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def problems(self) -> list[str]:
        """Exceptions, and what the browser complains of, since the page was opened."""
        self.evaluate("0")
        told = [
            event for event in self.events if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        return [json.dumps(event["params"]) for event in told]

    def requests(self) -> list[str]:
        """What the page has asked for since it was opened, apart from data inside it."""
        self.evaluate("0")
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        urls = [str(event["params"]["request"]["url"]) for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands)
        os.close(self._answers)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
