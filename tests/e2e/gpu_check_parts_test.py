#!/usr/bin/env python3
"""The parts of scripts/gpu_check: where libraries are found, what is packed, what output says and which steps there are, also
on machines that this one is not."""
import json
import os
import pathlib
import sys
import types
import unittest
from unittest import mock

from gpu_check_case import MACHINE, REPOSITORY, SCRIPTS, Scratch
import judging
import machine
import packing
import reading
import running
import runtime
import steps

RATES = """peak bf16 8192^3                        2.000 ms   600000.0 GFLOP/s
7b bf16 q                               1.250 ms   480000.0 GFLOP/s
7b bf16 down                            1.250 ms   300000.0 GFLOP/s
rms_norm                                0.010 ms      940.5 GB/s
not a row
"""


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

    def test_no_program_of_the_current_folder_is_run(self):
        ran = []
        with mock.patch.dict(os.environ), mock.patch.object(machine, "output_of", lambda command: ran.append(command[0])):
            os.environ.pop("CONDA_PREFIX", None)
            machine.python_library_folders()
            self.assertEqual(ran, ["python3", "python"])
            os.environ["CONDA_PREFIX"] = "/conda"
            machine.python_library_folders()
        self.assertEqual(ran[-1], "/conda/bin/python")

    def test_compute_sanitizer_is_found_in_a_toolkit_beside_path(self):
        os.chmod(self.make("toolkit/bin/compute-sanitizer", "#!/bin/sh\n"), 0o755)
        with mock.patch.dict(os.environ, {"PATH": "/nowhere", "CUDA_HOME": str(self.folder / "toolkit")}):
            self.assertEqual(machine.compute_sanitizer(), str(self.folder / "toolkit/bin/compute-sanitizer"))

    def test_what_is_missing_is_named_with_what_is_there_instead(self):
        text = judging.missing_libraries({"cuda_libraries": {"libcublas.so.13": None, "libnccl.so.2": "/x/libnccl.so.2"},
                                          "other_versions": {"libcublas.so.13": ["/y/libcublas.so.12"]}})
        self.assertEqual(["libcublas.so.13" in text, "/y/libcublas.so.12" in text, "libnccl" in text], [True, True, False])
        self.assertIsNone(judging.missing_libraries({"cuda_libraries": {"libnccl.so.2": "/x"}, "other_versions": {}}))

    def test_missing_nccl_comes_with_where_to_get_it(self):
        for major in ("12", "13"):
            text = judging.missing_libraries({"cuda_libraries": {f"libcublas.so.{major}": "/x", "libnccl.so.2": None},
                                              "other_versions": {}})
            self.assertIn(f"nvidia-nccl-cu{major} ", text)
            self.assertIn("libnccl2", text)

    def test_the_users_library_path_and_the_drivers_folder_come_last(self):
        own = {**MACHINE, "cuda_library_folders": ["/cuda"], "driver_folder": "/driver"}
        with mock.patch.dict(os.environ, {"LD_LIBRARY_PATH": "/mine::/cuda"}):
            self.assertEqual(runtime.library_path(pathlib.Path("/p"), own), ["/p/lib", "/cuda", "/mine", "/driver"])
            plain = runtime.Runtime("/p", own, False)
            self.assertEqual(plain.environment["LD_LIBRARY_PATH"], "/p/lib:/cuda:/mine:/driver")
            self.make("p/bin/cce")
            runtime.Runtime(self.folder / "p", own, True)
        wrapper = (self.folder / "p/wrapped/cce").read_text(encoding="utf-8")
        self.assertIn(f"--library-path '{self.folder}/p/clib:{self.folder}/p/lib:/cuda:/mine:/driver'", wrapper)

    def test_gpus_by_what_the_driver_says(self):
        def put(value):
            return lambda pointer, *_: setattr(pointer._obj, "value", value) or 0

        names = [b"GPU A", None]
        driver = types.SimpleNamespace(
            cuDeviceGet=lambda pointer, index: setattr(pointer._obj, "value", index) or 0,
            cuDeviceGetName=lambda buffer, size, device: setattr(buffer, "value", names[device.value] or b"") or 0,
            cuDeviceTotalMem_v2=put(80 * 2**30), cuDeviceGetAttribute=lambda pointer, attribute, device:
            setattr(pointer._obj, "value", {75: 9, 76: 0}[attribute]) or (0 if names[device.value] else 1))
        self.assertEqual(machine.gpus_of_driver(driver, 2),
                         [{"name": "GPU A", "memory_bytes": 80 * 2**30, "compute_capability": "9.0"},
                          {"name": "", "memory_bytes": 80 * 2**30}])

    def test_a_library_that_is_no_driver(self):
        self.assertIn("no NVIDIA driver", machine.driver("libcce-absent.so.1")["text"])

    def test_the_folder_of_a_loaded_library(self):
        self.assertTrue(os.path.isdir(machine.folder_of_loaded("libc.so.6")))
        self.assertIsNone(machine.folder_of_loaded("libcce-absent.so.1"))


class Packs(Scratch):
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

    def test_all_scripts_are_packed(self):
        parts = {f"gpu_check_parts/{path.name}" for path in (SCRIPTS / "gpu_check_parts").glob("*.py")}
        self.assertEqual(parts - set(packing.SCRIPTS), {"gpu_check_parts/packing.py"})
        for name in packing.SCRIPTS:
            self.assertTrue((SCRIPTS / name).is_file(), name)

    def test_a_folder_that_is_no_earlier_pack_is_left_alone(self):
        for program in packing.REQUIRED:
            self.make(f"build/bin/{program}")
        precious = pathlib.Path(self.make("out/gpu_check_parts/precious"))
        with mock.patch.object(packing, "collect", side_effect=AssertionError("it went on")):
            self.assertEqual(packing.pack(REPOSITORY, self.folder / "build", self.folder / "out", 60), 1)
            self.make("out/manifest.json", '{"name": "of something else"}')
            self.assertEqual(packing.pack(REPOSITORY, self.folder / "build", self.folder / "out", 60), 1)
        self.assertTrue(precious.is_file())

    def test_clearing_an_earlier_pack_keeps_what_it_did_not_bring(self):
        result = pathlib.Path(self.make("out/gpu_check_result/gpu_check.json"))
        old = pathlib.Path(self.make("out/cce.tar.xz"))
        self.make("out/manifest.json", '{"programs": [], "cuda_libraries": [], "unpacked_bytes": 1}')
        self.assertTrue(packing.is_earlier_pack(self.folder / "out"))
        packing.clear(self.folder / "out")
        self.assertEqual((result.is_file(), old.exists()), (True, False))


class Output(Scratch):
    def test_rates_and_the_products_share_of_the_measured_peak(self):
        rows = reading.read_rates(RATES)
        self.assertEqual(rows["7b bf16 q"], {"milliseconds": 1.25, "rate": 480000.0, "unit": "GFLOP/s", "share_of_peak": 0.8})
        self.assertEqual(rows["rms_norm"], {"milliseconds": 0.01, "rate": 940.5, "unit": "GB/s"})
        self.assertEqual(len(rows), 4)
        goals = reading.goals({"rates": {"figures": {"rates": rows}}})
        self.assertEqual([(row["measured"], row["passed"]) for row in goals], [(0.8, True), (0.5, False)])
        with self.assertRaises(ValueError):
            reading.read_rates("nothing")

    def test_products_without_a_peak_miss_their_goal(self):
        rows = reading.read_rates(RATES.splitlines()[1] + "\n")
        self.assertFalse(reading.goals({"rates": {"figures": {"rates": rows}}})[0]["passed"])

    def test_tests_of_a_program(self):
        cases = [{"name": "a", "classname": "S", "result": "COMPLETED"},
                 {"name": "b", "classname": "S", "result": "COMPLETED", "failures": [{"failure": "no"}]},
                 {"name": "c", "classname": "S", "result": "SKIPPED"}]
        path = pathlib.Path(self.make("tests.json", json.dumps({"testsuites": [{"testsuite": cases}]})))
        counts = reading.read_tests(path, "x_test.cpp:3: Skipped\nno driver\n\n")
        self.assertEqual(counts, {"run": 2, "failed": ["S.b"], "skipped": 1, "skipped_names": ["S.c"], "skip_reasons": ["no driver"]})

    def make_compression(self, peak_bytes):
        stages = {stage: {"seconds": seconds, "peak_bytes": peak_bytes / 2, "tokens": 0.0}
                  for stage, seconds in (("calibrate", 40.0), ("analyze", 8.0), ("make_plan", 2.0), ("encode", 12.0),
                                         ("evaluate", 100.0), ("export", 100.0))}
        stages["encode"]["peak_bytes"] = peak_bytes
        report = {"evaluation": {"perplexity": {}}, "params": {}, "stages": stages, "warnings": []}
        self.make("step/result/report.json", json.dumps(report))
        self.make("step/job/partition.json", json.dumps({"forecast": [{"peak_bytes": 900}, {"peak_bytes": 1000}]}))
        return reading.read_compression(self.folder / "step")

    def test_seconds_and_memory_of_a_compression_beside_their_goals(self):
        for peak_bytes, passed in ((1090.0, True), (1110.0, False), (890.0, False)):
            figures = self.make_compression(peak_bytes)
            self.assertEqual(figures["seconds_calibrate_to_encode"], 62.0)
            self.assertEqual((figures["memory"]["ratio"], figures["memory"]["passed"]), (peak_bytes / 1000, passed))
            goals = reading.goals({"compress random 7b x1": {"figures": figures}})
            self.assertEqual([row["passed"] for row in goals], [passed, False])

    def test_a_read_compression_leaves_its_report_and_not_its_state(self):
        self.make_compression(1.0)
        self.assertEqual(sorted(path.name for path in (self.folder / "step").iterdir()), ["partition.json", "report.json"])


class Steps(Scratch):
    def all_steps(self, runtime_part, own_machine=None, **options):
        own_machine = own_machine or MACHINE
        return {step.name: step for step in [*steps.host_steps(runtime_part, self.folder),
                                             *steps.gpu_steps(runtime_part, self.folder, SCRIPTS, own_machine, self.options(**options))]}

    def test_what_is_not_in_a_pack_has_a_row_that_says_so(self):
        found = self.all_steps(self.fake_runtime(["cce", "device_tests"]))
        for name in ("rates", "cuda_backend_tests", "nccl_communicator_test x1", "tensor_tests", "memcheck cuda_backend_tests"):
            self.assertIn("is not in this pack", found[name].not_run or "", name)
        self.assertIsNone(found["device_tests"].not_run)
        self.assertTrue(found["device_tests"].needs_gpu)

    def test_sanitizers_count_tests_and_follow_processes(self):
        own_machine = {**MACHINE, "compute_sanitizer": "/cuda/bin/compute-sanitizer"}
        found = self.all_steps(self.fake_runtime(["cuda_backend_tests"]), own_machine)
        for name, report in (("memcheck cuda_backend_tests", True), ("racecheck cuda_backend_tests", False)):
            command = found[name].command
            self.assertEqual((command[0], found[name].not_run), ("/cuda/bin/compute-sanitizer", None))
            self.assertEqual(command[command.index("--target-processes") + 1], "all")
            self.assertEqual("--report-api-errors" in command, report)
            self.assertTrue(any(word.startswith("--gtest_output=json:") for word in command))
            self.assertEqual(len(found[name].outputs), 1)
        self.assertIn("no compute-sanitizer",
                      self.all_steps(self.fake_runtime(["cuda_backend_tests"]))["memcheck cuda_backend_tests"].not_run)

    def test_the_random_checkpoint_is_made_by_this_python_as_the_user_has_it(self):
        found = self.all_steps(self.fake_runtime(["cce"]), random_7b=self.folder / "random")
        step = found["make random 7b"]
        self.assertEqual((step.command[0], step.environment), (sys.executable, dict(os.environ)))
        maker = pathlib.Path(step.command[2])
        self.assertTrue(maker.is_file())
        self.assertIn(str(maker.relative_to(SCRIPTS)), packing.SCRIPTS)
        self.assertEqual(found["compress random 7b x1"].after, "make random 7b")

    def test_disk_space_is_asked_for_before(self):
        usage = types.SimpleNamespace(free=60_000_000_000)
        with mock.patch.object(steps.shutil, "disk_usage", lambda folder: usage):
            inside = self.folder / "not/there/yet"
            self.assertIsNone(steps.lacking_space({inside: 50_000_000_000}))
            self.assertIn("63.6 GB needed", steps.lacking_space({inside: 50_000_000_000, self.folder: 13_600_000_000}))
            found = self.all_steps(self.fake_runtime(["cce"]), random_7b=self.folder / "random")
            with mock.patch.object(steps.importlib.util, "find_spec"):
                self.assertIn("63.6 GB needed", found["make random 7b"].check())
            self.assertIsNone(found["compress random 7b x1"].check())

    def test_earlier_results_go_when_their_step_runs_and_not_before(self):
        old = pathlib.Path(self.make("tensor_tests.json", '{"testsuites": []}'))
        fake = self.fake_runtime(["tensor_tests"])
        step = self.all_steps(fake)["tensor_tests"]
        self.assertTrue(old.is_file())
        (self.folder / "logs").mkdir()
        result = running.run_step(step, fake, self.folder)
        self.assertFalse(old.exists())
        self.assertEqual(result["status"], "failed")  # exit 0 without its result
        self.assertIn("cannot be read", result["reason"])

    def run_one(self, step, results=None, reason=None, complaint=None):
        (self.folder / "logs").mkdir(exist_ok=True)
        results = {} if results is None else results
        running.run_steps([step], types.SimpleNamespace(environment=None), self.folder, reason, complaint, results, lambda: None)
        return results[step.name]

    def test_statuses(self):
        def counts(run, *names):
            return lambda text: {"tests": {"run": run, "failed": [], "skipped": len(names), "skipped_names": names,
                                           "skip_reasons": ["why"]}}

        skips = ["sh", "-c", "echo skipped: too old; exit 77"]
        for step, status, reason in (
                (steps.Step("a", ["true"]), "passed", None),
                (steps.Step("a", ["false"]), "failed", "exit code 1"),
                (steps.Step("a", skips), "skipped", "too old"),
                (steps.Step("a", skips, True), "failed", "too old"),
                (steps.Step("a", ["true"], True, read=counts(0, "S.a")), "failed", "why"),
                (steps.Step("a", ["true"], True, read=counts(3, "S.a"), may_skip=()), "failed", "why"),
                (steps.Step("a", ["true"], True, read=counts(3, "S.a"), may_skip=("S.a",)), "passed", None),
                (steps.Step("a", ["true"], True, read=counts(3, "S.a")), "passed", None),
                (steps.Step("a", ["true"], read=lambda text: {}["x"]), "failed", "KeyError"),
                (steps.Step("a", ["true"], check=lambda: "disk full"), "failed", "disk full"),
                (steps.Step("a", ["true"], check=lambda: os.stat("/no/such/file")), "failed", "FileNotFoundError"),
                (steps.Step("a", ["true"], not_run="not packed"), "not run", "not packed")):
            result = self.run_one(step)
            self.assertEqual(result["status"], status, reason)
            self.assertIn(reason or "", result.get("reason", ""))

    def test_a_step_waits_for_the_one_that_it_needs(self):
        step = steps.Step("a", ["true"], after="before")
        self.assertEqual(self.run_one(step, {"before": {"status": "failed"}})["status"], "not run")
        self.assertEqual(self.run_one(step, {"before": {"status": "passed"}})["status"], "passed")


if __name__ == "__main__":
    unittest.main()
