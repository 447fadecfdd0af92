#!/usr/bin/env python3
"""Writes tests/data/tokenizers/*.json and tests/goldens/tokenizer.json (Python package tokenizers, 3.9 to 3.11).

Each tokenizer is trained on tests/data/text and has the structure of a published one, with a few hundred tokens; the
last ones hold settings that those do not use. The goldens are what Hugging Face tokenizers makes of the texts (number
of ids and a digest of them) and of random strings (every id).
"""
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_check import random_strings

TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests"
TEXTS = ["books.txt", "wikitext.txt", "tinystories.txt"]
RANDOM_STRINGS = 80
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
PUNCTUATION = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + WORDS + r"|\p{N}{1,3}|" + PUNCTUATION
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + WORDS + r"|\p{N}|" + PUNCTUATION


def byte_level(**settings):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": True, **settings})


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def trained(pre_tokenizer, special, normalizer=None, whole_alphabet=True, vocabulary=500, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if whole_alphabet else []
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=sorted(alphabet), special_tokens=special,
                                  show_progress=False)
    tokenizer.train([str(TESTS / "data" / "text" / name) for name in TEXTS], trainer)
    return tokenizer


def special(content, **settings):
    return AddedToken(content, special=True, **{"normalized": False, **settings})


def smollm():
    """Digits one by one, and bytes without a token, as in SmolLM2: they give nothing."""
    steps = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])
    return trained(steps, [special("<|endoftext|>"), special("<|im_start|>")], whole_alphabet=False)


def gpt2():
    tokenizer = trained(byte_level(), [special("<|endoftext|>", normalized=True)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.enable_truncation(128)
    return tokenizer


def llama3():
    steps = pre_tokenizers.Sequence([split(Regex(LLAMA3)), byte_level(use_regex=False)])
    tokenizer = trained(steps, [], ignore_merges=True)
    tokenizer.add_special_tokens([special("<|begin_of_text|>"), special("<|eot_id|>")])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    template = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def qwen2():
    steps = pre_tokenizers.Sequence([split(Regex(QWEN2)), byte_level(use_regex=False)])
    tokenizer = trained(steps, [], normalizer=normalizers.NFC())
    tokenizer.add_special_tokens([special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")])
    return tokenizer


def stripping():
    """Added tokens with every setting, found before and after normalization; a space put in front; runs of digits."""
    steps = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), byte_level(add_prefix_space=True)])
    tokenizer = trained(steps, [], normalizer=normalizers.Sequence([normalizers.NFC()]))
    tokenizer.add_tokens([
        AddedToken("[left]", lstrip=True), AddedToken("[right]", rstrip=True, normalized=False),
        AddedToken("[both]", lstrip=True, rstrip=True), AddedToken("word", single_word=True),
        AddedToken("word of", normalized=False), AddedToken("faire\u0327"), AddedToken("<a b>"), AddedToken("<a"),
    ])
    return tokenizer


def unknown():
    """Bytes without a token become one unknown token for a run; words cut at removed and merged delimiters."""
    steps = pre_tokenizers.Sequence([
        split("--", "removed"), split(Regex(r"[,;]\s*"), "merged_with_previous"), split(Regex(r"\("), "merged_with_next"),
        split(Regex(r"\p{Lu}"), "contiguous"), split(Regex(r"\S+"), "isolated", invert=True), byte_level(),
    ])
    return trained(steps, ["<unk>"], whole_alphabet=False, unk_token="<unk>", fuse_unk=True)


def unknown_each():
    """As `unknown`, one unknown token for each byte, and what does not match removed."""
    steps = pre_tokenizers.Sequence([split(Regex(r"\s?[^\d\s]+|\d"), "removed", invert=True), byte_level(use_regex=False)])
    return trained(steps, ["<unk>"], whole_alphabet=False, unk_token="<unk>")


def digest(ids):
    """FNV-1a, 64 bits, over the ids as little-endian 32-bit words."""
    value = 0xCBF29CE484222325
    for byte in b"".join(number.to_bytes(4, "little") for number in ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def golden(tokenizer, seed):
    tokenizer.no_truncation()
    added = sorted(token.content for token in tokenizer.get_added_tokens_decoder().values())

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    texts = {}
    for name in TEXTS:
        ids = encode((TESTS / "data" / "text" / name).read_bytes().decode())
        texts[name] = {"tokens": len(ids), "digest": digest(ids)}
    strings = []
    for text in ["", " ", *(text[:40] for text in random_strings(RANDOM_STRINGS, seed, added))]:
        ids = encode(text)
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        strings.append({"text": text, "ids": ids, **({} if decoded == text else {"decoded": decoded})})
    return {"vocabulary": tokenizer.get_vocab_size(), "texts": texts, "strings": strings}


def main():
    makers = [smollm, gpt2, llama3, qwen2, stripping, unknown, unknown_each]
    folder = TESTS / "data" / "tokenizers"
    folder.mkdir(parents=True, exist_ok=True)
    goldens = {}
    for seed, maker in enumerate(makers):
        tokenizer = maker()
        path = folder / f"{maker.__name__}.json"
        tokenizer.save(str(path), pretty=False)
        if maker is gpt2:  # merges as one string each, as older files have them
            content = json.loads(path.read_text(encoding="utf-8"))
            content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
            path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
            tokenizer = Tokenizer.from_file(str(path))
        goldens[maker.__name__] = golden(tokenizer, seed)
    lines = json.dumps(goldens, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"')
    (TESTS / "goldens" / "tokenizer.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
