#!/usr/bin/env python3
"""Prints the files of the product in which something is defined, and checks that an addition stays small.

  definition_sites.py op relative_error       files that declare, define or list it; calls (x.NAME(...), ops::NAME(...)) are not counted
  definition_sites.py key weight_decay        files of common/recipe that declare the key, and files that spell "NAME"
  definition_sites.py family qwen3            files whose code or strings name it, as a word or in a class's name; other things
                                              that bear the name (llama.cpp, its architectures, a pre-tokenizer) are not counted
  definition_sites.py format custom           files whose strings, tables or functions name it; `--format NAME` in an
                                              example is a use, .NAME a file's ending
  definition_sites.py --check [ROOT]          every family and format within its bound, and names that only their own
                                              folders may use: exit 1 if not, with the files
  definition_sites.py --self-test             checks the checker

The product is common, worker and coordinator. Comments do not count.
"""
import argparse
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PRODUCT = ("common", "worker", "coordinator")
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".def", ".in", ".json", ".js", ".html", ".py", ".txt"}
MOST_FILES = {"op": 5, "key": 2, "family": 2, "format": 3}
# What only these folders may name.
OWNED = {
    "Family::": ("common/model/families/",),
    "ExportFormat::": ("common/model/formats/", "worker/model/formats/"),
}
INCLUDE = re.compile(r"^#include.*$", re.MULTILINE)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def code_of(path):
    """A file's text without comments; strings stay."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        return re.sub(r"#[^\n]*", "", re.sub(r'""".*?"""', "", text, flags=re.DOTALL))
    if path.suffix in (".json", ".html", ".txt"):
        return text
    return COMMENT.sub(lambda match: match[0] if match[0].startswith('"') else " ", text)


def product_files(root):
    for top in PRODUCT:
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES:
                yield path.relative_to(root).as_posix(), code_of(path)


def is_site(kind, name, path, code):
    word = re.escape(name)
    if kind == "op":
        return re.search(rf"(?<![\w.])(?<!->)(?<!ops::){word}\b|\.{word}\s*=", code) is not None
    if kind == "key":
        declared = path.startswith("common/recipe/") and path.endswith(".h") and re.search(rf"(?<![\w.]){word}\b", code)
        return bool(declared) or re.search(rf'"{word}"', code) is not None
    if kind == "family":
        named = rf'(?<!PreTokenizer{{")(?<!gguf_architecture = ")\b{word}(?:\b(?![.-]\w)|For)'
        return re.search(named, code, re.IGNORECASE) is not None
    if re.search(rf"\b{word}_(?:rules|writer)\b|CCE_EXPORT_FORMAT\({word}\)|ExportFormat::{word}\b", code):
        return True
    return any(re.search(rf"(?<!--format )(?<!\.)\b{word}\b", text) for text in STRING.findall(INCLUDE.sub("", code)))


def sites(kind, name, files):
    return [path for path, code in files if is_site(kind, name, path, code)]


def families(files):
    table = dict(files).get("common/model/families/families.cpp", "")
    return re.findall(r"const Family& (\w+)\(\);", table)


def formats(files):
    return re.findall(r"CCE_EXPORT_FORMAT\((\w+)\)", dict(files).get("common/model/formats/formats.def", ""))


def violations(root):
    files = list(product_files(root))
    found = []
    names = [("family", name) for name in families(files)] + [("format", name) for name in formats(files)]
    names += [("op", "relative_error"), ("key", "weight_decay"), ("key", "patience")]  # one stands for its kind
    if not families(files) or not formats(files):
        found.append("no table of families or formats where this script looks for it")
    for kind, name in names:
        where = sites(kind, name, files)
        if len(where) > MOST_FILES[kind]:
            found.append(f"{kind} {name}: {len(where)} files, at most {MOST_FILES[kind]}: {', '.join(where)}")
    for token, owners in OWNED.items():
        for path, code in files:
            if re.search(rf"\b{token}", code) and not path.startswith(owners):
                found.append(f"{path}: {token} belongs to {' and '.join(owners)}")
    return found


def self_test():
    tree = {
        "common/model/families/families.cpp": "const Family& llama();\n",
        "common/model/families/llama.cpp": 'const Family& llama() { return {"LlamaForCausalLM"}; }',
        "common/model/formats/formats.def": "CCE_EXPORT_FORMAT(plain)\n",
        "common/model/formats/plain.cpp": 'x = ExportFormat::plain; "plain"',
        "common/recipe/settings.h": "double weight_decay = 0.01;  // weight_decay",
        "common/recipe/table.cpp": 'row("weight_decay")',
        "worker/a.cpp": "backend->relative_error(x); ops::relative_error(b, x); step.weight_decay = 1; // llama, Family::llama\n",
        "worker/b.h": "void relative_error(int);",
        "worker/table.cpp": "Ops table{.relative_error = row};",
        "coordinator/c.cpp": 'help("cce export --format plain");',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        def write(path, text):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")

        for path, text in tree.items():
            write(path, text)
        files = list(product_files(root))
        ops = sites("op", "relative_error", files)
        assert ops == ["worker/b.h", "worker/table.cpp"], ops
        assert sites("key", "weight_decay", files) == ["common/recipe/settings.h", "common/recipe/table.cpp"]
        assert len(sites("family", "llama", files)) == 2, sites("family", "llama", files)
        assert len(sites("format", "plain", files)) == 2, sites("format", "plain", files)
        assert violations(root) == [], violations(root)
        write("worker/d.cpp", "if (family == Family::llama) {}")
        assert any("worker/d.cpp: Family:: belongs" in line for line in violations(root))
        assert any("family llama: 3 files" in line for line in violations(root))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.check:
        found = violations(pathlib.Path(options.arguments[0]) if options.arguments else ROOT)
        print("\n".join(found) if found else "every family, format, operation and key within its bound")
        return 1 if found else 0
    if len(options.arguments) < 2 or options.arguments[0] not in MOST_FILES:
        parser.error("give a kind (op, key, family, format) and names")
    kind, *names = options.arguments
    files = list(product_files(ROOT))
    for name in names:
        where = sites(kind, name, files)
        print(f"{kind} {name}: {len(where)} files (at most {MOST_FILES[kind]})", *where, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
