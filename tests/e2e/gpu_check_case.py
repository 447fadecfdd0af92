"""What the tests of scripts/gpu_check share: its parts importable, a folder, a machine without a GPU, programs that do nothing."""
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import types
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPTS = REPOSITORY / "scripts"
sys.path.insert(0, str(SCRIPTS / "gpu_check_parts"))
import runtime  # noqa: E402

MACHINE = {"host": "h", "cores": 2, "glibc": [99, 0], "devices": None, "driver": "no NVIDIA driver", "driver_folder": None,
           "gpus": [], "compute_sanitizer": None, "cuda_libraries": {}, "cuda_library_folders": [], "other_versions": {}}


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="gpu-check-parts-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.printed = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def make(self, name, text=""):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def fake_runtime(self, programs=()):
        """An unpacked folder with programs that do nothing."""
        for program in programs:
            os.chmod(self.make(f"unpacked/bin/{program}", "#!/bin/sh\n"), 0o755)
        return runtime.Runtime(self.folder / "unpacked", MACHINE, False)

    def options(self, **others):
        return types.SimpleNamespace(**{"checkpoint": None, "text": [], "random_7b": None, "only": "", "loader": "never",
                                        "out": self.folder / "out", **others})
