"""What the machine offers: GPUs, the driver, CUDA's libraries and tools, the C library."""
import ctypes
import glob
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

NVIDIA_SMI_FIELDS = ("name", "driver_version", "memory.total", "memory.free", "compute_cap", "pci.bus_id", "mig.mode.current")
COMPUTE_CAPABILITY_ATTRIBUTES = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


def output_of(command, timeout=30):
    """Standard output, or None where the command is not there or fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def gpus_of_nvidia_smi():
    """One dict a GPU as nvidia-smi tells it; empty without GPUs or without nvidia-smi."""
    listing = output_of(["nvidia-smi", f"--query-gpu={','.join(NVIDIA_SMI_FIELDS)}", "--format=csv,noheader"])
    lines = (listing or "").strip().splitlines()
    return [dict(zip(NVIDIA_SMI_FIELDS, (field.strip() for field in line.split(",")))) for line in lines if "," in line]


def folder_of_loaded(name):
    """The folder of a library that this process has loaded, or None."""
    try:
        lines = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    stem = name.split(".so")[0] + ".so"
    paths = [line.split(None, 5)[5] for line in lines if len(line.split(None, 5)) == 6]
    return next((os.path.dirname(path) for path in paths if os.path.basename(path).startswith(stem)), None)


def gpus_of_driver(library, count):
    """Name, memory and compute capability of the devices that the driver shows to programs here."""
    found = []
    for index in range(count):
        device, name, size = ctypes.c_int(0), ctypes.create_string_buffer(256), ctypes.c_size_t(0)
        if library.cuDeviceGet(ctypes.byref(device), index) != 0:
            continue
        gpu = {"name": "a GPU without a name"}
        if library.cuDeviceGetName(name, len(name), device) == 0:
            gpu["name"] = name.value.decode(errors="replace")
        if library.cuDeviceTotalMem_v2(ctypes.byref(size), device) == 0:
            gpu["memory_bytes"] = size.value
        capability = [ctypes.c_int(0), ctypes.c_int(0)]
        statuses = [library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
                    for value, attribute in zip(capability, COMPUTE_CAPABILITY_ATTRIBUTES)]
        if not any(statuses):
            gpu["compute_capability"] = ".".join(str(value.value) for value in capability)
        found.append(gpu)
    return found


def driver(library_name="libcuda.so.1"):
    """What the driver's library says: {"devices" (their count, or None where it cannot tell), "text", "gpus", "folder"}."""
    found = {"devices": None, "text": "", "gpus": [], "folder": None}
    try:
        library = ctypes.CDLL(library_name)
    except OSError as error:
        return {**found, "text": f"no NVIDIA driver: {error}"}
    found["folder"] = folder_of_loaded(library_name)
    status = library.cuInit(0)
    if status != 0:
        return {**found, "text": f"the NVIDIA driver does not start: cuInit returned {status}"}
    count = ctypes.c_int(0)
    status = library.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        return {**found, "text": f"the NVIDIA driver names no devices: cuDeviceGetCount returned {status}"}
    return {**found, "devices": count.value, "text": f"{count.value} visible", "gpus": gpus_of_driver(library, count.value)}


def python_library_folders():
    """nvidia/*/lib of this Python's and other Pythons' packages: where wheels keep CUDA's libraries."""
    script = "import site, sys; print('\\n'.join(sys.path + site.getsitepackages() + [site.getusersitepackages()]))"
    folders = set(sys.path)
    pythons = ["python3", "python"]
    if os.environ.get("CONDA_PREFIX"):
        pythons.append(os.path.join(os.environ["CONDA_PREFIX"], "bin", "python"))
    for python in pythons:
        folders.update((output_of([python, "-c", script]) or "").splitlines())
    found = []
    for folder in sorted(filter(None, folders)):
        found += glob.glob(os.path.join(folder, "nvidia", "*", "lib"))
    return sorted(found)


def toolkits():
    """Folders that may hold a CUDA toolkit, best first."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda",
             *sorted(glob.glob("/usr/local/cuda-*"), reverse=True)]
    return list(dict.fromkeys(filter(None, homes)))


def compute_sanitizer():
    """Its path: from PATH, or of a toolkit; None where there is none."""
    places = [os.path.join(home, folder) for home in toolkits() for folder in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=os.pathsep.join(places))


def library_folders():
    """Folders that may hold CUDA's libraries, best first."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for home in toolkits():
        folders += [f"{home}/lib64", f"{home}/lib", f"{home}/targets/x86_64-linux/lib"]
    folders += python_library_folders()
    cache = output_of(["/sbin/ldconfig", "-p"]) or output_of(["ldconfig", "-p"]) or ""
    folders += [os.path.dirname(path) for path in re.findall(r"lib(?:cublas|cusolver|nccl)\.so\S* .*=> (\S+)", cache)]
    unique = dict.fromkeys(os.path.realpath(folder) for folder in folders if folder)
    return [folder for folder in unique if os.path.isdir(folder)]


def find_cuda_libraries(names):
    """(folders to put on the loader's path, {name: path or None}, other versions found of what is missing)."""
    folders = library_folders()
    found, others = {}, {}
    for name in names:
        found[name] = next((os.path.join(folder, name) for folder in folders
                            if os.path.exists(os.path.join(folder, name))), None)
        if found[name] is None:
            stem = name.split(".so")[0] + ".so."
            others[name] = sorted({path for folder in folders for path in glob.glob(os.path.join(folder, stem + "*"))})
    used = dict.fromkeys(os.path.dirname(path) for path in found.values() if path)
    return list(used), found, others


def c_library_version():
    name, version = platform.libc_ver()
    return [int(part) for part in version.split(".")[:2]] if name == "glibc" and version else [0, 0]


def describe(manifest):
    """The machine as the result records it."""
    shown = driver()
    folders, libraries, others = find_cuda_libraries(manifest["cuda_libraries"])
    return {
        "host": platform.node(), "kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version(),
        "glibc": c_library_version(), "devices": shown["devices"], "driver": shown["text"], "driver_folder": shown["folder"],
        "gpus": shown["gpus"], "gpus_of_nvidia_smi": gpus_of_nvidia_smi(), "compute_sanitizer": compute_sanitizer(),
        "cuda_libraries": libraries, "cuda_library_folders": folders, "other_versions": others,
        "nvidia_smi": output_of(["nvidia-smi"]),
    }
