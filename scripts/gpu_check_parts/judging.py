"""What a check comes to: why no GPU can be used, what is missing and where to get it, and the exit code."""
import re

SKIPPED = 77


def why_no_gpu(manifest, machine):
    """Why steps on a GPU cannot run, or None."""
    if not manifest["cuda"]:
        return "these programs were built without CUDA"
    if machine["devices"] is None:
        return machine["driver"]
    if machine["devices"] == 0:
        return "the driver sees no GPU"
    return None


def nccl_remedy(names):
    """Where NCCL comes from, for the CUDA of these library names."""
    majors = {match.group(1) for match in (re.match(r"libcublas\.so\.(\d+)$", name) for name in names) if match}
    wheels = [f"nvidia-nccl-cu{major}" for major in sorted(majors)] or ["nvidia-nccl-cu13", "nvidia-nccl-cu12"]
    return f"NCCL is in the wheel {' or '.join(wheels)} (python3 -m pip install) and in NVIDIA's package libnccl2."


def missing_libraries(machine):
    """What to do about CUDA libraries that are not there, or None."""
    missing = [name for name, path in machine["cuda_libraries"].items() if path is None]
    if not missing:
        return None
    lines = [f"CUDA libraries that these programs need are not here: {', '.join(missing)}."]
    for name, others in machine["other_versions"].items():
        if others:
            lines.append(f"Other versions than {name}: {', '.join(others)}.")
    if any(name.startswith("libnccl") for name in missing):
        lines.append(nccl_remedy(machine["cuda_libraries"]))
    lines.append("Set LD_LIBRARY_PATH or CUDA_HOME to a toolkit of that major version, or make the pack with this machine's.")
    return " ".join(lines)


def not_compared(results, comparison):
    """Whether the small compression ran on the CPU and on a GPU and yet nothing says how far they agree."""
    passed = [name for name, result in results.items() if result["status"] == "passed"]
    return comparison is None and "compress cpu" in passed and any(name.startswith("compress cuda") for name in passed)


def failures(results, comparison):
    failed = [name for name, result in results.items() if result["status"] == "failed"]
    if comparison and not comparison["ok"]:
        failed.append("agreement of cpu and cuda")
    if not_compared(results, comparison):
        failed.append("agreement of cpu and cuda (no perplexities to compare)")
    return failed


def verdict(results, comparison, goals, reason_without_gpu, complaint=None):
    """(exit code, one sentence). The complaint is about libraries without which no program starts."""
    failed = failures(results, comparison)
    passed = [name for name, result in results.items() if result["status"] == "passed"]
    not_run = [name for name, result in results.items() if result["status"] in ("not run", "skipped")]
    if failed:
        return 1, f"FAILED: {', '.join(failed)}."
    if reason_without_gpu:
        return SKIPPED, (f"NO GPU: {reason_without_gpu}. Nothing was run on a GPU; "
                         + (f"nothing else either: {complaint}" if complaint
                            else f"the {len(passed)} steps that need none passed."))
    if complaint:
        return 1, f"FAILED: {complaint}"
    if not passed:
        return 1, f"FAILED: not one step was run: {', '.join(not_run) or 'there is none'}."
    left = f" Not run: {', '.join(not_run)}." if not_run else ""
    if not any(results[name].get("needs_gpu") for name in passed):
        return SKIPPED, f"NOTHING ON A GPU: the {len(passed)} steps that passed need none.{left}"
    missed = [f"{row['goal']} ({row['step']})" for row in goals if not row["passed"]]
    return 0, (f"PASSED: {len(passed)} steps on this machine's GPU and CPU.{left}"
               + (f" Goals missed: {', '.join(missed)}." if missed else ""))
