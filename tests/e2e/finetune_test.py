"""Fine-tuning: inside compress and alone, on each format; stopped and resumed; over 1, 2 and 4 ranks."""
import json
import os
import pathlib
import re
import signal
import unittest

import cce_case

BATCH_TOKENS = 1024
ACROSS_RANKS_TOLERANCE = 2e-3


def training(windows="0:96", **changes):
    return {"max_tokens": 24 * BATCH_TOKENS, "batch_tokens": BATCH_TOKENS, "learning_rate": 1e-3,
            "text": [{"path": str(cce_case.STORIES_TOKENS), "name": "text", "windows": windows}], **changes}


class Finetune(cce_case.CceCase):
    def compressed(self, out, ranks=1, **changes):
        self.compress(cce_case.recipe(target={"remove_params": 0.3}, resources={"ranks": ranks}, **changes), out)
        return self.report(out)

    def finetuned(self, model, out, *flags, ranks=2):
        text = json.dumps(training()["text"])
        evaluated = json.dumps(cce_case.recipe()["evaluate"]["text"])
        self.run_cce("finetune", model, "--teacher", cce_case.STORIES, "--out", out, "--length", 128, "--ranks", ranks,
                     "--threads", 1, "--max-tokens", 24 * BATCH_TOKENS, "--learning-rate", 1e-3, "--quiet",
                     "--set", f"finetune.text={text}", "--set", f"evaluate.text={evaluated}", "--set", "evaluate.samples=0",
                     "--set", f"finetune.batch_tokens={BATCH_TOKENS}", "--set", "resources.precision=f32",
                     "--set", "export.dtype=f32", *flags)
        return self.report(out)

    def forecast_of_disk(self, recipe):
        return json.loads(self.run_cce("plan", recipe, "--json").out)["disk_bytes"]

    def check_written(self, job, states, forecast):
        """The f32 files of these states, against what was to be expected: norms, biases and padding are not in it, and no
        width lies between two steps."""
        written = sum(path.stat().st_size for path in (self.folder / job / "state").glob(f"{states}/*.f32"))
        self.assertLessEqual(written, 1.02 * forecast, states)
        self.assertGreaterEqual(written, 0.8 * forecast, states)

    def test_it_recovers_what_was_lost(self):
        plain = cce_case.perplexity(self.compressed("plain"))
        report = self.compressed("trained", ranks=2, finetune=training())
        self.assertLess(cce_case.perplexity(report), 0.95 * plain)
        disk = self.forecast_of_disk("trained.yaml")
        for states, moment in (("make_plan.layer-*", "prepared"), ("encode.layer-*", "encoded"), ("finetune.layer-*", "trained")):
            self.check_written("trained.job", states, disk[moment])
        curve = report["finetuning"]["curve"]
        self.assertEqual(len(curve), 24)
        self.assertLess(curve[-1]["kl"], curve[0]["kl"])
        self.assertIn("finetune", report["stages"])
        progress = [event for event in self.events("trained.job") if event["stage"] == "finetune" and event["type"] == "progress"]
        for name in ("kl", "rec", "sim", "reg", "learning_rate", "gradient_norm", "tokens_per_second"):
            self.assertIn(name, progress[-1]["metrics"])
        self.assertIn('"finetuning":', (self.folder / "trained/report.html").read_text())

    def test_refinement_lowers_the_held_out_error(self):
        self.compressed("refined", ranks=2, encode={"refine_steps": 5, "refine_batch_tokens": 512})
        done = [event for event in self.events("refined.job") if event["type"] == "stage_done" and event["stage"] == "encode"][-1]
        self.assertGreater(done["metrics"]["refined_sub_blocks"], 0)
        self.assertLess(done["metrics"]["refine_error_after"], done["metrics"]["refine_error_before"])

    def test_alone_on_every_format(self):
        for name in ("uniform", "custom"):
            with self.subTest(format=name):
                before = cce_case.perplexity(self.compressed(name, export={"format": name}))
                report = self.finetuned(name, f"{name}-trained")
                self.assert_close(cce_case.perplexity(report, "before"), before, 1e-4, "where it starts")
                self.assertLess(cce_case.perplexity(report), 0.97 * before)
                self.assertEqual(report["format"], name)
        with self.subTest(format="plain"):
            report = self.finetuned(cce_case.STORIES, "itself")
            self.assert_close(cce_case.perplexity(report), cce_case.perplexity(report, "before"), 0.05, "its own teacher")

    def test_ranks_agree(self):
        found = {ranks: cce_case.perplexity(self.finetuned(cce_case.STORIES, f"on-{ranks}", ranks=ranks)) for ranks in (1, 2, 4)}
        for ranks in (2, 4):
            self.assert_close(found[ranks], found[1], ACROSS_RANKS_TOLERANCE, f"{ranks} ranks")

    def test_an_export_of_a_trained_job(self):
        self.compressed("trained", finetune=training())
        self.run_cce("export", "trained.job", "--dtype", "f32", "--out", "again", "--quiet")
        self.assertEqual((self.folder / "trained/model.safetensors").read_bytes(),
                         (self.folder / "again/model.safetensors").read_bytes())
        self.assertFalse([line for line in self.report("again")["warnings"] if "training" in line])

    def test_a_killed_rank_and_an_interrupt(self):
        content = cce_case.recipe(target={"remove_params": 0.3}, resources={"ranks": 2}, export={"format": "custom"},
                                  finetune=training(checkpoint_steps=3, max_tokens=60 * BATCH_TOKENS))
        path = self.write_recipe(content)
        self.run_cce("compress", path, "--out", "whole", "--quiet")
        process = self.start_cce("compress", path, "--out", "stopped", "--quiet")
        job = self.folder / "stopped.job"
        latest = job / "state/finetune.latest/progress.json"
        self.wait_for("a checkpoint", latest.exists, process)
        os.kill(self.worker_processes(job)[-1], signal.SIGKILL)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 4, self.log.read_text())
        self.assertFalse((job / "state/finetune.done").exists(), "it came too late")
        killed_at = json.loads(latest.read_text())["step"]
        self.assertEqual(killed_at % 3, 0)
        self.check_written("stopped.job", f"finetune.step-{killed_at:06}.rank-*", self.forecast_of_disk(path)["training"] / 2)

        process = self.start_cce("resume", job, "--quiet")
        self.wait_for("another checkpoint", lambda: json.loads(latest.read_text())["step"] > killed_at, process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cce_case.DEADLINE_SECONDS), 5, self.log.read_text())
        self.assertFalse((job / "state/finetune.done").exists(), "it came too late")
        self.run_cce("resume", job, "--quiet")
        for name in ("model.safetensors", "config.json"):
            self.assertEqual((self.folder / "whole" / name).read_bytes(), (self.folder / "stopped" / name).read_bytes(), name)

    def test_time_alone_is_used_up(self):
        passes = 96 * 128 // BATCH_TOKENS
        seconds = 4
        report = self.finetuned(cce_case.STORIES, "timed", "--set", "finetune.max_tokens=0", "--max-seconds", seconds)
        curve = report["finetuning"]["curve"]
        self.assertGreater(len(curve), passes, "the text is repeated")
        self.assertGreater(report["finetuning"]["seconds"], 0.5 * seconds)
        longest = BATCH_TOKENS / min(point["tokens_per_second"] for point in curve)
        self.assertLess(report["finetuning"]["seconds"], seconds + longest + 1)
        self.assertLess(report["stages"]["finetune"]["seconds"], seconds + longest + 3, "publishing included")

    def test_a_run_that_diverges_says_what_to_do(self):
        """...and what it says works."""
        path = self.write_recipe(cce_case.recipe(
            target={"remove_params": 0.3}, export={"format": "custom"},
            finetune=training(learning_rate=1.0, clip=0, warmup=1.0, checkpoint_steps=1)))
        found = self.run_cce("compress", path, "--out", "wild", "--quiet", status=2)
        self.assertRegex(found.err, r"out_of_range at finetune\.learning_rate: found 1, under which training diverged: "
                                    r"(rec|kl|sim|gradient_norm) = \S+ at step \d+, \S+ at step \d+")
        lower = re.search(r"--set finetune\.learning_rate=(\S+) ", found.err)[1]
        job = self.folder / "wild.job"
        self.assertIn(f"cce export {job} --out DIR", found.err)
        kept = re.search(r"The checkpoint of step (\d+) stays in (\S+)\. ", found.err)
        self.assertTrue((pathlib.Path(kept[2]) / f"finetune.step-{int(kept[1]):06}.rank-0").is_dir(), found.err)

        exported = self.run_cce("export", job, "--out", "untrained", "--quiet")
        warnings = self.report("untrained")["warnings"]
        self.assertEqual(len([line for line in warnings if "before training" in line]), 1, warnings)
        self.assertIn("before training", exported.out + exported.err)
        self.assertTrue([event for event in self.events("untrained.job")
                         if event["type"] == "warning" and "before training" in event["message"]])
        self.compressed("plain", export={"format": "custom"})
        self.assertEqual((self.folder / "plain/model.safetensors").read_bytes(),
                         (self.folder / "untrained/model.safetensors").read_bytes(), "the encoded layers")
        self.assertFalse([line for line in self.report("plain")["warnings"] if "training" in line])
        report = self.finetuned("untrained", "trained", "--set", f"finetune.learning_rate={lower}")
        self.assertLess(cce_case.perplexity(report), cce_case.perplexity(report, "before"))

    def test_bad_input_is_refused_by_name(self):
        rows = (("finetune.text", ["--set", "finetune.text=[]"]), ("finetune.batch_tokens", ["--set", "finetune.batch_tokens=100"]),
                ("resources.ranks", ["--ranks", 9]), ("finetune.kl", ["--set", "finetune.kl=-1"]))
        text = json.dumps(training()["text"])
        for key, flags in rows:
            with self.subTest(key=key):
                found = self.run_cce("finetune", cce_case.STORIES, "--teacher", cce_case.STORIES, "--length", 128, "--set",
                                     f"finetune.text={text}", "--set", "finetune.batch_tokens=1024", *flags, status=2)
                self.assertIn(key, found.err)


if __name__ == "__main__":
    unittest.main()
