#!/usr/bin/env python3
"""speed.py: how long things take beside one forward pass of transformers, interleaved in one run.

Parts (--parts, default all), each repeated --repeats times in turn with the others; medians are compared, never figures
of different runs:
  forward     one fp32 forward pass of transformers over the calibration tokens, logits included, 2 threads
  compress    calibrate + analyze + make_plan + encode of report.json (loaded → encoded), recipe uniform30,
              1 rank × 2 threads and 2 ranks × 1 thread; ratio to `forward`
  evaluate    the evaluate stage of `cce evaluate` on the dense model, 2 ranks × 1 thread; forward passes and losses of
              transformers in bf16 on the same windows, 2 threads; ratio transformers / cce
  ranks       the stages on 1 rank pinned to one core, and on 2 ranks on two cores; ratio per stage
  memory      peak memory of report.json (largest rank) against `cce plan`'s forecast, from the runs above
Figures mean something only on an idle machine: the load average before each run is kept with it.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

import bench_tools as tools
import protocol as protocols

COMPUTE_STAGES = ("calibrate", "analyze", "make_plan", "encode")
# Which parts need which kind of run.
NEEDS = {"forward": ("forward",), "compress": ("forward", "1x2", "2x1"), "evaluate": ("torch_bf16", "cce_evaluate"),
         "ranks": ("1x1", "2x1"), "memory": ("1x2", "2x1")}


def transformers_run(arguments, protocol, what, dtype, texts):
    answer = tools.ask_transformers(arguments, {
        "do": what, "folder": str(protocol.model), "texts": tools.text_request(texts), "length": protocol.length,
        "dtype": dtype, "threads": 2, "batch": arguments.batch}, cores=arguments.cores)
    return {"seconds": answer["seconds"]}


def compress_run(arguments, recipe, ranks, threads):
    cores = arguments.cores[:ranks * threads]
    settings = ["evaluate.text=[]"]
    report = tools.compress(arguments, recipe, arguments.work / "runs" / "speed", settings, cores, ranks, threads,
                            "cores" if len(cores) > 1 else "none")
    plan = subprocess.run([arguments.cce, "plan", recipe, "--ranks", str(ranks), "--threads", str(threads),
                           "--set", settings[0], "--json"], check=True, capture_output=True, text=True)
    forecast = max(rank["peak_bytes"] for rank in json.loads(plan.stdout)["partition"]["forecast"])
    stages = {name: stage["seconds"] for name, stage in report["stages"].items()}
    return {"seconds": sum(stages[name] for name in COMPUTE_STAGES), "stages": stages,
            "peak_bytes": max(stage["peak_bytes"] for stage in report["stages"].values()), "forecast_bytes": forecast}


def evaluate_run(arguments, protocol):
    texts = "[" + ", ".join(f'{{path: "{text.path}", name: {text.name}, windows: "{text.windows()}"}}'
                            for text in protocol.evaluation) + "]"
    report = tools.run_cce(
        [arguments.cce, "evaluate", protocol.model, "--length", protocol.length, "--ranks", 2, "--threads", 1,
         "--bind", "cores", "--set", "evaluate.samples=0", "--set", f"evaluate.text={texts}"],
        arguments.work / "runs" / "speed-evaluate.job", arguments.cores)
    return {"seconds": report["stages"]["evaluate"]["seconds"]}


def measure(arguments, protocol, kinds, document, path):
    recipe = protocols.write_recipe(protocol, protocol.case("uniform30"), arguments.work)
    run = {
        "forward": lambda: transformers_run(arguments, protocol, "forward", "float32", protocol.calibration),
        "torch_bf16": lambda: transformers_run(arguments, protocol, "perplexity", "bfloat16", protocol.evaluation),
        "cce_evaluate": lambda: evaluate_run(arguments, protocol),
        "1x2": lambda: compress_run(arguments, recipe, 1, 2),
        "2x1": lambda: compress_run(arguments, recipe, 2, 1),
        "1x1": lambda: compress_run(arguments, recipe, 1, 1),
    }
    for _ in range(arguments.repeats):
        for kind in kinds:
            load = round(os.getloadavg()[0], 2)
            document["runs"].setdefault(kind, []).append(run[kind]() | {"load_average_before": load})
            print(kind, {key: value for key, value in document["runs"][kind][-1].items() if key != "stages"}, flush=True)
            tools.write_json(path, document)


def median_seconds(document, kind, stage=None):
    runs = document["runs"].get(kind, [])
    return statistics.median(run["seconds"] if stage is None else run["stages"][stage] for run in runs) if runs else None


def summary(document):
    """Rows of (what, seconds, compared with, seconds, ratio, wanted)."""
    rows = [["what", "seconds", "against", "seconds", "ratio", "wanted"]]

    def compare(what, seconds, against, other, ratio, wanted=""):
        if seconds is not None and other is not None:
            rows.append([what, f"{seconds:.2f}", against, f"{other:.2f}", f"{ratio(seconds, other):.2f}", wanted])

    narrow = any(name in document["environment"]["cpu"] for name in ("avx512_bf16", "amx_bf16"))
    bar = "≤ 2.00" if narrow else "≤ 3.50"
    forward = median_seconds(document, "forward")
    for kind, title in (("1x2", "1 rank × 2 threads"), ("2x1", "2 ranks × 1 thread")):
        compare(f"compress uniform 30 %, {title}", median_seconds(document, kind), "fp32 forward, transformers",
                forward, lambda a, b: a / b, bar)
    compare("cce evaluate, dense", median_seconds(document, "cce_evaluate"), "transformers, bf16",
            median_seconds(document, "torch_bf16"), lambda a, b: b / a, "≥ 1.00")
    if document["runs"].get("1x1"):
        for stage in (None, *COMPUTE_STAGES):
            compare(f"2 ranks, {stage or 'all compute stages'}", median_seconds(document, "2x1", stage), "1 rank, one core",
                    median_seconds(document, "1x1", stage), lambda a, b: b / a, "≥ 1.80")
    return rows


def memory_rows(document):
    rows = [["run", "peak of a rank", "forecast", "peak ÷ forecast", "wanted"]]
    for kind in ("1x1", "1x2", "2x1"):
        if runs := document["runs"].get(kind):
            peak, forecast = max(run["peak_bytes"] for run in runs), runs[-1]["forecast_bytes"]
            rows.append([f"{kind[0]} rank(s) × {kind[2]} thread(s)", f"{peak / 2**20:.0f} MiB", f"{forecast / 2**20:.0f} MiB",
                         f"{peak / forecast:.2f}", "0.75 to 1.25"])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols.add_arguments(parser)
    tools.add_run_arguments(parser)
    tools.add_python_argument(parser)
    parser.add_argument("--parts", nargs="+", choices=list(NEEDS), default=list(NEEDS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4, help="windows in one of transformers' forward passes")
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1], help="two cores that nothing else uses")
    parser.add_argument("--results", type=pathlib.Path)
    arguments = parser.parse_args()
    protocol = protocols.protocol_of(arguments)
    path = arguments.results or (arguments.work / "speed.json" if arguments.smoke
                                 else protocols.ROOT / "docs/bench/speed.json")
    document = {"environment": tools.environment(arguments.cce), "batch": arguments.batch, "runs": {}}
    kinds = list(dict.fromkeys(kind for part in arguments.parts for kind in NEEDS[part]))
    measure(arguments, protocol, kinds, document, path)
    document["summary"], document["memory"] = summary(document), memory_rows(document)
    tools.write_json(path, document)
    print(document["environment"]["cpu"])
    print(tools.markdown_table(document["summary"]))
    if len(document["memory"]) > 1:
        print(tools.markdown_table(document["memory"]))


if __name__ == "__main__":
    main()
