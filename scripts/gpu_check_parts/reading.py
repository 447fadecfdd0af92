"""What finished steps say: counts of tests, rates, reports of compressions, their agreement, and the goals that were set.
A reader raises where what it reads is not there or makes no sense: its step has failed then."""
import json
import math
import re
import shutil

# Perplexity of the same job on the CPU and on a GPU: rounding moves it, and by how much the ranks may (docs/method.md 4: 0.1 %) moves less.
LARGEST_RELATIVE_DIFFERENCE = 0.02
LARGEST_MEMORY_DEVIATION = 0.10  # of the measured peak from the forecast
SMALLEST_SHARE_OF_PEAK = 0.60    # of a large product's rate, in the rate that the device itself shows
LARGEST_SECONDS_7B = 60.0        # from loaded weights to encoded layers
TIMED_STAGES = ("calibrate", "analyze", "make_plan", "encode")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_tests(result_path, text=""):
    """Counts of a GoogleTest program from its JSON, and why it skipped from what it printed."""
    document = read_json(result_path)
    cases = [(f"{case['classname']}.{case['name']}", case) for suite in document["testsuites"] for case in suite["testsuite"]]
    skipped = [name for name, case in cases if case.get("result") == "SKIPPED"]
    failed = [name for name, case in cases if case.get("failures")]
    reasons = {reason.strip() for reason in re.findall(r": Skipped\n(.*)", text)} - {""}
    return {"run": len(cases) - len(skipped), "failed": failed, "skipped": len(skipped), "skipped_names": skipped,
            "skip_reasons": sorted(reasons)}


def read_rates(text):
    """Rows of cce-ops-bench: {name: {"milliseconds", "rate", "unit", and "share_of_peak" of products}}."""
    pattern = r"^(\S.*?)\s+([\d.]+) ms\s+([\d.]+) (GFLOP/s|GB/s)$"
    rows = {name: {"milliseconds": float(ms), "rate": float(rate), "unit": unit}
            for name, ms, rate, unit in re.findall(pattern, text, re.MULTILINE)}
    if not rows:
        raise ValueError("no rates in the output")
    peaks = {dtype: rows[f"peak {dtype} 8192^3"]["rate"] for dtype in ("bf16", "f32") if f"peak {dtype} 8192^3" in rows}
    for name, row in rows.items():
        dtype = next((word for word in name.split() if word in peaks), None)
        if dtype and row["unit"] == "GFLOP/s" and peaks[dtype] > 0.0:
            row["share_of_peak"] = row["rate"] / peaks[dtype]
    return rows


def memory_beside_forecast(stages, partition):
    """The largest rank's peak beside the largest forecast."""
    measured = max(stage["peak_bytes"] for stage in stages.values())
    forecast = max(rank["peak_bytes"] for rank in partition["forecast"])
    ratio = measured / forecast
    return {"peak_bytes": measured, "forecast_bytes": forecast, "ratio": ratio, "largest_deviation": LARGEST_MEMORY_DEVIATION,
            "passed": abs(ratio - 1.0) <= LARGEST_MEMORY_DEVIATION}


def read_compression(folder):
    """Quality, each stage's seconds and the memory beside its forecast. What it has read it keeps in the folder, and deletes
    the job and the result: their state and weights are tens of GB for a large model."""
    report, partition = read_json(folder / "result" / "report.json"), read_json(folder / "job" / "partition.json")
    stages = report["stages"]
    figures = {"perplexity": report["evaluation"]["perplexity"], "params": report["params"], "stages": stages,
               "seconds_calibrate_to_encode": sum(stages[stage]["seconds"] for stage in TIMED_STAGES),
               "memory": memory_beside_forecast(stages, partition), "warnings": report["warnings"]}
    for file in (folder / "result" / "report.json", folder / "job" / "partition.json"):
        shutil.copyfile(file, folder / file.name)
    for name in ("job", "result"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return figures


def relative_difference(values, reference):
    """The largest over the texts; None where they are not the same texts or one value is no number."""
    if values.keys() != reference.keys():
        return None
    pairs = [(values[text], reference[text]) for text in reference]
    if not all(isinstance(number, (int, float)) and math.isfinite(number) and number > 0.0 for pair in pairs for number in pair):
        return None
    return max(abs(value / expected - 1.0) for value, expected in pairs)


def agreement(results):
    """How far the small compression on the GPU is from the one on the CPU, by the perplexity that is left; None where not
    both ran."""
    def after(name):
        texts = (results.get(name, {}).get("figures") or {}).get("perplexity") or {}
        return {text: (values or {}).get("after") for text, values in texts.items()}

    reference = after("compress cpu")
    differences = {name: relative_difference(after(name), reference)
                   for name in results if name.startswith("compress cuda") and after(name) and reference}
    if not differences:
        return None
    return {"relative_difference": differences, "limit": LARGEST_RELATIVE_DIFFERENCE,
            "ok": all(value is not None and value <= LARGEST_RELATIVE_DIFFERENCE for value in differences.values())}


def goals(results):
    """What was wanted of a GPU and what was measured: rows of {"step", "goal", "measured", "limit", "passed"}."""
    rows = []
    for name, result in results.items():
        figures = result.get("figures") or {}
        if name.startswith("compress") and name != "compress cpu" and "memory" in figures:
            memory = figures["memory"]
            rows.append({"step": name, "goal": "peak memory / forecast", "measured": memory["ratio"],
                         "limit": f"1 ± {LARGEST_MEMORY_DEVIATION:g}", "passed": memory["passed"]})
        if name.startswith("compress random 7b") and "seconds_calibrate_to_encode" in figures:
            seconds = figures["seconds_calibrate_to_encode"]
            rows.append({"step": name, "goal": "seconds of calibrate to encode", "measured": seconds,
                         "limit": f"<= {LARGEST_SECONDS_7B:g}", "passed": seconds <= LARGEST_SECONDS_7B})
        for row_name, row in figures.get("rates", {}).items():
            if row_name.startswith("7b ") and row["unit"] == "GFLOP/s":
                share = row.get("share_of_peak")
                rows.append({"step": name, "goal": f"{row_name}: rate / measured peak", "measured": share,
                             "limit": f">= {SMALLEST_SHARE_OF_PEAK:g}",
                             "passed": share is not None and share >= SMALLEST_SHARE_OF_PEAK})
    return rows
