"""Checks a machine with a packed folder: unpacks, looks for GPUs and libraries, runs the steps, writes one JSON file."""
import json
import lzma
import shutil
import sys
import tarfile
import time

import machine as machine_part
import steps as step_part

RESULT = "gpu_check.json"


def unpack(folder, out):
    """The programs, unpacked once for an archive."""
    archive, root = folder / "cce.tar.xz", out / "unpacked"
    stamp = out / "unpacked.stamp"
    state = f"{archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == state):
        shutil.rmtree(root, ignore_errors=True)
        with lzma.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            tar.extractall(root)
        stamp.write_text(state, encoding="utf-8")
    return root


def why_no_gpu(manifest, machine):
    """Why steps on a GPU cannot run, or None."""
    if not manifest["cuda"]:
        return "these programs were built without CUDA"
    if machine["devices"] is None:
        return machine["driver"]
    if machine["devices"] == 0:
        return "the driver sees no GPU"
    return None


def missing_libraries(machine):
    """What to do about CUDA libraries that are not there, or None."""
    missing = [name for name, path in machine["cuda_libraries"].items() if path is None]
    if not missing:
        return None
    lines = [f"CUDA libraries that these programs need are not here: {', '.join(missing)}."]
    for name, others in machine["other_versions"].items():
        if others:
            lines.append(f"Other versions than {name}: {', '.join(others)}.")
    lines.append("Set LD_LIBRARY_PATH or CUDA_HOME to a toolkit of that major version, or make the pack with this machine's.")
    return " ".join(lines)


def run_step(step, runtime, out):
    code, text, seconds = step_part.run_command(step.command, runtime.environment,
                                                out / "logs" / f"{step.name.replace(' ', '_')}.log", step.timeout)
    result = {"seconds": round(seconds, 3), "exit_code": code, "command": step.command}
    figures = step.read(text) if step.read else {}
    if figures:
        result["figures"] = figures
    tests = figures.get("tests") if figures else None
    if code == step_part.SKIPPED:
        reasons = [line for line in text.splitlines() if line.startswith("skipped")]
        result.update(status="skipped", reason=reasons[0] if reasons else "it says so")
    elif code is None:
        result.update(status="failed", reason=f"ran longer than {step.timeout} s")
    elif code != 0 or (tests and tests["failed"]):
        result.update(status="failed", reason=" | ".join(text.strip().splitlines()[-3:])[-500:])
    elif tests and tests["run"] == 0:
        result.update(status="skipped", reason="; ".join(tests["skip_reasons"]) or "no test ran")
    else:
        result["status"] = "passed"
    if step.needs and result["status"] == "skipped":  # the driver shows a GPU: what cannot use it has to say why
        result.update(status="failed", reason=f"it could not use the GPU that the driver shows: {result['reason']}")
    return result


def print_result(step, result):
    tests = (result.get("figures") or {}).get("tests")
    counts = f", {tests['run']} tests, {tests['skipped']} skipped" if tests else ""
    reason = f": {result['reason']}" if "reason" in result else ""
    print(f"{result['status']:8} {step.name} ({result.get('seconds', 0):.1f} s{counts}){reason}", flush=True)


def run_steps(steps, runtime, out, reason_without_gpu):
    has_sanitizer = shutil.which("compute-sanitizer") is not None
    results = {}
    for step in steps:
        if step.needs and reason_without_gpu:
            results[step.name] = {"status": "not run", "reason": reason_without_gpu, "command": step.command}
        elif step.needs == "sanitizer" and not has_sanitizer:
            results[step.name] = {"status": "not run", "reason": "no compute-sanitizer here", "command": step.command}
        else:
            results[step.name] = run_step(step, runtime, out)
        print_result(step, results[step.name])
    return results


def verdict(results, comparison, reason_without_gpu):
    """(exit code, one sentence)."""
    failed = [name for name, result in results.items() if result["status"] == "failed"]
    if comparison and not comparison["ok"]:
        failed.append("agreement of cpu and cuda")
    passed = sum(result["status"] == "passed" for result in results.values())
    if failed:
        return 1, f"FAILED: {', '.join(failed)}."
    if reason_without_gpu:
        return step_part.SKIPPED, (f"NO GPU: {reason_without_gpu}. Nothing was run on a GPU; "
                                   f"the {passed} steps that need none passed.")
    not_run = [name for name, result in results.items() if result["status"] != "passed"]
    return 0, f"PASSED: {passed} steps on this machine's GPU and CPU." + (
        f" Not run: {', '.join(not_run)}." if not_run else "")


def run(folder, options):
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        print(f"gpu_check: {folder} is no packed folder. Make one: scripts/gpu_check pack BUILD FOLDER, then FOLDER/gpu_check run",
              file=sys.stderr)
        return 1
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    out = options.out.resolve()
    (out / "logs").mkdir(parents=True, exist_ok=True)
    machine = machine_part.describe(manifest)
    complaint = missing_libraries(machine)
    if complaint:
        print(f"gpu_check: {complaint}", file=sys.stderr)
        return 1
    old_c_library = machine["glibc"] < manifest["glibc"]
    use_loader = options.loader == "always" or (options.loader == "auto" and old_c_library)
    runtime = machine_part.Runtime(unpack(folder, out), machine, use_loader)
    reason = why_no_gpu(manifest, machine)
    print(f"{machine['host']}: {machine['cores']} cores; {reason or ', '.join(gpu['name'] for gpu in machine['gpus'])}"
          + ("; programs run with the packed C library" if use_loader else ""), flush=True)
    steps = step_part.host_steps(runtime, out) + step_part.gpu_steps(runtime, out, machine["devices"] or 0, options)
    results = run_steps([step for step in steps if options.only in step.name], runtime, out, reason)
    comparison = step_part.agreement(results)
    code, sentence = verdict(results, comparison, reason)
    document = {"schema_version": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "verdict": sentence,
                "exit_code": code, "ran_on_gpu": reason is None, "manifest": manifest, "machine": machine,
                "packed_c_library": use_loader, "agreement": comparison, "steps": results}
    (out / RESULT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{sentence} {out / RESULT}")
    return code
