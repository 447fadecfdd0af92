"""`from` at a server: by the id of one of its jobs, by a folder below a root, and by nothing else."""
import shutil
import unittest

import cce_case
import served

KEPT = {"keep_statistics": True}
OTHER_TARGET = {"target": {"remove_params": 0.35}}


class FromServed(served.ServedCase):
    def completed(self, content):
        """The id of a job made of this recipe, which has completed."""
        status, answer = self.post(content)
        self.assertEqual(status, 201, answer)
        return self.wait_completed(answer["id"])

    def wait_completed(self, job_id):
        job = self.wait_for_state(job_id, "completed", "failed")
        self.assertEqual(job["state"], "completed", job)
        return job_id

    def started(self, job):
        return [event["stage"] for event in self.events(job) if event["type"] == "stage_started"]

    def assert_shared(self, job_id):
        """It computed no statistics, and its result is that of a job of its own."""
        folder = self.job_folder(job_id)
        self.assertEqual(self.started(folder)[0], "make_plan")
        own = self.folder / "own"
        if not own.exists():
            self.compress(cce_case.recipe(**OTHER_TARGET), "own")
        for name in ("model.safetensors", "config.json", "plan.json"):
            self.assertEqual((folder / "result" / name).read_bytes(), (own / name).read_bytes(), name)

    def test_a_job_of_the_server_by_its_id(self):
        kept = self.completed(cce_case.recipe(calibration=KEPT))
        self.assert_shared(self.completed({**cce_case.recipe(**OTHER_TARGET), "from": kept}))
        path = self.write_recipe(cce_case.recipe(**OTHER_TARGET), "submitted.yaml")
        submitted = self.run_cce("submit", path, "--from", kept, "--server", self.url).out.strip()
        self.assert_shared(self.wait_completed(submitted))

    def test_a_job_folder_below_a_root(self):
        self.compress(cce_case.recipe(calibration=KEPT), "kept")
        self.assert_shared(self.completed({**cce_case.recipe(**OTHER_TARGET), "from": str(self.folder / "kept.job")}))

    def test_what_does_not_serve_is_refused_before_there_is_a_job(self):
        self.compress(cce_case.recipe(calibration=KEPT), "kept")
        without = self.completed(cce_case.recipe())
        outside = self.folder.parent / (self.folder.name + "-outside.job")
        self.addCleanup(shutil.rmtree, outside, True)
        shutil.copytree(self.folder / "kept.job", outside)
        kept = str(self.folder / "kept.job")
        rows = {"outside": ({"from": str(outside)}, "below one of the folders"),
                "no such id": ({"from": "x" * 20}, "from"),
                "no job": ({"from": str(self.folder)}, "spec.json"),
                "no statistics": ({"from": without}, "keep_statistics"),
                "another seed": ({"from": kept, "seed": 9}, "seed")}
        for name, (changes, named) in rows.items():
            with self.subTest(name):
                status, answer = self.post({**cce_case.recipe(**OTHER_TARGET), **changes})
                self.assertEqual(status, 422, answer)
                self.assertIn(named, str(answer))


if __name__ == "__main__":
    unittest.main()
