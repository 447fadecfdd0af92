#!/usr/bin/env python3
"""Kills `cce serve` at random moments while a queue of jobs goes through it, and checks that nothing is lost or doubled.

    server_kill.py [--cce FILE] [--kills 50] [--jobs 10] [--seed 1] [--out FILE]

A client posts small jobs (the repository's tiny model) with idempotency keys and repeats what got no answer; another
follows every job's event stream and, after each lost connection, goes on with Last-Event-ID. Meanwhile the server is
killed with SIGKILL at seeded random moments and started again at once. Where the queue is empty before all kills are
done, as many jobs again are posted. At the end:
  - every posted job is there, once, has completed, at its first attempt
  - every job was started once: one `started` event, one run record, one folder
  - every follower has every transition and every line of events.jsonl once and in order
Prints a table; --out (docs/bench/server_kill.json) gets the figures. Exit 1 where a check fails. Standard library only.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "tests" / "data" / "models"
FINAL_STATES = {"cancelled", "failed", "completed", "lost"}
ANSWER_SECONDS = 10
WHOLE_SECONDS = 1800
NO_CONNECTION = (ConnectionError, http.client.HTTPException, TimeoutError, socket.timeout, OSError)


def recipe(seed):
    """A job of a second or two on one core."""
    text = str(MODELS / "stories260K" / "tinystories.tokens.u16")
    return {"model": str(MODELS / "stories260K"), "seed": seed,
            "calibration": {"text": [{"path": text, "name": "text", "windows": "0:96"}],
                            "length": 128, "sequences": 64, "gradient_sequences": 32},
            "target": {"remove_params": 0.2}, "export": {"round_to": 4, "dtype": "f32"},
            "evaluate": {"text": [{"path": text, "name": "text", "windows": "-32:"}], "samples": 0},
            "resources": {"ranks": 1, "threads": 1, "precision": "f32"}}


class Server:
    """`cce serve` on one loopback port for all its lives."""

    def __init__(self, cce, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.cce, self.folder = cce, folder
        self.process, self.lives, self.start_seconds = None, 0, []

    def start(self, wait=True):
        self.lives += 1
        with open(self.folder / "serve.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.cce), "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.folder / "data"),
                 "--root", str(MODELS), "--max-running", "2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self):
        started = time.monotonic()
        while time.monotonic() - started < 60:
            if self.process.poll() is not None:
                sys.exit(f"cce serve ended by itself:\n{(self.folder / 'serve.log').read_text()[-3000:]}")
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    self.start_seconds.append(time.monotonic() - started)
                    return
            except NO_CONNECTION:
                time.sleep(0.005)
        sys.exit("cce serve gave no answer in 60 s")

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def job(self, job_id):
        return json.loads(self.request("GET", f"/v1/jobs/{job_id}")[1])


class Follower(threading.Thread):
    """One job's event stream over all lives of the server."""

    def __init__(self, server, job_id):
        super().__init__(daemon=True)
        self.server, self.job_id = server, job_id
        self.items = []  # (id, event name, data)
        self.connections = 0
        self.over = threading.Event()

    @property
    def last_id(self):
        return self.items[-1][0] if self.items else None

    def ended(self):
        states = [json.loads(data)["state"] for _, name, data in self.items if name == "state"]
        return bool(states) and states[-1] in FINAL_STATES

    def run(self):
        while not self.over.is_set():
            try:
                self.follow()
                self.over.wait(0.1)  # the server ends a stream when its job has ended
            except NO_CONNECTION:
                self.over.wait(0.01)

    def follow(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=2)
        try:
            headers = {"Accept": "text/event-stream"}
            if self.last_id:
                headers["Last-Event-ID"] = self.last_id
            connection.request("GET", f"/v1/jobs/{self.job_id}/events", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                answer.read()
                return
            self.connections += 1
            fields = {}
            while not self.over.is_set():
                line = answer.readline().decode()
                if not line.endswith("\n"):
                    return  # the connection is lost; half an item does not count
                line = line.rstrip("\n")
                if line:
                    key, _, value = line.partition(":")
                    fields[key] = value.strip()
                elif "id" in fields:
                    self.items.append((fields["id"], fields.get("event"), fields.get("data")))
                    fields = {}
        finally:
            connection.close()


class Trial:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.server = Server(arguments.cce, folder)
        self.random = random.Random(arguments.seed)
        self.posted = {}  # key -> job id
        self.followers = {}
        self.answers_lost = 0

    def post(self, number):
        """Repeats the request until there is an answer: the key makes it one job."""
        key = f"server-kill-{self.arguments.seed}-{number}"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                status, body = self.server.request("POST", "/v1/jobs", recipe(number), {"Idempotency-Key": key})
            except NO_CONNECTION:
                self.answers_lost += 1
                time.sleep(0.01)
                continue
            if status not in (200, 201):
                sys.exit(f"POST /v1/jobs: {status} {body.decode(errors='replace')}")
            job_id = json.loads(body)["id"]
            self.posted[key] = job_id
            self.followers[job_id] = Follower(self.server, job_id)
            self.followers[job_id].start()
            return
        sys.exit("no answer to POST /v1/jobs in 120 s")

    def post_queue(self):
        first = len(self.posted)
        poster = threading.Thread(target=lambda: [self.post(first + i) for i in range(self.arguments.jobs)])
        poster.start()
        return poster

    def all_ended(self):
        return all(follower.ended() for follower in list(self.followers.values()))

    def run(self):
        self.server.start()
        started = time.monotonic()
        poster = self.post_queue()
        for _ in range(self.arguments.kills):
            time.sleep(self.random.uniform(0.0, self.arguments.longest_life))
            if not poster.is_alive() and self.all_ended():
                poster = self.post_queue()
                time.sleep(self.random.uniform(0.0, self.arguments.longest_life))
            self.server.kill()
            # Half of the time the next one is killed while it starts.
            self.server.start(wait=self.random.random() < 0.5)
        self.server.wait_until_ready()
        poster.join(WHOLE_SECONDS)
        deadline = time.monotonic() + WHOLE_SECONDS
        while not self.all_ended() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.seconds = time.monotonic() - started

    def finish(self):
        for follower in self.followers.values():
            follower.over.set()
        for follower in self.followers.values():
            follower.join(30)

    # ---- checks
    def check(self):
        problems = []
        listed = json.loads(self.server.request("GET", "/v1/jobs?limit=1000")[1])["jobs"]
        listed_ids = sorted(job["id"] for job in listed)
        if listed_ids != sorted(self.posted.values()):
            problems.append(f"{len(listed_ids)} jobs are listed, {len(self.posted)} were posted")
        runs = list((self.folder / "data" / "runs").glob("*.run"))
        if len(runs) != len(self.posted):
            problems.append(f"{len(runs)} runs for {len(self.posted)} jobs")
        for job_id in self.posted.values():
            problems += [f"job {job_id}: {problem}" for problem in self.check_job(job_id)]
        return problems

    def check_job(self, job_id):
        job = self.server.job(job_id)
        if job["state"] != "completed" or job["attempt"] != 1:
            yield f"{job['state']} at attempt {job['attempt']}: {job.get('error')}"
        lines = (self.folder / "data" / "jobs" / job_id / "events.jsonl").read_text().splitlines()
        starts = sum(json.loads(line)["type"] == "started" for line in lines)
        if starts != 1:
            yield f"{starts} starts"
        items = self.followers[job_id].items
        events = [data for _, name, data in items if name == "event"]
        if events != lines:
            yield f"the stream had {len(events)} events, events.jsonl has {len(lines)}, or in another order"
        numbers = [json.loads(data)["number"] for _, name, data in items if name == "state"]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"transitions {numbers}"
        positions = [tuple(map(int, item[0].split("."))) for item in items]
        if positions != sorted(set(positions)):
            yield "positions that do not grow"
        if positions and positions[-1] != (len(numbers), len(lines)):
            yield f"the stream ends at {positions[-1]}, not {(len(numbers), len(lines))}"

    def figures(self, problems):
        items = sum(len(follower.items) for follower in self.followers.values())
        return {"kills": self.arguments.kills, "seed": self.arguments.seed, "jobs": len(self.posted),
                "seconds": round(self.seconds, 1), "answers_lost_while_posting": self.answers_lost,
                "stream_connections": sum(follower.connections for follower in self.followers.values()),
                "stream_items": items,
                "seconds_until_ready_median": round(statistics.median(self.server.start_seconds), 3),
                "problems": problems}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cce", type=pathlib.Path, default=ROOT / "build/release/bin/cce")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=10, help="posted at once")
    parser.add_argument("--longest-life", type=float, default=1.0, help="seconds; lives are uniform from 0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cce-server-kill-"))
    trial = Trial(arguments, folder)
    try:
        trial.run()
        trial.finish()
        figures = trial.figures(trial.check())
    finally:
        if trial.server.process is not None and trial.server.process.poll() is None:
            trial.server.kill()
    for name, value in figures.items():
        if name != "problems":
            print(f"{name.replace('_', ' '):32} {value}")
    print(f"{'lost, doubled or out of order':32} {len(figures['problems'])}")
    for problem in figures["problems"]:
        print(f"  {problem}")
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.keep or figures["problems"]:
        print(f"folder {folder}")
    else:
        subprocess.run(["rm", "-r", str(folder)], check=True)
    sys.exit(1 if figures["problems"] else 0)


if __name__ == "__main__":
    main()
