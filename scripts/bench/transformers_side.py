#!/usr/bin/env python3
"""Runs in a Python with torch: reads one JSON request on stdin, prints one JSON answer.

  {"do": "perplexity", "folder", "texts": [{name, path, first, last}], "length", "dtype", "threads"}
      → {"perplexity": {NAME: value}, "tokens": {NAME: count}, "seconds"}     seconds: forward passes and losses
  {"do": "forward", ... the same ..., "batch"}
      → {"tokens", "seconds"}    seconds: one forward pass over all windows, logits included; no loss

Text is tokenised by the folder's tokenizer.json with nothing added; a file ending in .u16 or .u32 holds token ids.
Perplexity is exp of the mean of −log p (natural) over tokens 1..length−1 of every window; logits are widened to fp32
first. The clock starts after loading, tokenising and one warm-up window.
"""
import contextlib
import json
import pathlib
import sys
import time

import numpy
import torch
import transformers

transformers.utils.logging.set_verbosity_error()


def token_ids(path, folder):
    if path.suffix in (".u16", ".u32"):
        return numpy.fromfile(path, dtype="<u2" if path.suffix == ".u16" else "<u4").astype(numpy.int64)
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return numpy.array(tokenizer.encode(path.read_text(encoding="utf-8"), add_special_tokens=False).ids, dtype=numpy.int64)


def windows_of(text, folder, length):
    """Windows [first, last) of those that follow each other from the text's start, windows × length."""
    ids = token_ids(pathlib.Path(text["path"]), folder)
    count = len(ids) // length
    return torch.from_numpy(ids[:count * length].reshape(count, length))[slice(text["first"], text["last"])]


def load(request):
    torch.set_num_threads(request["threads"])
    folder = pathlib.Path(request["folder"])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, request["dtype"]), trust_remote_code=True).eval()
    texts = {text["name"]: windows_of(text, folder, request["length"]) for text in request["texts"]}
    model(next(iter(texts.values()))[:1], use_cache=False)
    return model, texts


def perplexity(request):
    model, texts = load(request)
    answer = {"perplexity": {}, "tokens": {}}
    started = time.perf_counter()
    for name, windows in texts.items():
        total = 0.0
        for window in windows:
            logits = model(window[None], use_cache=False).logits[0, :-1].float()
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
        answer["tokens"][name] = windows.shape[0] * (windows.shape[1] - 1)
        answer["perplexity"][name] = float(numpy.exp(total / answer["tokens"][name]))
    return answer | {"seconds": time.perf_counter() - started}


def forward(request):
    model, texts = load(request)
    windows = torch.cat(list(texts.values()))
    started = time.perf_counter()
    for first in range(0, len(windows), request["batch"]):
        model(windows[first:first + request["batch"]], use_cache=False)
    return {"tokens": windows.numel(), "seconds": time.perf_counter() - started}


def main():
    request = json.load(sys.stdin)
    with torch.inference_mode(), contextlib.redirect_stdout(sys.stderr):
        answer = {"perplexity": perplexity, "forward": forward}[request["do"]](request)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
