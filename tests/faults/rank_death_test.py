"""A rank that dies at the start of any stage ends the run with an error, and a resume gives the undisturbed bytes."""
import json
import os
import shutil
import signal
import unittest

import cce_case

STAGES = ("calibrate", "analyze", "make_plan", "encode", "evaluate", "export")
# A short stage may be over before the signal lands: then the run is repeated, and one of these has to hit.
ATTEMPTS = 8


class RankDeath(cce_case.CceCase):
    def setUp(self):
        super().setUp()
        content = cce_case.recipe(export={"format": "custom"}, resources={"ranks": 2}, evaluate={"samples": 1})
        self.path = self.write_recipe(content)
        self.run_cce("compress", self.path, "--out", "whole", "--quiet")

    def two_ranks(self, job):
        found = self.worker_processes(job)
        return found if len(found) == 2 else None

    def started(self, job, stage):
        path = job / "events.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return any(event["type"] == "stage_started" and event["stage"] == stage for event in map(json.loads, lines))

    def killed_at(self, stage, rank):
        """The exit status of a run whose `rank`th process got SIGKILL as `stage` started."""
        job = self.folder / "stopped.job"
        shutil.rmtree(job, ignore_errors=True)
        shutil.rmtree(self.folder / "stopped", ignore_errors=True)
        process = self.start_cce("compress", self.path, "--out", "stopped", "--quiet")
        workers = self.wait_for("two ranks", lambda: self.two_ranks(job), process)
        self.wait_for(f"{stage} started", lambda: self.started(job, stage), process)
        try:
            os.kill(workers[rank], signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return process.wait(cce_case.DEADLINE_SECONDS)

    def check_stage(self, stage, rank):
        statuses = []
        while not statuses or (statuses[-1] == 0 and len(statuses) < ATTEMPTS):
            statuses.append(self.killed_at(stage, rank))
        self.assertEqual(statuses[-1], 4, f"{statuses}\n{self.log.read_text()}")
        self.assertIn("worker_died", self.log.read_text())
        self.assertIn("cce resume", self.log.read_text())
        self.assertFalse((self.folder / "stopped").exists())
        self.run_cce("resume", self.folder / "stopped.job", "--quiet")
        self.assert_same_result("whole", "stopped")

    def test_every_stage(self):
        for stage in STAGES:
            for rank in (0, 1):
                with self.subTest(stage=stage, rank=rank):
                    self.check_stage(stage, rank)


if __name__ == "__main__":
    unittest.main()
