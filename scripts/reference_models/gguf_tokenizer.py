"""tokenizer.json and tokenizer_config.json of what a GGUF's metadata says of a tokenizer.

Kinds are told as llama.cpp tells them, by tokenizer.ggml.model and tokenizer.ggml.pre; the normalizers and regular
expressions are those of the models' published tokenizer.json files.
"""
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # tokenizer.ggml.token_type

# Qwen2 and 2.5.
QWEN2_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")


def byte_level(value):
    """Byte-level BPE with the merges that the file lists."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    tokens, types = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in value("tokenizer.ggml.merges")]
    vocabulary = {token: index for index, token in enumerate(tokens) if types[index] != UNUSED}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    kind = value("tokenizer.ggml.pre")
    if kind == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ])
    elif kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])
    else:
        raise KeyError(f"tokenizer.ggml.pre {kind}")
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, tokens


def spaced_merges(vocabulary):
    """The merges that a SentencePiece vocabulary implies: every pair of pieces that makes a third, in the order of what
    they make, which is the order in which Gemma's merges were learnt; of pairs that make the same, the one with the
    shorter left piece last, as transformers writes them."""
    merges = []
    for token in vocabulary:
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))
                 if token[:cut] in vocabulary and token[cut:] in vocabulary]
        pairs.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        pairs.sort(key=lambda pair: (len(pair[0]), len(pair[1])), reverse=True)
        merges.extend(pairs)
    return merges


def gemma(value):
    """SentencePiece's BPE with bytes to fall back to, as Gemma's tokenizer.json has it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    # Runs of spaces stand in the file as they are in the text; the model sees "▁" for each.
    tokens = ["▁" * len(token) if token and not token.strip(" ") else token for token in value("tokenizer.ggml.tokens")]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, spaced_merges(vocabulary), unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    bos = value("tokenizer.ggml.bos_token_id")
    if value("tokenizer.ggml.add_bos_token"):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A", pair=f"{tokens[bos]} $A {tokens[bos]} $B", special_tokens=[(tokens[bos], bos)])
    return tokenizer, tokens


def make_tokenizer(value):
    """The tokenizer and the content of its tokenizer_config.json. Raises KeyError for a kind that is not known here."""
    from tokenizers import AddedToken
    model = value("tokenizer.ggml.model")
    if model not in ("gpt2", "llama"):
        raise KeyError(f"tokenizer.ggml.model {model}")
    tokenizer, tokens = byte_level(value) if model == "gpt2" else gemma(value)
    types = value("tokenizer.ggml.token_type")
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)
                                  for token, kind in zip(tokens, types) if kind == CONTROL])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)
                          for token, kind in zip(tokens, types) if kind == USER_DEFINED])
    config = {
        "add_bos_token": bool(value("tokenizer.ggml.add_bos_token")),
        "add_prefix_space": False,
        "bos_token": tokens[value("tokenizer.ggml.bos_token_id")],
        "chat_template": value("tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "eos_token": tokens[value("tokenizer.ggml.eos_token_id")],
        "model_max_length": value(f"{value('general.architecture')}.context_length"),
        "pad_token": tokens[value("tokenizer.ggml.padding_token_id")],
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    if config["chat_template"] is None:
        del config["chat_template"]
    unknown = value("tokenizer.ggml.unknown_token_id")
    if unknown is not None:
        config["unk_token"] = tokens[unknown]
    return tokenizer, config
