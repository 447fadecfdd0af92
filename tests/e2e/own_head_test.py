"""A head beside a tied embedding: used where its values are its own, as transformers does; dropped where they are the same."""
import json
import struct
import unittest

import cce_case

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
WARNING = "says tie_word_embeddings"


def read_tensors(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    return header, content[8 + size:]


class OwnHead(cce_case.CceCase):
    def with_head(self, to, negated, **config):
        """stories260K with a head: the embedding, or the embedding with the other sign."""
        model = self.copy_model("stories260K", to)
        path = model / "model.safetensors"
        header, data = read_tensors(path)
        begin, end = header[EMBEDDING]["data_offsets"]
        head = bytearray(data[begin:end])
        if negated:
            for i in range(3, len(head), 4):
                head[i] ^= 0x80
        header[HEAD] = {**header[EMBEDDING], "data_offsets": [len(data), len(data) + len(head)]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + data + head)
        written = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**written, **config}))
        return model

    def assert_untied(self, out):
        config = json.loads((self.folder / out / "config.json").read_text())
        self.assertIs(config["tie_word_embeddings"], False)
        header, _ = read_tensors(self.folder / out / "model.safetensors")
        self.assertIn(HEAD, header)

    def test_a_head_of_its_own_counts_in_every_format(self):
        own = self.with_head("own", True)
        untied = self.with_head("untied", True, tie_word_embeddings=False)
        for file_format in ("uniform", "custom"):
            with self.subTest(format=file_format):
                export = {"format": file_format}
                self.compress(cce_case.recipe(model=own, export=export, resources={"ranks": 2}), "a" + file_format)
                self.compress(cce_case.recipe(model=untied, export=export, resources={"ranks": 2}), "b" + file_format)
                self.assert_same_result("a" + file_format, "b" + file_format)
                self.assert_untied("a" + file_format)
                first, second = self.report("a" + file_format), self.report("b" + file_format)
                self.assertEqual([warning for warning in first["warnings"] if WARNING in warning],
                                 first["warnings"][:1])
                self.assertFalse([warning for warning in second["warnings"] if WARNING in warning])
                for key in ("params", "bytes", "flops_per_token", "evaluation"):
                    self.assertEqual(first[key], second[key], key)

    def test_forecasts_count_it(self):
        plans = []
        for name, config in (("own", {}), ("untied", {"tie_word_embeddings": False})):
            model = self.with_head(name, True, **config)
            plan = json.loads(self.run_cce("plan", self.write_recipe(cce_case.recipe(model=model)), "--json").out)
            self.assertEqual(len(plan["warnings"]), 1 if name == "own" else 0)
            plans.append((plan["partition"], plan["disk_bytes"]))
        self.assertEqual(*plans)

    def test_the_same_values_stay_tied(self):
        self.compress(cce_case.recipe(), "first")
        self.compress(cce_case.recipe(model=self.with_head("same", False)), "second")
        self.assert_same_result("first", "second")
        self.assertEqual(self.report("second")["warnings"], self.report("first")["warnings"])

    def test_a_teacher_with_a_head_of_its_own(self):
        own = self.with_head("own", True)
        text = ("--text", cce_case.STORIES_TOKENS, "--length", 128)
        self.run_cce("finetune", cce_case.STORIES, "--teacher", own, *text, "--max-tokens", 8192, "--ranks", 1,
                     "--threads", 1, "--out", "out", "--quiet")
        self.assertTrue([warning for warning in self.report("out")["warnings"] if "the teacher's config.json" in warning])
        config = json.loads((self.folder / "out" / "config.json").read_text())
        self.assertTrue(config["tie_word_embeddings"], "the student stays tied")


if __name__ == "__main__":
    unittest.main()
