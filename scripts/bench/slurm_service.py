"""What slurm_lab.py runs: a Slurm lab of its own, and `cce serve --scheduler slurm` on it, spoken to over REST.

Standard library only.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LAB = ROOT / "slurm" / "lab"
FINAL_STATES = {"cancelled", "failed", "completed", "lost"}
POLL_SECONDS = 0.02


class Failure(Exception):
    """Something that should have happened did not; the text says what was seen."""


def wait_for(what, condition, seconds):
    """The condition's first true value; Failure once the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise Failure(f"not within {seconds} s: {what}")


class Lab:
    """slurm/lab in a folder of its own; down when the `with` block ends."""

    def __init__(self, folder, nodes):
        self.folder, self.nodes = folder, nodes

    def run(self, *words):
        done = subprocess.run([LAB, *words, "--dir", self.folder], capture_output=True, text=True, timeout=180)
        if done.returncode != 0:
            raise Failure(f"slurm/lab {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self):
        self.run("up", "--nodes", str(self.nodes))
        exports = dict(re.findall(r"^export (\w+)=(.*)$", self.run("env"), re.MULTILINE))
        self.environment = {**os.environ, **exports}
        self.profile = exports["CCE_SLURM_PROFILE"]
        return self

    def __exit__(self, *_):
        self.run("down", "--purge")

    def ask(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=True).stdout

    def record(self, job):
        """{field: value} of `scontrol show job`."""
        line = self.ask("scontrol", "show", "job", "--oneliner", job)
        return dict(word.partition("=")[::2] for word in line.split())

    def job_numbers(self, name):
        return self.ask("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%A").split()


class Service:
    """`cce serve --scheduler slurm`; ended when the `with` block ends."""

    def __init__(self, cce, lab, folder, roots):
        self.cce, self.lab, self.folder, self.roots = cce, lab, folder, roots
        self.process, self.url, self.starts = None, None, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)

    def start(self):
        command = [self.cce, "serve", "--listen", "127.0.0.1:0", "--data", self.folder / "data", "--scheduler", "slurm",
                   "--slurm-profile", self.lab.profile]
        for root in self.roots:
            command += ["--root", root]
        self.starts += 1
        log = self.folder / f"serve-{self.starts}.log"
        with open(log, "wb") as output:
            self.process = subprocess.Popen(list(map(str, command)), env=self.lab.environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output)

        def address():
            if self.process.poll() is not None:
                raise Failure(f"cce serve ended:\n{log.read_text()[-3000:]}")
            found = re.search(r"^listening on (http://\S+?)/?$", log.read_text(), re.MULTILINE)
            return found and found.group(1)
        self.url = wait_for("cce serve listens", address, 30)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def request(self, method, path, body=None, parse=True):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if parse and text else text

    def submit(self, recipe):
        return self.request("POST", "/v1/jobs", recipe)["id"]

    def job(self, job_id):
        return self.request("GET", f"/v1/jobs/{job_id}")

    def cancel(self, job_id):
        self.request("DELETE", f"/v1/jobs/{job_id}")

    def resume(self, job_id):
        self.request("POST", f"/v1/jobs/{job_id}/resume", {})

    def wait_for_state(self, job_id, wanted, seconds):
        """The job once it is in one of the states; Failure where it ends in another."""
        def there():
            job = self.job(job_id)
            if job["state"] in wanted:
                return job
            if job["state"] in FINAL_STATES:
                raise Failure(f"job {job_id} is {job['state']}, not {wanted}: {job.get('error')}\n{self.log_tail(job_id)}")
            return None
        return wait_for(f"job {job_id} {wanted}", there, seconds)

    def job_folder(self, job_id):
        return self.folder / "data" / "jobs" / str(job_id)

    def log_tail(self, job_id):
        logs = sorted((self.job_folder(job_id) / "logs").glob("attempt-*.log"))
        return logs[-1].read_text(errors="replace")[-3000:] if logs else "no log"
