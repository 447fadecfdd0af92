"""Bad input, end to end: a named error with a remedy, the designed exit code, and nothing half-written.

Every case prepares one mistake and says what cce must answer. `starts`: the mistake shows only once the job runs.
"""
import contextlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

import cce_case

BAD_INPUT, DOES_NOT_FIT = 2, 3


def read_header(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:8 + size]), content[8 + size:]


def write_header(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class BadInput(cce_case.CceCase):
    def refused(self, content, code, *parts, status=BAD_INPUT, starts=False, flags=()):
        """Runs compress on the recipe and checks how it is refused."""
        found = self.compress(content, "out", *flags, status=status)
        for part in (code, *parts):
            self.assertIn(part, found.err, str(found))
        self.assertEqual(found.out, "", "the report's stream stays empty")
        self.assertNothingHalfWritten(starts)

    def assertNothingHalfWritten(self, starts):
        for leftover in ("out", "out.tmp", "out.job/result", "out.job/result.tmp"):
            self.assertFalse((self.folder / leftover).exists(), leftover)
        if not starts:
            self.assertFalse((self.folder / "out.job").exists(), "refused before a job is made")

    def checkpoint(self, change, name="stories260K", file="model.safetensors"):
        model = self.copy_model(name)
        change(model / file)
        return cce_case.recipe(model=model)

    # ---- checkpoints
    def test_header_cut_off(self):
        self.refused(self.checkpoint(lambda path: os.truncate(path, 100)), "malformed_file", "model.safetensors")

    def test_tensor_data_cut_off(self):
        self.refused(self.checkpoint(lambda path: os.truncate(path, path.stat().st_size // 2)), "data_offsets",
                     "model.safetensors")

    def test_empty_file(self):
        self.refused(self.checkpoint(lambda path: os.truncate(path, 0)), "malformed_file", "model.safetensors")

    def test_header_longer_than_the_file(self):
        for size in (2**63, 2**40, 2_000_000):
            with self.subTest(size=size):
                def lengthen(path, size=size):
                    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
                self.refused(self.checkpoint(lengthen), "malformed_file", "model.safetensors")
                shutil.rmtree(self.folder / "model")

    def test_header_that_is_no_json(self):
        def garble(path):
            content = path.read_bytes()
            path.write_bytes(content[:8] + b"[" + content[9:])
        self.refused(self.checkpoint(garble), "malformed_file", "model.safetensors")

    def change_header(self, change):
        def rewrite(path):
            header, data = read_header(path)
            change(header)
            write_header(path, header, data)
        return self.checkpoint(rewrite)

    def test_dtype_that_is_not_handled(self):
        def integers(header):
            header["model.layers.2.mlp.up_proj.weight"]["dtype"] = "I32"
        self.refused(self.change_header(integers), "unsupported", "I32", "model.layers.2.mlp.up_proj.weight")

    def test_dtype_that_belies_its_bytes(self):
        def halves(header):
            header["model.layers.2.mlp.up_proj.weight"]["dtype"] = "BF16"
        self.refused(self.change_header(halves), "malformed_file", "model.layers.2.mlp.up_proj.weight")

    def test_tensor_that_is_missing(self):
        def remove(header):
            header["somewhere.else"] = header.pop("model.layers.2.mlp.up_proj.weight")
        self.refused(self.change_header(remove), "missing_tensor", "model.layers.2.mlp.up_proj.weight")

    def test_tensor_of_another_shape(self):
        def turn(header):
            header["model.layers.2.mlp.up_proj.weight"]["shape"].reverse()
        self.refused(self.change_header(turn), "shape_mismatch", "model.layers.2.mlp.up_proj.weight")

    def test_missing_shard(self):
        shard = "model-00002-of-00003.safetensors"
        self.refused(self.checkpoint(lambda path: path.unlink(), "llama3_gqa", shard), "missing_file", shard)

    def test_missing_weights(self):
        self.refused(self.checkpoint(lambda path: path.unlink()), "missing_file", "safetensors")

    def test_unknown_architecture(self):
        def rename(path):
            config = json.loads(path.read_text())
            config["architectures"] = ["BertForMaskedLM"]
            path.write_text(json.dumps(config))
        self.refused(self.checkpoint(rename, file="config.json"), "unsupported", "BertForMaskedLM",
                     "LlamaForCausalLM")

    def test_config_that_is_no_json(self):
        self.refused(self.checkpoint(lambda path: path.write_text("{"), file="config.json"), "malformed_file",
                     "config.json")

    # ---- recipes
    def test_text_shorter_than_a_window(self):
        tokens = cce_case.write_random_tokens(self.folder / "short.u16", 100, 512)
        self.refused(cce_case.recipe(text=tokens), "text_too_short", "128", starts=True)

    def test_fewer_windows_than_sequences(self):
        self.refused(cce_case.recipe(windows="0:20"), "text_too_short", "20", "calibration.sequences", starts=True)

    def test_text_that_is_missing(self):
        self.refused(cce_case.recipe(text=self.folder / "none.u16"), "missing_file", "none.u16")

    def test_token_outside_the_vocabulary(self):
        tokens = cce_case.write_random_tokens(self.folder / "large.u16", 8000, 5000)
        self.refused(cce_case.recipe(text=tokens, windows="0:40", evaluated="-8:"), "out_of_range", "large.u16", "512",
                     starts=True)

    def test_target_that_no_structure_can_reach(self):
        self.refused(cce_case.recipe(target={"remove_params": 0.99}), "unreachable_target", "at most",
                     "Lower the target", starts=True)

    def test_values_narrowed_in_the_uniform_format(self):
        self.refused({**cce_case.recipe(), "structures": ["ffn", "vo"]}, "impossible_combination", "vo", "custom")

    def test_unknown_key(self):
        self.refused({**cce_case.recipe(), "calibrate": {}}, "unknown_key", "Did you mean 'calibration'")

    def test_unknown_inner_key(self):
        self.refused(cce_case.recipe(export={"fromat": "custom"}), "unknown_key", "export.fromat", "'format'")

    def test_wrong_type(self):
        self.refused(cce_case.recipe(target={"remove_params": "a lot"}), "wrong_type", "target.remove_params")

    def test_more_ranks_than_sequences(self):
        self.refused(cce_case.recipe(resources={"ranks": 33}), "out_of_range", "at most 32 ranks")

    def test_less_memory_than_it_takes(self):
        self.refused(cce_case.recipe(resources={"memory": "1MiB"}), "does_not_fit", "resources.memory",
                     status=DOES_NOT_FIT)


    @unittest.skipIf(pathlib.Path("/dev/nvidiactl").exists(), "this machine has a GPU")
    def test_a_gpu_where_there_is_none(self):
        self.refused(cce_case.recipe(resources={"device": "cuda"}), "unsupported", "resources.device", starts=True)


class FullDisk(cce_case.CceCase):
    """The job on a disk of its own that is too small, by a tmpfs where this machine lets us mount one."""

    def mount(self, kibibytes):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", str(disk)],
                                 capture_output=True, text=True, timeout=60, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", str(disk)], timeout=60, check=True)
        return disk

    def check(self, kibibytes, job, out):
        self.mount(kibibytes)
        found = self.run_cce("compress", self.write_recipe(cce_case.recipe()), "--job", job, "--out", out, "--quiet",
                             status=DOES_NOT_FIT)
        self.assertIn("disk_full", found.err, str(found))
        self.assertIn("disk", found.err.split("disk_full", 1)[1], "it says which path is full")
        self.assertFalse((self.folder / out).exists())
        self.assertEqual([path.name for path in (self.folder / out).parent.iterdir() if ".cce-" in path.name], [])

    def test_job_on_a_full_disk(self):
        self.check(400, "disk/job", "out")
        self.assertFalse((self.folder / "disk/job").exists(), "refused before any work")

    def test_job_on_a_disk_that_fills_up(self):
        self.check(2200, "disk/job", "out")
        self.assertFalse((self.folder / "disk/job/result").exists())

    def test_result_on_a_full_disk(self):
        self.check(400, "job", "disk/out")
        self.assertFalse((self.folder / "job").exists(), "refused before any work")

    def test_result_on_a_disk_that_fills_up(self):
        disk = self.mount(32 * 1024)
        text = self.folder / "long.tokens.u16"
        text.write_bytes(cce_case.STORIES_TOKENS.read_bytes() * 4)
        recipe = cce_case.recipe(text=text, windows=":-64", evaluated="-64:", calibration={"sequences": 512})
        process = self.start_cce("compress", self.write_recipe(recipe), "--job", "job", "--out", "disk/out")
        self.wait_for("the job at work", lambda: (self.folder / "job" / "events.jsonl").exists(), process)
        with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), DOES_NOT_FIT, self.log.read_text())
        self.assertIn("disk_full", self.log.read_text())
        self.assertIn(f"its result lies in {self.folder / 'job/result'}", self.log.read_text())
        self.assertTrue((self.folder / "job/result/model.safetensors").exists(), "the job keeps its result")
        self.assertEqual([path.name for path in disk.iterdir()], ["filler"])
        (disk / "filler").unlink()
        self.run_cce("resume", "job", "--quiet")
        self.assertTrue((disk / "out" / "model.safetensors").exists())


if __name__ == "__main__":
    unittest.main()
