"""What Open MPI stumbles over where cce runs: the names of machines, an enclosing MPI job, a site's variables, full folders."""
import os
import shutil
import subprocess
import unittest

import cce_case

HOST_NAME = "/proc/sys/kernel/hostname"


def can_unshare(*flags):
    return os.geteuid() == 0 and subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode == 0


class Surroundings(cce_case.CceCase):
    ranks = 2

    def run_in(self, prepare, flags=("--uts",), **variables):
        """A job in namespaces of its own, after a shell has prepared them."""
        if not can_unshare(*flags):
            self.skipTest("namespaces need root")
        recipe = self.write_recipe(cce_case.recipe(resources={"ranks": self.ranks}))
        command = self.command("compress", recipe, "--out", "out", "--quiet")
        script = f"{prepare} && exec \"$@\""
        done = subprocess.run(["unshare", *flags, "sh", "-c", script, "sh", *command], cwd=self.folder,
                              env={**self.environment(), **variables}, text=True, capture_output=True,
                              timeout=cce_case.DEADLINE_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue((self.folder / "out" / "model.safetensors").exists())

    def test_a_long_host_name(self):
        self.run_in(f"printf {'a' * 60} > {HOST_NAME}")

    def test_an_underscore_in_the_host_name(self):
        self.run_in(f"printf codespaces_1 > {HOST_NAME}")

    def test_a_full_temporary_folder(self):
        place = self.folder / "full"
        place.mkdir()
        self.run_in(f"mount -t tmpfs -o size=4k none {place} && head -c 4096 /dev/zero > {place}/f", ("--mount",),
                    TMPDIR=str(place))

    def test_little_shared_memory(self):
        self.run_in("mount -t tmpfs -o size=1m none /dev/shm", ("--mount",))

    def test_an_enclosing_mpi_job_and_a_sites_variables(self):
        recipe = self.write_recipe(cce_case.recipe(resources={"ranks": 3}))
        command = self.command("compress", recipe, "--out", "out", "--quiet", "--bind", "none")
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        for launcher, variables in ((["mpirun", *root, "-n", "1"], {}),
                                    ([], {"OMPI_MCA_rmaps_base_no_oversubscribe": "1",
                                          "OMPI_MCA_hwloc_base_binding_policy": "core", "OMPI_MCA_ess": "slurm",
                                          "PMIX_RANK": "0", "OMPI_UNIVERSE_SIZE": "4"}),
                                    ([], {"TMPDIR": str(self.long_folder())})):
            for leftover in ("out", "out.job"):
                shutil.rmtree(self.folder / leftover, ignore_errors=True)
            done = subprocess.run([*launcher, *command], cwd=self.folder, env={**self.environment(), **variables},
                                  text=True, capture_output=True, timeout=cce_case.DEADLINE_SECONDS, check=False)
            self.assertEqual(done.returncode, 0, f"{launcher} {variables}\n{done.stdout}{done.stderr}")

    def long_folder(self):
        place = self.folder / ("l" * 120)
        place.mkdir()
        return place


class ManyRanks(cce_case.CceCase):
    def test_bad_input_has_its_own_exit_code(self):
        """Whichever rank ends first: far more of them than cores."""
        tokens = cce_case.write_random_tokens(self.folder / "short.u16", 100, 512)
        spoilt = self.copy_model("stories260K")
        (spoilt / "tokenizer.json").write_text("{}")
        text = self.folder / "text.txt"
        text.write_text("some words " * 1000)
        for content, code in ((cce_case.recipe(text=tokens), "text_too_short"),
                              (cce_case.recipe(model=spoilt, text=text), "tokenizer.json")):
            for attempt in range(int(os.environ.get("CCE_MANY_RANKS_RUNS", "3"))):
                content["resources"]["ranks"] = 6
                found = self.compress(content, f"out-{code}-{attempt}", status=2)
                self.assertIn(code, found.err)


if __name__ == "__main__":
    unittest.main()
