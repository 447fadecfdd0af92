#!/usr/bin/env python3
"""Makes tests/goldens/config_keys.json: which keys of config.json act, as transformers has it.

Each row is a model of tests/data/models with other keys in its config.json, and perhaps a head beside a tied embedding,
and the mean loss that transformers computes with it in fp32 on fixed tokens: token i of the row's two windows of 14 is
(7919 i + 1) mod the vocabulary. Rows of one model whose keys do not act have the same loss. Needs torch, transformers and
safetensors; the tests need none of them.

  config_key_goldens.py           writes the goldens
  config_key_goldens.py CCE_TOOL  exports each row's model with the program model_tool of a build, uniform and custom, and
                                  compares what transformers computes with the results; writes nothing, exits 1 on a
                                  difference
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/data/models"
GOLDENS = ROOT / "tests/goldens/config_keys.json"
SEQUENCES, LENGTH = 2, 14
BOUND = 1e-5

FULL, SLIDING = "full_attention", "sliding_attention"
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 10000.0}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LONG = {"type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.6], "long_factor": [1.0, 2.0, 3.0, 4.0]}
# name, model, keys that are set (None: null), and what lm_head.weight is where config.json ties it: "" (absent), "same" as
# the embedding, or "negated", stored in the embedding's dtype or wider
ROWS = [
    ("llama_as_it_is", "llama_mha", {}, ""),
    ("llama_leftover_window", "llama_mha", {"sliding_window": 5}, ""),
    ("llama_leftover_layer_types", "llama_mha", {"sliding_window": 5, "layer_types": [SLIDING, SLIDING]}, ""),
    ("llama_mixed_layer_types", "llama_mha", {"sliding_window": 5, "layer_types": [FULL, SLIDING]}, ""),
    ("llama_leftover_qwen_keys", "llama_mha", {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 0}, ""),
    ("mistral_as_it_is", "mistral_window", {}, ""),
    ("mistral_null", "mistral_window", {"sliding_window": None}, ""),
    ("mistral_qwen_keys", "mistral_window", {"use_sliding_window": False, "max_window_layers": 2}, ""),
    ("mistral_biases", "mistral_window", {"attention_bias": True, "mlp_bias": True}, ""),
    ("mistral_full_layers", "mistral_window", {"layer_types": [FULL, FULL]}, ""),
    ("mistral_sliding_layers", "mistral_window", {"layer_types": [SLIDING, SLIDING]}, ""),
    ("qwen2_as_it_is", "qwen2_bias", {"layer_types": None}, ""),
    ("qwen2_unused", "qwen2_bias", {"sliding_window": 5, "layer_types": None}, ""),
    ("qwen2_unused_listed", "qwen2_bias", {"sliding_window": 5}, ""),
    ("qwen2_beyond_the_last", "qwen2_bias",
     {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 3, "layer_types": None}, ""),
    ("qwen2_full_layers", "qwen2_bias", {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 0}, ""),
    ("qwen2_all", "qwen2_bias",
     {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 0, "layer_types": None}, ""),
    ("qwen2_sliding_layers", "qwen2_bias",
     {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 3, "layer_types": [SLIDING] * 3}, ""),
    ("qwen2_biases", "qwen2_bias", {"attention_bias": False, "mlp_bias": True}, ""),
    ("rope_as_it_is", "llama3_gqa", {}, ""),
    ("rope_older_section_acts", "llama3_gqa", {"rope_scaling": {**LLAMA3, "factor": 2.0,
                                                               "original_max_position_embeddings": 16}}, ""),
    ("rope_older_section_without_theta", "llama3_gqa",
     {"rope_theta": 100.0, "rope_scaling": {"rope_type": "default"}}, ""),
    ("rope_empty_section", "llama3_gqa", {"rope_scaling": {}}, ""),
    ("rope_length_outside", "llama3_gqa", {"original_max_position_embeddings": 8}, ""),
    ("rope_length_absent", "llama3_gqa", {"rope_parameters": LLAMA3}, ""),
    ("linear", "llama_mha", {"rope_scaling": {"type": "linear", "factor": 4.0}}, ""),
    ("dynamic_within", "llama_mha", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, ""),
    ("dynamic_beyond", "llama_mha",
     {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 6}, ""),
    ("yarn", "llama_mha", {"rope_scaling": YARN}, ""),
    ("yarn_growth", "llama_mha", {"rope_scaling": {**YARN, "factor": None}}, ""),
    ("yarn_length_outside", "llama_mha",
     {"rope_scaling": YARN, "original_max_position_embeddings": 512}, ""),
    ("yarn_set", "llama_mha", {"rope_scaling": {**YARN, "mscale": 0.707, "mscale_all_dim": 0.5, "beta_fast": 4,
                                               "beta_slow": 0.5, "truncate": False}}, ""),
    ("yarn_attention_factor", "llama_mha", {"rope_scaling": {**YARN, "attention_factor": 0.8}}, ""),
    ("longrope_short", "llama_mha", {"rope_scaling": LONG, "original_max_position_embeddings": 14}, ""),
    ("longrope_long", "llama_mha", {"rope_scaling": {**LONG, "original_max_position_embeddings": 13}}, ""),
    ("longrope_set", "mistral_window",
     {"rope_scaling": {**LONG, "factor": 8.0, "attention_factor": 1.5, "original_max_position_embeddings": 4}}, ""),
    ("partial_heads_of_no_scaling", "llama_mha", {"partial_rotary_factor": 0.5}, ""),
    ("pretraining_tp", "llama_mha", {"pretraining_tp": 2}, ""),
    ("mistral_mixed_types", "mistral_window", {"layer_types": [FULL, SLIDING]}, ""),
    ("qwen2_from_the_second_layer_on", "qwen2_bias",
     {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 1, "layer_types": None}, ""),
    ("qwen2_mixed_types", "qwen2_bias",
     {"sliding_window": 5, "use_sliding_window": True, "layer_types": [SLIDING, FULL, SLIDING]}, ""),
    ("llama_gelu", "llama_mha", {"hidden_act": "gelu_pytorch_tanh"}, ""),
    ("smollm3_as_it_is", "smollm3", {}, ""),
    ("smollm3_by_interval", "smollm3", {"no_rope_layers": None, "no_rope_layer_interval": 3, "layer_types": None}, ""),
    ("smollm3_silent", "smollm3", {"rope_parameters": None}, ""),
    ("gemma3_as_it_is", "gemma3", {}, ""),
    ("gemma3_older_keys", "gemma3",
     {"rope_parameters": None, "layer_types": None, "sliding_window_pattern": 3, "rope_theta": 50000.0,
      "rope_local_base_freq": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}, ""),
    ("gemma3_silent", "gemma3", {"rope_parameters": None, "query_pre_attn_scalar": 64}, ""),
    ("gemma3_ignored_caps", "gemma3", {"attn_logit_softcapping": 50.0}, ""),
    ("olmo2_as_it_is", "olmo2", {}, ""),
    ("olmo3_as_it_is", "olmo3", {}, ""),
    ("olmo3_older_keys", "olmo3", {"rope_parameters": None, "rope_theta": 1000.0, "layer_types": None}, ""),
    ("granite_as_it_is", "granite", {}, ""),
    ("granite_silent", "granite", {"attention_multiplier": 1.0, "residual_multiplier": 1.0}, ""),
    ("head_absent", "stories260K", {}, ""),
    ("head_same", "stories260K", {}, "same"),
    ("head_own", "stories260K", {}, "negated"),
    ("head_own_untied", "stories260K", {"tie_word_embeddings": False}, "negated"),
    ("head_same_in_shards", "llama3_gqa", {}, "same"),
    ("head_own_in_shards", "llama3_gqa", {}, "negated"),
    ("head_own_wider", "llama3_gqa", {}, "negated wider"),
    ("head_same_wider", "llama3_gqa", {}, "same wider"),
]


def add_head(folder, kind):
    """lm_head.weight in a file of its own, or in the only one."""
    index_file = folder / "model.safetensors.index.json"
    files = sorted(folder.glob("*.safetensors"))
    embedding = next(tensors["model.embed_tokens.weight"] for tensors in map(load_file, files)
                     if "model.embed_tokens.weight" in tensors)
    head = embedding.clone() if kind.startswith("same") else -embedding
    if kind.endswith("wider"):
        head = head.float()
    if index_file.exists():
        save_file({"lm_head.weight": head}, folder / "head.safetensors", metadata={"format": "pt"})
        index = json.loads(index_file.read_text())
        index["weight_map"]["lm_head.weight"] = "head.safetensors"
        index_file.write_text(json.dumps(index))
    else:
        save_file({**load_file(files[0]), "lm_head.weight": head}, files[0], metadata={"format": "pt"})


def make_folder(folder, model, changes, head):
    shutil.copytree(MODELS / model, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(changes)
    path.write_text(json.dumps(config))
    if head:
        add_head(folder, head)


def loss_of(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=True,
                                                              attn_implementation="sdpa").eval()
    ids = (torch.arange(SEQUENCES * LENGTH) * 7919 + 1) % model.config.vocab_size
    ids = ids.view(SEQUENCES, LENGTH)
    with torch.no_grad():
        logits = model(input_ids=ids).logits.double()
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()


def write_goldens(scratch):
    rows = []
    for name, model, changes, head in ROWS:
        make_folder(scratch / name, model, changes, head)
        rows.append({"name": name, "model": model, "changes": changes, "head": head, "loss": loss_of(scratch / name)})
        print(f"{name}: {rows[-1]['loss']:.7f}", flush=True)
    GOLDENS.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def compare_exports(scratch, tool):
    failures = 0
    for row in json.loads(GOLDENS.read_text()):
        make_folder(scratch / row["name"], row["model"], row["changes"], row["head"])
        for form in ("uniform", "custom"):
            out = scratch / f"{row['name']}-{form}"
            subprocess.run([tool, "export", scratch / row["name"], out, form, "f32"], check=True, stdout=subprocess.DEVNULL)
            difference = abs(loss_of(out) - row["loss"]) / row["loss"]
            failures += difference > BOUND
            print(f"{'ok  ' if difference <= BOUND else 'FAIL'} {row['name']} {form}: {difference:.1e}", flush=True)
    return int(failures > 0)


def main():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        if len(sys.argv) > 1:
            return compare_exports(pathlib.Path(scratch), sys.argv[1])
        return write_goldens(pathlib.Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
