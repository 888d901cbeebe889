"""A headless Chromium that is driven through a pipe, without a package for it."""

import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium")
_SECONDS = 30
_ABOVE = 10


class Browser:
    """A page in a browser; use it in a ``with``.

    Args:
        folder: for the browser's own files and for downloads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)
        self.waiting = b""
        to_browser, self.write_to = os.pipe()
        self.read_from, from_browser = os.pipe()
        # The browser reads its descriptor 3 and writes its 4, of which neither may be one of the pipes' before.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, _ABOVE) for end in (to_browser, from_browser)]
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--window-size=1100,900",
        ]
        redirected = f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", redirected, CHROMIUM, *arguments, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(_SECONDS)
        os.close(self.write_to)
        os.close(self.read_from)

    def call(self, method: str, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if hasattr(self, "session") and not method.startswith(("Target", "Browser")):
            message["sessionId"] = self.session
        os.write(self.write_to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.waiting:
                ready, _, _ = select.select([self.read_from], [], [], _SECONDS)
                assert ready, f"no answer to {method}"
                part = os.read(self.read_from, 2**16)
                assert part, "the browser ended"
                self.waiting += part
            answer, _, self.waiting = self.waiting.partition(b"\0")
            answer = json.loads(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path: Path) -> None:
        self.call("Page.enable")
        self.call("Page.navigate", url=path.as_uri())
        self.until("document.readyState == 'complete' && location.protocol == 'file:'")

    def value(self, expression: str):
        """The value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = _SECONDS) -> None:
        last = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < last, expression
            time.sleep(0.02)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, path: Path) -> None:
        import base64

        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
