#!/usr/bin/env python3
"""Followers and status requests at once on a server that has one core, and its memory meanwhile.

    server_load.py [--cce FILE] [--load FILE] [--minutes 10] [--streams 200] [--rate 2000] [--out FILE]

`cce serve` is pinned to core 0 (taskset); the load generator cce-http-load (a build target) and a stand-in worker, which
writes 10,000 events at once and then 10 a second, run on the other cores. --streams clients follow that job's events from
the first on; after ten seconds --rate status requests a second come on a schedule that does not wait for the server, and a latency counts from
when its request was due. The server's resident memory is read every two seconds. Passes where p99 is under 20 ms, nothing
failed, no event was lost, and the memory of the last fifth of the run is within 5 % (or 4 MiB) of the fifth after the first.
Prints a table; --out (docs/bench/server_load.json) gets the figures. Standard library only.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "tests" / "data" / "models" / "stories260K"
P99_MS = 20.0
SAMPLE_SECONDS = 2.0
START_SECONDS = 30.0


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port, target, method="GET", body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{target}", method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def wait_until(what, found):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    sys.exit(f"not within {START_SECONDS:.0f} s: {what}")


def start_server(cce, folder, server_core):
    log = open(folder / "serve.log", "wb")
    server = subprocess.Popen(
        ["taskset", "-c", str(server_core), cce, "serve", "--listen", "127.0.0.1:0", "--data", folder / "data",
         "--root", MODEL, "--worker", ROOT / "scripts" / "bench" / "load_worker.py"],
        stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "LOAD_FIRST": "10000", "LOAD_RATE": "10"})
    line = wait_until("the server's port", lambda: re.search(rb"listening on http://127.0.0.1:(\d+)",
                                                             (folder / "serve.log").read_bytes()))
    return server, int(line.group(1))


def start_job(port):
    recipe = {"model": str(MODEL), "resources": {"ranks": 1, "threads": 1, "time_limit": "2h"},
              "calibration": {"text": [str(MODEL / "tinystories.tokens.u16")], "length": 128, "sequences": 8}}
    job = ask(port, "/v1/jobs", "POST", recipe)["id"]

    def ready():
        view = ask(port, f"/v1/jobs/{job}")
        if view["state"] in ("failed", "lost"):
            sys.exit(f"the stand-in worker did not start: {view['error']}")
        return view["state"] == "running" and int(view["position"].split(".")[1]) >= 10000

    wait_until("10,000 events", ready)
    return job


def measure(load, server, port, job, options):
    started, busy = time.monotonic(), cpu_seconds(server.pid)
    command = [load, "--port", str(port), "--job", job, "--streams", str(options.streams), "--rate", str(options.rate),
               "--seconds", str(options.minutes * 60.0)]
    samples = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            samples.append((time.monotonic() - started, resident_bytes(server.pid)))
            time.sleep(SAMPLE_SECONDS)
        figures = json.loads(process.stdout.read())
    figures["server_core_busy"] = round((cpu_seconds(server.pid) - busy) / (time.monotonic() - started), 3)
    return figures, samples


def memory_figures(samples):
    """Means over the second and the last fifth of the run: the first fifth is start-up, when caches fill."""
    fifth = max(1, len(samples) // 5)
    early = statistics.mean(value for _, value in samples[fifth:2 * fifth] or samples)
    late = statistics.mean(value for _, value in samples[-fifth:])
    return {"resident_early_bytes": round(early), "resident_late_bytes": round(late),
            "resident_largest_bytes": max(value for _, value in samples), "samples": len(samples)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cce", type=pathlib.Path, default=ROOT / "build/release/bin/cce")
    parser.add_argument("--load", type=pathlib.Path, help="cce-http-load [default: beside cce]")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    cce = options.cce.resolve()
    load = (options.load or cce.with_name("cce-http-load")).resolve()
    with tempfile.TemporaryDirectory(prefix="cce-load-") as name:
        server, port = start_server(cce, pathlib.Path(name), options.server_core)
        job = None
        try:
            job = start_job(port)
            before = os.getloadavg()[0]
            figures, samples = measure(load, server, port, job, options)
        finally:
            if job:
                ask(port, f"/v1/jobs/{job}", "DELETE")
                wait_until("the job's end", lambda: ask(port, f"/v1/jobs/{job}")["state"] == "cancelled")
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)
    figures.update(memory_figures(samples))
    figures.update({"rate_asked": options.rate, "minutes": options.minutes, "load_average_before": round(before, 2),
                    "load_average_after": round(os.getloadavg()[0], 2), "cores": os.cpu_count()})
    growth = figures["resident_late_bytes"] - figures["resident_early_bytes"]
    checks = {"p99_under_20_ms": figures["p99_ms"] < P99_MS, "no_errors": figures["errors"] == 0,
              "streams_complete": figures["streams_lost"] == 0 and figures["events_out_of_order"] == 0,
              "memory_flat": growth <= max(4 << 20, figures["resident_early_bytes"] // 20)}
    figures["checks"] = checks
    for key, value in figures.items():
        print(f"{key:24} {value}")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
