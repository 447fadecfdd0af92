"""The steps of a check: what each runs, whether it needs a GPU, and what its output says."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

SKIPPED = 77
MODEL = "tests/data/models/stories260K"
TEXT = f"{MODEL}/tinystories.tokens.u16"
# Perplexity of the same job on the CPU and on a GPU: rounding moves it, and by how much the ranks may (design, 0.1 %) moves less.
LARGEST_RELATIVE_DIFFERENCE = 0.02
# compute-sanitizer runs kernels ten to a hundred times slower: the conformance rows, without the long sequences.
SANITIZER_FILTER = "--gtest_filter=Cuda/*"


class Step:
    """One command. `needs` is None, "gpu" or "sanitizer"; `read` turns a finished command's output into figures."""

    def __init__(self, name, command, needs=None, timeout=600, read=None):
        self.name, self.command, self.needs, self.timeout, self.read = name, command, needs, timeout, read


def run_command(command, environment, log_path, timeout):
    """(exit code or None at the time limit, output, seconds). The whole group of processes ends with the command."""
    started = time.monotonic()
    with open(log_path, "w", encoding="utf-8") as log:
        log.write("$ " + " ".join(command) + "\n")
        log.flush()
        try:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            log.write(str(error))
            return 127, str(error), 0.0
        try:
            code = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return code, text, time.monotonic() - started


def read_tests(result_path):
    """Counts of a GoogleTest program from its JSON; None where it wrote none."""
    try:
        document = json.loads(result_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    cases = [case for suite in document["testsuites"] for case in suite["testsuite"]]
    skipped = [case for case in cases if case.get("result") == "SKIPPED"]
    failed = [f"{case['classname']}.{case['name']}" for case in cases if case.get("failures")]
    reasons = {failure["failure"].strip().splitlines()[-1] for case in skipped for failure in case.get("skipped", [])
               if failure.get("failure")}
    return {"run": len(cases) - len(skipped), "failed": failed, "skipped": len(skipped), "skip_reasons": sorted(reasons)}


def read_rates(text):
    """Rows of cce-ops-bench: {name: {"milliseconds", "rate", "unit"}}."""
    rows = re.findall(r"^(\S.*?)\s+([\d.]+) ms\s+([\d.]+) (GFLOP/s|GB/s)$", text, re.MULTILINE)
    return {name: {"milliseconds": float(ms), "rate": float(rate), "unit": unit} for name, ms, rate, unit in rows}


def read_report(path):
    """What a compression's report says about quality, time and memory."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {"perplexity": report["evaluation"]["perplexity"], "params": report["params"], "stages": report["stages"],
            "warnings": report["warnings"]}


def compression(runtime, out, name, device, ranks, model=None, text=None, settings=()):
    """A `cce compress`: the small model of the tests unless another is given."""
    folder = out / name.replace(" ", "_")
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["compress", "--model", model or runtime.root / MODEL, "--text", *(text or [runtime.root / TEXT]),
                 "--worker", runtime.bin / "cce-worker", "--ranks", ranks, "--out", folder / "result", "--job", folder / "job",
                 "--set", f"resources.device={device}"]
    if model is None:
        arguments += ["--length", 128, "--sequences", 16]
    for setting in settings:
        arguments += ["--set", setting]
    return Step(name, runtime.command("cce", *arguments), "gpu" if device == "cuda" else None, 3600,
                lambda text: read_report(folder / "result" / "report.json"))


def test_step(runtime, out, program, needs=None, ranks=None, timeout=900):
    name = program if ranks is None else f"{program} x{ranks}"
    result = out / f"{name.replace(' ', '_')}.json"
    result.unlink(missing_ok=True)
    return Step(name, runtime.command(program, f"--gtest_output=json:{result}", ranks=ranks), needs, timeout,
                lambda text: {"tests": read_tests(result)})


def host_steps(runtime, out):
    steps = [test_step(runtime, out, program)
             for program in ("tensor_tests", "local_communicator_test", "device_communicator_test", "staged_communicator_test",
                             "device_route_test") if runtime.has(program)]
    steps += [test_step(runtime, out, "mpi_communicator_test", ranks=ranks) for ranks in (1, 2, 4)]
    steps.append(compression(runtime, out, "compress cpu", "cpu", 2))
    return steps


def gpu_steps(runtime, out, gpu_count, options):
    programs = sorted(path.name for path in (runtime.root / "bin").glob("cuda_*"))
    steps = [test_step(runtime, out, program, "gpu", timeout=1800) for program in programs]
    # NCCL with a GPU a rank; one rank more than GPUs goes through the host's memory.
    steps += [test_step(runtime, out, "nccl_communicator_test", "gpu", ranks)
              for ranks in sorted({1, max(gpu_count, 1), max(gpu_count, 1) + 1})]
    for tool in ("memcheck", "racecheck"):
        steps += [Step(f"{tool} {program}", ["compute-sanitizer", "--tool", tool, "--error-exitcode", "99",
                                             *runtime.command(program, SANITIZER_FILTER)], "sanitizer", 1800)
                  for program in programs]
    for ranks in sorted({1, 2, max(gpu_count, 1)}):
        steps.append(compression(runtime, out, f"compress cuda x{ranks}", "cuda", ranks))
    if runtime.has("cce-ops-bench"):
        steps.append(Step("rates", runtime.command("cce-ops-bench", os.cpu_count() or 1, "", "cuda"), "gpu", 900,
                          lambda text: {"rates": read_rates(text)}))
    if options.checkpoint:
        for ranks in sorted({1, max(gpu_count, 1)}):
            steps.append(compression(runtime, out, f"compress {options.checkpoint.name} x{ranks}", "cuda", ranks,
                                     options.checkpoint, options.text))
    if options.random_7b:
        maker = runtime.root.parent / "make_random_checkpoint.py"
        tokens = options.random_7b / "random.tokens.u16"
        steps.append(Step("make random 7b", ["python3", str(maker), str(options.random_7b)], "gpu", 3600))
        for ranks in sorted({1, max(gpu_count, 1)}):
            steps.append(compression(runtime, out, f"compress random 7b x{ranks}", "cuda", ranks, options.random_7b, [tokens],
                                     ("calibration.length=2048", "calibration.sequences=128",
                                      "calibration.gradient_sequences=32")))
    return steps


def agreement(results):
    """How far the small compression on the GPU is from the one on the CPU, by the perplexity that is left."""
    def after(name):
        texts = results.get(name, {}).get("figures", {}).get("perplexity") or {}
        return {text: values["after"] for text, values in texts.items()}

    reference = after("compress cpu")
    differences = {name: max(abs(value / reference[text] - 1.0) for text, value in after(name).items())
                   for name in results if name.startswith("compress cuda") and after(name) and reference}
    if not differences:
        return None
    return {"relative_difference": differences, "limit": LARGEST_RELATIVE_DIFFERENCE,
            "ok": all(value <= LARGEST_RELATIVE_DIFFERENCE for value in differences.values())}
