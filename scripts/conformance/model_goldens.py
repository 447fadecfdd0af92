#!/usr/bin/env python3
"""Makes tests/data/models/NAME and tests/goldens/model_NAME.safetensors.

Tiny random models of every family, saved as transformers saves them, and what transformers computes with them in
fp32. Needs torch, transformers and safetensors; the tests themselves need none of them.

A golden holds, all F32:
  tokens      sequences x length
  logits      sequences x length x vocabulary
  losses      sequences x (length - 1)     -log p of tokens 1.. given those before
  stream.K    tokens x d                   the residual stream before layer K (K = layers: before the final norm)
  middle.K    tokens x d                   the stream between layer K's attention and FFN
  d_stream.K, d_middle.K                   gradients of the summed loss there
  pairs.K     tokens x (groups * qk_dim/2) sum over a group's heads and a pair's two dims of q * dloss/dq
"""
import argparse
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LENGTH, SEQUENCES = 14, 2

COMMON = dict(vocab_size=61, max_position_embeddings=128, initializer_range=0.02, bos_token_id=1, eos_token_id=2)


def llama_mha():
    config = transformers.LlamaConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                                      num_key_value_heads=4, tie_word_embeddings=False, **COMMON)
    return config, torch.float32, None, True


def llama3_gqa():
    scaling = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
    config = transformers.LlamaConfig(hidden_size=64, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                                      num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=scaling, **COMMON)
    return config, torch.bfloat16, "40KB", False


def llama_biases():
    config = transformers.LlamaConfig(hidden_size=48, intermediate_size=24, num_hidden_layers=2, num_attention_heads=6,
                                      num_key_value_heads=2, head_dim=12, attention_bias=True, mlp_bias=True,
                                      tie_word_embeddings=False, **COMMON)
    return config, torch.float32, None, False


def mistral_window():
    config = transformers.MistralConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                                        num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=5,
                                        tie_word_embeddings=False, **COMMON)
    return config, torch.float16, None, True


def qwen2_bias():
    config = transformers.Qwen2Config(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                                      num_key_value_heads=2, tie_word_embeddings=True, **COMMON)
    return config, torch.float32, "50KB", False


def custom_mixed():
    """Layers that differ in everything a `custom` checkpoint may hold."""
    sys.path.insert(0, str(ROOT / "worker/model"))
    from modeling_cce import CceLlamaConfig

    layers = [
        dict(attention=True, kv_groups=2, queries_per_group=2, qk_dim=8, vo_dim=8, rope_pairs=[], ffn=0,
             biases=["q", "k", "v", "o"]),
        dict(attention=True, kv_groups=1, queries_per_group=2, qk_dim=4, vo_dim=6, rope_pairs=[1, 3], ffn=20,
             biases=["k", "down"]),
        dict(attention=False, ffn=12, biases=["gate", "up", "down"]),
        dict(attention=True, kv_groups=2, queries_per_group=2, qk_dim=6, vo_dim=3, rope_pairs=[0, 1, 2, 0, 2, 3],
             ffn=17, biases=[])]
    config = CceLlamaConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=4, num_attention_heads=4,
                            num_key_value_heads=2, head_dim=8, sliding_window=6, tie_word_embeddings=True,
                            cce=dict(schema_version=1, base_model_type="mistral", layers=layers), **COMMON)
    return config, torch.float32, None, False


def qwen3():
    """Heads wider than hidden_size / heads, and a head of its own."""
    config = transformers.Qwen3Config(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                                      num_key_value_heads=2, head_dim=12, tie_word_embeddings=False, **COMMON)
    return config, torch.float32, None, False


def custom_qwen3():
    """Normed queries and keys in layers that differ in all else."""
    sys.path.insert(0, str(ROOT / "worker/model"))
    from modeling_cce import CceLlamaConfig

    heads = dict(attention=True, queries_per_group=2, qk_dim=12, rope_pairs=[], norms=["q", "k"])
    layers = [
        dict(heads, kv_groups=2, vo_dim=12, ffn=0, biases=["o"]),
        dict(heads, kv_groups=1, vo_dim=5, ffn=20, biases=["o", "down"]),
        dict(attention=False, ffn=12, biases=["down"]),
        dict(heads, kv_groups=2, vo_dim=7, ffn=17, biases=["q", "k"])]
    config = CceLlamaConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=4, num_attention_heads=4,
                            num_key_value_heads=2, head_dim=12, tie_word_embeddings=True,
                            cce=dict(schema_version=1, base_model_type="qwen3", layers=layers), **COMMON)
    return config, torch.float32, None, False


def llama_yarn():
    """Queries and keys longer by an attention factor."""
    scaling = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32)
    config = transformers.LlamaConfig(hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                                      num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=scaling, **COMMON)
    return config, torch.float32, None, False


def custom(layers, base_model_type, computation, ropes=None, **keys):
    """A `custom` checkpoint as an export writes it: the original's keys, and the section."""
    sys.path.insert(0, str(ROOT / "worker/model"))
    from modeling_cce import CceLlamaConfig

    section = dict(schema_version=1, base_model_type=base_model_type, layers=layers)
    if ropes:
        section["ropes"] = ropes
    if computation:
        section["computation"] = computation
    config = CceLlamaConfig(hidden_size=32, num_hidden_layers=len(layers), num_attention_heads=4, num_key_value_heads=2,
                            intermediate_size=40, cce=section, **keys, **COMMON)
    return config, torch.float32, None, False


def smollm3():
    """The second layer's heads are not turned."""
    config = transformers.SmolLM3Config(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                                        num_key_value_heads=2, no_rope_layers=[1, 0, 1], pad_token_id=0,
                                        tie_word_embeddings=True, **COMMON)
    return config, torch.float32, None, False


def custom_smollm3():
    heads = dict(attention=True, queries_per_group=2, vo_dim=5, biases=[])
    return custom([dict(heads, kv_groups=2, qk_dim=8, rope_pairs=[], ffn=0, rope=0),
                   dict(heads, kv_groups=2, qk_dim=4, rope_pairs=[0, 2, 1, 3], ffn=20, rope=None),
                   dict(heads, kv_groups=1, qk_dim=6, rope_pairs=[0, 2, 3], ffn=17, rope=0)], "smollm3", {},
                  head_dim=8, no_rope_layers=[1, 0, 1], rope_theta=2000000.0, tie_word_embeddings=True)


GEMMA3_ROPES = dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
                    sliding_attention=dict(rope_type="default", rope_theta=10000.0))


def gemma3():
    """Windows in two layers of four; heads wider than hidden_size / heads."""
    config = transformers.Gemma3TextConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=4,
                                           num_attention_heads=4, num_key_value_heads=2, head_dim=12, sliding_window=5,
                                           sliding_window_pattern=2, query_pre_attn_scalar=20, pad_token_id=0,
                                           rope_parameters=GEMMA3_ROPES, tie_word_embeddings=True, **COMMON)
    return config, torch.float32, None, False


def custom_gemma3():
    heads = dict(attention=True, queries_per_group=2, qk_dim=12, rope_pairs=[], norms=["q", "k"])
    sliding, full = dict(window=5, rope=1), dict(window=None, rope=0)
    computation = dict(activation="gelu_tanh", norms="both", gain_offset=1.0, embedding_scale=32**0.5,
                       score_scale=20**-0.5)
    return custom([dict(heads, **sliding, kv_groups=2, vo_dim=12, ffn=40, biases=["o", "down"]),
                   dict(heads, **full, kv_groups=1, vo_dim=5, ffn=0, biases=["o"]),
                   dict(attention=False, ffn=12, biases=["down"]),
                   dict(heads, **full, kv_groups=2, vo_dim=7, ffn=17, biases=[])], "gemma3_text", computation,
                  [GEMMA3_ROPES["full_attention"], GEMMA3_ROPES["sliding_attention"]], head_dim=12,
                  hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=20,
                  rope_parameters=dict(GEMMA3_ROPES["full_attention"]), tie_word_embeddings=True)


def olmo2():
    config = transformers.Olmo2Config(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                                      num_key_value_heads=2, tie_word_embeddings=False, pad_token_id=0, **COMMON)
    return config, torch.float32, None, False


def custom_olmo2():
    heads = dict(attention=True, kv_groups=2, queries_per_group=2, qk_dim=8, rope_pairs=[], norms=["q", "k"])
    return custom([dict(heads, vo_dim=8, ffn=0, biases=["o"]),
                   dict(heads, vo_dim=5, ffn=20, biases=["o", "down"]),
                   dict(attention=False, ffn=12, biases=[])], "olmo2", dict(norms="after", norms_span_heads=True),
                  head_dim=8, rms_norm_eps=1e-5, tie_word_embeddings=False)


def olmo3():
    config = transformers.Olmo3Config(hidden_size=32, intermediate_size=40, num_hidden_layers=4, num_attention_heads=4,
                                      num_key_value_heads=2, sliding_window=5, tie_word_embeddings=False, pad_token_id=0,
                                      **COMMON)
    return config, torch.float32, None, False


MULTIPLIERS = dict(embedding_multiplier=3.0, attention_multiplier=0.25, residual_multiplier=0.4, logits_scaling=1.5)


def granite():
    config = transformers.GraniteConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                                        num_key_value_heads=2, tie_word_embeddings=True, mlp_bias=True, **MULTIPLIERS,
                                        **COMMON)
    return config, torch.float32, None, False


def custom_granite():
    heads = dict(attention=True, queries_per_group=2, rope_pairs=[])
    computation = dict(embedding_scale=3.0, score_scale=0.25, residual_scale=0.4, logits_divisor=1.5)
    return custom([dict(heads, kv_groups=2, qk_dim=8, vo_dim=8, ffn=0, biases=["o"]),
                   dict(heads, kv_groups=1, qk_dim=8, vo_dim=5, ffn=20, biases=["o", "down"]),
                   dict(attention=False, ffn=12, biases=["down"])], "granite", computation, head_dim=8,
                  tie_word_embeddings=True, **MULTIPLIERS)


FAMILIES = [llama_mha, llama3_gqa, llama_biases, mistral_window, qwen2_bias, custom_mixed, qwen3, custom_qwen3, llama_yarn,
            smollm3, custom_smollm3, gemma3, custom_gemma3, olmo2, custom_olmo2, olmo3, granite, custom_granite]


def randomise(model, seed):
    """Weights large enough that every bias, norm and mask matters to the logits."""
    generator = torch.Generator().manual_seed(seed)
    section = getattr(model.config, "cce", {})
    offset = 1 if model.config.model_type == "gemma3_text" else section.get("computation", {}).get("gain_offset", 0)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.data = 1 - offset + 0.3 * noise
        elif parameter.dim() == 1:
            parameter.data = 0.5 * noise
        elif "embed" in name or "lm_head" in name:
            parameter.data = 2 * noise / parameter.shape[1] ** 0.5
        else:
            parameter.data = noise / parameter.shape[1] ** 0.5


def old_spelling(folder):
    """The config.json that transformers 4 would have written."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope.get("rope_type", "default") == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


def record(model, tokens):
    """Runs the model and its gradient, and returns the golden's tensors."""
    kept = {}

    def keep(name, tensor):
        tensor.retain_grad()
        kept[name] = tensor

    hooks = []
    layers = model.model.layers
    for index, layer in enumerate(layers):
        hooks.append(layer.register_forward_pre_hook(
            lambda module, args, kwargs, k=index: keep(f"stream.{k}", args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True))
        attention = getattr(layer, "self_attn", None)
        if attention is not None:
            # Queries as they are rotated: the pairs' products are the same before and after that.
            queries = getattr(attention, "q_norm", None) or attention.q_proj
            hooks.append(queries.register_forward_hook(
                lambda module, args, output, k=index: keep(f"q.{k}", output)))
            if getattr(layer, "mlp", None) is not None:
                hooks.append(first_of_ffn(layer).register_forward_pre_hook(
                    lambda module, args, k=index: keep(f"middle.{k}", args[0])))
    hooks.append(model.model.norm.register_forward_pre_hook(
        lambda module, args: keep(f"stream.{len(layers)}", args[0])))
    logits = model(input_ids=tokens).logits
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    losses.sum().backward()
    for hook in hooks:
        hook.remove()

    golden = {"tokens": tokens.float(), "logits": logits, "losses": losses.view(tokens.shape[0], -1)}
    for name, tensor in kept.items():
        if name.startswith("q."):
            groups, queries, dim = head_shape(model, int(name[2:]))
            products = tensor * tensor.grad
            if tensor.dim() == 4 and tensor.shape[1] != LENGTH:  # heads before tokens
                products = products.transpose(1, 2).contiguous()
            products = products.view(-1, groups, queries, 2, dim // 2).sum(dim=(2, 3))
            golden["pairs." + name[2:]] = products.flatten(1)
        else:
            golden[name] = tensor.flatten(0, 1)
            golden["d_" + name] = tensor.grad.flatten(0, 1)
    return {name: tensor.detach().contiguous() for name, tensor in golden.items()}


def first_of_ffn(layer):
    """The module that the stream between a layer's attention and FFN goes into first."""
    if hasattr(layer, "norms"):  # of modeling_cce.py
        return layer.mlp if layer.norms[2] is None else getattr(layer, layer.norms[2])
    if hasattr(layer, "pre_feedforward_layernorm"):
        return layer.pre_feedforward_layernorm
    return layer.mlp if hasattr(layer, "post_feedforward_layernorm") else layer.post_attention_layernorm


def head_shape(model, layer):
    """Groups, queries per group, and width of a query head."""
    config = model.config
    if getattr(config, "cce", None):
        shape = config.cce["layers"][layer]
        return shape["kv_groups"], shape["queries_per_group"], shape["qk_dim"]
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_key_value_heads, config.num_attention_heads // config.num_key_value_heads, dim


def make(name, config, dtype, shard_size, old, seed):
    folder = ROOT / "tests/data/models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    custom = config.model_type == "cce_llama"
    if custom:
        from modeling_cce import CceLlamaForCausalLM
        model = CceLlamaForCausalLM(config)
    else:
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard_size or "1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    if old:
        old_spelling(folder)

    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=True, attn_implementation="sdpa" if custom else "eager")
    (folder / "modeling_cce.py").unlink(missing_ok=True)  # the source tree has it already
    tokens = torch.randint(0, config.vocab_size, (SEQUENCES, LENGTH), generator=torch.Generator().manual_seed(seed))
    golden = record(model.eval(), tokens)
    path = ROOT / "tests/goldens" / f"model_{name}.safetensors"
    save_file(golden, path)
    for written in [path, *folder.iterdir()]:
        written.chmod(0o644)
    print(f"{name}: loss {golden['losses'].mean():.6f}, logits up to {golden['logits'].abs().max():.3f}, "
          f"{sum(f.stat().st_size for f in folder.iterdir())} + {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which models (default: all)")
    names = parser.parse_args().names
    for seed, family in enumerate(FAMILIES):
        if not names or family.__name__ in names:
            config, dtype, shard_size, old = family()
            make(family.__name__, config, dtype, shard_size, old, seed)


if __name__ == "__main__":
    sys.exit(main())
