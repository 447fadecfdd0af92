"""The unpacked programs: commands, and the environment that they run in."""
import lzma
import os
import pathlib
import shutil
import tarfile


def unpack(folder, out):
    """The programs, unpacked once for an archive."""
    archive, root = folder / "cce.tar.xz", out / "unpacked"
    stamp = out / "unpacked.stamp"
    state = f"{archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == state):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        with lzma.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            tar.extractall(root)
        stamp.write_text(state, encoding="utf-8")
    return root


def library_path(root, machine):
    """Folders of libraries, in order: the packed ones, CUDA's, the user's own, and the driver's, which may lie where the
    loader does not look of itself."""
    folders = [str(root / "lib"), *machine["cuda_library_folders"], *os.environ.get("LD_LIBRARY_PATH", "").split(":"),
               machine["driver_folder"]]
    return list(dict.fromkeys(filter(None, folders)))


class Runtime:
    """Starts the unpacked programs."""

    def __init__(self, root, machine, use_loader):
        self.root = pathlib.Path(root)
        self.use_loader = use_loader
        self.bin = self.root / ("wrapped" if use_loader else "bin")
        libraries = library_path(self.root, machine)
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
