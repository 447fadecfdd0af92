#!/usr/bin/env python3
"""Compares this project with transformers on whole models, through the program model_tool of a build.

  model_check.py TOOL exports             folders that we write, plain and custom, loaded by transformers
  model_check.py TOOL logits FOLDER       a real model's logits in fp32 (skipped where FOLDER is not there)
  model_check.py TOOL losses FOLDER WINDOW COUNT=LOSS...   mean losses of FOLDER/tinystories.tokens.u16

Needs torch, transformers and numpy. Prints one line a comparison; exits 1 if any is out of bounds.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/data/models"
LOGITS_BOUND = 1e-4
failures = 0


def report(what, value, bound):
    global failures
    good = value <= bound
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what}: {value:.2e} (bound {bound:.0e})", flush=True)


def run(tool, *arguments):
    return subprocess.run([tool, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def our_logits(tool, folder, ids, dtype="f32"):
    with tempfile.TemporaryDirectory() as scratch:
        ids_file, out = pathlib.Path(scratch, "ids"), pathlib.Path(scratch, "logits")
        ids.numpy().astype("<i4").tofile(ids_file)
        run(tool, "logits", folder, ids_file, ids.shape[0], dtype, out)
        return torch.from_numpy(np.fromfile(out, dtype="<f4")).view(*ids.shape, -1)


def load(folder, dtype=torch.float32):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=True).eval()


def relative(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def greedy(model, ids, count, use_cache, **more):
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=count, do_sample=False, use_cache=use_cache, pad_token_id=0,
                             eos_token_id=None, **more)
    return out[0, ids.shape[1]:].tolist()


def check_folder(tool, name, folder):
    """Logits, decoding with and without cache, and a padded batch."""
    model = load(folder)
    ids = torch.randint(0, model.config.vocab_size, (2, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = model(ids).logits
        report(f"{name} logits", relative(our_logits(tool, folder, ids), theirs), LOGITS_BOUND)
        cached = model(ids[:, :13], use_cache=True)
        rest = model(ids[:, 13:], past_key_values=cached.past_key_values, use_cache=True).logits
        report(f"{name} logits in two pieces", relative(rest, theirs[:, 13:]), LOGITS_BOUND)
        padded = torch.cat([torch.zeros(2, 4, dtype=torch.long), ids], dim=1)
        mask = torch.cat([torch.zeros(2, 4, dtype=torch.long), torch.ones_like(ids)], dim=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        shifted = model(padded, attention_mask=mask, position_ids=positions).logits[:, 4:]
        report(f"{name} logits with padding", relative(shifted, theirs), LOGITS_BOUND)
    prompt = ids[:1, :6]
    without = greedy(model, prompt, 16, False)
    report(f"{name} generate with cache", float(greedy(model, prompt, 16, True) != without), 0)
    ours = [int(token) for token in run(tool, "generate", folder, 16, *prompt[0].tolist()).split()]
    report(f"{name} our generate", float(ours != without), 0)
    return model


def check_exports(tool):
    for source in ["llama_mha", "llama3_gqa", "llama_biases", "mistral_window", "qwen2_bias", "qwen3",
                   "stories260K"]:
        with tempfile.TemporaryDirectory() as scratch:
            for form in ["uniform", "custom"]:
                folder = pathlib.Path(scratch, f"{source}-{form}")
                run(tool, "export", MODELS / source, folder, form, "f32", 7)
                model = check_folder(tool, f"{source} {form}", folder)
                again = pathlib.Path(scratch, f"{source}-{form}-again")
                model.save_pretrained(again)
                ids = torch.arange(12)[None]
                with torch.no_grad():
                    report(f"{source} {form} saved by transformers, read by us",
                           relative(our_logits(tool, again, ids), model(ids).logits), LOGITS_BOUND)


def check_logits(tool, folder):
    if not pathlib.Path(folder, "config.json").exists():
        print(f"skipped: {folder} is not there (scripts/get_model makes it)")
        return
    model = load(folder)
    ids = torch.randint(0, model.config.vocab_size, (2, 256), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = model(ids).logits
    report(f"{folder} logits, fp32", relative(our_logits(tool, folder, ids), theirs), LOGITS_BOUND)
    report(f"{folder} logits, bf16", relative(our_logits(tool, folder, ids, "bf16"), theirs), 5e-2)


def check_losses(tool, folder, window, expectations):
    for expectation in expectations:
        count, loss = expectation.split("=")
        found = float(run(tool, "losses", folder, pathlib.Path(folder, "tinystories.tokens.u16"), window, count, "f32"))
        report(f"{folder}, {count} windows: {found:.6f} for {loss}", abs(found - float(loss)), 5e-5)


def main():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tool, command, *rest = sys.argv[1:]
    if command == "exports":
        check_exports(tool)
    elif command == "logits":
        check_logits(tool, *rest)
    elif command == "losses":
        check_losses(tool, rest[0], rest[1], rest[2:])
    else:
        sys.exit(__doc__)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
