#!/usr/bin/env python3
"""Compares cce's tokenizer with Hugging Face tokenizers, token for token.

    tokenizer_check.py --dump build/release/bin/tokenizer_dump [--random 10000] [--text FILE]... TOKENIZER.json...

Every text file and `--random` random strings go through both. The strings mix all scripts, white space, digits,
punctuation, contractions, long runs and the tokenizer's own special tokens; they hold only code points that are
assigned in the oldest Unicode version on either side (PCRE2 10.42: 14.0).
Exit status 1 when any id differs. Needs the Python package tokenizers.
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import unicodedata

from tokenizers import Tokenizer

OLDEST_UNICODE = (14, 0, 0)
FRAGMENTS = ["'s", "'S", "'ll", "'LL", "'Ve", "'\u017f", "don't", "WE'RE", "  ", "\n\n", "\r\n", "\t", " \n ", "\u00a0",
             "\u3000", "\u2028", "\u0085", "\u180e", "...", "1234567", "\u0661\u0662\u0663", "\u00bd", "\u216b", "e\u0301",
             "\uac00", "\u1100\u1161", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\ufeff", "_", "a_b", "<|", "|>",
             "hello", " world", "Straße", "ﬁ", "ŉ", "़"]


def assigned_code_points():
    version = tuple(int(part) for part in unicodedata.unidata_version.split("."))
    if version > OLDEST_UNICODE:
        sys.exit(f"Python's Unicode data ({unicodedata.unidata_version}) is newer than PCRE2's: use Python 3.9 to 3.11")
    return [character for character in map(chr, range(0x110000)) if unicodedata.category(character) not in ("Cn", "Cs", "Co")]


def random_strings(count, seed, specials):
    generator = random.Random(seed)
    assigned = assigned_code_points()
    latin = [character for character in assigned if ord(character) < 0x250]
    spaces = [character for character in assigned if character.isspace()]
    numeric = [character for character in assigned if unicodedata.category(character)[0] == "N"]
    marks = [character for character in assigned if unicodedata.category(character)[0] == "M"]
    printable = [chr(code) for code in range(32, 127)]
    pools = [assigned, latin, printable, spaces, numeric, marks, FRAGMENTS, specials or FRAGMENTS]
    strings = []
    for _ in range(count):
        parts = []
        for _ in range(generator.randint(1, 12)):
            pool = generator.choice(pools)
            if generator.random() < 0.1:
                parts.append(generator.choice(pool) * generator.randint(2, 30))
            else:
                parts.extend(generator.choice(pool) for _ in range(generator.randint(1, 8)))
        strings.append("".join(parts))
    return strings


def reference(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def our_ids(dump, path, texts):
    encoded = [text.encode() for text in texts]
    records = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    output = subprocess.run([dump, path], input=records, stdout=subprocess.PIPE, check=True, timeout=600).stdout
    result, offset = [], 0
    for _ in texts:
        [count] = struct.unpack_from("<I", output, offset)
        result.append(list(struct.unpack_from(f"<{count}i", output, offset + 4)))
        offset += 4 + 4 * count
    return result


def first_difference(ours, theirs):
    for index, (left, right) in enumerate(zip(ours, theirs)):
        if left != right:
            return index
    return min(len(ours), len(theirs))


def check(dump, path, texts, names):
    """Number of texts that differ; prints the first few."""
    tokenizer = reference(path)
    theirs = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    wrong = 0
    for name, text, mine, yours in zip(names, texts, our_ids(dump, path, texts), theirs):
        if mine == yours:
            continue
        wrong += 1
        if wrong <= 5:
            at = first_difference(mine, yours)
            around = tokenizer.decode(yours[max(at - 3, 0):at + 3], skip_special_tokens=False)
            print(f"  {name}: token {at}: ours {mine[at:at + 4]}, expected {yours[at:at + 4]} near {around!r}"
                  + (f" in {text!r}" if len(text) < 200 else ""))
    print(f"{path}: {len(texts)} texts, {sum(map(len, theirs))} tokens, {wrong} texts differ")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--random", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("tokenizers", nargs="+")
    arguments = parser.parse_args()
    wrong = 0
    for path in arguments.tokenizers:
        added = json.loads(pathlib.Path(path).read_text(encoding="utf-8")).get("added_tokens", [])
        strings = random_strings(arguments.random, arguments.seed, [token["content"] for token in added])
        texts = [pathlib.Path(text).read_bytes().decode() for text in arguments.text] + strings
        names = arguments.text + [f"random string {index}" for index in range(len(strings))]
        wrong += check(arguments.dump, path, texts, names)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
