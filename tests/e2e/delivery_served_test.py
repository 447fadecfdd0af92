"""Where the service and cce fetch put results: neighbours stay, the server's own data is no output, one output is one job's,
and an output that its user edits leaves the server's copy as it was."""
import unittest

import served


class ServedOutputs(served.ServedCase):
    """The service, and cce fetch."""

    def finished(self, output=None, **changes):
        """The id of a job that has completed."""
        content = self.small_recipe(**changes)
        if output:
            content["output"] = output
        status, answer = self.post(content)
        self.assertEqual(status, 201, answer)
        job = self.wait_for_state(answer["id"], "completed", "failed")
        self.assertEqual(job["state"], "completed", job)
        return answer["id"]

    def output(self, name):
        return str(self.folder / "out" / name)

    def test_neighbours_of_an_output_and_of_a_fetch_stay(self):
        names = [f"{base}.{kind}" for base in ("r", "f") for kind in ("tmp", "old", "fetch")]
        for name in names:
            (self.folder / "out" / name).mkdir(parents=True)
            (self.folder / "out" / name / "notes").write_text("mine")
        job_id = self.finished(self.output("r"))
        for _ in range(2):
            self.run_cce("fetch", job_id, "--out", "out/f", "--server", self.url)
        self.finished(self.output("r"), seed=2)
        self.assertEqual(self.report("out/r")["seed"], 2)
        for name in names:
            self.assertEqual((self.folder / "out" / name / "notes").read_text(), "mine")
        self.assertEqual(sorted(path.name for path in (self.folder / "out").iterdir()), sorted([*names, "r", "f"]))

    def test_an_output_shares_nothing_with_the_servers_copy(self):
        job_id = self.finished(self.output("o"))
        kept = (self.job_folder(job_id) / "result" / "config.json").read_bytes()
        with open(self.folder / "out" / "o" / "config.json", "a", encoding="utf-8") as edited:
            edited.write("x")
        self.assertEqual((self.job_folder(job_id) / "result" / "config.json").read_bytes(), kept)
        self.run_cce("fetch", job_id, "--out", "fetched", "--server", self.url)
        self.assertEqual((self.folder / "fetched" / "config.json").read_bytes(), kept)
        # And the edited output is no earlier result as it was delivered.
        content = self.small_recipe()
        status, answer = self.post({**content, "output": self.output("o")})
        self.assertEqual(status, 422, answer)
        self.assertIn("config.json (changed)", answer["detail"])

    def test_no_output_in_the_servers_data(self):
        job_id = self.finished()
        before = (self.job_folder(job_id) / "result" / "report.json").read_bytes()
        data = self.folder / "served"
        for output in (data / "jobs" / job_id / "result", data / "jobs" / job_id / "state" / "evil", data / "runs" / "x",
                       data, self.folder):
            status, answer = self.post({**self.small_recipe(seed=2), "output": str(output)})
            self.assertEqual(status, 422, answer)
        self.assertEqual((self.job_folder(job_id) / "result" / "report.json").read_bytes(), before)

    def test_two_open_jobs_with_one_output(self):
        status, first = self.post({**self.long_recipe(), "output": self.output("o")})
        self.assertEqual(status, 201, first)
        status, answer = self.post({**self.small_recipe(seed=2), "output": self.output("o")})
        self.assertEqual(status, 409, answer)
        self.assertIn(first["id"], answer["detail"])
        self.run_cce("cancel", first["id"], "--server", self.url)
        self.wait_for_state(first["id"], "cancelled")
        self.finished(self.output("o"), seed=2)


if __name__ == "__main__":
    unittest.main()
