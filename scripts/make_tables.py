#!/usr/bin/env python3
"""make_tables.py [--check]: writes the measured tables of README.md and docs/ from the files in docs/bench.

A table stands between `<!-- table NAME -->` and `<!-- /table -->`; NAME is a function of this file. With --check nothing is
written, and a page whose table says something else than its file is named (exit 1). Standard library only.
"""
import json
import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "docs" / "bench"
LOADS = {"uniform": "any tool that reads the original", "custom": "transformers, with the folder's own code"}
QUALITY_ORDER = ("uniform20", "uniform30", "uniform40", "custom20", "custom30", "custom40")
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def read(name):
    return json.loads((BENCH / f"{name}.json").read_text(encoding="utf-8"))


def markdown(header, rows, right):
    marks = "|" + "|".join("---:" if column in right else "---" for column in range(len(header))) + "|"
    lines = ["| " + " | ".join(row) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], marks, *lines[1:]]) + "\n"


def pair(ratio, digits=3):
    return " / ".join(f"{ratio[text]:.{digits if ratio[text] < 5 else 1}f}" for text in ("wiki", "books"))


def percent(fraction):
    return f"{100 * fraction:.1f} %"


def quality():
    """What goes with a removal, and where the result loads."""
    rows = []
    results = read("quality")["results"]
    for name in QUALITY_ORDER:
        result = results[name]
        kind = name.rstrip("0123456789")
        rows.append([f"CCE, `{kind}`", percent(result["removed_of_blocks"]), f"{result['ratio']['wiki']:.2f}",
                     f"{result['ratio']['books']:.2f}", LOADS[kind]])
    for known in read("baselines")["rows"]:
        if known["method"] == "MoDeGPT":
            rows.append(["MoDeGPT, its published code", f"{100 * known['removed']:.0f} %", f"{known['ratio']['wiki']:.2f}",
                         f"{known['ratio']['books']:.2f}", ""])
    return markdown(["format", "blocks' weights removed", "WikiText-2, ÷ dense", "books, ÷ dense", "loads in"], rows, {1, 2, 3})


def quality_full():
    rows = []
    results = read("quality")["results"]
    for name in QUALITY_ORDER:
        result = results[name]
        seconds = sum(value for stage, value in result["stage_seconds"].items() if stage != "evaluate")
        rows.append([result["title"], percent(result["removed_of_blocks"]), pair(result["ratio"]), f"{seconds:.0f}"])
    return markdown(["recipe", "blocks' weights removed", "÷ dense, WikiText-2 / books", "seconds"], rows, {1, 2, 3})


def others():
    by_method = {}
    for row in read("baselines")["rows"]:
        by_method.setdefault((row["method"], row["arxiv"]), {})[row["removed"]] = pair(row["ratio"], 2)
    rows = [[f"{method}, arXiv {arxiv}", *(ratios.get(removed, "") for removed in (0.2, 0.3, 0.4))]
            for (method, arxiv), ratios in by_method.items()]
    return markdown(["published code", "20 %", "30 %", "40 %"], rows, {1, 2, 3})


def ablation():
    rows = []
    done = read("ablation")["rows"]["custom30"]
    order = ("recipe", "target=none", "target=local", "equal_budgets", "sequences=16", "wiki_only", "gradients=64", "plain_covariance",
             "plain_covariance_64", "plain_scores", "plain_tokens", "block=1", "block=64", "lambda=0.01", "lambda=1", "similarity=0.3")
    reference = done["recipe"]["ratio"]
    for name in order:
        ratio = done[name]["ratio"]
        change = " / ".join(f"{100 * (ratio[text] / reference[text] - 1):+.1f} %" for text in ("wiki", "books"))
        rows.append([done[name]["title"], pair(ratio), "" if name == "recipe" else change])
    return markdown(["setting (`custom`, 30 %)", "÷ dense, WikiText-2 / books", "against the recipe"], rows, {1, 2})


def of_finetuning(names):
    done = read("finetune")["rows"]
    return [pair(done[name]["ratio"]) if name in done else "" for name in names]


def finetuning():
    rows = []
    for base, label in (("custom30", "`custom`, 30 %"), ("custom40", "`custom`, 40 %"), ("uniform30", "`uniform`, 31.2 %")):
        rows.append([label, *of_finetuning([base, f"{base}-refined", f"{base}-finetuned", f"{base}-both"])])
    seconds = {name: stages["stage_seconds"] for name, stages in read("finetune")["rows"].items()}
    plain = seconds["custom30"]["encode"]
    refined, both = seconds["custom30-refined"], seconds["custom30-both"]
    rows.append(["seconds of it (`custom`, 30 %)", "0", f"{refined['encode'] - plain:.0f}",
                 f"{seconds['custom30-finetuned']['finetune']:.0f}", f"{both['encode'] - plain + both['finetune']:.0f}"])
    return markdown(["", "training-free", "refined", "fine-tuned", "refined and fine-tuned"], rows, {1, 2, 3, 4})


def finetuning_terms():
    cells = of_finetuning([f"custom30-{name}" for name in ("terms", "alpha=0", "beta=0", "gamma=0", "kl=0")])
    return markdown(["every term", "without L_rec", "without L_sim", "without L_reg", "without KL"], [cells], {0, 1, 2, 3, 4})


def redistributions():
    targets = ("none", "random", "local", "error_aware")
    encoded = of_finetuning(["uniform30" if name == "error_aware" else f"uniform30-{name}" for name in targets])
    trained = of_finetuning([f"uniform30-{name}-finetuned" for name in targets])
    return markdown(["", "none", "random", "local targets", "error-aware"], [["as encoded", *encoded], ["fine-tuned", *trained]],
                    {1, 2, 3, 4})


def speed():
    header, *rows = read("speed")["summary"]
    return markdown(header[:5], [row[:5] for row in rows if not row[0].startswith("2 ranks,")], {1, 3, 4})


def speed_ranks():
    header, *rows = read("speed_ranks")["summary"]
    return markdown(header[:5], [row[:5] for row in rows], {1, 3, 4})


def memory():
    header, *rows = read("speed")["memory"]
    return markdown(header[:4], [row[:4] for row in rows], {1, 2, 3})


def families():
    """Every cell that scripts/conformance/family_matrix.py ran: a tiny random model each."""
    rows = []
    for name, row in read("families")["rows"].items():
        worst = max((value for key, value in row.items() if key.endswith("_difference")), default=None)
        cells = [row.get(cell, "not run") for cell in ("plan", "uniform", "custom")]
        rows.append([f"`{row['class']}`", name.replace("_", " "), *("yes" if cell == "ok" else cell for cell in cells),
                     "not measured" if worst is None else f"{worst:.0e}"])
    return markdown(["class", "model", "`cce plan`", "`uniform`, loads as its class", "`custom`, loads with its file",
                     "perplexity, cce against transformers"], rows, {5})


def tokenizers():
    """One core, a text of English books."""
    rows = [[row["name"], f"{row['tokens'] / row['seconds'] / 1e6:.1f}", f"{row['bytes'] / row['seconds'] / 1e6:.0f}",
             f"{row['load_seconds']:.1f}"] for row in read("tokenizers")["rows"]]
    return markdown(["tokenizer", "million tokens a second", "MB a second", "seconds to load"], rows, {1, 2, 3})


TABLES = {function.__name__.replace("_", "-"): function for function in (
    quality, quality_full, others, ablation, finetuning, finetuning_terms, redistributions, speed, speed_ranks, memory,
    families, tokenizers)}


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    problems = []
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        problems += [f"{page.relative_to(REPOSITORY)}: no table is called {name}" for _, name, _ in MARKED.findall(text)
                     if name not in TABLES]
        if problems:
            break
        made = MARKED.sub(lambda found: found.group(1) + TABLES[found.group(2)]() + found.group(3), text)
        if made != text and sys.argv[1:]:
            problems.append(f"{page.relative_to(REPOSITORY)}: a table is not docs/bench's: run scripts/make_tables.py")
        elif made != text:
            page.write_text(made, encoding="utf-8")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
