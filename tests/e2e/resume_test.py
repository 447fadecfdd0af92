"""The same recipe gives the same bytes: twice, after a rank was killed, and after Ctrl-C."""
import os
import shutil
import signal
import unittest

import cce_case

LAST_LAYER = "state/encode.layer-004"


class Resume(cce_case.CceCase):
    def setUp(self):
        super().setUp()
        # vo and qk narrowed too: every kind of state passes through the resume.
        content = cce_case.recipe(export={"format": "custom"}, resources={"ranks": 2})
        self.path = self.write_recipe(content)
        self.run_cce("compress", self.path, "--out", "whole", "--quiet")

    def start_and_wait_for_layer(self, layer):
        process = self.start_cce("compress", self.path, "--out", "stopped", "--quiet")
        job = self.folder / "stopped.job"
        workers = self.wait_for("two ranks", lambda: self.two_ranks(job), process)
        self.wait_for(f"layer {layer} encoded", (job / f"state/encode.layer-{layer:03}").exists, process)
        return process, job, workers

    def two_ranks(self, job):
        found = self.worker_processes(job)
        return found if len(found) == 2 else None

    def check_stopped_in_encode(self, job):
        self.assertFalse((job / LAST_LAYER).exists(), "it came too late: encode was over")
        self.assertFalse((job / "result").exists())
        self.assertFalse((self.folder / "stopped").exists())

    def test_the_same_recipe_twice(self):
        self.run_cce("compress", self.path, "--out", "again", "--quiet")
        self.assert_same_result("whole", "again")

    def test_a_killed_rank(self):
        process, job, workers = self.start_and_wait_for_layer(0)
        os.kill(workers[-1], signal.SIGKILL)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 4, self.log.read_text())
        self.check_stopped_in_encode(job)
        self.assertIn("cce resume", self.log.read_text())
        kept = (job / "state/encode.layer-000/layer.f32").stat().st_mtime_ns
        self.run_cce("resume", job, "--quiet")
        self.assert_same_result("whole", "stopped")
        self.assertEqual((job / "state/encode.layer-000/layer.f32").stat().st_mtime_ns, kept,
                         "a layer that was encoded is not encoded again")
        sequence = [event["seq"] for event in self.events("stopped.job")]
        self.assertEqual(sequence, list(range(1, len(sequence) + 1)), "events go on where they ended")
        self.assertEqual(self.stages_of_last_attempt("stopped.job"), ["encode", "evaluate", "export"])

    def stages_of_last_attempt(self, job):
        events = self.events(job)
        last = max(i for i, event in enumerate(events) if event["type"] == "started")
        return [event["stage"] for event in events[last:] if event["type"] == "stage_started"]

    def test_a_finished_job(self):
        shutil.copytree(self.folder / "whole", self.folder / "before")
        self.run_cce("resume", "whole.job", "--quiet")
        self.assert_same_result("before", "whole")
        self.assertEqual(self.stages_of_last_attempt("whole.job"), ["evaluate", "export"])

    def test_an_interrupt(self):
        process, job, _ = self.start_and_wait_for_layer(0)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 5, self.log.read_text())
        self.check_stopped_in_encode(job)
        self.assertIn("cce resume", self.log.read_text())
        self.run_cce("resume", job, "--quiet")
        self.assert_same_result("whole", "stopped")


if __name__ == "__main__":
    unittest.main()
