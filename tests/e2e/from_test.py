"""compress --from: other targets from the statistics that a job kept, with the bytes of runs of their own."""
import os
import pathlib
import shutil
import signal
import unittest

import cce_case

KEPT = {"keep_statistics": True}
BOTH_RANKS = (1, 2)


class From(cce_case.CceCase):
    def keep(self, out="kept", **changes):
        """A job whose statistics the others start from."""
        calibration = {**changes.pop("calibration", {}), **KEPT}
        return self.compress(cce_case.recipe(calibration=calibration, **changes), out)

    def stages_of(self, job):
        return [event["stage"] for event in self.events(job) if event["type"] == "stage_started"]

    def other_worker(self):
        """The same worker as another build: one byte more."""
        copy = self.folder / "cce-worker"
        shutil.copy(pathlib.Path(os.environ["CCE_PROGRAM"]).with_name("cce-worker"), copy)
        with open(copy, "ab") as program:
            program.write(b"\0")
        return copy

    # ---- what serves
    def test_other_targets_and_formats_start_at_make_plan(self):
        for ranks in BOTH_RANKS:
            resources = {"ranks": ranks}
            kept = f"kept{ranks}"
            self.keep(kept, resources=resources)
            for name in ("uniform", "custom"):
                with self.subTest(ranks=ranks, format=name):
                    content = cce_case.recipe(target={"remove_params": 0.35}, export={"format": name}, resources=resources)
                    own, shared = f"own-{name}{ranks}", f"shared-{name}{ranks}"
                    self.compress(content, own)
                    self.compress(content, shared, "--from", f"{kept}.job")
                    self.assert_same_result(own, shared)
                    self.assertEqual(self.stages_of(f"{shared}.job"), ["make_plan", "encode", "evaluate", "export"])

    def test_a_flag_keeps_statistics_and_analyze_does_too(self):
        tokens, flags = self.STORIES_FLAGS
        self.run_cce("analyze", cce_case.STORIES, "--text", tokens, *flags, "--keep-statistics", "--job", "kept.job", "--quiet")
        self.run_cce("compress", "--model", cce_case.STORIES, "--text", tokens, "--eval-text", tokens, *flags, "--out", "own",
                     "--set", "export.round_to=4", "--quiet")
        self.run_cce("compress", "--model", cce_case.STORIES, "--text", tokens, "--eval-text", tokens, *flags, "--out",
                     "shared", "--set", "export.round_to=4", "--from", "kept.job", "--quiet")
        self.assert_same_result("own", "shared")
        self.assertNotIn("calibrate", self.stages_of("shared.job"))

    STORIES_FLAGS = (cce_case.STORIES_TOKENS, ("--length", 128, "--sequences", 16, "--ranks", 1, "--threads", 1))

    def test_what_the_other_job_did_not_measure_is_measured_from_its_sums(self):
        self.keep()
        changed = {"threshold": {"export": {"format": "custom"}, "threshold": {"epsilon": 0.05, "tau": 0.7}},
                   "blocks": {"export": {"format": "custom"}, "structures": ["ffn", "blocks"], "target": {"remove_params": 0.4}}}
        for name, changes in changed.items():
            with self.subTest(name):
                content = cce_case.recipe(**changes)
                if "threshold" in changes:
                    del content["target"]
                self.compress(content, f"own-{name}")
                self.compress(content, f"shared-{name}", "--from", "kept.job")
                self.assert_same_result(f"own-{name}", f"shared-{name}")
                self.assertEqual(self.stages_of(f"shared-{name}.job")[:2], ["analyze", "make_plan"])

    def test_epsilon_and_tau_need_no_sums(self):
        def by(epsilon, tau):
            content = cce_case.recipe(threshold={"epsilon": epsilon, "tau": tau}, calibration=KEPT)
            del content["target"]
            return content
        self.compress(by(0.05, 0.7), "kept")
        self.compress(by(0.02, 0.9), "own")
        self.compress(by(0.02, 0.9), "shared", "--from", "kept.job")
        self.assert_same_result("own", "shared")
        self.assertEqual(self.stages_of("shared.job")[0], "make_plan")

    def test_the_job_stands_alone_once_it_is_made(self):
        self.keep(export={"format": "custom"})
        content = cce_case.recipe(target={"remove_params": 0.35}, export={"format": "custom"})
        self.compress(content, "own")
        process = self.start_cce("compress", self.write_recipe(content), "--out", "shared", "--from", "kept.job", "--quiet")
        job = self.folder / "shared.job"
        self.wait_for("a layer encoded", (job / "state/encode.layer-000").exists, process)
        for worker in self.worker_processes(job):
            os.kill(worker, signal.SIGKILL)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 4, self.log.read_text())
        shutil.rmtree(self.folder / "kept.job")
        self.run_cce("resume", job, "--quiet")
        self.assert_same_result("own", "shared")
        self.assertNotIn("calibrate", self.stages_of("shared.job"))

    # ---- what does not
    def check_refused(self, named, content, *flags):
        done = self.compress(content, "refused", "--from", "kept.job", *flags, status=2)
        self.assertIn("--from", done.err, str(done))
        self.assertIn(named, done.err, str(done))
        self.assertFalse((self.folder / "refused").exists())
        started = self.stages_of("refused.job") if (self.folder / "refused.job").exists() else []
        self.assertEqual(started, [])
        shutil.rmtree(self.folder / "refused.job", ignore_errors=True)

    def test_other_statistics_are_refused_by_name(self):
        self.keep()
        text = self.folder / "other.u16"
        content = bytearray(cce_case.STORIES_TOKENS.read_bytes())
        content[600:602] = content[602:604]  # in window 2: of the 96, 2, 5, 8 … are used
        text.write_bytes(content)
        rows = {"calibration.text": {"text": text}, "seed": {"seed": 3}, "resources.ranks": {"resources": {"ranks": 2}},
                "calibration.length": {"calibration": {"length": 64}},
                "calibration.gradient_sequences": {"calibration": {"gradient_sequences": 8}},
                "resources.precision": {"resources": {"precision": "bf16"}},
                "model": {"model": self.changed_model()}}
        for named, changes in rows.items():
            with self.subTest(named):
                self.check_refused(named, cce_case.recipe(**changes))
        with self.subTest("another build"):
            self.check_refused("build", cce_case.recipe(), "--worker", self.other_worker())

    def changed_model(self):
        model = self.copy_model("stories260K")
        with open(model / "tokenizer_config.json", "a", encoding="utf-8") as file:
            file.write("\n")
        return model

    def test_the_path_of_a_text_decides_nothing(self):
        self.keep()
        moved = self.folder / "moved.u16"
        shutil.copy(cce_case.STORIES_TOKENS, moved)
        self.compress(cce_case.recipe(text=moved, target={"remove_params": 0.35}), "shared", "--from", "kept.job")
        self.assertEqual(self.stages_of("shared.job")[0], "make_plan")

    def test_a_job_without_statistics_is_refused(self):
        self.compress(cce_case.recipe(), "kept")
        done = self.compress(cce_case.recipe(), "refused", "--from", "kept.job", status=2)
        self.assertIn("--keep-statistics", done.err)
        self.assertFalse((self.folder / "refused.job").exists())

    def test_a_resume_by_another_build_computes_again_and_says_so(self):
        self.keep()
        self.run_cce("resume", "kept.job", "--worker", self.other_worker(), "--quiet")
        warnings = [event["message"] for event in self.events("kept.job") if event["type"] == "warning"]
        self.assertTrue(any("state/calibrate was made from other inputs (build)" in text for text in warnings), warnings)
        self.assertEqual(self.stages_of("kept.job").count("calibrate"), 2)


if __name__ == "__main__":
    unittest.main()
