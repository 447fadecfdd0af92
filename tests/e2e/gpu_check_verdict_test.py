#!/usr/bin/env python3
"""What a run of scripts/gpu_check ends with: whole runs on machines that are made up, and its verdict."""
import json
import signal
import subprocess
import sys
import unittest
from unittest import mock

from gpu_check_case import MACHINE, SCRIPTS, Scratch
import judging
import machine
import reading
import running
import runtime


class WholeRuns(Scratch):
    """run() on machines that are made up; the pack holds no program that is started."""

    def run_on(self, own_machine, **options):
        self.make("pack/manifest.json", json.dumps({"cuda": True, "cuda_libraries": [], "glibc": [2, 36], "programs": []}))
        self.make("pack/cce.tar.xz")
        (self.folder / "unpacked/bin").mkdir(parents=True, exist_ok=True)
        with mock.patch.object(machine, "describe", lambda manifest: own_machine), \
                mock.patch.object(runtime, "unpack", lambda pack, out: self.folder / "unpacked"), \
                mock.patch.object(signal, "signal"):
            code = running.run(self.folder / "pack", self.options(**options))
        path = self.folder / "out/gpu_check.json"
        return code, json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def test_no_gpu_comes_before_missing_libraries_and_both_are_written(self):
        missing = {**MACHINE, "cuda_libraries": {"libnccl.so.2": None}}
        code, document = self.run_on(missing)
        self.assertEqual((code, document["exit_code"], document["finished"]), (77, 77, True))
        self.assertIn("NO GPU: no NVIDIA driver", document["verdict"])
        self.assertIn("nvidia-nccl-cu", document["verdict"])
        code, document = self.run_on({**missing, "devices": 1})
        self.assertEqual((code, document["exit_code"], document["ran_on_gpu"]), (1, 1, False))
        self.assertEqual({step["status"] for step in document["steps"].values()}, {"not run"})

    def test_a_step_that_does_not_exist(self):
        with mock.patch.object(running, "complain") as complain:
            self.assertEqual(self.run_on(MACHINE, only="typo"), (2, None))
        self.assertIn("tensor_tests", complain.call_args[0][0])

    def test_a_gpu_on_which_nothing_could_be_run_is_no_pass(self):
        self.assertEqual(self.run_on({**MACHINE, "devices": 1}, only="rates")[0], 1)

    def test_a_model_and_its_text_need_each_other(self):
        for words in (["--checkpoint", "m"], ["--text", "t"]):
            result = subprocess.run([sys.executable, "-B", SCRIPTS / "gpu_check", "run", *words], capture_output=True, text=True,
                                    timeout=60, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn("need each other", result.stderr)


def compressed(after):
    return {"status": "passed", "needs_gpu": True, "figures": {"perplexity": {"text": {"before": 2.0, "after": after}}}}


class Verdict(unittest.TestCase):
    PASSED, FAILED = {"status": "passed", "needs_gpu": True}, {"status": "failed", "reason": "x", "needs_gpu": True}
    HOST, LEFT = {"status": "passed", "needs_gpu": False}, {"status": "not run", "needs_gpu": True}

    def test_no_gpu_is_never_a_pass(self):
        code, sentence = judging.verdict({"a": self.HOST, "b": self.LEFT}, None, [], "no NVIDIA driver")
        self.assertEqual(code, 77)
        self.assertTrue(sentence.startswith("NO GPU: no NVIDIA driver. Nothing was run on a GPU; the 1 step"), sentence)
        self.assertEqual(judging.verdict({"a": self.HOST}, None, [], None)[0], 77)

    def test_a_failure_counts_with_and_without_a_gpu(self):
        for reason in (None, "no NVIDIA driver"):
            self.assertEqual(judging.verdict({"a": self.FAILED}, None, [], reason)[0], 1)

    def test_nothing_run_is_no_pass(self):
        for results in ({}, {"a": self.LEFT}):
            self.assertEqual(judging.verdict(results, None, [], None)[0], 1)

    def test_all_on_a_gpu(self):
        self.assertEqual(judging.verdict({"a": self.PASSED}, None, [], None)[0], 0)
        code, sentence = judging.verdict({"a": self.PASSED}, None, [{"step": "a", "goal": "speed", "passed": False}], None)
        self.assertEqual(code, 0)
        self.assertIn("Goals missed: speed (a)", sentence)

    def test_results_that_disagree_fail(self):
        for after, ok in ((3.01, True), (3.2, False), (float("nan"), False), (None, False)):
            comparison = reading.agreement({"compress cpu": compressed(3.0), "compress cuda x1": compressed(after)})
            self.assertEqual(comparison["ok"], ok, after)
            self.assertEqual(judging.verdict({"a": self.PASSED}, comparison, [], None)[0], 0 if ok else 1)
        self.assertIsNone(reading.agreement({"compress cpu": compressed(3.0)}))
        self.assertFalse(reading.agreement({"compress cpu": compressed(None), "compress cuda x1": compressed(3.0)})["ok"])

    def test_results_that_were_not_compared_fail(self):
        results = {"compress cpu": {**self.HOST, "figures": {}}, "compress cuda x1": {**self.PASSED, "figures": {}}}
        comparison = reading.agreement(results)
        self.assertIsNone(comparison)
        self.assertEqual(judging.verdict(results, comparison, [], None)[0], 1)

    def test_what_json_has_no_number_for(self):
        self.assertEqual(running.finite({"a": [float("inf"), 1.0]}), {"a": [None, 1.0]})


if __name__ == "__main__":
    unittest.main()
