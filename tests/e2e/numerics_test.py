"""What decides the bits of a result is recorded, the same on every rank, and the same when a job goes on."""
import json
import os
import signal
import unittest

import cce_case

OTHER_KERNELS = "Nehalem"  # every x86-64 CPU runs them, and none of today picks them


class Numerics(cce_case.CceCase):
    def setUp(self):
        super().setUp()
        self.kernels = {}
        self.recipe = cce_case.recipe(resources={"ranks": 2})
        self.path = self.write_recipe(self.recipe)

    def environment(self):
        return {**super().environment(), **self.kernels}

    def kinds(self, out):
        return self.report(out)["numerics"]["kinds"]

    def stop_in_encode(self):
        process = self.start_cce("compress", self.path, "--out", "stopped", "--quiet")
        job = self.folder / "stopped.job"
        self.wait_for("a layer encoded", (job / "state/encode.layer-000").exists, process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 5, self.log.read_text())
        return job

    def test_a_user_s_kernels_reach_the_ranks_and_the_report(self):
        self.compress(self.recipe, "usual")
        self.kernels = {"OPENBLAS_CORETYPE": OTHER_KERNELS}
        self.compress(self.recipe, "other")
        usual, other = self.kinds("usual"), self.kinds("other")
        self.assertEqual((len(usual), len(other)), (1, 1))
        self.assertIn(OTHER_KERNELS, other[0]["openblas"])
        self.assertNotIn(OTHER_KERNELS, usual[0]["openblas"])
        self.assertNotEqual(usual[0]["small_products"], other[0]["small_products"])
        same = set(usual[0]) - {"openblas", "small_products"}
        self.assertEqual({key: usual[0][key] for key in same}, {key: other[0][key] for key in same})

    def test_a_job_goes_on_with_what_it_was_computed_with(self):
        job = self.stop_in_encode()
        self.kernels = {"OPENBLAS_CORETYPE": OTHER_KERNELS}
        refused = self.run_cce("resume", job, "--quiet", status=2)
        recorded = json.loads((job / "numerics.json").read_text())["kinds"]
        for words in (OTHER_KERNELS, recorded[0]["openblas"], "--allow-other-numerics", "OPENBLAS_CORETYPE"):
            self.assertIn(words, refused.err)
        self.assertFalse((job / "result").exists())

        self.kernels = {}
        self.run_cce("resume", job, "--quiet")
        self.assertEqual(self.kinds("stopped"), recorded)
        self.kernels = {"OPENBLAS_CORETYPE": OTHER_KERNELS}
        self.run_cce("export", job, "--dtype", "bf16", "--out", "again", "--quiet")
        self.assertEqual(self.kinds("again"), recorded, "the layers were computed there")

    def test_other_kernels_may_be_allowed(self):
        job = self.stop_in_encode()
        self.kernels = {"OPENBLAS_CORETYPE": OTHER_KERNELS}
        self.run_cce("resume", job, "--quiet", "--allow-other-numerics")
        kinds = self.kinds("stopped")
        self.assertEqual(len(kinds), 2)
        self.assertNotIn(OTHER_KERNELS, kinds[0]["openblas"])
        self.assertIn(OTHER_KERNELS, kinds[1]["openblas"])

    def test_ranks_that_differ_are_named(self):
        real = os.path.join(os.path.dirname(os.environ["CCE_PROGRAM"]), "cce-worker")
        worker = self.folder / "worker.sh"
        worker.write_text("#!/bin/sh\n"
                          f'[ "$OMPI_COMM_WORLD_RANK" = 1 ] && export OPENBLAS_CORETYPE={OTHER_KERNELS}\n'
                          f'exec "{real}" "$@"\n')
        worker.chmod(0o755)
        refused = self.run_cce("compress", self.path, "--out", "out", "--quiet", "--worker", worker, status=2)
        for words in ("ranks of one run", "openblas", f"{OTHER_KERNELS} on rank 1", "on rank 0", "OPENBLAS_CORETYPE"):
            self.assertIn(words, refused.err)
        self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
