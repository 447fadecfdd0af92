#!/usr/bin/env python3
"""gpu_check_test.py BUILD: a pack of this build fits its limit, and runs from its own files: with the machine's C library and
with the packed one, and, where this process may hide files from it, without this machine's MPI and libraries. Where there is
no GPU the run has to say so, and end with 77 after everything else passed."""
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT_MIB = 60
# What a GPU machine lacks; a packed program that opens one of them would not start there.
HIDDEN_FILES = ("libmpi.so.40", "libopen-rte.so.40", "libopen-pal.so.40", "libdnnl.so.2", "libyaml-cpp.so.0.7")
HIDDEN_FOLDERS = ("/usr/lib/x86_64-linux-gnu/openmpi", "/usr/lib/x86_64-linux-gnu/pmix2", "/usr/share/openmpi", "/etc/openmpi")


def fail(text):
    sys.exit(f"gpu_check_test: {text}")


def hiding():
    """A shell prefix that hides those files in a mount namespace of its own; None where that is not allowed."""
    commands = []
    for name in HIDDEN_FILES:
        for folder in ("/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu"):
            path = pathlib.Path(folder) / name
            if path.exists():
                commands.append(f"mount --bind /dev/null {path.resolve()}")
                break
    commands += [f"mount -t tmpfs none {folder}" for folder in HIDDEN_FOLDERS if pathlib.Path(folder).is_dir()]
    prefix = ["unshare", "--mount", "sh", "-ec", " && ".join(commands) + ' && exec "$@"', "sh"]
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        allowed = False
    return prefix if allowed else None


def run(command, codes):
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    print(result.stdout, result.stderr, flush=True)
    if result.returncode not in codes:
        fail(f"exit {result.returncode}: {shlex.join(map(str, command))}")
    return result


def check_compression(figures):
    """Quality, time and memory of a compression: what the figures about a GPU are made of."""
    if not all(value["after"] > value["before"] > 1.0 for value in figures["perplexity"].values()):
        fail(f"perplexity {figures['perplexity']}")
    timed = sum(figures["stages"][stage]["seconds"] for stage in ("calibrate", "analyze", "make_plan", "encode"))
    if not 0.0 < timed == figures["seconds_calibrate_to_encode"]:
        fail(f"seconds {figures}")
    memory = figures["memory"]
    if not (memory["forecast_bytes"] > 0 and memory["ratio"] == memory["peak_bytes"] / memory["forecast_bytes"]):
        fail(f"memory {memory}")


def check_result(out, step_names):
    """The run's JSON: the named steps passed, and a GPU is claimed only where there is one."""
    document = json.loads((out / "gpu_check.json").read_text(encoding="utf-8"))
    if not document["finished"]:
        fail(document["verdict"])
    for name in step_names:
        step = document["steps"][name]
        if step["status"] != "passed":
            fail(f"{name}: {step}")
    if not document["ran_on_gpu"]:
        if document["exit_code"] != 77 or not document["verdict"].startswith("NO GPU: "):
            fail(f"no GPU, but: {document['exit_code']} {document['verdict']}")
        on_gpu = [name for name, step in document["steps"].items() if "cuda" in name and step["status"] != "not run"]
        if on_gpu:
            fail(f"no GPU, but these say otherwise: {on_gpu}")
    return document


def main():
    if len(sys.argv) != 2:
        fail("usage: gpu_check_test.py BUILD")
    build = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch_name:
        scratch = pathlib.Path(scratch_name)
        pack = scratch / "pack"
        run([REPOSITORY / "scripts" / "gpu_check", "pack", build, pack], {0})
        if not (pack / "make_random_checkpoint.py").is_file():
            fail("the pack lacks make_random_checkpoint.py beside gpu_check")
        size = sum(path.stat().st_size for path in pack.rglob("*") if path.is_file())
        if size > LIMIT_MIB * 2**20:
            fail(f"the pack has {size} bytes")

        hide = hiding()
        print("the machine's MPI and libraries are", "hidden" if hide else "not hidden: this process may not mount")
        out = scratch / "own"
        run([*(hide or []), pack / "gpu_check", "run", "--out", out, "--only", "compress"], {0, 77})
        document = check_result(out, ["compress cpu"])
        check_compression(document["steps"]["compress cpu"]["figures"])
        run([*(hide or []), pack / "gpu_check", "run", "--out", out, "--only", "communicator_test x", "--loader", "always"], {0, 77})
        check_result(out, ["mpi_communicator_test x2"])


if __name__ == "__main__":
    main()
