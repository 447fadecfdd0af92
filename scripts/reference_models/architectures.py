"""What a GGUF's metadata and tensors are in Hugging Face's form, an architecture at a time.

Each architecture is a function from the metadata to config.json and a table of names; what llama.cpp changes of a weight
as it converts (rows of rotary pairs, 1 + w of a norm) is changed back here.
"""

# GGUF's name of a layer's tensor -> Hugging Face's, of LLaMA and Qwen2.
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
GEMMA_LAYER_TENSORS = {
    **LAYER_TENSORS,
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
OUTER_TENSORS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def shortest_float32(value):
    """GGUF keeps fp32 metadata: 9.999999747378752e-06 was written as 1e-05."""
    import numpy
    return float(str(numpy.float32(value)))


def llama_config(value):
    heads, hidden = value("llama.attention.head_count"), value("llama.embedding_length")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.041666666666666664,
        "intermediate_size": value("llama.feed_forward_length"),
        "max_position_embeddings": value("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": value("llama.block_count"),
        "num_key_value_heads": value("llama.attention.head_count_kv"),
        "pad_token_id": value("tokenizer.ggml.padding_token_id"),
        "pretraining_tp": 1,
        "rms_norm_eps": shortest_float32(value("llama.attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": shortest_float32(value("llama.rope.freq_base")),
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": value("llama.vocab_size"),
    }


def qwen2_config(value):
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "hidden_act": "silu",
        "hidden_size": value("qwen2.embedding_length"),
        "initializer_range": 0.02,
        "intermediate_size": value("qwen2.feed_forward_length"),
        "max_position_embeddings": value("qwen2.context_length"),
        "max_window_layers": value("qwen2.block_count"),
        "model_type": "qwen2",
        "num_attention_heads": value("qwen2.attention.head_count"),
        "num_hidden_layers": value("qwen2.block_count"),
        "num_key_value_heads": value("qwen2.attention.head_count_kv"),
        "pad_token_id": value("tokenizer.ggml.padding_token_id"),
        "rms_norm_eps": shortest_float32(value("qwen2.attention.layer_norm_rms_epsilon")),
        "rope_theta": shortest_float32(value("qwen2.rope.freq_base")),
        "sliding_window": value("qwen2.context_length"),
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": len(value("tokenizer.ggml.tokens")),
    }


def gemma3_config(value):
    layers = value("gemma3.block_count")
    full_every = 6  # of Gemma 3: five layers with a window, one without; llama.cpp has the number in its program
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "final_logit_softcapping": None,
        "head_dim": value("gemma3.attention.key_length"),
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": value("gemma3.embedding_length"),
        "initializer_range": 0.02,
        "intermediate_size": value("gemma3.feed_forward_length"),
        "layer_types": ["sliding_attention" if (layer + 1) % full_every else "full_attention" for layer in range(layers)],
        "max_position_embeddings": value("gemma3.context_length"),
        "model_type": "gemma3_text",
        "num_attention_heads": value("gemma3.attention.head_count"),
        "num_hidden_layers": layers,
        "num_key_value_heads": value("gemma3.attention.head_count_kv"),
        "pad_token_id": value("tokenizer.ggml.padding_token_id"),
        "query_pre_attn_scalar": value("gemma3.attention.key_length"),
        "rms_norm_eps": shortest_float32(value("gemma3.attention.layer_norm_rms_epsilon")),
        "rope_local_base_freq": 10000.0,
        "rope_scaling": None,
        "rope_theta": shortest_float32(value("gemma3.rope.freq_base")),
        "sliding_window": value("gemma3.attention.sliding_window"),
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_bidirectional_attention": False,
        "use_cache": True,
        "vocab_size": len(value("tokenizer.ggml.tokens")),
    }


CONFIGS = {"llama": llama_config, "qwen2": qwen2_config, "gemma3": gemma3_config}


def interleaved_to_halves(weight, heads):
    """llama.cpp stores the rows of a LLaMA q or k head as rotary pairs (2j, 2j + 1); Hugging Face rotates (j, j + half)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def restored(architecture, config, kind, weight):
    """A tensor's values as Hugging Face has them."""
    if architecture == "llama" and kind in ("attn_q", "attn_k"):
        return interleaved_to_halves(weight, config["num_attention_heads" if kind == "attn_q" else "num_key_value_heads"])
    if architecture == "gemma3" and kind.endswith("norm"):
        return weight - 1.0
    return weight


def hugging_face_names(architecture, names):
    """{Hugging Face's name: (GGUF's name, its kind)}. A file with a head of its own for a tied embedding holds it in fewer
    bits than the head: the head's values stand for both. Raises KeyError with the name of an unexpected tensor."""
    layer_tensors = GEMMA_LAYER_TENSORS if architecture == "gemma3" else LAYER_TENSORS
    has_head = "output.weight" in names
    result = {}
    for name in names:
        if has_head and name in ("output.weight", "token_embd.weight"):
            if name == "output.weight":
                result["model.embed_tokens.weight"] = (name, "output")
            continue
        words = name.split(".")
        if len(words) == 2 and words[0] in OUTER_TENSORS:
            result[f"{OUTER_TENSORS[words[0]]}.{words[1]}"] = (name, words[0])
        elif len(words) == 4 and words[0] == "blk" and words[2] in layer_tensors:
            result[f"model.layers.{words[1]}.{layer_tensors[words[2]]}.{words[3]}"] = (name, words[2])
        else:
            raise KeyError(name)
    return result
