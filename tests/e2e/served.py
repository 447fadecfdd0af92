"""cce serve for a test case, and a proxy that cuts connections."""
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import cce_case

WAIT_SECONDS = 120


class ServedCase(cce_case.CceCase):
    """A case with a server of its own; jobs lie below the case's folder."""

    def setUp(self):
        super().setUp()
        self.server = None
        self.url = self.start_server()

    def start_server(self, *flags, listen="127.0.0.1:0"):
        self.server_log = self.folder / "serve.log"
        command = self.command("serve", "--listen", listen, "--data", "served", "--root", cce_case.TESTS / "data",
                               "--root", self.folder, *flags)
        with open(self.server_log, "a", encoding="utf-8") as log:
            self.server = subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(self.stop_server, self.server)
        line = self.server.stdout.readline()
        found = re.search(r"http://\S+", line)
        self.assertTrue(found, f"{line}\n{self.server_log.read_text()}")
        return found.group(0)

    def stop_server(self, server, number=signal.SIGTERM):
        if server.poll() is None:
            server.send_signal(number)
            server.wait(WAIT_SECONDS)
        server.stdout.close()

    # ---- jobs
    def small_recipe(self, **changes):
        return cce_case.recipe(**changes)

    def long_recipe(self):
        """A job that is still at work when a test interferes with it."""
        text = self.folder / "long.tokens.u16"
        if not text.exists():
            text.write_bytes(cce_case.STORIES_TOKENS.read_bytes() * 40)
        return cce_case.recipe(text=text, windows=":-64", evaluated="-64:",
                               calibration={"sequences": 4096, "gradient_sequences": 4096})

    def submit(self, content, url=None):
        path = self.write_recipe(content, "submitted.yaml")
        found = self.run_cce("submit", path, "--server", url or self.url)
        return found.out.strip()

    def post(self, content):
        """The status and the document that a recipe is answered with."""
        request = urllib.request.Request(f"{self.url}/v1/jobs", data=json.dumps(content).encode(), method="POST",
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def job(self, job_id):
        with urllib.request.urlopen(f"{self.url}/v1/jobs/{job_id}", timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def wait_for_state(self, job_id, *states):
        return self.wait_for(f"job {job_id} {states}",
                             lambda: (lambda job: job if job["state"] in states else None)(self.job(job_id)))

    def job_folder(self, job_id):
        return self.folder / "served" / "jobs" / job_id


class CuttingProxy:
    """Forwards connections to a server and cuts each after so many bytes of what the server says (None: never).
    With a certificate it speaks TLS to its clients."""

    def __init__(self, url, cut_after=None, certificate=None, key=None):
        host, port = url.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.cut_after = cut_after
        self.connections = 0
        self.cuts = 0
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        # The server looks at the Host header: a proxy in front of it has a name that leads to loopback, too.
        self.url = f"{'https' if self.tls else 'http'}://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ends:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            open_ends.enter_context(client)
            server = open_ends.enter_context(socket.create_connection(self.target, WAIT_SECONDS))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            # Closing alone would not end what the other thread waits in.
            open_ends.callback(server.shutdown, socket.SHUT_RDWR)
            open_ends.callback(client.shutdown, socket.SHUT_RDWR)
            left = self.cut_after
            while True:
                part = server.recv(65536 if left is None else max(1, min(65536, left)))
                if not part:
                    return
                client.sendall(part)
                if left is not None:
                    left -= len(part)
                    if left <= 0:
                        self.cuts += 1
                        return

    @staticmethod
    def forward(client, server):
        with contextlib.suppress(OSError):
            while True:
                part = client.recv(65536)
                if not part:
                    return
                server.sendall(part)


def self_signed(folder):
    """A certificate for localhost and its key, or None where there is no openssl program."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=WAIT_SECONDS)
    except FileNotFoundError:
        return None
    os.chmod(key, 0o600)
    return certificate, key
