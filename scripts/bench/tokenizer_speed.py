#!/usr/bin/env python3
"""tokenizer_speed.py --dump build/release/bin/tokenizer_dump --text FILE [--json FILE] NAME=TOKENIZER...: tokens a second.

Each TOKENIZER (a tokenizer.json or tokenizer.model) encodes the text on one core; the time to load it, found with an
empty text, is taken off. Prints tokens, MB/s, tokens/s, seconds to load and peak memory; --json writes them for
scripts/make_tables.py (docs/bench/tokenizers.json).
"""
import argparse
import json
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
    parser.add_argument("--json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("tokenizers", nargs="+")
    arguments = parser.parse_args()
    text = pathlib.Path(arguments.text).read_bytes()
    rows = []
    for given in arguments.tokenizers:
        name, _, tokenizer = given.rpartition("=")
        loads = [run(arguments.dump, tokenizer, b"")[1] for _ in range(arguments.repeats)]
        runs = [run(arguments.dump, tokenizer, text) for _ in range(arguments.repeats)]
        seconds = min(seconds for _, seconds, _ in runs) - min(loads)
        rows.append({"name": name or tokenizer, "tokens": runs[0][0], "bytes": len(text), "seconds": round(seconds, 4),
                     "load_seconds": round(min(loads), 3), "peak_bytes": max(peak for _, _, peak in runs)})
        print(f"{rows[-1]['name']}: {runs[0][0]:,} tokens, {len(text) / seconds / 1e6:.1f} MB/s, {runs[0][0] / seconds:,.0f} tokens/s,"
              f" loaded in {min(loads):.2f} s, peak {rows[-1]['peak_bytes'] >> 20} MiB", flush=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"text": pathlib.Path(arguments.text).name, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
