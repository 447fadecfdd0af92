"""Checks a machine with a packed folder: unpacks, looks for GPUs and libraries, runs the steps; after each it writes the one
JSON file that says what is known so far."""
import json
import math
import os
import shutil
import signal
import sys
import time

import judging
import machine as machine_part
import processes
import reading
import runtime as runtime_part
import steps as step_part

RESULT = "gpu_check.json"
USAGE_ERROR = 2


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def figures_of(step, text):
    """(figures, why they cannot be read)."""
    if step.read is None:
        return {}, None
    try:
        return step.read(text), None
    except Exception as error:  # whatever a broken result does to its reader is this step's failure, not the run's end
        return {}, f"its result cannot be read: {type(error).__name__}: {error}"


def not_allowed(step, tests):
    """Names of the tests that skipped although they must not beside a GPU."""
    return [] if step.may_skip is None else [name for name in tests["skipped_names"] if name not in step.may_skip]


def judge(step, code, text, figures, unreadable):
    """{"status", and "reason" unless it passed}."""
    tests = figures.get("tests")
    last_lines = " | ".join(text.strip().splitlines()[-3:])[-500:]
    if code is None:
        return {"status": "failed", "reason": f"ran longer than {step.timeout:g} s"}
    if code == judging.SKIPPED:
        said = next((line for line in text.splitlines() if line.startswith("skipped")), "it says so")
    elif code != 0:
        return {"status": "failed", "reason": f"exit code {code}: {last_lines}"}
    elif unreadable:
        return {"status": "failed", "reason": unreadable}
    elif tests and tests["failed"]:
        return {"status": "failed", "reason": f"tests failed: {', '.join(tests['failed'])}"[:500]}
    elif tests and (tests["run"] == 0 or not_allowed(step, tests)):
        said = "; ".join(tests["skip_reasons"]) or f"{tests['skipped']} tests skipped, {tests['run']} ran"
    else:
        return {"status": "passed"}
    if step.needs_gpu:  # the driver shows a GPU: what cannot use it has to say why
        return {"status": "failed", "reason": f"it could not use the GPU that the driver shows: {said}"}
    return {"status": "skipped", "reason": said}


def run_step(step, runtime, out):
    for path in step.outputs:
        remove(path)
    code, text, seconds = processes.run_command(step.command, step.environment or runtime.environment,
                                                out / "logs" / f"{step_part.file_name(step.name)}.log", step.timeout)
    figures, unreadable = figures_of(step, text)
    result = {**judge(step, code, text, figures, unreadable), "seconds": round(seconds, 3), "exit_code": code}
    if figures:
        result["figures"] = figures
    return result


def why_not(step, results, reason_without_gpu, complaint):
    """Why a step is not to be run, or None. `complaint` is set where libraries are missing."""
    if step.needs_gpu and reason_without_gpu:
        return reason_without_gpu
    if complaint:
        return "no program starts without CUDA's libraries"
    if step.not_run:
        return step.not_run
    if step.after in results and results[step.after]["status"] != "passed":
        return f"{step.after} did not pass"
    return None


def print_result(step, result):
    figures = result.get("figures") or {}
    tests, memory = figures.get("tests"), figures.get("memory")
    details = f", {tests['run']} tests, {tests['skipped']} skipped" if tests else ""
    if memory:
        details += (f"; {figures['seconds_calibrate_to_encode']:.1f} s from calibrate to encode, "
                    f"peak {memory['peak_bytes'] / 2**20:.0f} MiB, {memory['ratio']:.2f} of its forecast")
    reason = f": {result['reason']}" if "reason" in result else ""
    print(f"{result['status']:8} {step.name} ({result.get('seconds', 0):.1f} s{details}){reason}", flush=True)


def run_steps(steps, runtime, out, reason_without_gpu, complaint, results, record):
    """Fills `results` by name, and calls record() after each step, also after one that Ctrl-C ends."""
    for step in steps:
        result = {"needs_gpu": step.needs_gpu, "command": step.command}
        results[step.name] = result
        reason = why_not(step, results, reason_without_gpu, complaint)
        try:
            lack = step.check() if step.check and not reason else None
            if reason or lack:
                result.update(status="failed" if lack else "not run", reason=lack or reason)
            else:
                result.update(status="failed", reason="interrupted")
                ended = run_step(step, runtime, out)
                del result["reason"]
                result.update(ended)
        except OSError as error:
            result.update(status="failed", reason=f"{type(error).__name__}: {error}")
        finally:
            record()  # before the terminal, which may be what has gone
            print_result(step, result)


def finite(value):
    """The same with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_document(path, document):
    """Whole or not at all, so that the last one that was written stays readable."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(finite(document), indent=1) + "\n", encoding="utf-8")
    os.replace(scratch, path)


def load_manifest(folder):
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8")) if (folder / "cce.tar.xz").is_file() else None
    except (OSError, ValueError):
        return None


def complain(text):
    print(f"gpu_check: {text}", file=sys.stderr)


def run_chosen(chosen, runtime, out, document, reason, complaint):
    """Runs the steps and keeps the document; its exit code."""
    results = document["steps"]

    def record(finished=False):
        comparison = reading.agreement(results)
        goals = reading.goals(results)
        code, sentence = judging.verdict(results, comparison, goals, reason, complaint)
        if not finished:
            code, sentence = 1, f"UNFINISHED: {len(results)} of {len(chosen)} steps. So far: {sentence}"
        document.update(verdict=sentence, exit_code=code, finished=finished, agreement=comparison, goals=goals,
                        ran_on_gpu=any(result["needs_gpu"] and result["status"] == "passed" for result in results.values()))
        write_document(out / RESULT, document)
        return code

    try:
        run_steps(chosen, runtime, out, reason, complaint, results, record)
    except KeyboardInterrupt:
        print(f"{document['verdict']} {out / RESULT}")
        return 1
    code = record(finished=True)
    for row in document["goals"]:
        print(f"{'met' if row['passed'] else 'MISSED':8} {row['step']}: {row['goal']} = {row['measured']}, wanted {row['limit']}")
    print(f"{document['verdict']} {out / RESULT}")
    return code


def run(folder, options):
    manifest = load_manifest(folder)
    if manifest is None:
        complain(f"{folder} is no packed folder. Make one: scripts/gpu_check pack BUILD FOLDER, then FOLDER/gpu_check run")
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):  # the end of a job's time and of its terminal are Ctrl-C
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    out = options.out.resolve()
    (out / "logs").mkdir(parents=True, exist_ok=True)
    machine = machine_part.describe(manifest)
    reason, complaint = judging.why_no_gpu(manifest, machine), judging.missing_libraries(machine)
    use_loader = options.loader == "always" or (options.loader == "auto" and machine["glibc"] < manifest["glibc"])
    runtime = runtime_part.Runtime(runtime_part.unpack(folder, out), machine, use_loader)
    steps = step_part.host_steps(runtime, out) + step_part.gpu_steps(runtime, out, folder, machine, options)
    chosen = [step for step in steps if options.only in step.name]
    if not chosen:
        complain(f"--only {options.only}: no step's name contains it. Steps: {', '.join(step.name for step in steps)}")
        return USAGE_ERROR
    print(f"{machine['host']}: {machine['cores']} cores; {reason or ', '.join(gpu['name'] for gpu in machine['gpus'])}"
          + ("; programs run with the packed C library" if use_loader else ""), flush=True)
    document = {"schema_version": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "manifest": manifest,
                "machine": machine, "packed_c_library": use_loader, "steps": {}}
    if complaint:
        complain(complaint)
    return run_chosen(chosen, runtime, out, document, reason, complaint)
