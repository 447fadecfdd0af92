#!/usr/bin/env python3
"""tokenize.py MODEL TEXT [-o FILE]: a token file for models whose tokenizer cce does not read (SentencePiece, ...).

MODEL is a Hugging Face folder. What is found first is used: transformers (any tokenizer), tokenizers (tokenizer.json),
sentencepiece (tokenizer.model). TEXT is a .txt file, or a .jsonl file with {"text": ...} a line, whose texts are joined
by an empty line. No token is put around the text. FILE (default: TEXT with .tokens.u16 or .tokens.u32 for its ending)
holds the ids, little-endian, 16 bits each where the vocabulary fits, else 32: pass it to cce as text.
"""
import sys

del sys.path[0]  # this folder: there this file would stand in for Python's own module tokenize

import argparse
import array
import importlib
import json
import os
import pathlib


def stop(message, remedy):
    sys.exit(f"tokenize.py: {message}. {remedy}")


def available(package):
    try:
        return importlib.import_module(package)
    except ImportError:
        return None


def load_encoder(folder):
    """(text -> ids, size of the vocabulary)"""
    if transformers := available("transformers"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return lambda text: tokenizer(text, add_special_tokens=False, verbose=False).input_ids, len(tokenizer)
    if (folder / "tokenizer.json").is_file() and (tokenizers := available("tokenizers")):
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return lambda text: tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.get_vocab_size()
    if (folder / "tokenizer.model").is_file() and (sentencepiece := available("sentencepiece")):
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        return tokenizer.encode, tokenizer.vocab_size()
    stop(f"no tokenizer of {folder} can be read here",
         "Install one: pip install transformers, or tokenizers (tokenizer.json), or sentencepiece (tokenizer.model)")


def read_text(path):
    content = path.read_bytes().decode("utf-8")
    if path.suffix == ".jsonl":
        return "\n\n".join(json.loads(line)["text"] for line in content.split("\n") if line.strip())
    return content


def write_ids(path, ids, bits):
    values = array.array("H" if bits == 16 else "I", ids)
    if sys.byteorder == "big":
        values.byteswap()
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(values.tobytes())
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path)
    arguments = parser.parse_args()
    encode, vocabulary = load_encoder(arguments.model)
    ids = encode(read_text(arguments.text))
    bits = 16 if max(vocabulary, max(ids, default=0) + 1) <= 1 << 16 else 32
    output = arguments.output or arguments.text.with_suffix(f".tokens.u{bits}")
    if output.suffix not in (".u16", ".u32"):
        stop(f"{output} ends neither in .u16 nor in .u32", f"Name it {output.stem}.tokens.u{bits}")
    if output.suffix == ".u16" and bits == 32:
        stop(f"ids up to {max(ids)} do not fit into 16 bits", f"Name the file {output.with_suffix('.u32').name}")
    write_ids(output, ids, int(output.suffix[2:]))
    print(f"{output}: {len(ids)} tokens")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError) as error:
        stop(f"{type(error).__name__}: {error}", "Check the model folder and the text")
