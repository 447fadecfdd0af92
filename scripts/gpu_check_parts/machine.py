"""What the machine offers: GPUs, CUDA's libraries, the C library; and the environment that packed programs run in."""
import ctypes
import glob
import os
import pathlib
import platform
import re
import subprocess
import sys

NVIDIA_SMI_FIELDS = ("name", "driver_version", "memory.total", "memory.free", "compute_cap", "pci.bus_id", "mig.mode.current")


def output_of(command, timeout=30):
    """Standard output, or None where the command is not there or fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def gpus():
    """One dict a GPU as nvidia-smi tells it; empty where there is none, or no driver."""
    listing = output_of(["nvidia-smi", f"--query-gpu={','.join(NVIDIA_SMI_FIELDS)}", "--format=csv,noheader"])
    lines = (listing or "").strip().splitlines()
    return [dict(zip(NVIDIA_SMI_FIELDS, (field.strip() for field in line.split(",")))) for line in lines if "," in line]


def driver():
    """Whether the driver's library can be loaded, and what it says about devices: (devices or None, text)."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return None, f"no NVIDIA driver: {error}"
    status = library.cuInit(0)
    if status != 0:
        return None, f"the NVIDIA driver does not start: cuInit returned {status}"
    count = ctypes.c_int(0)
    status = library.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        return None, f"the NVIDIA driver names no devices: cuDeviceGetCount returned {status}"
    return count.value, f"{count.value} visible"


def python_library_folders():
    """nvidia/*/lib of this Python's and other Pythons' packages: where wheels keep CUDA's libraries."""
    script = "import site, sys; print('\\n'.join(sys.path + site.getsitepackages() + [site.getusersitepackages()]))"
    folders = set(sys.path)
    for python in ("python3", "python", os.path.join(os.environ.get("CONDA_PREFIX", ""), "bin", "python")):
        folders.update((output_of([python, "-c", script]) or "").splitlines())
    found = []
    for folder in sorted(filter(None, folders)):
        found += glob.glob(os.path.join(folder, "nvidia", "*", "lib"))
    return sorted(found)


def library_folders():
    """Folders that may hold CUDA's libraries, best first."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home:
            folders += [f"{home}/lib64", f"{home}/lib", f"{home}/targets/x86_64-linux/lib"]
    for home in sorted(glob.glob("/usr/local/cuda-*"), reverse=True):
        folders += [f"{home}/lib64", f"{home}/targets/x86_64-linux/lib"]
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
    devices, driver_text = driver()
    folders, libraries, others = find_cuda_libraries(manifest["cuda_libraries"])
    return {
        "host": platform.node(), "kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version(),
        "glibc": c_library_version(), "devices": devices, "driver": driver_text, "gpus": gpus(),
        "cuda_libraries": libraries, "cuda_library_folders": folders, "other_versions": others,
        "nvidia_smi": output_of(["nvidia-smi"]),
    }


class Runtime:
    """The unpacked programs: commands and the environment that they run in."""

    def __init__(self, root, machine, use_loader):
        self.root = pathlib.Path(root)
        self.use_loader = use_loader
        self.bin = self.root / ("wrapped" if use_loader else "bin")
        libraries = [str(self.root / "lib"), *machine["cuda_library_folders"]]
        if use_loader:
            self.write_wrappers(libraries)
        mpi = self.root / "mpi"
        self.environment = {
            **os.environ,
            "PATH": f"{self.bin}:{mpi / 'bin'}:{os.environ.get('PATH', '')}",
            "CCE_TESTS_FOLDER": str(self.root / "tests"),
            "OPAL_PREFIX": str(mpi), "OPAL_BINDIR": str(mpi / "bin"), "OPAL_LIBDIR": str(self.root / "lib"),
            "OPAL_PKGLIBDIR": str(mpi / "plugins"), "OPAL_PKGDATADIR": str(mpi / "share"), "OPAL_DATADIR": str(mpi / "share"),
            "OPAL_SYSCONFDIR": str(mpi / "etc"),
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_plm": "isolated",
            "OMPI_MCA_ras": "^slurm,gridengine,loadleveler,tm", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,vader",
            "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMPI_MCA_oob_tcp_if_include": "lo",
            "OMPI_MCA_mpi_yield_when_idle": "1",
        }
        if not use_loader:
            self.environment["LD_LIBRARY_PATH"] = ":".join(libraries)

    def write_wrappers(self, libraries):
        """Programs that start through the packed loader, for a machine whose own C library is too old for them."""
        path = ":".join([str(self.root / "clib"), *libraries])
        self.bin.mkdir(exist_ok=True)
        programs = [*(self.root / "bin").iterdir(), self.root / "mpi" / "bin" / "mpirun"]
        for program in programs:
            wrapper = self.bin / program.name
            wrapper.write_text("#!/bin/sh\n"
                               f"exec '{self.root}/clib/ld-linux-x86-64.so.2' --library-path '{path}' '{program}' \"$@\"\n",
                               encoding="utf-8")
            wrapper.chmod(0o755)

    def has(self, program):
        return (self.root / "bin" / program).is_file()

    def command(self, program, *arguments, ranks=None):
        """A packed program, over MPI where ranks are given."""
        command = [str(self.bin / program), *map(str, arguments)]
        if ranks is None:
            return command
        mpirun = self.bin / "mpirun" if self.use_loader else self.root / "mpi" / "bin" / "mpirun"
        return [str(mpirun), "--oversubscribe", "-n", str(ranks), *command]
