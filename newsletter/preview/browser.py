"""One headless Chromium, spoken to over a pipe in its DevTools protocol (chromedevtools.github.io/devtools-protocol).

It has a profile of its own in a temporary folder, runs no script of what it shows, and ends with the `with` block.
"""

from __future__ import annotations

import base64
import json
import math
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from newsletter.errors import NewsletterError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
#: The browser reads commands from file descriptor 3 and answers on 4.
_PIPED = 'exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2'
#: Seconds for everything one browser does.
_PATIENCE = 120.0
#: Seconds for the pictures of one document.
_PICTURE_PATIENCE = 5.0
#: Seconds for the browser to end by itself.
_GOODBYE = 5.0
#: Chromium draws no picture taller than this, in pixels of the picture.
_TALLEST = 16_000
_CHUNK = 1 << 20
#: The addresses of the pictures that a document wants and does not show.
_MISSING = """
JSON.stringify([...document.images].filter(i => i.src && !(i.complete && i.naturalWidth)).map(i => i.src))
"""


class PreviewError(NewsletterError):
    """The browser did not draw the pictures, or the files cannot be written."""


@dataclass(frozen=True)
class Picture:
    """A document as a PNG. Width and height are in CSS pixels; `scale` pixels of the picture are one of them.

    `content_width` is wider than `width` when the reader would have to scroll sideways. `is_cut`: it goes on below.
    """

    png: bytes
    width: int
    height: int
    scale: int
    content_width: int
    is_cut: bool


def find_chromium() -> Path | None:
    """Return the Chromium or Chrome on the PATH, if there is one."""
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


@contextmanager
def open_browser(chromium: Path) -> Iterator[Page]:
    """Start the browser and yield its one page. Raises PreviewError when it does not start, stops or takes too long."""
    with (
        tempfile.TemporaryDirectory(prefix="newsletter-preview-", ignore_cleanup_errors=True) as work,
        tempfile.TemporaryFile() as said,
    ):
        command = ["/bin/sh", "-c", _PIPED, str(chromium), *_FLAGS, f"--user-data-dir={work}", "about:blank"]
        try:
            process = subprocess.Popen(  # noqa: S603 - no text of others is in the command
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise PreviewError(f"{chromium} could not be started: {error.strerror}.") from error
        expired = threading.Event()
        watchdog = threading.Timer(_PATIENCE, _expire, [process, expired])
        watchdog.start()
        try:
            page = Page(_Pipe(process))
            yield page
            page.close()
        except _Ended as error:
            raise PreviewError(f"{chromium} {_why(process, said, expired)}") from error
        except _Failed as error:
            raise PreviewError(f"{chromium} {error}") from error
        finally:
            watchdog.cancel()
            _end(process)


class _Ended(Exception):
    """The browser is no longer there."""


class _Failed(Exception):
    """The browser is there and did not do as it was told. The text completes a sentence that begins with its name."""


class Page:
    """The browser's one page."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        pipe.session = str(pipe.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])
        for domain in ("Page", "Network", "Inspector"):
            pipe.call(f"{domain}.enable")
        pipe.call("Emulation.setScriptExecutionDisabled", {"value": True})
        self._frame = str(pipe.call("Page.getFrameTree")["frameTree"]["frame"]["id"])
        self._blocked: set[str] = set()

    def show(self, html: str) -> list[str]:
        """Show a document with its pictures, and return the addresses of those that do not load.

        They are given a few seconds; those that take longer are not asked for again.
        """
        if not self._load(html):
            slow = {address for address in self._missing() if not address.startswith("data:")}
            self._blocked |= slow
            self._pipe.call("Page.stopLoading")
            self._pipe.call("Network.setBlockedURLs", {"urls": sorted(self._blocked)})
            self._load(html)
        return self._missing()

    def _load(self, html: str) -> bool:
        self._pipe.loaded = False
        self._pipe.call("Page.setDocumentContent", {"frameId": self._frame, "html": html})
        end = time.monotonic() + _PICTURE_PATIENCE
        while self._pipe.wait_for_load(end):
            self._pipe.loaded = False
            if self._value("document.readyState") == "complete":  # or else it was the document before that was loaded
                return True
        return False

    def _missing(self) -> list[str]:
        missing: list[str] = json.loads(self._value(_MISSING))
        return missing

    def _value(self, expression: str) -> str:
        return str(self._pipe.call("Runtime.evaluate", {"expression": expression})["result"]["value"])

    def picture(self, width: int, *, scale: int = 1, dark: bool = False, darkened: bool = False) -> Picture:
        """Draw the document as it is in a window of that width, from its first line to its last.

        `dark`: the reader's system is set so. `darkened`: the program turns light mails dark by itself (R58).
        """
        self._pipe.call("Emulation.setAutoDarkModeOverride", {"enabled": True} if darkened else {})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._pipe.call("Emulation.setEmulatedMedia", {"features": [scheme]})
        window = {"width": width, "height": 1, "deviceScaleFactor": scale, "mobile": False}
        self._pipe.call("Emulation.setDeviceMetricsOverride", window)
        size = self._pipe.call("Page.getLayoutMetrics")["cssContentSize"]
        content = math.ceil(size["height"])
        height = max(1, min(content, _TALLEST // scale))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip, "optimizeForSpeed": True}
        png = base64.b64decode(self._pipe.call("Page.captureScreenshot", asked)["data"])
        return Picture(png, width, height, scale, math.ceil(size["width"]), height < content)

    def close(self) -> None:
        """Ask the browser to end."""
        self._pipe.session = ""
        self._pipe.call("Browser.close")


class _Pipe:
    """Commands to the browser and what it answers: JSON documents, each ended by a zero byte."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0
        self._unread = b""
        #: What commands are meant for: a page, or the browser itself where it is empty.
        self.session = ""
        self.loaded = False

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give a command and return its result. Raises _Ended or _Failed."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters or {}}
        self._write(json.dumps(command | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            message = self._read()
            if message is not None and message.get("id") == self._number:
                if "error" in message:
                    raise _Failed(f"refused {method}: {message['error'].get('message', '').rstrip('.')}.")
                result: dict[str, Any] = message["result"]
                return result

    def wait_for_load(self, end: float) -> bool:
        """Wait for a document to have all its pictures, until `end` of the monotonic clock; tell whether they came."""
        while not self.loaded and (left := end - time.monotonic()) > 0:
            self._read(left)
        return self.loaded

    def _write(self, command: bytes) -> None:
        stream = _open(self._process.stdin)
        try:
            while command:
                command = command[stream.write(command) :]
        except OSError as error:
            raise _Ended from error

    def _read(self, seconds: float | None = None) -> dict[str, Any] | None:
        """Return the next message; None when there is none within that time. Without a time, the watchdog ends it."""
        stream = _open(self._process.stdout)
        while b"\0" not in self._unread:
            if seconds is not None and not select.select([stream], [], [], seconds)[0]:
                return None
            chunk = stream.read(_CHUNK)
            if not chunk:
                raise _Ended
            self._unread += chunk
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Inspector.targetCrashed":
            raise _Failed("crashed while it drew the mail.")
        self.loaded = self.loaded or message.get("method") == "Page.loadEventFired"
        return message


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise _Ended
    return stream


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the browser and all its processes, which are a group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the browser to end, and see to it."""
    with suppress(OSError):
        _open(process.stdin).close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_GOODBYE)
    _kill(process)
    process.wait()
    _open(process.stdout).close()


def _why(process: subprocess.Popen[bytes], said: IO[bytes], expired: threading.Event) -> str:
    """Return why the browser is no longer there, as the end of a sentence."""
    if expired.is_set():
        return f"did not finish within {_PATIENCE:g} seconds."
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_GOODBYE)
    said.seek(0)
    last = (said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    return f"stopped with status {process.returncode}: {last.rstrip('.')}."
