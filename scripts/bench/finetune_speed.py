#!/usr/bin/env python3
"""finetune_speed.py: the time of a fine-tuning step, ours and a plain PyTorch loop's, in turns.

Student: a uniform folder (default: the one that finetune.py's row uniform30 leaves below WORK/finetune); teacher: the dense
model. L_rec and KL, bf16, recomputation, windows of 1024 tokens. Ours is the median over the run's curve, its first step
left out, of batch_tokens / tokens_per_second: on 2 ranks of one thread, and on 1 rank of one thread tied to one core.
PyTorch's is step_side.py with as many threads as cores, on random weights of the same shapes. Each is run --repeats times,
interleaved; the least of each counts. Writes docs/bench/finetune_speed.json. --smoke runs ours alone on the tiny model.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

import bench_tools as tools
import finetune
import protocol as protocols

STEPS = 5


def step_seconds(arguments, protocol, student, ranks):
    """The median step of a run of STEPS + 1, and the run's peak memory beside its forecast."""
    job = arguments.work / "finetune" / f"speed-{ranks}.job"
    texts = [{"path": str(path), "name": path.stem, "windows": windows}
             for path, windows in finetune.training_texts(arguments, protocol)]
    command = [arguments.cce, "finetune", student, "--teacher", protocol.model, "--length", protocol.length,
               "--ranks", ranks, "--threads", 1, "--set", f"finetune.text={json.dumps(texts)}",
               "--set", f"finetune.max_tokens={(STEPS + 1) * arguments.batch_tokens}",
               "--set", f"finetune.batch_tokens={arguments.batch_tokens}", "--set", "finetune.beta=0",
               "--set", "finetune.gamma=0", "--set", "evaluate.text=[]"]
    report = tools.run_cce(command, job, cores=list(range(ranks)))
    forecast = json.loads((job / "partition.json").read_text())["forecast"]
    curve = report["finetuning"]["curve"][1:]
    return {"step_seconds": statistics.median(arguments.batch_tokens / point["tokens_per_second"] for point in curve),
            "peak_bytes": report["stages"]["finetune"]["peak_bytes"],
            "forecast_bytes": max(rank["peak_bytes"] for rank in forecast)}


def torch_step_seconds(arguments, width, sequences):
    command = [arguments.python, str(tools.SCRIPTS / "step_side.py"), "--threads", str(arguments.ranks), "--width", str(width),
               "--sequences", str(sequences), "--steps", str(STEPS)]
    result = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"step ([\d.]+) ms", result.stdout)
    if result.returncode != 0 or not found:
        sys.exit(f"step_side.py ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return float(found.group(1)) / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols.add_arguments(parser)
    tools.add_run_arguments(parser)
    tools.add_python_argument(parser)
    parser.add_argument("--student", type=pathlib.Path)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--results", type=pathlib.Path)
    arguments = parser.parse_args()
    protocol = protocols.protocol_of(arguments)
    student = arguments.student or (protocol.model if arguments.smoke else arguments.work / "finetune/uniform30")
    if not (student / "config.json").is_file():
        sys.exit(f"finetune_speed: no checkpoint in {student}.\nRun finetune.py --rows uniform30, or name one with --student.")
    width = json.loads((student / "config.json").read_text())["intermediate_size"]
    sides = {"two_ranks": [], "one_rank": [], "torch": []}
    for _ in range(arguments.repeats):
        sides["two_ranks"].append(step_seconds(arguments, protocol, student, arguments.ranks))
        sides["one_rank"].append(step_seconds(arguments, protocol, student, 1))
        if not arguments.smoke:
            sides["torch"].append({"step_seconds": torch_step_seconds(arguments, width, arguments.batch_tokens // protocol.length)})
    least = {side: min(run["step_seconds"] for run in runs) for side, runs in sides.items() if runs}
    document = {"environment": tools.environment(arguments.cce), "batch_tokens": arguments.batch_tokens, "ffn_width": width,
                "runs": sides, "least_step_seconds": least, "one_to_two_ranks": least["one_rank"] / least["two_ranks"]}
    if "torch" in least:
        document["of_torch"] = least["two_ranks"] / least["torch"]
    path = arguments.results or (arguments.work / "finetune_speed.json" if arguments.smoke
                                 else protocols.ROOT / "docs/bench/finetune_speed.json")
    tools.write_json(path, document)
    for side, seconds in least.items():
        print(f"{side:10} {seconds:7.2f} s a step of {arguments.batch_tokens} tokens")
    print(f"1 -> 2 ranks: {document['one_to_two_ranks']:.2f} x" +
          (f"; of PyTorch's step: {document['of_torch']:.2f} x (bar 0.8)" if "torch" in least else ""))


if __name__ == "__main__":
    main()
