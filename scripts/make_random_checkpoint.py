#!/usr/bin/env python3
"""make_random_checkpoint.py FOLDER: a Llama checkpoint of random weights, for measuring where no trained one can be had.

The default has Llama-2-7B's shapes (6.74e9 parameters, 13.5 GB in bf16) and comes with 128 windows of 2048 random tokens
in random.tokens.u16. Every tensor is drawn from N(0, 0.02²) by a generator of its own (seed, index), norms are 1; tensors are
written in pieces by some threads at once, so that memory stays small: 160 MB with 8 threads. Needs numpy and nothing else.
Perplexities of such a model mean nothing; shapes, time and memory do.
"""
import argparse
import concurrent.futures
import json
import pathlib

import numpy

PIECE_VALUES = 1 << 20  # of a thread at a time: about 25 MB with what rounding needs
STANDARD_DEVIATION = 0.02


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--ffn", type=int, default=11008)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=32)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--windows", type=int, default=128, help="of tokens in random.tokens.u16; 8 more are there to be held out")
    parser.add_argument("--window-tokens", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=8)
    return parser.parse_args()


def tensor_shapes(arguments):
    """(name, shape) of every tensor, in the order in which they lie in the file."""
    hidden, ffn = arguments.hidden, arguments.ffn
    head = hidden // arguments.heads
    yield "model.embed_tokens.weight", (arguments.vocabulary, hidden)
    for layer in range(arguments.layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "self_attn.q_proj.weight", (hidden, hidden)
        yield prefix + "self_attn.k_proj.weight", (head * arguments.kv_heads, hidden)
        yield prefix + "self_attn.v_proj.weight", (head * arguments.kv_heads, hidden)
        yield prefix + "self_attn.o_proj.weight", (hidden, hidden)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        yield prefix + "mlp.gate_proj.weight", (ffn, hidden)
        yield prefix + "mlp.up_proj.weight", (ffn, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, ffn)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (arguments.vocabulary, hidden)


def to_bf16(values):
    """The nearest bf16 of each f32, ties to even, as 16-bit words."""
    bits = values.view(numpy.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(numpy.uint16)


def write_tensor(path, offset, shape, seed, index):
    count = int(numpy.prod(shape))
    with open(path, "r+b") as file:
        file.seek(offset)
        if len(shape) == 1:
            to_bf16(numpy.ones(count, dtype=numpy.float32)).tofile(file)
            return
        generator = numpy.random.Generator(numpy.random.Philox(key=[seed, index]))
        for first in range(0, count, PIECE_VALUES):
            values = generator.standard_normal(min(PIECE_VALUES, count - first), dtype=numpy.float32)
            values *= numpy.float32(STANDARD_DEVIATION)
            to_bf16(values).tofile(file)


def write_weights(path, arguments):
    shapes = list(tensor_shapes(arguments))
    header, offset = {}, 0
    for name, shape in shapes:
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)
    with concurrent.futures.ThreadPoolExecutor(arguments.threads) as pool:
        running = [pool.submit(write_tensor, path, 8 + len(text) + header[name]["data_offsets"][0], shape, arguments.seed, index)
                   for index, (name, shape) in enumerate(shapes)]
        for done in running:
            done.result()
    return offset


def write_config(path, arguments):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": arguments.hidden,
        "intermediate_size": arguments.ffn, "num_hidden_layers": arguments.layers, "num_attention_heads": arguments.heads,
        "num_key_value_heads": arguments.kv_heads, "vocab_size": arguments.vocabulary, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "max_position_embeddings": max(4096, arguments.window_tokens), "tie_word_embeddings": False,
        "attention_bias": False, "mlp_bias": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "bfloat16",
    }
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main():
    arguments = parse_arguments()
    if arguments.vocabulary > 65536:
        raise SystemExit("--vocabulary: at most 65536, because tokens are written as 16 bits")
    if arguments.hidden % arguments.heads or arguments.heads % arguments.kv_heads:
        raise SystemExit("--heads must divide --hidden, and --kv-heads must divide --heads")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    size = write_weights(arguments.folder / "model.safetensors", arguments)
    write_config(arguments.folder / "config.json", arguments)
    generator = numpy.random.Generator(numpy.random.Philox(key=[arguments.seed, 1 << 32]))
    tokens = generator.integers(3, arguments.vocabulary, (arguments.windows + 8) * arguments.window_tokens, dtype=numpy.uint16)
    tokens.astype("<u2").tofile(arguments.folder / "random.tokens.u16")
    print(f"{arguments.folder}: {size // 2} parameters, {size / 1e9:.2f} GB; {tokens.size} tokens")


if __name__ == "__main__":
    main()
