"""A Llama-like decoder whose layers differ: each has its own FFN width, value and query/key widths, rotary pairs,
biases and norms of queries and keys, and may lack its attention or its FFN. config.json's "cce" section lists them, and
says under "computation" what else the original's layers compute: where norms stand, activation, scales.
Read by transformers through trust_remote_code; needs torch and transformers (4.46 or later) only.

Tensor names are those of the original's class. Rotary angles are those of the original head: a layer that kept some of its
pairs turns each by its original frequency, and scores are still divided by the square root of the original width.
"""
import math

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast


class CceLlamaConfig(PretrainedConfig):
    model_type = "cce_llama"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(self, vocab_size=32000, hidden_size=512, intermediate_size=1024, num_hidden_layers=1,
                 num_attention_heads=8, num_key_value_heads=None, head_dim=None, max_position_embeddings=2048,
                 rms_norm_eps=1e-6, initializer_range=0.02, use_cache=True, sliding_window=None, rope_theta=None,
                 rope_scaling=None, rope_parameters=None, tie_word_embeddings=False, cce=None, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads or num_attention_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.max_position_embeddings = max_position_embeddings
        self.rms_norm_eps = rms_norm_eps
        self.initializer_range = initializer_range
        self.use_cache = use_cache
        self.sliding_window = sliding_window
        # Both spellings of the rotary settings end in one.
        rope = dict(rope_parameters or rope_scaling or {})
        rope.setdefault("rope_type", rope.pop("type", "default"))
        rope.setdefault("rope_theta", 10000.0 if rope_theta is None else rope_theta)
        if rope["rope_type"] not in ROPE_TYPES:
            raise ValueError(f"rope_type {rope['rope_type']!r}: this model has one of {', '.join(ROPE_TYPES)}")
        self.rope_parameters = rope
        self.cce = cce or {"schema_version": 1, "layers": []}
        if self.cce["schema_version"] != 1:
            raise ValueError(f"cce.schema_version {self.cce['schema_version']}: this file reads 1")
        unknown = set(self.computation) - COMPUTATION.keys()
        if unknown:
            raise ValueError(f"cce.computation: this file does not compute {', '.join(sorted(unknown))}")
        # Spelt out: where the key is absent, transformers 4 ties embeddings.
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    @property
    def computation(self):
        return self.cce.get("computation", {})

    def computes(self, what):
        return self.computation.get(what, COMPUTATION[what])


# What "computation" may say, and what a silent one means: Llama's own.
COMPUTATION = {
    "activation": "silu",        # or "gelu_tanh"
    "norms": "before",           # stream + f(norm(stream)); "after": stream + norm(f(stream)); or "both"
    "norms_span_heads": False,   # norms of queries and keys are over all heads together
    "gain_offset": 0.0,          # a norm's gain is its weight plus this
    "embedding_scale": 1.0,      # embedded tokens are multiplied by it
    "score_scale": None,         # of query . key; None: 1 / sqrt(head_dim)
    "residual_scale": 1.0,       # what a sub-block adds is multiplied by it
    "logits_divisor": 1.0,       # logits are divided by it
}
ROPE_TYPES = ("default", "linear", "dynamic", "yarn", "longrope", "llama3")


def rotary_frequencies(config, rope, length):
    """Radians per position of the original head's pairs in a text of `length` positions, float32, and what cosines and
    sines are multiplied by."""
    dims = config.head_dim
    kind, base, factor = rope["rope_type"], rope["rope_theta"], rope.get("factor")
    exponents = torch.arange(0, dims, 2, dtype=torch.float32, device="cpu") / dims
    if kind == "dynamic":
        longest = max(length, config.max_position_embeddings) / config.max_position_embeddings
        base = base * (factor * longest - (factor - 1)) ** (dims / (dims - 2))
    powers = base**exponents
    if kind == "linear":
        return 1.0 / powers / factor, 1.0
    if kind in ("default", "dynamic"):
        return 1.0 / powers, 1.0
    original = rope["original_max_position_embeddings"]
    factor = config.max_position_embeddings / original if factor is None else factor
    if kind == "llama3":
        return llama3_frequencies(1.0 / powers, factor, original, rope), 1.0
    if kind == "yarn":
        return yarn_frequencies(powers, base, dims, factor, original, rope)
    factors = rope["long_factor"] if length > original else rope["short_factor"]
    attention_factor = rope.get("attention_factor")
    if attention_factor is None:
        attention_factor = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    return 1.0 / (torch.tensor(factors, dtype=torch.float32, device="cpu") * powers), attention_factor


def llama3_frequencies(frequencies, factor, original, rope):
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    wavelengths = 2 * math.pi / frequencies
    mix = (original / wavelengths - low) / (high - low)
    between = (1 - mix) * frequencies / factor + mix * frequencies
    result = torch.where(wavelengths > original / low, frequencies / factor, between)
    return torch.where(wavelengths < original / high, frequencies, result)


def yarn_frequencies(powers, base, dims, factor, original, rope):
    """Slow pairs divided by the factor, fast ones kept, a ramp between them (arXiv 2309.00071)."""
    def pair_of_turns(turns):
        return dims * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    def magnitude(m):
        return 1.0 if factor <= 1 else 0.1 * m * math.log(factor) + 1.0

    low, high = pair_of_turns(rope.get("beta_fast") or 32), pair_of_turns(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    high += 0.001 if low == high else 0
    kept = 1 - ((torch.arange(dims // 2, dtype=torch.float32, device="cpu") - low) / (high - low)).clamp(0, 1)
    attention_factor = rope.get("attention_factor")
    if attention_factor is None:
        m, m_all = rope.get("mscale"), rope.get("mscale_all_dim")
        attention_factor = magnitude(m) / magnitude(m_all) if m and m_all else magnitude(1)
    return 1.0 / (factor * powers) * (1 - kept) + 1.0 / powers * kept, attention_factor


class RotaryAngles:
    """Cosines and sines of the original pairs, of one of the model's rotary settings. Holds no module state: tensors made
    while a model is being built may live on the meta device and would be lost."""

    def __init__(self, config, rope):
        self.config, self.rope = config, rope
        self.by_length = rope["rope_type"] in ("dynamic", "longrope")
        self.latest = (None, None)

    def __call__(self, position_ids):
        key = (position_ids.device, int(position_ids.max()) + 1 if self.by_length else 0)
        if self.latest[0] != key:
            frequencies, factor = rotary_frequencies(self.config, self.rope, key[1])
            self.latest = (key, (frequencies.to(position_ids.device), factor))
        frequencies, factor = self.latest[1]
        angles = position_ids[..., None].float() * frequencies
        return angles.cos() * factor, angles.sin() * factor


def rotate(heads, cos, sin):
    """heads: batch x tokens x groups x heads x width; cos, sin: batch x tokens x (groups or 1) x 1 x width / 2."""
    first, second = heads.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(heads.dtype)


class CceLlamaRMSNorm(nn.Module):
    def __init__(self, size, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon, self.offset = config.rms_norm_eps, config.computes("gain_offset")

    def forward(self, stream):
        wide = stream.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon)
        if self.offset:
            return (wide * (self.offset + self.weight.float())).to(stream.dtype)
        return self.weight * wide.to(stream.dtype)


class CceLlamaAttention(nn.Module):
    def __init__(self, config, shape, cache_index):
        super().__init__()
        self.groups, self.queries = shape["kv_groups"], shape["queries_per_group"]
        self.qk_dim, self.vo_dim = shape["qk_dim"], shape["vo_dim"]
        self.scale = config.computes("score_scale") or config.head_dim**-0.5
        self.window = shape.get("window", config.sliding_window)
        self.rope = shape.get("rope", 0)
        self.cache_index = cache_index
        self.rope_pairs = shape["rope_pairs"]
        self.pairs_by_device = {}
        heads, size, biases = self.groups * self.queries, config.hidden_size, shape["biases"]
        self.q_proj = nn.Linear(size, heads * self.qk_dim, bias="q" in biases)
        self.k_proj = nn.Linear(size, self.groups * self.qk_dim, bias="k" in biases)
        self.v_proj = nn.Linear(size, self.groups * self.vo_dim, bias="v" in biases)
        self.o_proj = nn.Linear(heads * self.vo_dim, size, bias="o" in biases)
        norms = shape.get("norms", [])
        self.norms_span_heads = config.computes("norms_span_heads")
        q_size, k_size = ((heads * self.qk_dim, self.groups * self.qk_dim) if self.norms_span_heads
                          else (self.qk_dim, self.qk_dim))
        self.q_norm = CceLlamaRMSNorm(q_size, config) if "q" in norms else None
        self.k_norm = CceLlamaRMSNorm(k_size, config) if "k" in norms else None

    def select_pairs(self, table):
        """batch x tokens x original pairs -> batch x tokens x (groups or 1) x 1 x kept pairs."""
        if not self.rope_pairs:
            return table[:, :, None, None, :]
        device = table.device
        if device not in self.pairs_by_device:
            self.pairs_by_device[device] = torch.tensor(self.rope_pairs, device=device)
        chosen = table[..., self.pairs_by_device[device]]
        return chosen.view(*chosen.shape[:2], self.groups, 1, self.qk_dim // 2)

    def project(self, x, matrix, norm, queries):
        """Queries or keys before they are turned: batch x tokens x groups x queries x width."""
        heads = matrix(x)
        heads = norm(heads) if norm is not None and self.norms_span_heads else heads
        heads = heads.view(*x.shape[:2], self.groups, queries, self.qk_dim)
        return heads if norm is None or self.norms_span_heads else norm(heads)

    def forward(self, x, angles, masks, cache):
        batch, tokens, _ = x.shape
        q = self.project(x, self.q_proj, self.q_norm, self.queries)
        k = self.project(x, self.k_proj, self.k_norm, 1)
        v = self.v_proj(x).view(batch, tokens, self.groups, self.vo_dim).transpose(1, 2)
        if self.rope is not None:
            cos, sin = (self.select_pairs(table) for table in angles[self.rope])
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        q, k = q.flatten(2, 3).transpose(1, 2), k.squeeze(3).transpose(1, 2)
        if cache is not None:
            k, v = cache.update(k, v, self.cache_index)
        mask, is_causal = masks[self.window](k.shape[2])
        k = k.repeat_interleave(self.queries, dim=1)
        v = v.repeat_interleave(self.queries, dim=1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal, scale=self.scale)
        return self.o_proj(out.transpose(1, 2).reshape(batch, tokens, -1))


class AttentionMasks:
    """Masks by number of keys: a cache that forgets what a window no longer sees has fewer keys than positions."""

    def __init__(self, tokens, past, window, padding, device):
        self.tokens, self.total, self.window, self.padding, self.device = tokens, past + tokens, window, padding, device
        self.by_keys = {}

    def __call__(self, keys):
        if keys not in self.by_keys:
            self.by_keys[keys] = self.make(keys)
        return self.by_keys[keys]

    def make(self, keys):
        """(mask or None, is_causal) for scaled_dot_product_attention."""
        if self.padding is None and (self.window is None or self.total <= self.window):
            if self.tokens == keys:
                return None, self.tokens > 1
            if self.tokens == 1:
                return None, False
        query = torch.arange(self.total - self.tokens, self.total, device=self.device)[:, None]
        key = torch.arange(self.total - keys, self.total, device=self.device)[None, :]
        mask = key <= query
        if self.window is not None:
            mask = mask & (key > query - self.window)
        mask = mask[None, None]
        if self.padding is not None:
            mask = mask & self.padding[:, None, None, -keys:]
            mask = mask | (key == query)  # a padded query sees itself: a row without any key has no softmax
        return mask, False


class CceLlamaMLP(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        size, width, biases = config.hidden_size, shape["ffn"], shape["biases"]
        self.gelu = config.computes("activation") == "gelu_tanh"
        self.gate_proj = nn.Linear(size, width, bias="gate" in biases)
        self.up_proj = nn.Linear(size, width, bias="up" in biases)
        self.down_proj = nn.Linear(width, size, bias="down" in biases)

    def forward(self, x):
        gate = self.gate_proj(x)
        gate = F.gelu(gate, approximate="tanh") if self.gelu else F.silu(gate)
        return self.down_proj(gate * self.up_proj(x))


class CceLlamaDecoderLayer(nn.Module):
    def __init__(self, config, shape, cache_index):
        super().__init__()
        self.self_attn = self.mlp = None
        self.residual_scale = config.computes("residual_scale")
        # By sub-block, the names of the norms before it and of what it adds; None: there is none.
        self.norms = {"before": ("input_layernorm", None, "post_attention_layernorm", None),
                      "after": (None, "post_attention_layernorm", None, "post_feedforward_layernorm"),
                      "both": ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                               "post_feedforward_layernorm")}[config.computes("norms")]
        if shape["attention"]:
            self.add_norms(self.norms[:2], config)
            self.self_attn = CceLlamaAttention(config, shape, cache_index)
        if shape["ffn"] > 0:
            self.add_norms(self.norms[2:], config)
            self.mlp = CceLlamaMLP(config, shape)

    def add_norms(self, names, config):
        for name in names:
            if name is not None:
                setattr(self, name, CceLlamaRMSNorm(config.hidden_size, config))

    def normed(self, name, stream):
        return stream if name is None else getattr(self, name)(stream)

    def forward(self, stream, angles, masks, cache):
        before_attention, after_attention, before_mlp, after_mlp = self.norms
        if self.self_attn is not None:
            added = self.self_attn(self.normed(before_attention, stream), angles, masks, cache)
            stream = stream + self.normed(after_attention, added) * self.residual_scale
        if self.mlp is not None:
            added = self.mlp(self.normed(before_mlp, stream))
            stream = stream + self.normed(after_mlp, added) * self.residual_scale
        return stream


class CceLlamaPreTrainedModel(PreTrainedModel):
    config_class = CceLlamaConfig
    base_model_prefix = "model"
    _no_split_modules = ["CceLlamaDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_cache_class = True
    _supports_static_cache = False

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, CceLlamaRMSNorm):
            nn.init.ones_(module.weight)


class CceLlamaModel(CceLlamaPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        layers, attentions = [], 0
        for shape in config.cce["layers"]:
            layers.append(CceLlamaDecoderLayer(config, shape, attentions))
            # Caches count layers with attention only: the first of them tells how many tokens have passed.
            attentions += 1 if shape["attention"] else 0
        self.has_attention = attentions > 0
        self.layers = nn.ModuleList(layers)
        self.norm = CceLlamaRMSNorm(config.hidden_size, config)
        self.rotary = [RotaryAngles(config, rope) for rope in config.cce.get("ropes", [config.rope_parameters])]
        self.post_init()

    def get_input_embeddings(self):
        return self.embed_tokens

    def set_input_embeddings(self, value):
        self.embed_tokens = value

    def forward(self, input_ids=None, attention_mask=None, position_ids=None, past_key_values=None, inputs_embeds=None,
                use_cache=None, output_hidden_states=None, **kwargs):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        stream = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        stream = stream * torch.tensor(self.config.computes("embedding_scale")).to(stream.dtype)
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None and self.has_attention:
            past_key_values = DynamicCache()
        batch, tokens, _ = stream.shape
        past = 0 if past_key_values is None else int(past_key_values.get_seq_length())
        if position_ids is None:
            position_ids = torch.arange(past, past + tokens, device=stream.device)[None]
        padding = None
        if attention_mask is not None:
            if attention_mask.dim() != 2:
                raise ValueError("attention_mask must be batch x (past + tokens)")
            if not bool(attention_mask.bool().all()):
                padding = attention_mask.bool()
        windows = {layer.self_attn.window for layer in self.layers if layer.self_attn is not None}
        masks = {window: AttentionMasks(tokens, past, window, padding, stream.device) for window in windows}
        angles = [rotary(position_ids) for rotary in self.rotary]
        hidden = (stream,) if output_hidden_states else None
        for layer in self.layers:
            stream = layer(stream, angles, masks, past_key_values)
            if output_hidden_states:
                hidden += (stream,)
        stream = self.norm(stream)
        return BaseModelOutputWithPast(last_hidden_state=stream, past_key_values=past_key_values, hidden_states=hidden)


class CceLlamaForCausalLM(CceLlamaPreTrainedModel, GenerationMixin):
    _tied_weights_keys = (["lm_head.weight"] if int(transformers.__version__.split(".")[0]) < 5
                          else {"lm_head.weight": "model.embed_tokens.weight"})

    def __init__(self, config):
        super().__init__(config)
        self.model = CceLlamaModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, value):
        self.lm_head = value

    def forward(self, input_ids=None, attention_mask=None, position_ids=None, past_key_values=None, inputs_embeds=None,
                labels=None, use_cache=None, output_hidden_states=None, return_dict=True, logits_to_keep=0, **kwargs):
        outputs = self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
                             past_key_values=past_key_values, inputs_embeds=inputs_embeds, use_cache=use_cache,
                             output_hidden_states=output_hidden_states)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept, :]) / self.config.computes("logits_divisor")
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten().to(logits.device))
        result = CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=outputs.past_key_values,
                                        hidden_states=outputs.hidden_states)
        return result if return_dict else result.to_tuple()


CceLlamaConfig.register_for_auto_class()
CceLlamaForCausalLM.register_for_auto_class("AutoModelForCausalLM")
