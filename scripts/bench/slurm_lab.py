#!/usr/bin/env python3
"""slurm_lab.py: jobs that come over REST run on a real Slurm of several nodes (slurm/lab) and survive what happens there.

For 2 and for 4 nodes, one rank each: an undisturbed job; a node that dies while the job encodes; the batch script's node that
dies; USR1, as before a time limit; a time limit of one minute under a job of several (fine-tuning, as long as this machine
needs); scancel behind the server's back; the server killed and started again. Every completed job has to have the bytes of the
same recipe run by `cce compress` on this machine. Results go to docs/bench/slurm_lab.json.

    scripts/bench/slurm_lab.py                                  # the repository's tiny model
    scripts/bench/slurm_lab.py --model models/smollm2-135m --text wiki.txt
    scripts/bench/slurm_lab.py --smoke                          # 2 nodes, less of it: what ctest runs

Exit 0 where all of it held, 77 where Slurm cannot run here.
"""
import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import bench_tools
import slurm_service
from slurm_service import Failure, wait_for

STORIES = slurm_service.ROOT / "tests/data/models/stories260K"
EXACT_FILES = ("model.safetensors", "plan.json", "config.json")
LOST_NODE_SECONDS = 120
LIMITED_JOB_SECONDS = 120  # of the job that has a minute: the signal comes 15 to 60 seconds before its end
PROBE_TOKENS = 20000


class Round:
    """The scenarios on one lab, with one service on it and one local run to compare with."""

    def __init__(self, arguments, lab, folder):
        self.arguments, self.lab, self.folder = arguments, lab, folder
        self.recipe = self.make_recipe(lab.nodes)
        self.started = time.monotonic()
        self.local_seconds = None

    def make_recipe(self, nodes):
        text = {"path": str(self.arguments.text), "name": "text"}
        length, sequences = self.arguments.length, self.arguments.sequences
        return {"model": str(self.arguments.model), "seed": 0,
                "calibration": {"text": [{**text, "windows": f"0:{sequences}"}], "length": length,
                                "sequences": sequences, "gradient_sequences": max(sequences // 2, nodes)},
                "target": {"remove_params": 0.2}, "export": {"format": "custom", "round_to": 4, "dtype": "f32"},
                "evaluate": {"text": [{**text, "windows": "-8:"}], "samples": 0},
                "resources": {"ranks": nodes, "nodes": nodes, "threads": 1, "precision": "f32", "time_limit": "30m"}}

    def run_locally(self, recipe, name="local"):
        """`cce compress` on this machine into the folder `name`; its seconds."""
        file = self.folder / f"{name}.yaml"
        file.write_text(json.dumps({**recipe, "resources": {**recipe["resources"], "nodes": 1}}))
        started = time.monotonic()
        subprocess.run([self.arguments.cce, "compress", file, "--out", self.folder / name, "--quiet"],
                       check=True, timeout=3600, stdout=subprocess.DEVNULL)
        return round(time.monotonic() - started, 2)

    def with_training(self, tokens):
        return {**self.recipe, "finetune": {"text": self.recipe["calibration"]["text"], "max_tokens": tokens,
                                            "batch_tokens": self.arguments.length * self.lab.nodes, "beta": 0, "gamma": 0,
                                            "checkpoint_steps": 10}}

    # ---- parts of scenarios
    def submit(self, recipe=None):
        self.started = time.monotonic()
        job = self.service.submit(recipe or self.recipe)
        self.number = wait_for("the job's number", lambda: self.service.job(job).get("scheduler_id"), 60)
        return job

    def wait_until_encoding(self, job):
        """Some layer is encoded, and not the last one."""
        state = self.service.job_folder(job) / "state"

        def encoded():
            found = [path for path in state.glob("encode.layer-*") if path.suffix != ".tmp"]
            if not found and self.service.job(job)["state"] in slurm_service.FINAL_STATES:
                raise Failure(f"job {job} has ended: {self.service.job(job)}\n{self.service.log_tail(job)}")
            return found
        return wait_for("a layer encoded", encoded, self.arguments.deadline)

    def finish(self, job, local="local"):
        self.service.wait_for_state(job, {"completed"}, self.arguments.deadline)
        result = self.service.job_folder(job) / "result"
        for name in EXACT_FILES:
            if (result / name).read_bytes() != (self.folder / local / name).read_bytes():
                raise Failure(f"job {job}: {name} differs from the local run's")
        record = self.lab.record(self.number)
        return {"seconds": round(time.monotonic() - self.started, 2), "nodes": record["NodeList"],
                "restarts": int(record["Restarts"]), "same_bytes_as_local": True}

    def check_restarts(self, outcome, least):
        if outcome["restarts"] < least:
            raise Failure(f"Slurm counts {outcome['restarts']} restarts, at least {least} expected")
        return outcome

    # ---- scenarios
    def undisturbed(self):
        job = self.submit()
        outcome = self.finish(job)
        hosts = sorted(rank["host"] for rank in self.service.job(job)["ranks"])
        if hosts != [f"n{number + 1}" for number in range(self.lab.nodes)]:
            raise Failure(f"the ranks ran on {hosts}")
        return outcome

    def lose_node(self, node):
        job = self.submit()
        kept = len(self.wait_until_encoding(job))
        self.lab.run("kill-node", node)
        killed = time.monotonic()
        wait_for("the job back in the queue", lambda: self.lab.record(self.number)["Restarts"] != "0", LOST_NODE_SECONDS)
        back = time.monotonic()
        self.lab.run("start-node", node)
        outcome = self.check_restarts(self.finish(job), 1)
        return {**outcome, "layers_kept_at_least": kept, "seconds_until_requeued": round(back - killed, 2)}

    def lose_last_node(self):
        return self.lose_node(f"n{self.lab.nodes}")

    def lose_batch_node(self):
        return self.lose_node("n1")

    def time_runs_out(self):
        job = self.submit()
        self.wait_until_encoding(job)
        self.lab.ask("scancel", "--batch", "--signal=USR1", self.number)  # what --signal=B:USR1@120 makes Slurm do
        return self.check_restarts(self.finish(job), 1)

    def time_limit_passes(self):
        """Slurm itself sends the signal: the job needs twice the minute that each of its stays has."""
        seconds = self.run_locally(self.with_training(PROBE_TOKENS), "probe") - self.local_seconds
        tokens = int(PROBE_TOKENS * LIMITED_JOB_SECONDS / max(seconds, 0.1))
        recipe = self.with_training(tokens)
        local_seconds = self.run_locally(recipe, "long")
        job = self.submit({**recipe, "resources": {**recipe["resources"], "time_limit": "1m"}})
        outcome = self.check_restarts(self.finish(job, "long"), 1)
        limit = self.lab.record(self.number)["TimeLimit"]
        return {**outcome, "time_limit": limit, "training_tokens": tokens, "local_seconds": local_seconds}

    def cancelled_outside(self):
        job = self.submit()
        self.wait_until_encoding(job)
        self.lab.ask("scancel", self.number)
        cancelled = time.monotonic()
        self.service.wait_for_state(job, {"cancelled"}, 60)
        return {"state": "cancelled", "seconds_until_noticed": round(time.monotonic() - cancelled, 2)}

    def cancelled_and_resumed(self):
        job = self.submit()
        self.wait_until_encoding(job)
        self.service.cancel(job)
        self.service.wait_for_state(job, {"cancelled"}, 60)
        first = self.number
        self.service.resume(job)
        self.number = wait_for("a new job number", lambda: self.other_number(job, first), 60)
        return {**self.finish(job), "attempt": self.service.job(job)["attempt"]}

    def other_number(self, job, first):
        number = self.service.job(job).get("scheduler_id")
        return number if number != first else None

    def server_killed(self):
        job = self.submit()
        self.wait_until_encoding(job)
        self.service.kill()
        self.service.start()
        outcome = self.finish(job)
        numbers = self.lab.job_numbers(self.lab.record(self.number)["JobName"])
        if numbers != [str(self.number)]:
            raise Failure(f"Slurm has run the attempt as {numbers}")
        return outcome

    def run(self, scenarios):
        self.local_seconds = self.run_locally(self.recipe)
        outcomes = {"local": {"seconds": self.local_seconds}}
        roots = {self.arguments.model, self.arguments.text.parent}
        with slurm_service.Service(self.arguments.cce, self.lab, self.folder, roots) as self.service:
            for name in scenarios:
                outcomes[name] = getattr(self, name)()
                print(f"{self.lab.nodes} nodes, {name}: {json.dumps(outcomes[name])}", flush=True)
        return outcomes


SMOKE = ("undisturbed", "cancelled_outside", "lose_last_node")
ALL = ("undisturbed", "lose_last_node", "lose_batch_node", "time_runs_out", "time_limit_passes", "cancelled_outside",
       "cancelled_and_resumed", "server_killed")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cce", type=pathlib.Path, default=slurm_service.ROOT / "build/release/bin/cce")
    parser.add_argument("--model", type=lambda text: pathlib.Path(text).resolve(), default=STORIES)
    parser.add_argument("--text", type=lambda text: pathlib.Path(text).resolve(), default=STORIES / "tinystories.tokens.u16")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--sequences", type=int, default=144)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--scenarios", nargs="+", choices=ALL, default=ALL)
    parser.add_argument("--deadline", type=float, default=600, help="seconds for one job")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=slurm_service.ROOT / "docs/bench/slurm_lab.json")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.nodes, arguments.scenarios, arguments.out = [2], SMOKE, None
    return arguments


def main():
    arguments = parse_arguments()
    reason = cannot_run()
    if reason:
        print(f"skipped: {reason}")
        return 77
    rounds = []
    for nodes in arguments.nodes:
        with tempfile.TemporaryDirectory(prefix="cce-slurm-") as name:
            folder = pathlib.Path(name)
            with slurm_service.Lab(folder / "lab", nodes) as lab:
                outcomes = Round(arguments, lab, folder).run(arguments.scenarios)
        rounds.append({"nodes": nodes, "ranks": nodes, "outcomes": outcomes})
    if arguments.out:
        bench_tools.write_json(arguments.out, {"environment": bench_tools.environment(arguments.cce),
                                               "model": arguments.model.name, "length": arguments.length,
                                               "sequences": arguments.sequences, "rounds": rounds})
    return 0


def cannot_run():
    """Why slurm/lab cannot come up on this machine; None where it can."""
    done = subprocess.run([slurm_service.LAB, "check"], capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 else done.stderr.strip()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("slurm_lab: ended by SIGTERM"))  # lab and server end with it
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"slurm_lab: {failure}")
