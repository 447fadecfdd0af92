"""What every end-to-end case shares: a folder of its own, a small recipe, and cce run as a user runs it.

Standard library only. ctest passes the program in CCE_PROGRAM; cce-worker stands beside it.
"""
import array
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
MODELS = TESTS / "data" / "models"
STORIES = MODELS / "stories260K"
STORIES_TOKENS = STORIES / "tinystories.tokens.u16"
DEADLINE_SECONDS = 240
POLL_SECONDS = 0.001


def recipe(model=STORIES, text=STORIES_TOKENS, windows="0:96", evaluated="-32:", **changes):
    """A job of a second: few short windows, products in f32 so that machines agree. `changes` replace keys."""
    result = {
        "model": str(model),
        "calibration": {"text": [{"path": str(text), "name": "text", "windows": windows}],
                        "length": 128, "sequences": 32, "gradient_sequences": 16},
        "target": {"remove_params": 0.2},
        "export": {"format": "uniform", "round_to": 4, "dtype": "f32"},
        "evaluate": {"text": [{"path": str(text), "name": "text", "windows": evaluated}], "samples": 0},
        "resources": {"ranks": 1, "threads": 1, "precision": "f32"},
    }
    for key, value in changes.items():
        section = result.setdefault(key, {})
        if isinstance(value, dict) and key != "target":
            section.update(value)
        else:
            result[key] = value
    return result


def write_random_tokens(path, count, vocabulary, seed=1):
    """A token file for models whose weights are random: any tokens do."""
    source = random.Random(seed)
    tokens = array.array("H", (source.randrange(vocabulary) for _ in range(count)))
    path.write_bytes(tokens.tobytes())
    return path


class Finished:
    """How a run of cce ended."""

    def __init__(self, command, status, out, err):
        self.command, self.status, self.out, self.err = command, status, out, err

    def __str__(self):
        return f"{' '.join(map(str, self.command))}\nexit {self.status}\n{self.out}\n{self.err}"


class CceCase(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cce-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    # ---- running
    @staticmethod
    def environment():
        return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}

    def command(self, *arguments):
        return [os.environ["CCE_PROGRAM"], *map(str, arguments)]

    def run_cce(self, *arguments, status=0):
        """Runs cce in the case's folder and checks its exit status (None: any)."""
        command = self.command(*arguments)
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_SECONDS)
        finished = Finished(command, done.returncode, done.stdout, done.stderr)
        if status is not None:
            self.assertEqual(done.returncode, status, str(finished))
        return finished

    def start_cce(self, *arguments):
        """Starts cce without waiting, output to files; ended with the case."""
        self.log = self.folder / "started.log"
        with open(self.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.environment(),
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def end():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(DEADLINE_SECONDS)
        self.addCleanup(end)
        return process

    def wait_for(self, what, condition, process=None):
        """Polls until the condition holds; fails at the deadline, or when `process` ends before it does."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            if process is not None and process.poll() is not None and not condition():
                self.fail(f"cce ended before: {what}\n{self.log.read_text()}")
            time.sleep(POLL_SECONDS)
        self.fail(f"not within {DEADLINE_SECONDS} s: {what}")

    def worker_processes(self, job):
        """Process ids of the ranks that work on `job`, in order of their start."""
        result = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith(b"cce-worker") and os.fsencode(str(job)) in words:
                    result.append(int(entry.name))
        return sorted(result)

    # ---- files
    def write_recipe(self, content, name="recipe.yaml"):
        path = self.folder / name
        path.write_text(json.dumps(content))  # JSON is YAML
        return path

    def compress(self, content, out, *flags, status=0):
        return self.run_cce("compress", self.write_recipe(content, f"{out}.yaml"), "--out", out, "--quiet",
                            *flags, status=status)

    def report(self, out):
        return json.loads((self.folder / out / "report.json").read_text())

    def events(self, job):
        lines = (self.folder / job / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def assert_same_result(self, first, second):
        for name in ("model.safetensors", "plan.json", "config.json"):
            self.assertEqual((self.folder / first / name).read_bytes(), (self.folder / second / name).read_bytes(),
                             f"{first}/{name} and {second}/{name} differ")

    def assert_close(self, value, expected, relative, what):
        self.assertLessEqual(abs(value - expected), relative * abs(expected), f"{what}: {value}, expected {expected}")

    def copy_model(self, name, to="model"):
        shutil.copytree(MODELS / name, self.folder / to)
        return self.folder / to


def perplexity(report, when="after", text="text"):
    return report["evaluation"]["perplexity"][text][when]


def widths(report):
    """[(ffn, vo, qk, kv_groups)] per layer."""
    return [(layer["ffn"], layer["vo"], layer["qk"], layer["kv_groups"]) for layer in report["plan"]["layers"]]
