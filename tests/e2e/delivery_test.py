"""Where the command line puts results: what others put beside or into an output stays, and the kinds of --out that users
have (mounts, links, layers, folders in folders that are closed) all work."""
import os
import shutil
import subprocess
import unittest

import cce_case

NOBODY = 65534
OUT_FILES = ("config.json", "model.safetensors", "report.json", "SHA256SUMS")


class Outputs(cce_case.CceCase):
    """The command line."""

    def assert_result(self, folder):
        for name in OUT_FILES:
            self.assertTrue((folder / name).is_file(), f"{folder}/{name}")
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True, timeout=60)
        self.assertEqual([path.name for path in folder.iterdir() if ".cce-" in path.name], [])

    def compress_in(self, prefix, out, *flags, status=0, recipe=None):
        """cce behind another program, such as one that mounts first."""
        command = [*map(str, prefix), *self.command("compress", self.write_recipe(recipe or cce_case.recipe()), "--quiet",
                                                    "--out", out, *flags)]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=cce_case.DEADLINE_SECONDS, check=False)
        self.assertEqual(done.returncode, status, f"{command}\n{done.stdout}\n{done.stderr}")
        return done

    def mounted(self, mounts, inside):
        """A program's prefix that makes mounts which only it sees, and ends with what `inside` says of them."""
        script = f'{mounts}; "$@" || exit; {inside}'
        probe = subprocess.run(["unshare", "-m", "sh", "-ec", mounts], cwd=self.folder, capture_output=True, text=True,
                               timeout=60, check=False)
        if probe.returncode != 0:
            self.skipTest(f"no mounts here: {probe.stderr.strip()}")
        return ["unshare", "-m", "sh", "-ec", script, "sh"]

    def test_neighbours_stay(self):
        self.compress(cce_case.recipe(), "small")
        for neighbour in ("small.old", "small.tmp"):
            shutil.copytree(self.folder / "small", self.folder / neighbour)
            (self.folder / neighbour / "notes.txt").write_text("mine")
        self.compress(cce_case.recipe(seed=2), "small")
        self.assert_result(self.folder / "small")
        self.assertEqual(self.report("small")["seed"], 2)
        for neighbour in ("small.old", "small.tmp"):
            self.assertEqual((self.folder / neighbour / "notes.txt").read_text(), "mine")
            self.assertEqual(self.report(neighbour)["seed"], 0)

    def test_what_was_added_is_refused_before_anything_is_computed(self):
        self.compress(cce_case.recipe(), "small")
        (self.folder / "small" / "mine.gguf").write_text("mine")
        before = sorted(self.folder.iterdir())
        found = self.compress(cce_case.recipe(seed=2), "small", status=2)
        self.assertIn("mine.gguf", found.err)
        self.assertIn("--force", found.err)
        self.assertEqual(sorted(self.folder.iterdir()), before, "no job was made")
        self.assertEqual((self.folder / "small" / "mine.gguf").read_text(), "mine")
        self.compress(cce_case.recipe(seed=2), "small", "--force")
        self.assert_result(self.folder / "small")
        self.assertFalse((self.folder / "small" / "mine.gguf").exists())

    def test_no_output_in_a_job(self):
        self.compress(cce_case.recipe(), "small")
        for out in ("small.job/result", "small.job/state/x"):
            found = self.compress_in([], out, "--force", status=2)
            self.assertIn("where jobs are kept", found.stderr)
        found = self.compress_in([], "x", "--job", "x/job", status=2)
        self.assertIn("job's own folder", found.stderr)

    def test_an_earlier_result_compressed_onto_itself(self):
        self.compress(cce_case.recipe(), "small")
        found = self.compress(cce_case.recipe(model="small"), "small", status=2)
        self.assertIn("input", found.err)

    def test_a_late_failure_says_where_the_result_lies(self):
        text = self.folder / "long.tokens.u16"
        text.write_bytes(cce_case.STORIES_TOKENS.read_bytes() * 4)
        process = self.start_cce("compress", self.write_recipe(cce_case.recipe(
            text=text, windows=":-64", evaluated="-64:", calibration={"sequences": 512})), "--out", "small")
        self.wait_for("the job at work", lambda: (self.folder / "small.job" / "events.jsonl").exists(), process)
        (self.folder / "small").mkdir()
        (self.folder / "small" / "mine").write_text("mine")
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 2, self.log.read_text())
        result = self.folder / "small.job" / "result"
        self.assertIn(f"its result lies in {result}", self.log.read_text())
        self.assertIn("cce resume", self.log.read_text())
        self.assert_result(result)
        (self.folder / "small" / "mine").unlink()
        self.run_cce("resume", "small.job", "--quiet")
        self.assert_result(self.folder / "small")

    def test_a_mounted_volume(self):
        (self.folder / "volume").mkdir()
        (self.folder / "seen").mkdir()
        prefix = self.mounted("mount -t tmpfs none volume", "mountpoint -q volume && cp -r volume/. seen")
        self.compress_in(prefix, "volume")
        self.assert_result(self.folder / "seen")

    def test_a_folder_of_a_lower_layer(self):
        (self.folder / "layers").mkdir()
        (self.folder / "seen").mkdir()
        prefix = self.mounted(
            "mount -t tmpfs none layers && mkdir -p layers/low/out layers/up layers/tmp layers/all && "
            "mount -t overlay overlay -o lowerdir=layers/low,upperdir=layers/up,workdir=layers/tmp layers/all",
            "cp -r layers/all/out/. seen")
        self.compress_in(prefix, "layers/all/out")
        self.assert_result(self.folder / "seen")

    def as_nobody(self):
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self.folder.chmod(0o755)
        able = os.geteuid() == 0 and shutil.which("setpriv") and subprocess.run(
            [*prefix, *self.command("--help")], capture_output=True, timeout=60, check=False).returncode == 0
        if not able:
            self.skipTest("cannot run cce as another user here")
        (self.folder / "closed" / "out").mkdir(parents=True)
        (self.folder / "jobs").mkdir()
        for name in ("closed/out", "jobs"):
            os.chown(self.folder / name, NOBODY, NOBODY)
        return prefix

    def test_a_folder_in_one_where_we_may_not_write(self):
        prefix = self.as_nobody()
        self.compress_in(prefix, "closed/out", "--job", "jobs/job")
        self.assert_result(self.folder / "closed" / "out")

    def test_where_we_may_not_write_is_refused_before_anything_is_computed(self):
        prefix = self.as_nobody()
        found = self.compress_in(prefix, "closed/new", "--job", "jobs/job", status=2)
        self.assertIn("may write", found.stderr)
        self.assertEqual(list((self.folder / "jobs").iterdir()), [])

    def test_links_stay(self):
        (self.folder / "elsewhere").mkdir()
        (self.folder / "link").symlink_to("elsewhere")
        (self.folder / "dangling").symlink_to("nowhere")
        for link, target in (("link", "elsewhere"), ("dangling", "nowhere")):
            self.compress(cce_case.recipe(), link)
            self.assertEqual(os.readlink(self.folder / link), target)
            self.assert_result(self.folder / target)

    def test_the_folder_we_stand_in(self):
        stand = self.folder / "stand"
        stand.mkdir()
        before = stand.stat().st_ino
        self.compress_in(["env", "-C", str(stand)], ".")
        self.assertEqual(stand.stat().st_ino, before)
        self.assert_result(stand)


if __name__ == "__main__":
    unittest.main()
