#!/usr/bin/env python3
"""Commands of scripts/gpu_check end with everything they started, at their limit and when the run is interrupted."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PARTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "gpu_check_parts"
sys.path.insert(0, str(PARTS))
import processes  # noqa: E402


class Commands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="gpu-check-processes-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def run_shell(self, script, timeout, grace=0.2):
        return processes.run_command(["sh", "-c", script], dict(os.environ), self.folder / "log", timeout, grace)

    def test_a_command_is_ended_at_its_limit_with_all_that_it_started(self):
        before = processes.descendants()
        code, text, seconds = self.run_shell("echo begun; trap '' INT; setsid sleep 60 & setsid sh -c 'sleep 61 &'; sleep 62", 0.5)
        self.assertIsNone(code)
        self.assertIn("begun", text)
        self.assertLess(seconds, 20)
        self.assertEqual(processes.descendants() - before, set())

    def test_nothing_is_left_after_a_command_that_ends_well(self):
        before = processes.descendants()
        code, _, _ = self.run_shell("setsid sleep 60 & exit 0", 20)
        self.assertEqual((code, processes.descendants() - before), (0, set()))

    def test_it_is_asked_first(self):
        _, text, seconds = self.run_shell("trap 'echo asked; exit 5' INT; while :; do sleep 0.05; done", 0.5, grace=20)
        self.assertIn("asked", text)
        self.assertLess(seconds, 15)

    def test_an_interrupt_ends_a_run_and_keeps_what_is_known(self):
        """A real run in a process of its own, whose second step is interrupted."""
        script = ("import pathlib, sys; sys.path.insert(0, sys.argv[1]); import running, steps, types, signal\n"
                  "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
                  "out = pathlib.Path(sys.argv[2]); (out / 'logs').mkdir(parents=True)\n"
                  "chosen = [steps.Step('one', ['true']), steps.Step('two', ['setsid', 'sleep', '71']), steps.Step('three', ['true'])]\n"
                  "runtime = types.SimpleNamespace(environment=None)\n"
                  "sys.exit(running.run_chosen(chosen, runtime, out, {'steps': {}}, None, None))\n")
        process = subprocess.Popen([sys.executable, "-B", "-c", script, str(PARTS), str(self.folder / "out")],
                                   stdout=subprocess.DEVNULL)
        result, deadline = self.folder / "out" / "gpu_check.json", time.monotonic() + 20
        while not (self.folder / "out/logs/two.log").is_file() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 1)
        document = json.loads(result.read_text(encoding="utf-8"))
        self.assertEqual({name: step["status"] for name, step in document["steps"].items()}, {"one": "passed", "two": "failed"})
        self.assertEqual((document["finished"], document["steps"]["two"]["reason"]), (False, "interrupted"))
        self.assertTrue(document["verdict"].startswith("UNFINISHED: 2 of 3 steps."), document["verdict"])


if __name__ == "__main__":
    unittest.main()
