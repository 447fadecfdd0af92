#!/usr/bin/env python3
"""family_matrix.py [--cce FILE] [NAME...]: what each family's models can do here, and docs/bench/families.json from it.

For every tiny random model of model_goldens.py that is a family's own (not `custom`), in f32 on both sides:
  plan      `cce plan` takes it
  uniform   `cce compress` to 15 % less; the folder loads in transformers as the family's plain class
  custom    the same with widths of each layer; the folder loads with its own modelling file
  dense, uniform, custom perplexity: |cce / transformers - 1| on the same windows, at most 1e-4
The windows lie behind those that calibrate. Names choose rows; other rows keep what the file says of them. Ends with 1
where a cell fails. Needs torch, transformers and numpy. `scripts/make_tables.py` makes the table of docs/families.md.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers

import model_goldens

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs/bench/families.json"
LENGTH, CALIBRATION, HELD_OUT = 48, 24, 8
BOUND = 1e-4
SETTINGS = {"resources.precision": "f32", "export.dtype": "f32", "export.round_to": "8", "evaluate.samples": "0",
            "calibration.sequences": str(CALIBRATION), "resources.ranks": "1", "resources.threads": "1"}


def write_text(path, vocabulary):
    tokens = np.random.default_rng(7).integers(3, vocabulary, (CALIBRATION + HELD_OUT) * LENGTH)
    tokens.astype("<u2").tofile(path)
    return torch.from_numpy(tokens).view(-1, LENGTH)[-HELD_OUT:]


def run_cce(cce, command, model, text, scratch, *more):
    arguments = [cce, command, "--model", model, "--length", LENGTH, *more]
    for key, value in SETTINGS.items():
        arguments += ["--set", f"{key}={value}"]
    arguments += ["--set", f"calibration.text=[{{path: {text}, windows: '0:{CALIBRATION}'}}]",
                  "--set", f"evaluate.text=[{{path: {text}, name: held, windows: '-{HELD_OUT}:'}}]"]
    return subprocess.run(list(map(str, arguments)), cwd=scratch, capture_output=True, text=True)


def perplexity(folder, windows):
    """Of the model as transformers loads it, and the name of its class."""
    model, said = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=True, attn_implementation="eager" if not
        (pathlib.Path(folder) / "modeling_cce.py").exists() else "sdpa", output_loading_info=True)
    left_over = {kind: names for kind, names in said.items() if names}
    if left_over:
        raise ValueError(f"transformers loads {folder} with {left_over}")
    with torch.no_grad():
        logits = model.eval()(input_ids=windows, use_cache=False).logits[:, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    return math.exp(losses.item()), type(model).__name__


def last_line(result):
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return lines[-1][:200] if lines else f"exit {result.returncode}"


def measure(cce, name, scratch):
    model = ROOT / "tests/data/models" / name
    config = json.loads((model / "config.json").read_text())
    text = pathlib.Path(scratch, "text.tokens.u16")
    windows = write_text(text, config["vocab_size"])
    row = {"class": config["architectures"][0]}
    planned = run_cce(cce, "plan", model, text, scratch, "--remove", 0.15)
    row["plan"] = "ok" if planned.returncode == 0 else last_line(planned)
    theirs, _ = perplexity(model, windows)
    for form in ("uniform", "custom"):
        out = pathlib.Path(scratch, f"{name}-{form}")
        result = run_cce(cce, "compress", model, text, scratch, "--remove", 0.15, "--format", form, "--out", out, "--quiet")
        if result.returncode != 0:
            row[form] = last_line(result)
            continue
        report = json.loads((out / "report.json").read_text())
        ours = report["evaluation"]["perplexity"]["held"]
        row["dense_difference"] = abs(ours["before"] / theirs - 1)
        try:
            reloaded, class_name = perplexity(out, windows)
            row[f"{form}_difference"] = abs(ours["after"] / reloaded - 1)
            plain = form == "custom" or class_name == row["class"]
            row[form] = "ok" if plain else f"loads as {class_name}"
        except Exception as error:  # whatever transformers says of the folder is the cell's content
            row[form] = f"{type(error).__name__}: {str(error)[:160]}"
    return row


def is_good(row):
    differences = [value for key, value in row.items() if key.endswith("_difference")]
    return all(row.get(cell) == "ok" for cell in ("plan", "uniform", "custom")) and len(differences) == 3 and max(differences) <= BOUND


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--cce", type=pathlib.Path, default=ROOT / "build/release/bin/cce")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    known = [model.__name__ for model in model_goldens.FAMILIES if not model.__name__.startswith("custom_")]
    names = arguments.names or known
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"family_matrix.py: no model {unknown[0]}; there are {', '.join(known)}")
    kept = json.loads(arguments.results.read_text())["rows"] if arguments.results.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            kept[name] = measure(arguments.cce.resolve(), name, scratch)
        print(f"{'ok  ' if is_good(kept[name]) else 'FAIL'} {name}: {json.dumps(kept[name])}", flush=True)
    rows = {name: kept[name] for name in known if name in kept}
    arguments.results.write_text(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__,
                                             "bound": BOUND, "rows": rows}, indent=1) + "\n")
    return 0 if all(is_good(rows[name]) for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())
