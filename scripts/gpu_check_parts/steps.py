"""The steps of a check: what each runs, whether it needs a GPU, and how its output is read."""
import dataclasses
import importlib.util
import os
import pathlib
import shutil
import sys
import typing

import reading

MODEL = "tests/data/models/stories260K"
TEXT = f"{MODEL}/tinystories.tokens.u16"
HOST_TESTS = ("tensor_tests", "local_communicator_test", "device_communicator_test", "staged_communicator_test",
              "device_route_test")
# Programs that need a GPU, with their tests that skip where there is one; any other that skips has not found it.
GPU_TESTS = {"cuda_backend_tests": (), "device_tests": ("CudaDevices.where_there_are_none_the_error_says_why",)}
# compute-sanitizer runs kernels ten to a hundred times slower: the conformance rows, without the long sequences. Its memcheck
# also reports every status of the driver that the program itself handles, unless told otherwise.
SANITIZER_FILTER = "--gtest_filter=Cuda/*"
SANITIZER_TOOLS = {"memcheck": ("--report-api-errors", "no"), "racecheck": ()}
# Of Llama-2-7B's shapes: the checkpoint, and a job's state with its result.
CHECKPOINT_BYTES, JOB_BYTES = 13_600_000_000, 50_000_000_000


@dataclasses.dataclass
class Step:
    """One command."""
    name: str
    command: list
    needs_gpu: bool = False
    timeout: float = 600.0
    read: typing.Optional[typing.Callable] = None   # output -> figures; raises where there are none
    outputs: tuple = ()                             # files and folders of an earlier run, deleted before this one
    not_run: typing.Optional[str] = None            # why it cannot run, where that is known beforehand
    after: typing.Optional[str] = None              # the step that has to have passed
    check: typing.Optional[typing.Callable] = None  # why it must fail, asked when its turn comes; None: it may run
    environment: typing.Optional[dict] = None       # in place of the packed programs' own
    may_skip: typing.Optional[tuple] = None         # names of the tests that may; None: any but all


def file_name(step_name):
    return step_name.replace(" ", "_")


def absent(runtime, program):
    return None if runtime.has(program) else f"{program} is not in this pack: build that target before packing"


def existing_parent(path):
    path = pathlib.Path(path).absolute()
    return path if path.exists() else existing_parent(path.parent)


def lacking_space(wanted):
    """Why {folder: bytes} cannot be written, summed over the folders of each file system; None where they can."""
    sums = {}
    for folder, size in wanted.items():
        parent = existing_parent(folder)
        total, _ = sums.get(parent.stat().st_dev, (0, parent))
        sums[parent.stat().st_dev] = (total + size, parent)
    lines = [f"{parent} has {shutil.disk_usage(parent).free / 1e9:.1f} GB free of the {total / 1e9:.1f} GB needed"
             for total, parent in sums.values() if shutil.disk_usage(parent).free < total]
    return "; ".join(lines) or None


def occupied_bytes(folder):
    """What deleting the folder will free."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_step(runtime, out, program, needs_gpu=False, ranks=None, timeout=900.0, may_skip=None):
    name = program if ranks is None else f"{program} x{ranks}"
    result = out / f"{file_name(name)}.json"
    return Step(name, runtime.command(program, f"--gtest_output=json:{result}", ranks=ranks), needs_gpu, timeout,
                lambda text: {"tests": reading.read_tests(result, text)}, (result,), absent(runtime, program), may_skip=may_skip)


def sanitizer_step(runtime, out, tool, program, sanitizer):
    name = f"{tool} {program}"
    result = out / f"{file_name(name)}.json"
    command = [sanitizer or "compute-sanitizer", "--tool", tool, "--target-processes", "all", "--error-exitcode", "99",
               *SANITIZER_TOOLS[tool], *runtime.command(program, SANITIZER_FILTER, f"--gtest_output=json:{result}")]
    not_run = None if sanitizer else "no compute-sanitizer on PATH, in CUDA_HOME/bin or in /usr/local/cuda*/bin"
    return Step(name, command, True, 1800.0, lambda text: {"tests": reading.read_tests(result, text)}, (result,),
                absent(runtime, program) or not_run, may_skip=())


def compression(runtime, out, name, device, ranks, model=None, text=None, settings=()):
    """A `cce compress`: the small model of the tests unless another is given."""
    folder = out / file_name(name)
    arguments = ["compress", "--model", model or runtime.root / MODEL, "--text", *(text or [runtime.root / TEXT]),
                 "--worker", runtime.bin / "cce-worker", "--ranks", ranks, "--out", folder / "result", "--job", folder / "job",
                 "--set", f"resources.device={device}"]
    if model is None:
        arguments += ["--length", 128, "--sequences", 16]
    for setting in settings:
        arguments += ["--set", setting]
    return Step(name, runtime.command("cce", *arguments), device == "cuda", 3600.0,
                lambda text: reading.read_compression(folder), (folder,))


def host_steps(runtime, out):
    return [*(test_step(runtime, out, program) for program in HOST_TESTS),
            *(test_step(runtime, out, "mpi_communicator_test", ranks=ranks) for ranks in (1, 2, 4)),
            compression(runtime, out, "compress cpu", "cpu", 2)]


def random_7b_steps(runtime, out, pack, folder, ranks_of_runs):
    """A checkpoint of Llama-2-7B's shapes, made with this Python in the user's own environment, and its compression."""
    maker, weights = pack / "make_random_checkpoint.py", folder / "model.safetensors"
    settings = ("calibration.length=2048", "calibration.sequences=128", "calibration.gradient_sequences=32")
    runs = [compression(runtime, out, f"compress random 7b x{ranks}", "cuda", ranks, folder, [folder / "random.tokens.u16"],
                        settings) for ranks in ranks_of_runs]

    def job_bytes(step):
        return max(JOB_BYTES - sum(map(occupied_bytes, step.outputs)), 0)

    def why_not():
        if importlib.util.find_spec("numpy") is None:
            return f"{sys.executable} has no numpy: {sys.executable} -m pip install numpy"
        there = weights.stat().st_size if weights.is_file() else 0
        return lacking_space({folder: max(CHECKPOINT_BYTES - there, 0), out: job_bytes(runs[0])})

    yield Step("make random 7b", [sys.executable or "python3", "-B", str(maker), str(folder)], True, 3600.0,
               check=why_not, environment=dict(os.environ))
    for step in runs:
        step.after, step.check = "make random 7b", lambda step=step: lacking_space({out: job_bytes(step)})
        yield step


def gpu_steps(runtime, out, pack, machine, options):
    gpu_count = max(machine["devices"] or 0, 1)
    steps = [test_step(runtime, out, program, True, timeout=1800.0, may_skip=names) for program, names in GPU_TESTS.items()]
    # NCCL with a GPU a rank; one rank more than GPUs goes through the host's memory.
    steps += [test_step(runtime, out, "nccl_communicator_test", True, ranks) for ranks in sorted({1, gpu_count, gpu_count + 1})]
    steps += [sanitizer_step(runtime, out, tool, "cuda_backend_tests", machine["compute_sanitizer"]) for tool in SANITIZER_TOOLS]
    steps += [compression(runtime, out, f"compress cuda x{ranks}", "cuda", ranks) for ranks in sorted({1, 2, gpu_count})]
    steps.append(Step("rates", runtime.command("cce-ops-bench", os.cpu_count() or 1, "", "cuda"), True, 900.0,
                      lambda text: {"rates": reading.read_rates(text)}, not_run=absent(runtime, "cce-ops-bench")))
    ranks_of_runs = sorted({1, gpu_count})
    if options.checkpoint:
        model = options.checkpoint.resolve()
        steps += [compression(runtime, out, f"compress checkpoint {model.name} x{ranks}", "cuda", ranks, model,
                              options.text) for ranks in ranks_of_runs]
    if options.random_7b:
        steps += random_7b_steps(runtime, out, pack, options.random_7b.resolve(), ranks_of_runs)
    return steps
