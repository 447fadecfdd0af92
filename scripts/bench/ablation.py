#!/usr/bin/env python3
"""ablation.py: what moved the figure. One row is one compression that differs from the recipe in one setting.

Rows are run one after another and written to docs/bench/ablation.json as they finish; rows that are there are not run
again (--again ROW runs one anew), so the script can be stopped and started at will. Perplexities are those of cce's own
evaluation in report.json (bf16; quality.py holds the figures through transformers), on the development windows, or with
--fewer-windows on the last 24 and the first 8 of them. A row's difference counts against `recipe` of the same column and
the same windows.

All rows run with the default of a quarter of the sequences backward, unless the row says otherwise: a row then takes
minutes where the reference recipe, which runs all of them backward (row gradients=64), takes twice that.

  --list           rows by name
  --bases NAME…    recipes that the rows vary (default: uniform30 custom30)
  --rows NAME…     only these, in this order
  --print          only print the table of what is there
"""
import argparse
import dataclasses
import pathlib
import shutil
import sys

import bench_tools as tools
import protocol as protocols


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    settings: tuple = ()
    bases: tuple = ("uniform30", "custom30")
    texts: tuple | None = None  # (text, first, last) of another calibration mix


WIKI_ONLY = (("wiki", 0, 64),)
BASE_SETTINGS = ("calibration.gradient_sequences=16",)  # later settings of the same key win
REFERENCE_MIX = "32 WikiText-2, 24 books, 8 news"

ROWS = (
    Row("recipe", "the recipe, 16 of 64 sequences backward"),
    Row("lambda=0.1", "ridge λ fixed at 0.1", ("encode.ridge_lambda=0.1",)),
    Row("plain_covariance", "C not weighted by the gradient", ("encode.gradient_weighted_covariance=false",)),
    Row("plain_scores", "scores not weighted by the loss", ("encode.loss_weighted_scores=false",)),
    Row("target=none", "no refit: selected weights as they are", ("encode.target=none",)),
    Row("target=random", "no refit: a removed neuron's outputs go to a survivor drawn at random",
        ("encode.target=random",)),
    Row("target=local", "refit to local targets", ("encode.target=local",)),
    Row("plain_tokens", "ω = 1 for every token", ("encode.token_weights=false",)),
    Row("lambda=1", "ridge λ fixed at 1", ("encode.ridge_lambda=1",)),
    Row("lambda=0.01", "ridge λ fixed at 0.01", ("encode.ridge_lambda=0.01",)),
    Row("lambda=0.001", "ridge λ fixed at 0.001", ("encode.ridge_lambda=0.001",)),
    Row("block=1", "b = 1", ("encode.elimination_block=1",)),
    Row("block=4", "b = 4", ("encode.elimination_block=4",)),
    Row("block=64", "b = 64", ("encode.elimination_block=64",)),
    Row("sequences=32", "32 calibration sequences, 8 with gradients",
        ("calibration.sequences=32", "calibration.gradient_sequences=8")),
    Row("sequences=16", "16 calibration sequences, 4 with gradients",
        ("calibration.sequences=16", "calibration.gradient_sequences=4")),
    Row("wiki_only", "calibration on WikiText-2 alone, 64 sequences", texts=WIKI_ONLY),
    Row("gradients=8", "8 sequences with gradients", ("calibration.gradient_sequences=8",)),
    Row("gradients=64", "all 64 sequences with gradients", ("calibration.gradient_sequences=64",)),
    Row("plain_covariance_64", "all 64 sequences with gradients, C not weighted by them",
        ("calibration.gradient_sequences=64", "encode.gradient_weighted_covariance=false")),
    Row("equal_budgets", "equal budgets instead of water-filling", ("encode.equal_budgets=true",), ("custom30",)),
    Row("similarity=0.3", "similarity weight κ = 0.3", ("similarity.weight=0.3",), ("custom30",)),
    Row("similarity=0.6", "similarity weight κ = 0.6", ("similarity.weight=0.6",), ("custom30",)),
)


def fewer(texts):
    """The last 24 windows of WikiText-2, the first 8 of the books: half of the development windows."""
    return tuple(dataclasses.replace(text, first=-24) if text.first < 0 and text.last is None
                 else dataclasses.replace(text, last=min(text.last, 8)) for text in texts)


def with_mix(protocol, mix):
    if mix is None:
        return protocol
    paths = {text.name: text for text in protocol.calibration}
    texts = tuple(dataclasses.replace(paths[name], first=first, last=last) for name, first, last in mix)
    return dataclasses.replace(protocol, calibration=texts)


def run_row(arguments, protocol, base, row, evaluation):
    case = protocol.case(base)
    folder = arguments.work / "ablation" / f"{base}-{row.name}"
    recipe = arguments.work / "recipes" / f"ablation-{base}-{row.name}.yaml"
    protocols.write_if_new(recipe, protocols.recipe_text(with_mix(protocol, row.texts), case, folder, evaluation))
    report = tools.compress(arguments, recipe, folder, BASE_SETTINGS + row.settings)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder.with_name(folder.name + ".job"), ignore_errors=True)
    blocks = report["params"]["blocks"]
    perplexity = report["evaluation"]["perplexity"]
    return {
        "title": row.title, "settings": list(BASE_SETTINGS + row.settings), "removed_of_blocks": 1 - blocks["after"] / blocks["before"],
        "ratio": {name: pair["after"] / pair["before"] for name, pair in perplexity.items()},
        "perplexity": perplexity,
        "stage_seconds": {name: stage["seconds"] for name, stage in report["stages"].items()},
        "warnings": len(report["warnings"]), "program": tools.program_digest(arguments.cce),
    }


def table(document, bases):
    header = ["setting"]
    for base in bases:
        header += [f"{base}, WikiText-2 / books ÷ dense", "against the recipe"]
    rows = [header]
    for row in ROWS:
        cells = [row.title]
        for base in bases:
            done = document["rows"].get(base, {})
            if row.name not in done:
                cells += ["", ""]
                continue
            ratio = list(done[row.name]["ratio"].values())
            reference = list(done["recipe"]["ratio"].values()) if "recipe" in done else ratio
            cells += [" / ".join(f"{value:.3f}" for value in ratio),
                      "" if row.name == "recipe" else
                      " / ".join(f"{100 * (a / b - 1):+.1f} %" for a, b in zip(ratio, reference))]
        if any(cells[1:]):
            rows.append(cells)
    return tools.markdown_table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols.add_arguments(parser)
    tools.add_run_arguments(parser)
    parser.add_argument("--bases", nargs="+", default=["uniform30", "custom30"])
    tools.add_row_arguments(parser)
    parser.add_argument("--fewer-windows", action="store_true")
    arguments = parser.parse_args()
    rows = tools.selected_rows(arguments, ROWS, "ablation")
    if not rows:
        return
    path = tools.results_path(arguments, "ablation")
    document = tools.read_json(path) or {"rows": {}}
    if not arguments.print:
        protocol = protocols.protocol_of(arguments)
        evaluation = fewer(protocol.evaluation) if arguments.fewer_windows else protocol.evaluation
        document["environment"] = tools.environment(arguments.cce)
        document["windows"] = {text.name: text.windows() for text in evaluation}
        document["reference_mix"] = REFERENCE_MIX
        for row in rows:
            for base in arguments.bases:
                done = document["rows"].setdefault(base, {})
                if base in row.bases and (row.name not in done or row.name in arguments.again):
                    done[row.name] = run_row(arguments, protocol, base, row, evaluation)
                    tools.write_json(path, document)
                    print(base, row.name, done[row.name]["ratio"], flush=True)
    print(table(document, arguments.bases))


if __name__ == "__main__":
    main()
