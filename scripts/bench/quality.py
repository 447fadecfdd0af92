#!/usr/bin/env python3
"""quality.py: what a compression costs, training-free, measured by the users' own tools.

For every recipe of the protocol: `cce compress`, then perplexity of the exported folder on the development windows
through transformers in bf16 (trust_remote_code for custom), divided by the dense model's. Prints a table beside the bars
to reach and the best published figures (other held-out windows of the same texts), writes docs/bench/quality.json.

  --reuse      keep compressed folders that are there, and evaluations of folders that have not changed
  --fast       leave out cce's own evaluation
"""
import argparse
import hashlib
import pathlib

import bench_tools as tools
import protocol as protocols

TEXT_NAMES = {"wiki": "WikiText-2", "books": "books"}


def folder_digest(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")) + [folder / "config.json"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def evaluate(arguments, protocol, folder, known):
    """{"digest", "perplexity"} of a folder through transformers; `known` is kept where the digest is the same."""
    digest = folder_digest(folder)
    if arguments.reuse and known.get("digest") == digest:
        return known
    answer = tools.ask_transformers(arguments, {
        "do": "perplexity", "folder": str(folder), "texts": tools.text_request(protocol.evaluation),
        "length": protocol.length, "dtype": "bfloat16", "threads": arguments.torch_threads})
    return {"digest": digest, "perplexity": answer["perplexity"]}


def is_of(report, case):
    return report.get("target", {}).get("requested") == case.remove and report.get("format") == case.export_format


def compressed(arguments, protocol, case, known):
    """The folder of a case, its report, and the digest of the program that made it."""
    folder = arguments.work / "runs" / case.name
    report = tools.read_json(folder / "report.json")
    if arguments.reuse and is_of(report, case):
        return folder, report, known.get("program", "unknown")
    settings = ["evaluate.text=[]"] if arguments.fast else []
    recipe = protocols.write_recipe(protocol, case, arguments.work)
    return folder, tools.compress(arguments, recipe, folder, settings), tools.program_digest(arguments.cce)


def result_of(case, report, evaluation, dense):
    blocks = report["params"]["blocks"]
    own = report.get("evaluation", {}).get("perplexity", {})
    widths = [layer["ffn"] for layer in report["plan"]["layers"]]
    return {
        "title": case.title,
        "removed_of_blocks": 1 - blocks["after"] / blocks["before"],
        "ffn_widths": sorted(set(widths)) if case.export_format == "uniform" else widths,
        "perplexity": evaluation["perplexity"],
        "ratio": {name: value / dense["perplexity"][name] for name, value in evaluation["perplexity"].items()},
        "ratio_by_cce_evaluate": {name: pair["after"] / pair["before"] for name, pair in own.items()},
        "bars": case.bars, "published": case.published,
        "stage_seconds": {name: stage["seconds"] for name, stage in report["stages"].items()},
        "digest": evaluation["digest"],
    }


def table(document):
    both = " / ".join(TEXT_NAMES.values())
    rows = [["recipe", "removed", f"÷ dense, {both}", "bar", "best published", "by cce evaluate"]]

    def pair(values):
        return "" if not values else " / ".join(f"{value:.3f}" for value in values)

    for result in document["results"].values():
        ratio = list(result["ratio"].values())
        bars = result["bars"]
        verdict = "" if not bars else " ok" if all(a <= b for a, b in zip(ratio, bars)) else " above"
        rows.append([result["title"], f"{100 * result['removed_of_blocks']:.1f} %", pair(ratio),
                     ("" if not bars else f"{bars[0]:.2f} / {bars[1]:.2f}") + verdict,
                     "" if not result["published"] else f"{result['published'][0]:.2f} / {result['published'][1]:.2f}",
                     pair(result["ratio_by_cce_evaluate"].values())])
    return tools.markdown_table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols.add_arguments(parser)
    tools.add_run_arguments(parser)
    tools.add_python_argument(parser)
    parser.add_argument("--torch-threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="recipes by name, such as uniform30")
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--results", type=pathlib.Path)
    arguments = parser.parse_args()
    protocol = protocols.protocol_of(arguments)
    path = arguments.results or (arguments.work / "quality.json" if arguments.smoke
                                 else protocols.ROOT / "docs/bench/quality.json")
    document = tools.read_json(path)
    document["environment"] = tools.environment(arguments.cce)
    document["dense"] = evaluate(arguments, protocol, protocol.model, document.get("dense", {}))
    document.setdefault("results", {})
    for case in [protocol.case(name) for name in arguments.only] if arguments.only else protocol.cases:
        known = document["results"].get(case.name, {})
        folder, report, program = compressed(arguments, protocol, case, known)
        evaluation = evaluate(arguments, protocol, folder, known)
        document["results"][case.name] = result_of(case, report, evaluation, document["dense"]) | {"program": program}
        tools.write_json(path, document)
    print("dense: " + ", ".join(f"{TEXT_NAMES[name]} {value:.3f}" for name, value in document["dense"]["perplexity"].items()))
    print(table(document))


if __name__ == "__main__":
    main()
