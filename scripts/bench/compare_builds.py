#!/usr/bin/env python3
"""compare_builds.py RECIPE --before CCE --after CCE [--pairs 7] [--set KEY=VALUE...] [--out DIR]

Runs one compression with two builds in turn, each beside its own cce-worker, and says
  - which of the results' files differ, byte for byte (config, weights, tokenizer, plan),
  - which keys of report.json differ, besides what a clock, a memory meter or a build's name decides,
  - after / before in seconds, a pair at a time: the median, the smallest and the largest.
Every second pair starts with the other build, so that a machine that slows down favours neither. Ends with 1 where
bytes differ. Only an idle machine's ratios mean something: the load average before each pair is printed.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

# What may differ between two builds that compute the same.
MEASURED = {"seconds", "peak_bytes", "code_version", "build", "warnings", "numerics", "output"}
REPORTED = {"report.json", "report.html", "README.md", "recipe.yaml", "SHA256SUMS"}


def run(cce, recipe, folder, settings):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [cce, "compress", recipe, "--out", folder / "out", "--job", folder / "job", "--quiet"]
    for setting in settings:
        command += ["--set", setting]
    started = time.monotonic()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in REPORTED}


def differing_keys(before, after, path=""):
    """Paths at which two reports differ: values that changed and keys that are gone; keys that are new are allowed."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before:
            if key in MEASURED:
                continue
            if key not in after:
                yield f"{path}.{key} (gone)"
            else:
                yield from differing_keys(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from differing_keys(one, other, f"{path}[{index}]")
    elif before != after:
        yield path


def compare_results(before, after):
    one, other = digests(before / "out"), digests(after / "out")
    different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    print("bytes: " + ("the same in " + ", ".join(one) if not different else "DIFFERENT in " + ", ".join(different)))
    reports = [json.loads((folder / "out" / "report.json").read_text()) for folder in (before, after)]
    keys = collections.Counter(re.sub(r"\[\d+\]", "[]", key) for key in differing_keys(*reports))
    print("report.json: " + ("differs at" if keys else "the same but for what is measured and what is new"))
    for key, count in keys.items():
        print(f"  {key}" + (f" ({count} places)" if count > 1 else ""))
    return not different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=pathlib.Path)
    parser.add_argument("--before", type=pathlib.Path, required=True, metavar="CCE")
    parser.add_argument("--after", type=pathlib.Path, required=True, metavar="CCE")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench/compare_builds"))
    arguments = parser.parse_args()

    programs = {"before": arguments.before.resolve(), "after": arguments.after.resolve()}
    ratios, are_equal = [], True
    for pair in range(arguments.pairs):
        load = os.getloadavg()[0]
        order = ("before", "after") if pair % 2 == 0 else ("after", "before")
        seconds = {name: run(programs[name], arguments.recipe, arguments.out / name, arguments.set) for name in order}
        ratios.append(seconds["after"] / seconds["before"])
        print(f"pair {pair + 1}: before {seconds['before']:.2f} s, after {seconds['after']:.2f} s, ratio {ratios[-1]:.4f}, "
              f"load {load:.2f}", flush=True)
        if pair == 0:
            are_equal = compare_results(arguments.out / "before", arguments.out / "after")
    print(f"after / before: median {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}, "
          f"{len(ratios)} pairs")
    sys.exit(0 if are_equal else 1)


if __name__ == "__main__":
    main()
