"""Weights that nothing can be computed with, or that the result cannot hold: refused by tensor name before any work."""
import json
import struct
import unittest

import cce_case

BAD_INPUT = 2
UP = "model.layers.1.mlp.up_proj.weight"  # 172 x 64, F32
NAN, INFINITY = float("nan"), float("inf")


def set_weight(model, tensor, index, value):
    """Overwrites one element of an F32 tensor of the only weight file."""
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    size = struct.unpack_from("<Q", content)[0]
    entry = json.loads(content[8:8 + size])[tensor]
    struct.pack_into("<f", content, 8 + size + entry["data_offsets"][0] + 4 * index, value)
    path.write_bytes(content)


class Weights(cce_case.CceCase):
    def model(self, tensor=UP, index=3 * 64 + 5, value=NAN, to="model"):
        model = self.copy_model("stories260K", to)
        set_weight(model, tensor, index, value)
        return model

    def assert_refused(self, found, *parts):
        for part in ("out_of_range", "model.safetensors", *parts):
            self.assertIn(part, found.err, str(found))
        self.assertEqual(found.out, "", "the report's stream stays empty")
        for leftover in ("out", "out.job", "cce-jobs"):
            self.assertFalse((self.folder / leftover).exists(), leftover)

    def refused(self, content, *parts):
        for ranks in (1, 2):
            content["resources"]["ranks"] = ranks
            self.assert_refused(self.compress(content, "out", status=BAD_INPUT), *parts)
        # A dry run refuses what the job would.
        self.assert_refused(self.run_cce("plan", self.write_recipe(content), status=BAD_INPUT), *parts)

    def test_nan_is_refused_with_its_place(self):
        self.refused(cce_case.recipe(model=self.model()), UP, "NaN at [3, 5]")

    def test_infinities_are_counted(self):
        model = self.model("model.embed_tokens.weight", 64, INFINITY)
        set_weight(model, "model.embed_tokens.weight", 700, -INFINITY)
        self.refused(cce_case.recipe(model=model), "model.embed_tokens.weight", "infinity at [1, 0]", "first of 2")

    def test_norms_are_looked_at(self):
        self.refused(cce_case.recipe(model=self.model("model.norm.weight", 63, -INFINITY)), "model.norm.weight",
                     "-infinity at [63]")

    def test_every_command_refuses_it(self):
        good, bad = cce_case.STORIES, self.model()
        text = ("--text", cce_case.STORIES_TOKENS, "--length", 128)
        for command in (("evaluate", bad, *text), ("evaluate", bad, *text, "--json"), ("analyze", bad, *text, "--json"),
                        ("finetune", bad, "--teacher", good, *text, "--max-tokens", 8192, "--out", "out"),
                        ("finetune", good, "--teacher", bad, *text, "--max-tokens", 8192, "--out", "out")):
            with self.subTest(command=command):
                self.assert_refused(self.run_cce(*command, "--quiet", status=BAD_INPUT), UP, "NaN at [3, 5]")

    def test_a_number_that_the_result_cannot_hold(self):
        model = self.model(value=70000.0)
        self.refused(cce_case.recipe(model=model, export={"dtype": "f16"}), UP, "70000 at [3, 5]", "65504",
                     "export.dtype")
        text = json.dumps([{"path": str(cce_case.STORIES_TOKENS), "windows": "0:4"}])
        self.run_cce("evaluate", model, "--length", 128, "--ranks", 1, "--set", f"evaluate.text={text}", "--quiet")

    def test_sums_that_overflow_are_no_result(self):
        model = self.model("model.layers.1.mlp.down_proj.weight", 0, 3e38)
        set_weight(model, "model.layers.1.mlp.up_proj.weight", 0, 3e38)
        found = self.run_cce("evaluate", model, "--text", cce_case.STORIES_TOKENS, "--length", 128, "--ranks", 1,
                             "--threads", 1, "--json", "--quiet", status=BAD_INPUT)
        self.assertIn("loss that is no number", found.err, str(found))
        self.assertEqual(found.out, "")

    def test_a_finished_job_refuses_a_dtype_that_cannot_hold_it(self):
        content = cce_case.recipe(model=self.model("model.layers.0.mlp.up_proj.weight", 0, 66000.0))
        self.compress(content, "first")
        found = self.run_cce("export", "first.job", "--dtype", "f16", "--out", "out", "--quiet", status=BAD_INPUT)
        self.assert_refused(found, "model.layers.0.mlp.up_proj.weight", "66000 at [0, 0]")


if __name__ == "__main__":
    unittest.main()
