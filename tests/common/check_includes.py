#!/usr/bin/env python3
"""Checks who includes what: folders include only folders below them, and a third-party header only its owner.
Also that files are written through the seam of common/base/file.h alone, where tests can put faults.

    check_includes.py ROOT         checks the tree, prints every violation, exits 1 if there is one
    check_includes.py --self-test  checks the checker
"""
import pathlib
import re
import sys
import tempfile

# Folders in the order in which they may be included: each only those before it in its part, and itself. A folder that
# is not listed belongs to the nearest listed folder above it.
COMMON = [f"common/{part}" for part in ("base", "recipe", "text", "model", "job", "cost")]
COORDINATOR = [f"coordinator/{part}" for part in (
    "system", "store", "page", "terminal", "scheduler", "recipe", "forecast", "run", "service", "http", "api", "client",
    "command")]
STAGES = [f"worker/stages/{part}" for part in ("calibrate", "analyze", "plan", "encode", "evaluate", "finetune", "result")]
WORKER = [*(f"worker/{part}" for part in ("tensor", "comm", "text", "model", "numeric", "passes")), *STAGES, "worker/run"]
MAY_INCLUDE = {
    **{folder: COMMON[:i] for i, folder in enumerate(COMMON)},
    **{folder: [*COMMON, *COORDINATOR[:i]] for i, folder in enumerate(COORDINATOR)},
    "coordinator": [*COMMON, *COORDINATOR],
    **{folder: [*COMMON, *WORKER[:i]] for i, folder in enumerate(WORKER)},
    "worker": [*COMMON, *WORKER],
}

# Third-party headers and the files (path prefixes) that own them. What is not listed must be the standard library's
# or the operating system's.
OWNERS = [
    (r"dnnl|oneapi/", ["worker/tensor/"]),
    (r"cblas|lapacke|openblas", ["worker/tensor/"]),
    (r"omp\.h", ["worker/tensor/"]),
    (r"cuda|cublas|cusolver|curand|cub/|thrust/|nvtx", ["worker/tensor/cuda/", "worker/tensor/ops/", "worker/comm/nccl/"]),
    (r"nccl\.h", ["worker/comm/nccl/"]),
    (r"mpi\.h", ["worker/comm/mpi/"]),
    (r"pcre2|unicode/", ["worker/text/"]),
    (r"sentencepiece", ["worker/text/models/sentencepiece"]),
    (r"zlib\.h|zstd\.h", ["common/text/byte_source"]),
    (r"openssl/", ["common/base/digest"]),
    (r"nlohmann/", ["common/", "coordinator/", "worker/text/", "worker/model/", "worker/passes/", "worker/stages/", "worker/run/probe"]),
    (r"yaml-cpp/", ["coordinator/recipe/recipe"]),
    (r"CLI/", ["coordinator/", "worker/main"]),
    (r"boost/", ["coordinator/http/http_server", "coordinator/client/http_client"]),
    (r"sqlite3\.h", ["coordinator/store/job_store"]),
]
SYSTEM = re.compile(r"(sys/|netinet/|arpa/)?[a-z_0-9]+(\.h)?$|linux/|bits/")
WRITES_PAST_THE_SEAM = re.compile(r"\bstd::(ofstream|fstream)\b|\bfopen\s*\(|\bO_(WRONLY|RDWR)\b")
SEAM = (
    "common/base/posix_file_system.cpp",
    "coordinator/system/clone_file.cpp",  # gives a file that the seam has made the blocks of another
    "coordinator/system/host_name.cpp",  # says who is who in a user namespace: files of the kernel, not on a disk
    "coordinator/system/process.cpp",  # hands a child process the file its output goes to
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def folder_of(path):
    """The folder of a file inside the tree as MAY_INCLUDE knows it, or None."""
    for folder in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def quoted_violation(root, source, header):
    if not (root / header).is_file():
        return "is not a path from the root of the repository"
    own, other = folder_of(source), folder_of(header)
    if other is None or other == own:
        return None if other else "lies outside the folders that code may include"
    if other not in MAY_INCLUDE[own]:
        return f"{own} may include only {', '.join([own, *MAY_INCLUDE[own]])}"
    return None


def angled_violation(source, header):
    for pattern, owners in OWNERS:
        if re.match(pattern, header):
            if any(source.startswith(owner) for owner in owners):
                return None
            return f"belongs to {' and '.join(owners)}"
    return None if SYSTEM.match(header) else "is a third-party header without an owner"


def violations(root):
    found = []
    for top in ("common", "coordinator", "worker"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
                continue
            source = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if source not in SEAM and WRITES_PAST_THE_SEAM.search(line):
                    found.append(f"{source}:{number}: writes files past common/base/file.h")
                match = INCLUDE.match(line)
                if not match:
                    continue
                quote, header = match.groups()
                problem = quoted_violation(root, source, header) if quote == '"' else angled_violation(source, header)
                if problem:
                    found.append(f"{source}:{number}: {header} {problem}")
    return found


def self_test():
    rows = [  # file, line, part of the violation or None
        ("common/base/a.cpp", "#include <vector>", None),
        ("common/base/a.cpp", "#include <sys/mman.h>", None),
        ("common/base/a.cpp", "#include <nlohmann/json.hpp>", None),
        ("common/base/a.cpp", "#include <mpi.h>", "belongs to worker/comm/mpi/"),
        ("common/base/a.cpp", '#include "worker/tensor/t.h"', "common/base may include only common/base"),
        ("common/base/a.cpp", '#include "t.h"', "not a path from the root"),
        ("coordinator/a.cpp", "std::ofstream out(path);", "past common/base/file.h"),
        ("coordinator/a.cpp", "std::ifstream in(path);", None),
        ("common/base/posix_file_system.cpp", "open(path, O_WRONLY);", None),
        ("common/base/digest.cpp", "#include <openssl/evp.h>", None),
        ("coordinator/api/a.cpp", '#include "worker/tensor/t.h"', "coordinator/api may include only"),
        ("coordinator/store/a.cpp", '#include "coordinator/api/t.h"', "coordinator/store may include only"),
        ("coordinator/api/a.cpp", '#include "coordinator/store/t.h"', None),
        ("coordinator/a.cpp", "#include <Eigen/Dense>", "without an owner"),
        ("coordinator/store/job_store_sql.h", "#include <sqlite3.h>", None),
        ("coordinator/service/job_table.cpp", "#include <sqlite3.h>", "belongs to coordinator/store/job_store"),
        ("worker/tensor/t.cpp", '#include "worker/comm/c.h"', "worker/tensor may include only"),
        ("worker/comm/c.cpp", '#include "worker/tensor/t.h"', None),
        ("worker/comm/mpi/x.cpp", "#include <mpi.h>", None),
        ("worker/comm/c.cpp", "#include <mpi.h>", "belongs to"),
        ("worker/stages/plan/p.cpp", '#include "worker/stages/encode/e.h"', "worker/stages/plan may include only"),
        ("worker/stages/encode/e.cpp", '#include "worker/stages/plan/p.h"', None),
        ("worker/main.cpp", '#include "worker/comm/c.h"', None),
    ]
    for source, line, expected in rows:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            headers = ("worker/tensor/t.h", "worker/comm/c.h", "worker/stages/plan/p.h", "worker/stages/encode/e.h",
                       "coordinator/store/t.h", "coordinator/api/t.h")
            for name, text in (*((header, "") for header in headers), (source, line + "\n")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            found = violations(root)
            if (expected is None and found) or (expected and not any(expected in text for text in found)):
                sys.exit(f"{source}: {line}: expected {expected}, found {found}")
    print(f"{len(rows)} rows pass")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = violations(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(found) or "every include stays within its folder's rules")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
