#!/usr/bin/env python3
"""check_readme.py [--cce PROGRAM]: holds README.md and the pages of docs/ to what the repository does.

Every line of their ```sh blocks must be one of
  - a script of this repository that is there and executable (their own runs are CI and the quickstart),
  - `cmake --preset P`, `cmake --build --preset P` or `ctest --preset P` with a preset of CMakePresets.json,
  - a `cce` command, which with --cce is run in a scratch folder of its page: models/smollm2-135m stands for a small trained
    model there, every .txt file for that model's tokens, and windows are 128 tokens long. Each must exit with 0. `cce serve`
    is started on a free port and stays for the client commands that follow it, where ID stands for the job submitted.
Every subcommand must be shown somewhere, and docs/errors.md must list common/base/error.h in its order. Links are
tests/common/check_docs.py's, docs/recipe.md is a unit test's, tables of measured figures scripts/make_tables.py's. Prints what is
wrong; exit 0 where nothing is.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SMALL_MODEL = REPOSITORY / "tests" / "data" / "models" / "stories260K"
CLIENT_COMMANDS = ("submit", "jobs", "status", "logs", "cancel", "fetch")
LONG_SCRIPTS = ("scripts/", ".ci/", "slurm/")
PACKED = "out/gpu-check/"  # where docs/gpu.md packs scripts/gpu_check
DEADLINE_SECONDS = 180


def pages():
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def shell_lines(page):
    lines = []
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        block = block.replace("\\\n", " ")
        for line in block.splitlines():
            command = line.split(" # ")[0].strip()
            if command and not command.startswith("#"):
                lines.append(command)
    return lines


def check_script(name):
    path = REPOSITORY / name
    if not path.is_file() or not os.access(path, os.X_OK):
        return f"{name} is no executable file"
    return None


def check_preset(words):
    presets = json.loads((REPOSITORY / "CMakePresets.json").read_text())
    kind = "testPresets" if words[0] == "ctest" else "buildPresets" if "--build" in words else "configurePresets"
    names = [preset["name"] for preset in presets[kind] if not preset.get("hidden")]
    if "--preset" not in words or words[words.index("--preset") + 1] not in names:
        return f"no preset of {kind}: {' '.join(words)}"
    return None


def make_scratch(folder):
    """A small model under the name that the pages use, with a tokenizer, as published folders have one."""
    model = folder / "models" / "smollm2-135m"
    shutil.copytree(SMALL_MODEL, model)
    shutil.copy(REPOSITORY / "tests/data/tokenizers/gpt2.json", model / "tokenizer.json")


def stand_ins(words, folder):
    """The command with the small model's tokens for texts and short windows."""
    tokens = str(SMALL_MODEL / "tinystories.tokens.u16")
    replaced = []
    for word in words:
        if word.endswith(".yaml"):
            text = re.sub(r"[\w./]+\.txt", tokens, (REPOSITORY / "scripts" / "quickstart.yaml").read_text())
            (folder / word).parent.mkdir(parents=True, exist_ok=True)
            (folder / word).write_text(text)
        replaced.append(re.sub(r"[\w./]+\.txt", tokens, word))
    if replaced[1] in ("compress", "plan", "analyze", "evaluate", "finetune", "submit"):
        replaced += ["--length", "128"]
    if replaced[1] in ("compress", "plan", "analyze", "submit"):
        replaced += ["--sequences", "8"]
    if replaced[1] == "finetune":
        replaced += ["--set", "finetune.batch_tokens=1024"]
    return replaced


def run_command(program, words, folder):
    command = [program, *stand_ins(words, folder)[1:]]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        return f"took more than {DEADLINE_SECONDS} s: {shlex.join(command)}"
    if result.returncode != 0:
        return f"exit {result.returncode}: {shlex.join(command)}\n{result.stderr.strip()[-2000:]}"
    return None


class Server:
    """The `cce serve` of a page, and the job that its client commands are about."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.process = self.url = self.job = None

    def start(self, words):
        self.stop()
        command = [self.program, *words[1:], "--listen", "127.0.0.1:0"]
        # The stand-ins of texts lie there: it is a root, too.
        command += ["--root", str(SMALL_MODEL)]
        log = self.folder / "serve.log"
        with open(log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=errors, text=True)
        found = re.search(r"http://\S+", self.process.stdout.readline())
        if not found:
            self.process.kill()
            return f"{shlex.join(command)}\n{log.read_text()[-2000:]}"
        self.url = found.group(0)
        return None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.communicate(timeout=DEADLINE_SECONDS)
            self.process = None

    def run(self, words):
        return subprocess.run([self.program, *words, "--server", self.url], cwd=self.folder, capture_output=True,
                              text=True, timeout=DEADLINE_SECONDS)

    def submit(self, words):
        result = self.run(stand_ins(words, self.folder)[1:])
        self.job = result.stdout.strip()
        self.submitted = words
        return result

    def wait_until_final(self):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            state = json.loads(self.run(["status", self.job, "--json"]).stdout)["state"]
            if state in ("cancelled", "completed", "failed", "lost"):
                return
            time.sleep(0.1)

    def command(self, words):
        """A client command. One that cancels gets a job of its own that is still at work."""
        if not self.process:
            return f"no cce serve stands before: {shlex.join(words)}"
        if words[1] == "cancel":
            self.submit(self.submitted)
        if words[1] == "submit":
            result = self.submit(words)
        else:
            result = self.run([self.job if word == "ID" else word for word in words[1:]])
        if words[1] == "cancel":
            self.wait_until_final()
        if result.returncode != 0:
            return f"exit {result.returncode}: {shlex.join(words)}\n{result.stderr.strip()[-2000:]}"
        return None


def check_commands(page, program):
    problems = []
    with tempfile.TemporaryDirectory(prefix="readme-") as name:
        folder = pathlib.Path(name)
        make_scratch(folder)
        server = Server(program, folder)
        for line in shell_lines(page):
            words = shlex.split(line)
            problem = None
            if words[0].startswith(LONG_SCRIPTS):
                problem = check_script(words[0])
            elif words[0].startswith(PACKED):
                problem = check_script("scripts/" + words[0].removeprefix(PACKED))
            elif words[0] in ("cmake", "ctest"):
                problem = check_preset(words)
            elif words[0] == "cce":
                started = time.monotonic()
                if not program:
                    continue
                if words[1] == "serve":
                    problem = server.start(words)
                elif words[1] in CLIENT_COMMANDS or "ID" in words:
                    problem = server.command(words)
                else:
                    problem = run_command(program, words, folder)
                print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)
            else:
                problem = f"not a script, a preset or cce: {line}"
            if problem:
                problems.append(f"{page.relative_to(REPOSITORY)}: {problem}")
        server.stop()
    return problems


def check_error_table():
    header = (REPOSITORY / "common" / "base" / "error.h").read_text()
    enumeration = re.search(r"enum class ErrorCode \{(.*?)\};", header, re.DOTALL).group(1)
    expected = re.findall(r"^\s*(\w+),", enumeration, re.MULTILINE)
    found = re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs" / "errors.md").read_text(), re.MULTILINE)
    return [] if found == expected else [f"docs/errors.md has {found}, common/base/error.h has {expected}"]


def check_every_command_is_shown(program):
    """Each subcommand of `cce --help` stands in one of the blocks, which are run."""
    listing = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=DEADLINE_SECONDS).stdout
    names = re.findall(r"^  (\w+) ", listing.split("Subcommands:", 1)[-1], re.MULTILINE)
    lines = [shlex.split(line) for page in pages() for line in shell_lines(page)]
    shown = {words[1] for words in lines if words[0] == "cce"}
    return [f"no block shows `cce {name}`" for name in names if name not in shown] or ([] if names else ["no commands"])


def main():
    parser = argparse.ArgumentParser(description="Checks the commands and tables of README.md and docs/.")
    parser.add_argument("--cce", help="the program to run their commands with")
    program = parser.parse_args().cce
    problems = [problem for page in pages() for problem in check_commands(page, program)]
    problems += check_error_table()
    if program:
        problems += check_every_command_is_shown(program)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
