"""A real Chromium without a window, driven over its own protocol (two pipes): it opens pages, types, presses keys and takes pictures."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Chromium reads its protocol from 3 and writes it to 4; a shell puts our pipes there.
_START = 'exec "$0" "$@" 3<&"$READS" 4>&"$WRITES"'
_PATIENCE_SECONDS = 60


def find_chromium() -> str | None:
    """The browser of this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page. What the browser complains about (errors of scripts, refused by the page's policy) is in `complaints`."""

    def __init__(self, orders: int, events: int) -> None:
        """Attach to a browser that was just started.

        Args:
            orders: Descriptor that it reads from.
            events: Descriptor that it writes to.
        """
        self._orders, self._events, self._buffer, self._count = orders, events, b"", 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, *, width: int, height: int) -> None:
        """Look at the page through a window of so many pixels, as a phone does below 600."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true in the page."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.run(condition):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {condition}; the page says: {self.run('document.body.innerText')}")
            time.sleep(0.02)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key: `Tab`, `Enter` or `Space`."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}[key]
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        self._send("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self._send("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page (PNG)."""
        taken = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        session = {} if self._session is None else {"sessionId": self._session}
        os.write(self._orders, json.dumps({"id": self._count, "method": method, "params": params, **session}).encode() + b"\0")
        while (message := self._read()).get("id") != self._count:
            self._keep(message)
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        found: dict[str, Any] = message["result"]
        return found

    def _keep(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case _:
                pass

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._events, 65_536)
            if not chunk:
                raise AssertionError("the browser has ended")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile, ended at the end."""
    (reads, orders), (events, writes) = os.pipe(), os.pipe()
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}"]
    environment = os.environ | {"READS": str(reads), "WRITES": str(writes)}
    command = ["bash", "-c", _START, str(find_chromium()), *options, "--remote-debugging-pipe", "about:blank"]
    process = subprocess.Popen(command, pass_fds=(reads, writes), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(reads)
    os.close(writes)
    try:
        yield Browser(orders, events)
    finally:
        process.kill()
        process.wait()
        os.close(orders)
        os.close(events)
