#!/usr/bin/env python3
"""check_docs.py REPOSITORY: what code says of docs/ and what pages say of code is there.

  - no line cites "design N.N": a reader of the repository has docs/ alone
  - "docs/PAGE.md" in any file names a page, "docs/method.md 3.3" a heading of it that begins with that number
  - links of README.md, docs/ and slurm/README.md lead to files, and those with #ANCHOR to a heading
  - `folder/file` in a page of docs/ names something that is there
  - README.md has at most 150 lines

Prints what is wrong; exit 0 where nothing is. check_docs.py --self-test checks the checks.
"""
import os
import pathlib
import re
import sys
import tempfile

README_LINES = 150
NUMBER = r"\d+(?:\.\d+)?"
DESIGN = re.compile(rf"\bdesign,? ?(?:sections? )?{NUMBER}\b", re.IGNORECASE)
CITATION = re.compile(rf"\b(docs/[\w/-]+\.md)(?: ({NUMBER}(?:(?:, | and | to ){NUMBER})*))?")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OWN_FOLDERS = ("common", "coordinator", "worker", "scripts", "slurm", "tests", "docs", "cmake")
CODE_PATH = re.compile(rf"`((?:{'|'.join(OWN_FOLDERS)})/[\w./-]*)`")
PLACEHOLDER = re.compile(r"NAME|GROUP")  # "worker/tensor/ops/GROUP/GROUP_ops.h": some file is called like that
SKIPPED_FOLDERS = {".git", "build", "models", "out", "__pycache__", "corpus"}
SKIPPED_PATHS = {"tests/data", "tests/goldens", "tests/common/check_docs.py"}
TEXT_ENDINGS = {".h", ".cpp", ".in", ".cu", ".cuh", ".py", ".sh", ".md", ".txt", ".cmake", ".yaml", ".yml", ".js", ".css", ""}


def text_files(repository):
    for folder, inner, names in os.walk(repository):
        here = pathlib.Path(folder).relative_to(repository)
        inner[:] = sorted(name for name in inner if name not in SKIPPED_FOLDERS and str(here / name) not in SKIPPED_PATHS)
        for name in sorted(names):
            path = here / name
            if path.suffix in TEXT_ENDINGS and str(path) not in SKIPPED_PATHS:
                try:
                    yield path, (repository / path).read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue


def headings(page):
    return re.findall(r"^#+ (.+?)\s*$", page, re.MULTILINE)


def anchor(heading):
    """As GitHub makes them."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda found: found.group(1) or "", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def has_section(page, number):
    return any(re.match(rf"{re.escape(number)}(?![\d]|\.\d)", heading) for heading in headings(page))


def check_citations(repository):
    problems = []
    for path, text in text_files(repository):
        for number, line in enumerate(text.splitlines(), 1):
            if DESIGN.search(line):
                problems.append(f"{path}:{number}: cites a design that is not here: {line.strip()}")
            for name, sections in CITATION.findall(line):
                page = repository / name
                if not page.is_file():
                    problems.append(f"{path}:{number}: no page {name}")
                    continue
                for section in re.findall(NUMBER, sections):
                    if not has_section(page.read_text(encoding="utf-8"), section):
                        problems.append(f"{path}:{number}: {name} has no section {section}")
    return problems


def pages_of(repository):
    return sorted([repository / "README.md", repository / "slurm" / "README.md", *(repository / "docs").rglob("*.md")])


def check_links(repository):
    problems = []
    for page in pages_of(repository):
        if not page.is_file():
            continue
        text = page.read_text(encoding="utf-8")
        for target in LINK.findall(text):
            if re.match(r"\w+:", target):
                continue
            name, _, fragment = target.partition("#")
            found = (page.parent / name) if name else page
            where = page.relative_to(repository)
            if not found.exists():
                problems.append(f"{where}: a link leads nowhere: {target}")
            elif fragment and found.suffix == ".md":
                if fragment not in map(anchor, headings(found.read_text(encoding="utf-8"))):
                    problems.append(f"{where}: no heading for the link {target}")
    return problems


def check_paths(repository):
    problems = []
    for page in pages_of(repository):
        for named in CODE_PATH.findall(page.read_text(encoding="utf-8")) if page.is_file() else []:
            if not any(repository.glob(PLACEHOLDER.sub("*", named))):
                problems.append(f"{page.relative_to(repository)}: names {named}, which is not there")
    return problems


def check_length(repository):
    lines = len((repository / "README.md").read_text(encoding="utf-8").splitlines())
    return [f"README.md has {lines} lines, more than {README_LINES}"] if lines > README_LINES else []


def check(repository):
    return check_citations(repository) + check_links(repository) + check_paths(repository) + check_length(repository)


def self_test():
    wrong = {
        "common/a.h": "/// See design 3.3.\n",
        "common/b.h": "/// See docs/method.md 3.4 and docs/gone.md.\n",
        "docs/method.md": "# 3. Method\n## 3.3 Curves\n[x](gone.md) [y](#no-such) `common/gone.h`\n",
        "README.md": "line\n" * 151,
    }
    right = {
        "common/a.h": "/// See docs/method.md 3.3, docs/method.md 3 and 3.3. Redesigned 3 times.\n",
        "docs/method.md": "# 3. Method\n## 3.3 Curves\n[x](../README.md) [y](#33-curves) `common/a.h`\n",
        "README.md": "[m](docs/method.md#3-method)\n",
    }
    for files, expected in ((wrong, 7), (right, 0)):
        with tempfile.TemporaryDirectory() as name:
            repository = pathlib.Path(name)
            for path, text in files.items():
                (repository / path).parent.mkdir(parents=True, exist_ok=True)
                (repository / path).write_text(text, encoding="utf-8")
            problems = check(repository)
            if len(problems) != expected:
                return [f"expected {expected} problems, found {problems}"]
    return []


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    problems = self_test() if sys.argv[1] == "--self-test" else check(pathlib.Path(sys.argv[1]).resolve())
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
