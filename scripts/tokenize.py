#!/usr/bin/env python3
"""tokenize.py MODEL TEXT [-o FILE]: a token file for texts and tokenizers that cce does not read itself.

MODEL is a Hugging Face folder. What is found first is used: transformers (any tokenizer), tokenizers (tokenizer.json),
sentencepiece (tokenizer.model). TEXT is a .txt file, a .jsonl file, either also as .gz or .zst, a .parquet table, or a
folder of these, taken by name. A record's text stands under --text-key, else "text", else "content"; records are joined
by an empty line, those without text left out. Chats, under "messages" or "conversations", are rendered with the model's
chat template (transformers). Line ends of .txt files are read as "\\n". No token is put around the text. FILE (default:
TEXT with .tokens.u16 or .tokens.u32 for its ending) holds the ids, little-endian, 16 bits each where the vocabulary
fits, else 32: pass it to cce as text. cce runs this program by itself where python3 has what it needs.
"""
import sys

del sys.path[0]  # this folder: there this file would stand in for Python's own module tokenize

import argparse
import array
import gzip
import importlib
import io
import json
import math
import os
import pathlib

PLAIN = (".txt", ".text", ".md", ".tokens", ".raw")
ROLES = {"human": "user", "gpt": "assistant"}


def stop(message, remedy):
    sys.exit(f"tokenize.py: {message}. {remedy}")


def available(package):
    try:
        return importlib.import_module(package)
    except ImportError:
        return None


def wanted(package, what):
    return available(package) or stop(f"{what} needs the Python package {package}", f"Install it: pip install {package}")


class Encoder:
    """encode(text) and chat(turns) give ids; size is that of the vocabulary."""

    def __init__(self, folder):
        self.chat = lambda turns: stop("a chat needs the Python package transformers", "Install it: pip install transformers")
        if transformers := available("transformers"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            self.encode = lambda text: tokenizer(text, add_special_tokens=False, verbose=False).input_ids
            self.size = len(tokenizer)
            self.chat = lambda turns: self.rendered(tokenizer, turns)
            return
        if (folder / "tokenizer.json").is_file() and (tokenizers := available("tokenizers")):
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_truncation()
            tokenizer.no_padding()
            self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
            self.size = tokenizer.get_vocab_size()
            return
        if (folder / "tokenizer.model").is_file() and (sentencepiece := available("sentencepiece")):
            tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
            self.encode, self.size = tokenizer.encode, tokenizer.vocab_size()
            return
        stop(f"no tokenizer of {folder} can be read here",
             "Install one: pip install transformers, or tokenizers (tokenizer.json), or sentencepiece (tokenizer.model)")

    @staticmethod
    def rendered(tokenizer, turns):
        if not getattr(tokenizer, "chat_template", None):
            stop("a chat, and a model without a chat template", "Give a text, or a model that has chat_template")
        messages = [{"role": ROLES.get(turn.get("from"), turn.get("from")), "content": turn.get("value")}
                    if "from" in turn else turn for turn in turns]
        return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)


def endings(path):
    name = path.name.lower()
    packed = next((ending for ending in (".gz", ".zst") if name.endswith(ending)), "")
    return pathlib.PurePath(name.removesuffix(packed)).suffix, packed


def open_bytes(path, packed):
    if packed == ".gz":
        return gzip.open(path, "rb")
    if packed == ".zst":
        return wanted("zstandard", "a .zst file").open(path, "rb")
    return open(path, "rb")


def is_missing(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def record_text(record, text_key, where):
    """The text of a record, a list of turns, or None."""
    keys = [text_key] if text_key else ["text", "content", "messages", "conversations"]
    for key in keys:
        if key in record:
            value = record[key]
            if is_missing(value) or isinstance(value, (str, list)):
                return None if is_missing(value) else value
            stop(f"{where}: {key} is no text", "Name the key that holds it with --text-key")
    stop(f"{where}: the keys are {', '.join(record)}", "Name the one that holds the text with --text-key")


def records_of(path, text_key):
    """What record_text says of each record."""
    ending, packed = endings(path)
    if ending == ".parquet" and not packed:
        table = wanted("pyarrow", "a .parquet table") and importlib.import_module("pyarrow.parquet").ParquetFile(path)
        names = table.schema_arrow.names
        columns = [key for key in ([text_key] if text_key else ["text", "content", "messages", "conversations"]) if key in names][:1]
        if not columns:
            stop(f"{path}: the columns are {', '.join(names)}", "Name the one that holds the text with --text-key")
        for batch in table.iter_batches(columns=columns):
            for record in batch.to_pylist():
                yield record_text(record, text_key, path)
    elif ending == ".jsonl":
        with open_bytes(path, packed) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield record_text(json.loads(line), text_key, f"{path}, line {number}")
    elif ending in PLAIN:
        with io.TextIOWrapper(open_bytes(path, packed), encoding="utf-8", newline=None) as text:
            yield text.read()
    else:
        stop(f"{path} is no text that can be read", "Give .txt, .jsonl, .parquet, or a folder of them")


def tokenise(encoder, path, text_key):
    """(ids, records, records without text)"""
    files = [path]
    if path.is_dir():
        files = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=lambda entry: os.fsencode(entry.name))
    ids, texts, records, skipped = [], [], 0, 0

    def flush():
        if texts:
            ids.extend(encoder.encode("\n\n".join(texts)))
            texts.clear()

    for file in files:
        counted = endings(file)[0] not in PLAIN
        for text in records_of(file, text_key):
            records += counted
            if text is None:
                skipped += 1
            elif isinstance(text, list):
                flush()
                ids.extend(encoder.chat(text))
            else:
                texts.append(text)
    flush()
    return ids, records, skipped


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
    parser.add_argument("--text-key", help="of a record that holds the text")
    parser.add_argument("--json", action="store_true", help="print what was read as one line of JSON")
    arguments = parser.parse_args()
    if not arguments.text.exists():
        stop(f"{arguments.text} is not there", "Check the path")
    encoder = Encoder(arguments.model)
    ids, records, skipped = tokenise(encoder, arguments.text, arguments.text_key)
    bits = 16 if max(encoder.size, max(ids, default=0) + 1) <= 1 << 16 else 32
    output = arguments.output or arguments.text.with_suffix(f".tokens.u{bits}")
    if output.suffix not in (".u16", ".u32"):
        stop(f"{output} ends neither in .u16 nor in .u32", f"Name it {output.stem}.tokens.u{bits}")
    if output.suffix == ".u16" and max(ids, default=0) >= 1 << 16:
        stop(f"ids up to {max(ids)} do not fit into 16 bits", f"Name the file {output.with_suffix('.u32').name}")
    write_ids(output, ids, int(output.suffix[2:]))
    if arguments.json:
        print(json.dumps({"tokens": len(ids), "records": records, "skipped": skipped}))
    else:
        print(f"{output}: {len(ids)} tokens" + (f"; {skipped} of {records} records have no text" if skipped else ""))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError) as error:
        stop(f"{type(error).__name__}: {error}", "Check the model folder and the text")
