#!/usr/bin/env python3
"""finetune.py: what refinement and fine-tuning recover, and what each part of them is worth.

A row is one compression of the protocol, perhaps refined inside encode, perhaps fine-tuned against the dense model. Rows
are run one after another and written to docs/bench/finetune.json as they finish; rows that are there are not run again
(--again ROW runs one anew). Compressed folders below WORK/finetune are kept and shared by the rows that start from them.
Perplexities are those of cce's own evaluation, divided by the dense model's, on the development windows; with --python
also through transformers in bf16 on the exported folder.

Training text: half WikiText-2 valid without its last 48 windows, half books_finetune.txt. A recovery row trains on at most
300,000 tokens, refinement included; the rows that compare redistributions and terms train on a third of that, each beside
a row of its own that has everything. The learning rates were chosen by hand on these windows, one per recipe.

  --list           rows by name
  --rows NAME…     only these, in this order
  --print          only print the tables of what is there
"""
import argparse
import dataclasses
import json
import pathlib
import shutil
import sys

import bench_tools as tools
import protocol as protocols

RECOVERY_TOKENS, COMPARISON_TOKENS = 299_008, 98_304  # whole steps of 4096 tokens
REFINE_STEPS, REFINE_TOKENS = 20, 4096
DEVELOPMENT_WINDOWS = 48
LEARNING_RATES = {"custom30": 4e-4, "uniform30": 6e-4, "custom40": 6e-4}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    base: str
    title: str
    encode: tuple = ()
    finetune: tuple | None = None
    refines: bool = False
    tokens: int = RECOVERY_TOKENS

    def encode_settings(self):
        refinement = (f"encode.refine_steps={REFINE_STEPS}", f"encode.refine_batch_tokens={REFINE_TOKENS}")
        return self.encode + (refinement if self.refines else ())

    def compressed_name(self):
        return "-".join([self.base, *(setting.split(".")[-1] for setting in self.encode), *(["refined"] if self.refines else [])])


def bars_of(base):
    return {"custom30": (1.25, 1.30), "custom40": (1.45, 1.52), "uniform30": (1.28, 1.40)}.get(base)


def recovery_rows(base):
    yield Row(f"{base}", base, "training-free")
    yield Row(f"{base}-refined", base, "refined", refines=True)
    yield Row(f"{base}-finetuned", base, "fine-tuned", finetune=())
    yield Row(f"{base}-both", base, "refined and fine-tuned", finetune=(), refines=True)


def redistribution_rows(base):
    for target, title in (("none", "no redistribution"), ("random", "random"), ("local", "local targets"),
                          ("error_aware", "error-aware")):
        setting = () if target == "error_aware" else (f"encode.target={target}",)
        if setting:
            yield Row(f"{base}-{target}", base, title, encode=setting)
        yield Row(f"{base}-{target}-finetuned", base, f"{title}, fine-tuned", encode=setting, finetune=(),
                  tokens=COMPARISON_TOKENS)


def term_rows(base):
    yield Row(f"{base}-terms", base, "fine-tuned with every term", finetune=(), tokens=COMPARISON_TOKENS)
    for term, title in (("alpha", "L_rec"), ("beta", "L_sim"), ("gamma", "L_reg"), ("kl", "KL")):
        yield Row(f"{base}-{term}=0", base, f"fine-tuned without {title}", finetune=(f"finetune.{term}=0",),
                  tokens=COMPARISON_TOKENS)


ROWS = (*recovery_rows("custom30"), *recovery_rows("uniform30"), *recovery_rows("custom40"),
        *redistribution_rows("uniform30"), *term_rows("custom30"))


def training_texts(arguments, protocol):
    """[(path, windows)], each of which gets the same share of the tokens."""
    if arguments.smoke:
        return [(protocol.calibration[0].path, "0:128")]
    data = pathlib.Path(arguments.data).resolve()
    return [(data / "text/wikitext2.valid.tokens", f"0:-{DEVELOPMENT_WINDOWS}"), (data / "text/books_finetune.txt", ":")]


def learning_rate(arguments, row):
    return arguments.learning_rate or LEARNING_RATES.get(row.base, 3e-4)


def finetune_settings(arguments, protocol, row):
    texts = [{"path": str(path), "name": path.stem, "windows": windows} for path, windows in training_texts(arguments, protocol)]
    tokens = row.tokens - (REFINE_STEPS * REFINE_TOKENS if row.refines else 0)
    if arguments.smoke:
        tokens = 20 * arguments.batch_tokens
    return (f"finetune.text={json.dumps(texts)}", f"finetune.max_tokens={tokens}",
            f"finetune.batch_tokens={arguments.batch_tokens}", f"finetune.learning_rate={learning_rate(arguments, row)}",
            "evaluate.text=[]", *arguments.set, *row.finetune)


def compressed(arguments, protocol, row):
    """The folder that the row starts from and its report; one that this program made is used again."""
    folder = arguments.work / "finetune" / row.compressed_name()
    program, made_by = tools.program_digest(arguments.cce), folder.with_name(folder.name + ".program")
    report = tools.read_json(folder / "report.json")
    again = row.finetune is None and row.name in arguments.again
    if not report or again or not made_by.is_file() or made_by.read_text() != program:
        recipe = arguments.work / "recipes" / f"finetune-{row.compressed_name()}.yaml"
        protocols.write_if_new(recipe, protocols.recipe_text(protocol, protocol.case(row.base), folder))
        report = tools.compress(arguments, recipe, folder, (*row.encode_settings(), "evaluate.text=[]"))
        shutil.rmtree(folder.with_name(folder.name + ".job"), ignore_errors=True)
        made_by.write_text(program)
    return folder, report


def finetuned(arguments, protocol, row, start):
    folder = arguments.work / "finetune" / f"{row.name}-trained"
    command = [arguments.cce, "finetune", start, "--teacher", protocol.model, "--length", protocol.length, "--ranks", arguments.ranks,
               "--threads", arguments.threads, "--out", folder, "--force"]
    for setting in finetune_settings(arguments, protocol, row):
        command += ["--set", setting]
    report = tools.run_cce(command, folder.with_name(folder.name + ".job"))
    shutil.rmtree(folder.with_name(folder.name + ".job"), ignore_errors=True)
    return folder, report


def perplexities(arguments, protocol, folder):
    """Of a folder by cce's own evaluation, on the development windows."""
    texts = [{"path": str(text.path), "name": text.name, "windows": text.windows()} for text in protocol.evaluation]
    command = [arguments.cce, "evaluate", folder, "--length", protocol.length, "--ranks", arguments.ranks,
               "--threads", arguments.threads, "--set", f"evaluate.text={json.dumps(texts)}", "--set", "evaluate.samples=0"]
    job = arguments.work / "finetune" / "evaluate.job"
    found = tools.run_cce(command, job)["evaluation"]["perplexity"]
    shutil.rmtree(job, ignore_errors=True)
    return {name: pair["before"] for name, pair in found.items()}


def through_transformers(arguments, protocol, folder):
    answer = tools.ask_transformers(arguments, {
        "do": "perplexity", "folder": str(folder), "texts": tools.text_request(protocol.evaluation),
        "length": protocol.length, "dtype": "bfloat16", "threads": arguments.ranks * arguments.threads})
    return answer["perplexity"]


def run_row(arguments, protocol, row, document):
    folder, report = compressed(arguments, protocol, row)
    seconds = {name: stage["seconds"] for name, stage in report["stages"].items()}
    result = {"title": row.title, "base": row.base, "settings": list(row.encode_settings())}
    tokens = REFINE_STEPS * REFINE_TOKENS if row.refines else 0
    if row.finetune is not None:
        folder, trained = finetuned(arguments, protocol, row, folder)
        seconds["finetune"] = trained["stages"]["finetune"]["seconds"]
        run = trained["finetuning"]
        tokens += int(trained["stages"]["finetune"]["tokens"])
        result |= {"settings": result["settings"] + list(arguments.set) + list(row.finetune),
                   "batch_tokens": arguments.batch_tokens, "learning_rate": learning_rate(arguments, row),
                   "steps": run["step"], "peak_bytes": trained["stages"]["finetune"]["peak_bytes"],
                   "first": run["curve"][0], "last": run["curve"][-1]}
    if "dense" not in document:
        document["dense"] = perplexities(arguments, protocol, protocol.model)
    after = perplexities(arguments, protocol, folder)
    result |= {"training_tokens": tokens, "ratio": {name: after[name] / document["dense"][name] for name in after},
               "stage_seconds": seconds, "program": tools.program_digest(arguments.cce)}
    if arguments.python:
        if "dense_through_transformers" not in document:
            document["dense_through_transformers"] = through_transformers(arguments, protocol, protocol.model)
        dense, found = document["dense_through_transformers"], through_transformers(arguments, protocol, folder)
        result["ratio_through_transformers"] = {name: found[name] / dense[name] for name in found}
    return result


def table(document):
    rows = [["recipe", "", "WikiText-2 / books ÷ dense", "through transformers", "bar", "training tokens", "seconds of it"]]

    def pair(values):
        return " / ".join(f"{value:.3f}" for value in values.values()) if values else ""

    for row in ROWS:
        done = document["rows"].get(row.name)
        if not done:
            continue
        bars = bars_of(row.base) if row.finetune is not None and row.tokens == RECOVERY_TOKENS else None
        seconds = done["stage_seconds"].get("finetune", 0.0)
        if row.refines:
            plain = document["rows"].get(row.base, {}).get("stage_seconds", {}).get("encode", 0.0)
            seconds += done["stage_seconds"]["encode"] - plain
        rows.append([row.base, row.title, pair(done["ratio"]), pair(done.get("ratio_through_transformers")),
                     "" if not bars else f"{bars[0]:.2f} / {bars[1]:.2f}", f"{done['training_tokens']:,}", f"{seconds:.0f}"])
    return tools.markdown_table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols.add_arguments(parser)
    tools.add_run_arguments(parser)
    parser.add_argument("--python", help="a Python with torch, transformers and tokenizers: exported folders are evaluated there too")
    tools.add_row_arguments(parser)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--learning-rate", type=float, help="for every row, instead of its recipe's own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every fine-tuning")
    arguments = parser.parse_args()
    rows = tools.selected_rows(arguments, ROWS, "finetune")
    if not rows:
        return
    path = tools.results_path(arguments, "finetune")
    document = tools.read_json(path) or {"rows": {}}
    if not arguments.print:
        protocol = protocols.protocol_of(arguments)
        document["environment"] = tools.environment(arguments.cce)
        document["windows"] = {text.name: text.windows() for text in protocol.evaluation}
        known_bases = {case.name for case in protocol.cases}
        for row in rows:
            if row.base in known_bases and (row.name not in document["rows"] or row.name in arguments.again):
                document["rows"][row.name] = run_row(arguments, protocol, row, document)
                tools.write_json(path, document)
    print(table(document))


if __name__ == "__main__":
    main()
