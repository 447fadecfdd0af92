"""The subcommands around compress, on what it leaves: evaluate, export, plan, analyze."""
import json
import shutil
import unittest

import cce_case

AGREEMENT = 1e-4  # the same numbers in f32, summed in another order


class Commands(cce_case.CceCase):
    def evaluated(self, model, *flags):
        content = cce_case.recipe()
        text = json.dumps(content["evaluate"]["text"])
        found = self.run_cce("evaluate", model, "--length", content["calibration"]["length"], "--ranks", 1,
                             "--threads", 1, "--set", f"evaluate.text={text}", "--set", "evaluate.samples=0",
                             "--set", "resources.precision=f32", "--json", "--quiet", *flags)
        return cce_case.perplexity(json.loads(found.out), "before")

    def test_an_exported_folder_evaluates_to_what_its_report_says(self):
        for name in ("uniform", "custom"):
            with self.subTest(format=name):
                self.compress(cce_case.recipe(export={"format": name}), name)
                self.assert_close(self.evaluated(name), cce_case.perplexity(self.report(name)), AGREEMENT, name)

    def test_a_finished_job_exports_again(self):
        self.compress(cce_case.recipe(), "first")
        self.run_cce("export", "first.job", "--format", "custom", "--out", "second", "--quiet")
        config = json.loads((self.folder / "second/config.json").read_text())
        self.assertIn("auto_map", config)
        self.assert_close(self.evaluated("second"), cce_case.perplexity(self.report("first")), AGREEMENT, "custom")

    def test_a_gguf_file_is_written_with_the_tokenizer_inside(self):
        model = self.folder / "model"
        shutil.copytree(cce_case.MODELS / "qwen3", model)
        text = cce_case.write_random_tokens(self.folder / "text.tokens.u16", 32 * 48, 54)
        content = cce_case.recipe(model, text, "0:24", "-8:", export={"format": "gguf", "dtype": "f16"},
                                  calibration={"length": 48, "sequences": 24, "gradient_sequences": 8},
                                  target={"remove_params": 0.1})
        path = self.write_recipe(content)
        for command in (("plan", path), ("compress", path, "--out", "out", "--quiet")):  # before anything is computed
            refused = self.run_cce(*command, status=2)
            self.assertIn("tokenizer.json", refused.err)
            self.assertFalse((self.folder / "out.job").exists())
        shutil.copy(cce_case.TESTS / "data/tokenizers/tiny.json", model / "tokenizer.json")
        (model / "LICENSE").write_text("terms")
        self.run_cce("compress", path, "--out", "out", "--quiet")
        found = sorted(entry.name for entry in (self.folder / "out").iterdir())
        self.assertEqual(self.report("out")["copied_files"], ["LICENSE"])
        self.assertEqual((self.folder / "out/LICENSE").read_text(), "terms")
        self.assertEqual((self.folder / "out/model.gguf").read_bytes()[:4], b"GGUF")
        self.assertIn("llama-cli", (self.folder / "out/README.md").read_text())
        self.assertNotIn("model.safetensors", found)

    def test_plan_runs_nothing(self):
        path = self.write_recipe(cce_case.recipe(resources={"ranks": 2}))
        found = self.run_cce("plan", path, "--json")
        plan = json.loads(found.out)
        self.assertEqual(len(plan["partition"]["owner"]), 5)
        self.assertEqual([sequences["count"] for sequences in plan["partition"]["sequences"]], [16, 16])
        self.assertEqual(sorted(entry.name for entry in self.folder.iterdir()), ["recipe.yaml"])

    def test_analyze_shows_spectra_and_similarity(self):
        content = cce_case.recipe()
        text = json.dumps(content["calibration"]["text"])
        found = self.run_cce("analyze", cce_case.STORIES, "--length", 128, "--sequences", 16, "--ranks", 2,
                             "--threads", 1, "--set", f"calibration.text={text}", "--json", "--quiet")
        report = json.loads(found.out)
        self.assertEqual(sorted(report["spectra"]), ["0", "1", "2", "3", "4"])
        for kind in ("ffn", "attention"):
            matrix = report["similarity"][kind]["matrix"]
            for i in range(5):
                self.assertAlmostEqual(matrix[i][i], 1.0, places=5)
                for j in range(5):
                    self.assertAlmostEqual(matrix[i][j], matrix[j][i], places=9)
            for layer in report["spectra"].values():
                self.assertEqual(layer[kind], sorted(layer[kind], reverse=True))
        self.assertNotIn("plan", report)


if __name__ == "__main__":
    unittest.main()
