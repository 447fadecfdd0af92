#!/usr/bin/env python3
"""Every remedy that an Error is given is a sentence for people: it begins with a capital letter, and says something.

    check_remedies.py ROOT         checks common, worker and coordinator, prints every violation, exits 1 if there is one
    check_remedies.py --self-test  checks the checker

Looked at are the string literals that `remedy = ...` begins with, and those handed to a parameter called `remedy` by calls
in the same file (for JsonReader::refuse: in every file). Where nothing helps, the member is left out.
"""
import pathlib
import re
import sys

ASSIGNED = re.compile(r"\.remedy\s*=(?!=)\s*")
PARAMETER = re.compile(r"(?:const\s+)?(?:std::)?(?:string_view|string|char\s*\*)\s*&?\s*remedy\s*(?:=[^,)]*)?[,)]")
CALLED_EVERYWHERE = {"refuse": (2, r"(?:\.|->)refuse\(ErrorCode::")}
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def expressions(text, start):
    """The comma-separated expressions from `start` to the bracket or semicolon that ends them, each with its place."""
    depth, begin, at, found = 0, start, start, []
    while at < len(text):
        character = text[at]
        if character == '"':
            at = LITERAL.match(text, at).end()
            continue
        if character == "'":
            at = text.index("'", at + (2 if text[at + 1] == "\\" else 1)) + 1
            continue
        if character in "([{":
            depth += 1
        elif character in ")]}":
            if depth == 0:
                break
            depth -= 1
        elif character in ",;" and depth == 0:
            found.append((begin, text[begin:at]))
            if character == ";":
                return found
            begin = at + 1
        at += 1
    found.append((begin, text[begin:at]))
    return found


def openings(expression):
    """The literals that the value of an expression may begin with: its first one, and those after ? and :."""
    plain = re.sub(r"^\s*std::string\(\s*", "", expression)
    found = [LITERAL.match(plain.lstrip())]
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[()?]|(?<!:):(?!:)', expression):
        token = match.group()
        depth += (token == "(") - (token == ")")
        if token in "?:" and depth == 0:
            found.append(LITERAL.match(expression[match.end():].lstrip()))
    return [match.group(1) for match in found if match]


def parameters(text):
    """Names of the functions of a file that take a `remedy`, and which parameter it is."""
    found = {}
    for match in PARAMETER.finditer(text):
        head = re.search(r"(\w+)(?:\s*=\s*\[[^\]]*\])?\s*\(([^(){};]*)$", text[:match.start()])
        if head:
            found[head.group(1)] = head.group(2).count(",")
    return found


def remedies(text):
    """Every remedy of a file as (line, expression)."""
    for match in ASSIGNED.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, expressions(text, match.end())[0][1]
    calls = [(index, rf"(?<![\w.:>]){name}\(") for name, index in parameters(text).items()]
    for index, pattern in [*calls, *CALLED_EVERYWHERE.values()]:
        for match in re.finditer(pattern, text):
            start = text.index("(", match.start()) + 1
            arguments = expressions(text, start)
            if len(arguments) > index:
                place, argument = arguments[index]
                yield text.count("\n", 0, place) + 1, argument


def violations(text):
    for line, expression in remedies(text):
        for words in openings(expression):
            if not words and expression.strip() == '""':
                yield line, "an empty remedy: leave it out, or better, help"
            elif words and not words[0].isupper():
                yield line, f"a remedy that begins small: {words}"


def check(root):
    bad = 0
    for folder in ("common", "worker", "coordinator"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cpp", ".h", ".cu", ".cuh"):
                for line, problem in violations(path.read_text(encoding="utf-8")):
                    print(f"{path.relative_to(root)}:{line}: {problem}")
                    bad += 1
    return 1 if bad else 0


SAMPLES = [
    ('throw Error{.code = c, .remedy = "Free some space"};', 0),
    ('throw Error{.code = c, .remedy = "free some space"};', 1),
    ('throw Error{.code = c, .remedy = ""};', 1),
    ('throw Error{.code = c, .remedy = full ? "Free some" : "try again"};', 1),
    ('throw Error{.code = c, .remedy = std::string("use ") + flag};', 1),
    ('error.remedy = did_you_mean(name, names);', 0),
    ('void refuse(const std::string& found, const char* remedy) { } void f() { refuse("a", "choose, well"); }', 1),
    ('void refuse(const std::string& found, const char* remedy) { } void f() { refuse("a", "Choose"); }', 0),
    ('const auto no = [](bool bad, const char* remedy) {}; void f() { no(g(1, 2), "give more"); }', 1),
    ('reader.refuse(ErrorCode::out_of_range, "auto", "leave it out");', 1),
    ('reader.refuse(ErrorCode::out_of_range, "auto");', 0),
]


def self_test():
    failed = [text for text, wanted in SAMPLES if len(list(violations(text))) != wanted]
    for text in failed:
        print(f"wrong: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else check(pathlib.Path(sys.argv[1])))
