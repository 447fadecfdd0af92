#!/usr/bin/env python3
"""protocol.py [--data DIR] [--model DIR] [--work DIR]: files and recipes of the reference protocol, written below WORK.

Model: SmolLM2-135M-Instruct as scripts/get_model makes it. Calibration `mixed`, 64 windows of 1024 tokens: the first 32
of wikitext2.valid.tokens, the first 24 of books_calibration.txt, the first 8 of AG News (`title. text`, one item a line,
file order). Development windows: the last 48 of wikitext2.valid.tokens, the first 16 of books_eval.txt. No BOS is added;
a window predicts its tokens 1..1023 from 0..1022.

DATA (default: the environment's CCE_DATA) holds text/wikitext2.valid.tokens, text/books_calibration.txt,
text/books_eval.txt and tasks/ag_news.csv. `--smoke` writes the same recipes for a tiny model that the repository holds;
they run in seconds and show only that everything is in place.
"""
import argparse
import csv
import dataclasses
import itertools
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEWS_ITEMS = 1000  # 8 windows take about 170


@dataclasses.dataclass(frozen=True)
class Text:
    """A text and the windows of it that are used, [first, last) as in Python."""
    name: str
    path: pathlib.Path
    first: int
    last: int | None

    def windows(self):
        return f"{self.first}:{'' if self.last is None else self.last}"


@dataclasses.dataclass(frozen=True)
class Case:
    """One recipe, and what the table says about it."""
    name: str
    title: str
    structures: str
    export_format: str
    remove: float
    ffn_width: int | None = None       # uniform: the width that has to come out
    bars: tuple | None = None          # perplexity ÷ dense to reach, WikiText-2 and books
    published: tuple | None = None     # best published code at that size (fraction of the blocks rounded), the same two


@dataclasses.dataclass(frozen=True)
class Protocol:
    name: str
    model: pathlib.Path
    calibration: tuple
    evaluation: tuple
    length: int
    sequences: int
    gradient_sequences: int
    round_to: int
    cases: tuple

    def case(self, name):
        for case in self.cases:
            if case.name == name:
                return case
        sys.exit(f"protocol: no recipe {name}; there are {', '.join(case.name for case in self.cases)}")


PUBLISHED = {20: (1.44, 1.44), 30: (2.05, 2.20), 40: (2.98, 3.11)}


def reference_cases():
    uniform = [(20, 0.21, 1088, (1.30, 1.26)), (30, 0.30, 896, (1.52, 1.47)), (40, 0.40, 704, (1.85, 1.78))]
    custom = [(20, (1.24, 1.20)), (30, (1.44, 1.39)), (40, (1.76, 1.66))]
    return (*(Case(f"uniform{percent}", f"uniform, FFN {width}", "[ffn]", "uniform", remove, width, bars, PUBLISHED[percent])
              for percent, remove, width, bars in uniform),
            *(Case(f"custom{percent}", f"custom, {percent} %", "[ffn, vo, qk]", "custom", percent / 100, None, bars,
                   PUBLISHED[percent]) for percent, bars in custom))


def write_if_new(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def news_text(source, items=NEWS_ITEMS):
    """AG News as `title. text`, one item a line; items: the first so many, None for all."""
    with open(source, newline="", encoding="utf-8") as file:
        rows = list(itertools.islice(csv.reader(file), items))
    return "".join(f"{title}. {text}\n" for _, title, text in rows)


def reference_protocol(model, data, work):
    sources = {name: data / name for name in ("text/wikitext2.valid.tokens", "text/books_calibration.txt",
                                              "text/books_eval.txt", "tasks/ag_news.csv")}
    for path in sources.values():
        if not path.is_file():
            sys.exit(f"protocol: no file {path}.\nName the folder that holds text/ and tasks/ with --data or CCE_DATA.")
    wiki, news = sources["text/wikitext2.valid.tokens"], work / "ag_news.txt"
    write_if_new(news, news_text(sources["tasks/ag_news.csv"]))
    return Protocol(
        "reference", model,
        (Text("wiki", wiki, 0, 32), Text("books", sources["text/books_calibration.txt"], 0, 24), Text("news", news, 0, 8)),
        (Text("wiki", wiki, -48, None), Text("books", sources["text/books_eval.txt"], 0, 16)),
        length=1024, sequences=64, gradient_sequences=64, round_to=64, cases=reference_cases())


def smoke_protocol():
    model = ROOT / "tests/data/models/stories260K"
    tokens = model / "tinystories.tokens.u16"
    cases = (Case("uniform30", "uniform, 30 %", "[ffn]", "uniform", 0.3), Case("custom30", "custom, 30 %", "[ffn, vo, qk]", "custom", 0.3))
    return Protocol("smoke", model, (Text("wiki", tokens, 0, 64),),
                    (Text("wiki", tokens, -8, None), Text("books", tokens, -12, -8)),
                    length=128, sequences=64, gradient_sequences=16, round_to=4, cases=cases)


def text_lines(texts, indent):
    if not texts:
        return " []"
    return "".join(f"\n{indent}- {{path: {json.dumps(str(text.path))}, name: {text.name}, windows: \"{text.windows()}\"}}"
                   for text in texts)


def recipe_text(protocol, case, output, evaluation=None):
    """The recipe of a case as YAML. evaluation: other texts than the protocol's."""
    evaluation = protocol.evaluation if evaluation is None else evaluation
    return f"""# {case.title}: written by scripts/bench/protocol.py
model: {json.dumps(str(protocol.model))}
output: {json.dumps(str(output))}
calibration:
  length: {protocol.length}
  sequences: {protocol.sequences}
  gradient_sequences: {protocol.gradient_sequences}
  text:{text_lines(protocol.calibration, "    ")}
target: {{remove_params: {case.remove}}}
structures: {case.structures}
export: {{format: {case.export_format}, round_to: {protocol.round_to}}}
evaluate:
  samples: 0
  text:{text_lines(evaluation, "    ")}
"""


def write_recipe(protocol, case, work):
    path = work / "recipes" / f"{case.name}.yaml"
    write_if_new(path, recipe_text(protocol, case, work / "runs" / case.name))
    return path


def add_arguments(parser):
    """What every script here asks for."""
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("CCE_DATA"), help="folder of the texts [CCE_DATA]")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/smollm2-135m")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench", help="folder for what is made on the way")
    parser.add_argument("--smoke", action="store_true", help="the repository's tiny model instead: seconds, no figures")


def protocol_of(arguments):
    arguments.work = arguments.work.resolve() / ("smoke" if arguments.smoke else "")
    if arguments.smoke:
        return smoke_protocol()
    if arguments.data is None:
        sys.exit("protocol: no texts.\nName the folder that holds text/ and tasks/ with --data or CCE_DATA.")
    if not (arguments.model / "config.json").is_file():
        sys.exit(f"protocol: no checkpoint in {arguments.model}.\nRun scripts/get_model, or name one with --model.")
    return reference_protocol(arguments.model.resolve(), pathlib.Path(arguments.data).resolve(), arguments.work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    protocol = protocol_of(arguments)
    for case in protocol.cases:
        print(write_recipe(protocol, case, arguments.work))


if __name__ == "__main__":
    main()
