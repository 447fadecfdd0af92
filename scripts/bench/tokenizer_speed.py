#!/usr/bin/env python3
"""tokenizer_speed.py --dump build/release/bin/tokenizer_dump --text FILE TOKENIZER...: tokens a second of tokenizers.

Each TOKENIZER (a tokenizer.json or tokenizer.model) encodes the text on one core; the time to load it, found with an
empty text, is taken off. Prints a table of kind, tokens, MB/s, tokens/s, seconds to load, and peak memory.
"""
import argparse
import os
import pathlib
import struct
import subprocess
import sys
import tempfile


def run(dump, tokenizer, text):
    """(tokens, seconds of the processor, peak bytes)"""
    with tempfile.TemporaryFile() as records, tempfile.TemporaryFile() as ids:
        records.write(struct.pack("<I", len(text)) + text)
        records.seek(0)
        process = subprocess.Popen([dump, tokenizer], stdin=records, stdout=ids)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"tokenizer_speed.py: {tokenizer} failed")
        ids.seek(0)
        return struct.unpack("<I", ids.read(4))[0], usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("tokenizers", nargs="+")
    arguments = parser.parse_args()
    text = pathlib.Path(arguments.text).read_bytes()
    print("| tokenizer | tokens | MB/s | tokens/s | load, s | peak, MiB |\n|---|---|---|---|---|---|")
    for tokenizer in arguments.tokenizers:
        loads = [run(arguments.dump, tokenizer, b"")[1:] for _ in range(arguments.repeats)]
        runs = [run(arguments.dump, tokenizer, text) for _ in range(arguments.repeats)]
        load = min(seconds for seconds, _ in loads)
        seconds = max(min(seconds for _, seconds, _ in runs) - load, 1e-9)
        tokens = runs[0][0]
        path = pathlib.Path(tokenizer)
        name = path.parent.name if path.stem == "tokenizer" else path.stem
        print(f"| {name} | {tokens:,} | {len(text) / seconds / 1e6:.1f} | {tokens / seconds:,.0f} | {load:.2f} |"
              f" {max(peak for _, _, peak in runs) >> 20} |", flush=True)


if __name__ == "__main__":
    main()
