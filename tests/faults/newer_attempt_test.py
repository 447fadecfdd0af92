"""Workers of an attempt that a newer one has replaced end with an error and leave the job's state as it is."""
import json
import unittest

import cce_case


class NewerAttempt(cce_case.CceCase):
    def test_a_newer_attempt_takes_the_job(self):
        content = cce_case.recipe(export={"format": "custom"}, resources={"ranks": 2})
        path = self.write_recipe(content)
        self.run_cce("compress", path, "--out", "whole", "--quiet")
        process = self.start_cce("compress", path, "--out", "stopped", "--quiet")
        job = self.folder / "stopped.job"
        self.wait_for("a layer encoded", (job / "state/encode.layer-000").exists, process)
        # As the newer attempt's rank 0 writes it, beside the lock that it may take on another host.
        written = job / "attempt.new"
        written.write_text(json.dumps({"attempt": 5}))
        written.rename(job / "attempt")
        self.assertNotEqual(process.wait(cce_case.DEADLINE_SECONDS), 0, self.log.read_text())
        self.assertIn("job_locked", self.log.read_text())
        self.assertIn("attempt 5", self.log.read_text())
        self.assertFalse((job / "result").exists())
        self.assertFalse((self.folder / "stopped").exists())
        self.run_cce("resume", job, "--quiet")
        self.assert_same_result("whole", "stopped")


if __name__ == "__main__":
    unittest.main()
