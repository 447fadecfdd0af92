"""A headless chromium for tests, driven over a pipe by the DevTools protocol. Standard library only."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.05


def program():
    """The browser's path, or None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page. Use as a context manager; every wait ends after DEADLINE_SECONDS with an error."""

    def __init__(self, width=1280, height=900):
        self.profile = tempfile.TemporaryDirectory(prefix="cce-browser-", ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.out, to_write = os.pipe()
        command = [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--hide-scrollbars", "--no-first-run", f"--user-data-dir={self.profile.name}",
                   f"--window-size={width},{height}", "--remote-debugging-pipe", "about:blank"]

        def pass_pipes():
            # The browser reads commands from descriptor 3 and writes answers to 4; high copies first, so that neither is
            # overwritten while it is still needed.
            reading, writing = os.dup2(to_read, 200), os.dup2(to_write, 201)
            os.dup2(reading, 3)
            os.dup2(writing, 4)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=pass_pipes,
                                        start_new_session=True)
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.messages = []  # what the page wrote to its console, and its errors
        target = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)
        os.close(self.out)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.profile.cleanup()

    # ---- protocol
    def read_message(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.out], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.out, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            answer = self.read_message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.note(answer)

    def note(self, message):
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.messages.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.messages.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")

    # ---- what tests ask for
    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", expression))
        return result["result"].get("value")

    def wait_for(self, expression, seconds=DEADLINE_SECONDS):
        """Until the expression is true in the page."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.evaluate(f"Boolean({expression})")
            except RuntimeError:
                value = None  # the page is on its way to another one
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {expression}\n{self.text()[:2000]}\n{self.messages}")
            time.sleep(POLL_SECONDS)

    def text(self):
        return self.evaluate("document.body.innerText")

    def press(self, key, code=None, text=None):
        """One key of the keyboard, such as Tab, Enter, Escape or a letter."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        parameters = {"key": key, "code": code or key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        text = text or {"Enter": "\r", " ": " "}.get(key)
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        """light or dark"""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path, whole=True, height=None):
        """The whole page, or what the window shows, or the page down to a height."""
        parameters = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        data = base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"])
        with open(path, "wb") as file:
            file.write(data)
        return data
