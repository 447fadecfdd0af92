"""What the measuring scripts share: running cce, reading its report, a program with transformers, tables."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import protocol as protocols

SCRIPTS = pathlib.Path(__file__).resolve().parent


def add_run_arguments(parser, ranks=2, threads=1):
    parser.add_argument("--cce", type=pathlib.Path, default=protocols.ROOT / "build/release/bin/cce")
    parser.add_argument("--ranks", type=int, default=ranks)
    parser.add_argument("--threads", type=int, default=threads, help="of each rank")


def add_row_arguments(parser):
    """For a script that measures named rows and keeps those that are done in one JSON file."""
    parser.add_argument("--rows", nargs="+")
    parser.add_argument("--again", nargs="*", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--results", type=pathlib.Path)


def selected_rows(arguments, rows, script):
    """The rows that were asked for, in their order; none where --list was, which is printed here."""
    by_name = {row.name: row for row in rows}
    if arguments.list:
        print("\n".join(f"{row.name:28} {row.title}" for row in rows))
        return []
    if unknown := [name for name in (arguments.rows or []) + arguments.again if name not in by_name]:
        sys.exit(f"{script}: no row {unknown[0]}; --list shows them")
    return [by_name[name] for name in arguments.rows] if arguments.rows else list(rows)


def results_path(arguments, script):
    return arguments.results or (arguments.work / f"{script}.json" if arguments.smoke
                                 else protocols.ROOT / f"docs/bench/{script}.json")


def add_python_argument(parser):
    parser.add_argument("--python", default=sys.executable, help="a Python with torch, transformers and tokenizers")


def cpu_model():
    """Model name and the instructions that decide the speed of bf16 products."""
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", "").split()
    features = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    name = fields.get("model name", "unknown")
    numbers = f"family {fields.get('cpu family')}, model {fields.get('model')}"
    return f"{name} ({numbers}; {', '.join(features)}), {len(os.sched_getaffinity(0))} cores"


def program_digest(cce):
    """Start of the SHA-256 of the cce-worker beside cce: rows made by different builds can be told apart."""
    return hashlib.sha256(cce.with_name("cce-worker").read_bytes()).hexdigest()[:16]


def environment(cce):
    """What a figure depends on besides the recipe."""
    version = subprocess.run([cce, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"cpu": cpu_model(), "cce": version, "program": program_digest(cce),
            "load_average": round(os.getloadavg()[0], 2)}


def run_cce(command, job, cores=None):
    """Runs `cce COMMAND… --job JOB` and returns its report; stops with its message if it fails."""
    shutil.rmtree(job, ignore_errors=True)
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    result = subprocess.run([*pinned, *map(str, command), "--job", str(job), "--quiet", "--json"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stderr.strip()}")
    return json.loads(result.stdout)


def compress(arguments, recipe, run, settings=(), cores=None, ranks=None, threads=None, bind="auto"):
    """`cce compress` of a recipe into the folder `run`; its job lies beside it."""
    command = [arguments.cce, "compress", recipe, "--ranks", ranks or arguments.ranks,
               "--threads", threads or arguments.threads, "--bind", bind, "--out", run, "--force"]
    for setting in settings:
        command += ["--set", setting]
    return run_cce(command, run.with_name(run.name + ".job"), cores)


def ask_transformers(arguments, request, cores=None):
    """One request to transformers_side.py in the Python that has torch; its answer."""
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    result = subprocess.run([*pinned, arguments.python, str(SCRIPTS / "transformers_side.py")], input=json.dumps(request),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"transformers_side.py in {arguments.python} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def text_request(texts):
    return [{"name": text.name, "path": str(text.path), "first": text.first, "last": text.last} for text in texts]


def read_json(path):
    return json.loads(path.read_text()) if path.is_file() else {}


def write_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def markdown_table(rows):
    """The first row is the header; the first column is left-aligned, the others right."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(cells) + " |")
        if number == 0:
            lines.append("|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":")
                                        for column, width in enumerate(widths)) + "|")
    return "\n".join(lines)
