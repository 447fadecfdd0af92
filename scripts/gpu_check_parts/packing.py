"""Makes the folder that goes to a GPU machine: one archive of programs with every library they need beyond CUDA's and a
C library, the MPI runtime, the tests' data, and the scripts that run them."""
import json
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

# Programs of a build's bin/. A build without CUDA lacks cuda_backend_tests, and its others refuse GPUs.
PROGRAMS = ("cce", "cce-worker", "cce-ops-bench", "tensor_tests", "local_communicator_test", "mpi_communicator_test",
            "device_communicator_test", "staged_communicator_test", "device_route_test", "nccl_communicator_test", "device_tests",
            "cuda_backend_tests")
REQUIRED = ("cce", "cce-worker", "tensor_tests", "mpi_communicator_test", "nccl_communicator_test")
DATA = ("tests/goldens/backend_ops.json", "tests/data/models/stories260K")
SCRIPTS = ("gpu_check", "gpu_check_parts/judging.py", "gpu_check_parts/machine.py", "gpu_check_parts/processes.py",
           "gpu_check_parts/reading.py", "gpu_check_parts/running.py", "gpu_check_parts/runtime.py", "gpu_check_parts/steps.py",
           "make_random_checkpoint.py")
ARCHIVE, MANIFEST = "cce.tar.xz", "manifest.json"

# What the GPU machine has: CUDA and the driver. The C library is packed apart, for machines with an older one.
OF_THE_MACHINE = re.compile(r"lib(cuda|cudart|cublas|cublasLt|cusolver|cusparse|nvJitLink|nccl|nvidia-.*)\.so")
C_LIBRARY = re.compile(r"(ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|resolv|mvec|anl|nss_.*))\.so")
# Plugins of the MPI runtime that need libraries of their own and serve only ranks of several machines.
FABRICS = re.compile(r"lib(ucp|ucs|uct|ucm|fabric|ibverbs|rdmacm|psm|psm2|mca_common_(ucx|ofi|verbs|ompio)|ucc|hcoll|pvfs|"
                     r"lustre|gfapi)")


def shared_libraries(file):
    """What the loader finds for a program or library: {name: path}, with None for what it does not find."""
    output = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
    found = {}
    for line in output.splitlines():
        match = re.match(r"\s*(\S+) => (\S+)?", line)
        if match:
            path = match.group(2)
            found[match.group(1)] = pathlib.Path(path) if path and path.startswith("/") else None
        elif line.strip().startswith("/"):
            path = line.split()[0]
            found[pathlib.Path(path).name] = pathlib.Path(path)
    return found


def newest_symbol_version(files):
    """The newest GLIBC_x.y that any of the files asks for."""
    newest = (0, 0)
    for file in files:
        text = pathlib.Path(file).read_bytes()
        for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", text):
            newest = max(newest, (int(major), int(minor)))
    return list(newest)


def mpi_paths():
    """Where Open MPI lies: {bindir, libdir, pkglibdir, pkgdatadir, sysconfdir}."""
    output = subprocess.run(["ompi_info", "--parsable", "--path", "all"], capture_output=True, text=True, check=True).stdout
    return dict(line.split(":", 2)[1:] for line in output.splitlines() if line.startswith("path:"))


def stop(text):
    print(f"gpu_check: {text}", file=sys.stderr)
    return 1


class Archive:
    """Collects files under the names that they have in the archive."""

    def __init__(self):
        self.files = {}
        self.missing = set()
        self.of_the_machine = set()

    def add(self, name, path):
        self.files.setdefault(name, pathlib.Path(path).resolve())

    def add_with_libraries(self, name, path):
        self.add(name, path)
        for library, place in shared_libraries(path).items():
            if OF_THE_MACHINE.match(library):
                self.of_the_machine.add(library)
            elif place is None:
                self.missing.add(library)
            else:
                self.add(f"{'clib' if C_LIBRARY.match(library) else 'lib'}/{library}", place)

    def add_folder(self, name, folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.add(f"{name}/{path.relative_to(folder)}", path)

    def add_mpi(self):
        """The launcher and its plugins; those for fabrics between machines stay behind."""
        paths = mpi_paths()
        self.add_with_libraries("mpi/bin/mpirun", shutil.which("mpirun"))
        for plugin in sorted(pathlib.Path(paths["pkglibdir"]).glob("*.so")):
            needed = shared_libraries(plugin)
            if None not in needed.values() and not any(FABRICS.match(name) for name in needed):
                self.add_with_libraries(f"mpi/plugins/{plugin.name}", plugin)
        self.add_folder("mpi/share", pathlib.Path(paths["pkgdatadir"]))
        self.add_folder("mpi/etc", pathlib.Path(paths["sysconfdir"]))

    def write(self, path):
        """One solid stream whose window holds all programs: their kernels and common code are stored once."""
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 27}]
        with lzma.open(path, "wb", filters=filters) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            for name, source in sorted(self.files.items(), key=lambda item: (item[1].suffix, item[0])):
                tar.add(source, arcname=name, recursive=False, filter=without_owner)


def without_owner(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def collect(repository, bin_folder):
    archive = Archive()
    programs = [path for path in sorted(bin_folder / name for name in PROGRAMS) if os.access(path, os.X_OK)]
    for program in programs:
        archive.add_with_libraries(f"bin/{program.name}", program)
    archive.add_mpi()
    for name in DATA:
        source = repository / name
        archive.add_folder(name, source) if source.is_dir() else archive.add(name, source)
    return archive, [program.name for program in programs]


def check_size(size, limit_mib):
    return stop(f"that is more than {limit_mib:g} MiB") if size > limit_mib * 2**20 else 0


def is_earlier_pack(folder):
    """Whether its manifest says that this script made it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"programs", "cuda_libraries", "unpacked_bytes"} <= manifest.keys()


def clear(folder):
    """Deletes what an earlier pack put there, and nothing else."""
    for name in (ARCHIVE, *SCRIPTS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "gpu_check_parts" / "__pycache__", ignore_errors=True)
    (folder / "gpu_check_parts").mkdir(parents=True, exist_ok=True)


def pack(repository, build, folder, limit_mib):
    bin_folder = build / "bin"
    lacking = [name for name in REQUIRED if not (bin_folder / name).is_file()]
    if lacking:
        return stop(f"{bin_folder} lacks {', '.join(lacking)}: build them first, with the preset cuda for GPUs")
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or is_earlier_pack(folder))):
        return stop(f"{folder} holds something else than an earlier pack: choose another folder")
    archive, programs = collect(repository, bin_folder)
    if archive.missing:
        return stop(f"the loader does not find {', '.join(sorted(archive.missing))}: set LD_LIBRARY_PATH")
    clear(folder)
    manifest = {
        "programs": programs,
        "cuda": bool(archive.of_the_machine),
        "cuda_libraries": sorted(archive.of_the_machine),
        "glibc": newest_symbol_version(path for name, path in archive.files.items() if not name.startswith("clib/")),
        "unpacked_bytes": sum(path.stat().st_size for path in archive.files.values()),
    }
    # First, so that a pack that was interrupted may be made again in its place.
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for name in SCRIPTS:
        shutil.copy2(repository / "scripts" / name, folder / name)
    archive.write(folder / ARCHIVE)
    size = sum((folder / name).stat().st_size for name in (ARCHIVE, MANIFEST, *SCRIPTS))
    left_out = [name for name in PROGRAMS if name not in programs]
    print(f"{folder}: {size / 2**20:.1f} MiB ({manifest['unpacked_bytes'] / 2**20:.0f} MiB unpacked), "
          f"{len(programs)} programs, CUDA {'in' if manifest['cuda'] else 'not in'} this build"
          + (f"; not built, so their steps will not run: {', '.join(left_out)}" if left_out else ""))
    return check_size(size, limit_mib)
