"""Every family of architectures compresses into every format that holds it, and is read back."""
import json
import unittest

import cce_case

VOCABULARY = 61
LENGTH = 32
# name, class of the uniform export
FAMILIES = [
    ("llama_mha", "LlamaForCausalLM"),
    ("llama3_gqa", "LlamaForCausalLM"),
    ("llama_biases", "LlamaForCausalLM"),
    ("mistral_window", "MistralForCausalLM"),
    ("qwen2_bias", "Qwen2ForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
    ("smollm3", "SmolLM3ForCausalLM"),
    ("gemma3", "Gemma3ForCausalLM"),
    ("olmo2", "Olmo2ForCausalLM"),
    ("olmo3", "Olmo3ForCausalLM"),
    ("granite", "GraniteForCausalLM"),
]
# Their checkpoints hold other numbers than those that are computed with: what is rounded is what is stored.
STORED_IN_ANOTHER_FORM = ("gemma3", "granite")


class Families(cce_case.CceCase):
    def setUp(self):
        super().setUp()
        self.tokens = cce_case.write_random_tokens(self.folder / "tokens.u16", 40 * LENGTH + 1, VOCABULARY)

    def compressed(self, model, file_format, out):
        content = cce_case.recipe(model=cce_case.MODELS / model, text=self.tokens, windows="0:32", evaluated="-8:",
                                  export={"format": file_format}, calibration={"length": LENGTH, "sequences": 16,
                                                                               "gradient_sequences": 8},
                                  resources={"ranks": 2})
        self.compress(content, out)
        return self.report(out)

    def check(self, model, architecture):
        for file_format in ("uniform", "custom"):
            with self.subTest(format=file_format):
                report = self.compressed(model, file_format, file_format)
                self.assertGreaterEqual(report["target"]["achieved"], 0.2)
                blocks = report["params"]["blocks"]
                self.assertLess(blocks["after"], blocks["before"])
                config = json.loads((self.folder / file_format / "config.json").read_text())
                if file_format == "uniform":
                    self.assertEqual(config["architectures"], [architecture])
                    self.assertEqual(len(set(cce_case.widths(report))), 1, "one shape for all layers")
                evaluate = json.dumps([{"path": str(self.tokens), "name": "text", "windows": "-8:"}])
                again = self.run_cce("evaluate", file_format, "--length", LENGTH, "--ranks", 1, "--threads", 1,
                                     "--set", f"evaluate.text={evaluate}", "--set", "evaluate.samples=0",
                                     "--set", "resources.precision=f32", "--json", "--quiet")
                self.assert_close(cce_case.perplexity(json.loads(again.out), "before"), cce_case.perplexity(report),
                                  1e-4, model)


    def test_numbers_that_are_stored_in_another_form_are_rounded_there(self):
        for model in STORED_IN_ANOTHER_FORM:
            for dtype in ("bf16", "f16"):
                with self.subTest(model=model, dtype=dtype):  # a result that is not read back as it was computed fails
                    content = cce_case.recipe(model=cce_case.MODELS / model, text=self.tokens, windows="0:32",
                                              evaluated="-8:", export={"dtype": dtype},
                                              calibration={"length": LENGTH, "sequences": 16, "gradient_sequences": 8})
                    self.compress(content, f"{model}-{dtype}")


def add_family(model, architecture):
    setattr(Families, f"test_{model}", lambda self: self.check(model, architecture))


for family in FAMILIES:
    add_family(*family)


if __name__ == "__main__":
    unittest.main()
