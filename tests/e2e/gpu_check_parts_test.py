#!/usr/bin/env python3
"""The parts of scripts/gpu_check that decide: where libraries are found, what output says, and what the verdict is, also on
machines that this one is not."""
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "gpu_check_parts"))
import machine  # noqa: E402
import packing  # noqa: E402
import running  # noqa: E402
import steps  # noqa: E402

RATES = """bf16 gate                               1.250 ms     5800.0 GFLOP/s
rms_norm                                0.010 ms      940.5 GB/s
not a row
"""


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="gpu-check-parts-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def make(self, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return str(path)


class Libraries(Scratch):
    def test_a_toolkit_is_found_before_a_python_environment(self):
        """Names that no machine has: this one may have a toolkit of its own."""
        both = self.make("toolkit/lib64/libcce-both.so.13")
        self.make("site/nvidia/both/lib/libcce-both.so.13")
        wheel = self.make("site/nvidia/wheel/lib/libcce-wheel.so.2")
        old = self.make("site/nvidia/wheel/lib/libcce-newer.so.1")
        with mock.patch.dict(os.environ, {"CUDA_HOME": str(self.folder / "toolkit"), "LD_LIBRARY_PATH": ""}), \
                mock.patch.object(sys, "path", [str(self.folder / "site")]):
            folders, found, others = machine.find_cuda_libraries(
                ["libcce-both.so.13", "libcce-wheel.so.2", "libcce-newer.so.2"])
        self.assertEqual(found, {"libcce-both.so.13": os.path.realpath(both), "libcce-wheel.so.2": os.path.realpath(wheel),
                                 "libcce-newer.so.2": None})
        self.assertEqual(folders, [os.path.dirname(os.path.realpath(path)) for path in (both, wheel)])
        self.assertEqual(others, {"libcce-newer.so.2": [os.path.realpath(old)]})

    def test_what_is_missing_is_named_with_what_is_there_instead(self):
        text = running.missing_libraries({"cuda_libraries": {"libcublas.so.13": None, "libnccl.so.2": "/x/libnccl.so.2"},
                                          "other_versions": {"libcublas.so.13": ["/y/libcublas.so.12"]}})
        self.assertIn("libcublas.so.13", text)
        self.assertIn("/y/libcublas.so.12", text)
        self.assertNotIn("libnccl", text)
        self.assertIsNone(running.missing_libraries({"cuda_libraries": {"libnccl.so.2": "/x"}, "other_versions": {}}))

    def test_a_pack_over_its_limit_is_an_error(self):
        self.assertEqual([packing.check_size(size, 60) for size in (60 * 2**20, 60 * 2**20 + 1)], [0, 1])

    def test_what_is_packed_and_what_the_machine_has(self):
        for name in ("libcublas.so.13", "libcublasLt.so.13", "libnccl.so.2", "libcuda.so.1", "libnvJitLink.so.13"):
            self.assertTrue(packing.OF_THE_MACHINE.match(name), name)
        for name in ("libdnnl.so.2", "libmpi.so.40", "libcrypto.so.3"):
            self.assertFalse(packing.OF_THE_MACHINE.match(name), name)
            self.assertFalse(packing.C_LIBRARY.match(name), name)
        for name in ("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"):
            self.assertTrue(packing.C_LIBRARY.match(name), name)


class Output(Scratch):
    def test_rates(self):
        rows = steps.read_rates(RATES)
        self.assertEqual(rows["bf16 gate"], {"milliseconds": 1.25, "rate": 5800.0, "unit": "GFLOP/s"})
        self.assertEqual(sorted(rows), ["bf16 gate", "rms_norm"])

    def test_tests_of_a_program(self):
        path = self.folder / "tests.json"
        cases = [{"name": "a", "classname": "S", "result": "COMPLETED"},
                 {"name": "b", "classname": "S", "result": "COMPLETED", "failures": [{"failure": "no"}]},
                 {"name": "c", "classname": "S", "result": "SKIPPED"}]
        path.write_text(json.dumps({"testsuites": [{"testsuite": cases}]}), encoding="utf-8")
        counts = steps.read_tests(path)
        self.assertEqual((counts["run"], counts["failed"], counts["skipped"]), (2, ["S.b"], 1))
        self.assertIsNone(steps.read_tests(self.folder / "absent.json"))

    def test_a_command_is_ended_at_its_limit_with_all_that_it_started(self):
        code, text, seconds = steps.run_command(["sh", "-c", "echo begun; sleep 60 & sleep 60"], dict(os.environ),
                                                self.folder / "log", 0.5)
        self.assertIsNone(code)
        self.assertIn("begun", text)
        self.assertLess(seconds, 20)


def compressed(after):
    return {"status": "passed", "figures": {"perplexity": {"text": {"before": 2.0, "after": after}}}}


class Verdict(unittest.TestCase):
    PASSED, FAILED = {"status": "passed"}, {"status": "failed", "reason": "x"}

    def test_no_gpu_is_never_a_pass(self):
        code, sentence = running.verdict({"a": self.PASSED, "b": {"status": "not run"}}, None, "no NVIDIA driver")
        self.assertEqual(code, 77)
        self.assertTrue(sentence.startswith("NO GPU: no NVIDIA driver. Nothing was run on a GPU; the 1 step"), sentence)

    def test_a_failure_counts_with_and_without_a_gpu(self):
        for reason in (None, "no NVIDIA driver"):
            self.assertEqual(running.verdict({"a": self.FAILED}, None, reason)[0], 1)

    def test_all_on_a_gpu(self):
        self.assertEqual(running.verdict({"a": self.PASSED}, None, None)[0], 0)

    def test_results_that_disagree_fail(self):
        for after, ok in ((3.01, True), (3.2, False), (float("nan"), False)):
            comparison = steps.agreement({"compress cpu": compressed(3.0), "compress cuda x1": compressed(after)})
            self.assertEqual(comparison["ok"], ok, after)
            self.assertEqual(running.verdict({"a": self.PASSED}, comparison, None)[0], 0 if ok else 1)
        self.assertIsNone(steps.agreement({"compress cpu": compressed(3.0)}))

    def test_a_gpu_step_that_skips_beside_a_gpu_fails(self):
        with tempfile.TemporaryDirectory() as name:
            out = pathlib.Path(name)
            (out / "logs").mkdir()
            runtime = mock.Mock(environment=dict(os.environ))
            step = steps.Step("s", ["sh", "-c", "echo skipped: too old; exit 77"], "gpu")
            self.assertEqual(running.run_step(step, runtime, out)["status"], "failed")
            step = steps.Step("s", ["sh", "-c", "echo skipped: too old; exit 77"])
            self.assertEqual(running.run_step(step, runtime, out)["status"], "skipped")


if __name__ == "__main__":
    unittest.main()
