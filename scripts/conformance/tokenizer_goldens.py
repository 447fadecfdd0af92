#!/usr/bin/env python3
"""Writes tests/data/tokenizers/* and tests/goldens/tokenizer.json (Python packages tokenizers and sentencepiece, 3.9 to 3.11).

Each tokenizer is trained on tests/data/text and has the structure of a published one, with a few hundred tokens; the
last ones hold settings that those do not use. The goldens are what Hugging Face tokenizers makes of the texts (number
of ids and a digest of them) and of random strings (every id).
"""
import io
import json
import pathlib

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_check import random_strings

TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests"
TEXTS = ["books.txt", "wikitext.txt", "tinystories.txt"]
RANDOM_STRINGS = 80
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
PUNCTUATION = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + WORDS + r"|\p{N}{1,3}|" + PUNCTUATION
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + WORDS + r"|\p{N}|" + PUNCTUATION
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BY_CASE = [rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"]
REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
TEKKEN = "|".join([*BY_CASE, r"\p{N}", REST])
GPT4O = "|".join([*(words + CONTRACTION for words in BY_CASE), r"\p{N}{1,3}", REST])
DEEPSEEK_V3 = [
    r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"]


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
    return AddedToken(content, **{"normalized": False, "special": True, **settings})


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


def split_by(*patterns, special=(), **settings):
    """A published pattern in front of ByteLevel: one Split, or several in a row."""
    steps = pre_tokenizers.Sequence([*(split(Regex(part)) for part in patterns), byte_level(use_regex=False)])
    return trained(steps, list(special), vocabulary=400, **settings)


def qwen35():
    """Letters with their marks."""
    tokenizer = split_by(QWEN35, normalizer=normalizers.NFC())
    tokenizer.add_special_tokens([special("<|endoftext|>"), special("<|im_start|>")])
    return tokenizer


def tekken():
    """Mistral Nemo: words by case, one digit at a time."""
    tokenizer = split_by(TEKKEN, special=[special("<unk>"), special("<s>"), special("</s>")], ignore_merges=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def gpt4o():
    """Words by case with their contractions."""
    tokenizer = split_by(GPT4O)
    tokenizer.add_special_tokens([special("<|endoftext|>", rstrip=True)])
    return tokenizer


def deepseek_v3():
    """Digits, then Chinese and Japanese, then the rest."""
    return split_by(*DEEPSEEK_V3, special=[special("<|begin|>")])


def of_characters(normalizer, pre_tokenizer, decoder, added=("<unk>", "<s>", "</s>"), every_byte=True, first_byte=0, **model):
    """A model of characters as SentencePiece's are converted: the special tokens, bytes, then what merges make."""
    teacher = Tokenizer(models.BPE())
    teacher.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False, limit_alphabet=90)
    teacher.train([str(TESTS / "data" / "text" / name) for name in TEXTS], trainer)
    learned = json.loads(teacher.to_str())["model"]
    plain = [token if isinstance(token, str) else token.content for token in added]
    bytes_used = [f"<0x{byte:02X}>" for byte in range(first_byte, 256)] if every_byte else []
    names = [*plain, *bytes_used, *sorted(learned["vocab"], key=learned["vocab"].get)]
    tokenizer = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)},
                                     merges=[tuple(merge) for merge in learned["merges"]], **model))
    tokenizer.add_special_tokens([special(token) if isinstance(token, str) else token for token in added])
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    return tokenizer


def spaces_back(*more):
    return decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *more])


def llama2():
    """Llama 2, TinyLlama, Mistral 7B v0.1: the whole text is one word."""
    normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer = of_characters(normalizer, None, spaces_back(decoders.Strip(" ", 1, 0)), unk_token="<unk>", fuse_unk=True,
                              byte_fallback=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def phi3():
    """As Llama 2, with special tokens that take the white space behind them."""
    normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    added = ["<unk>", "<s>", special("</s>", rstrip=True), special("<|end|>", rstrip=True), special("<|user|>", lstrip=True)]
    return of_characters(normalizer, None, spaces_back(decoders.Strip(" ", 1, 0)), added=added, unk_token="<unk>",
                         fuse_unk=True, byte_fallback=True)


def mistral3():
    """Mistral 7B v0.3: Metaspace before the first word only, nothing cut."""
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return of_characters(None, metaspace, spaces_back(decoders.Strip(" ", 1, 0)), unk_token="<unk>", fuse_unk=True,
                         byte_fallback=True)


def gemma():
    """Spaces replaced before a Split on spaces finds any; added tokens of white space."""
    added = ["<pad>", "<eos>", "<bos>", "<unk>", special("\n\n", special=False), special("\u2581\u2581", special=False)]
    tokenizer = of_characters(normalizers.Replace(" ", "\u2581"), split(" ", "merged_with_previous"), spaces_back(),
                              added=added, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return tokenizer


def metaspace():
    """Words cut at Metaspace, no bytes to fall back to, one unknown token for each character."""
    return of_characters(None, pre_tokenizers.Metaspace(), decoders.Metaspace(), every_byte=False, unk_token="<unk>")


def metaspace_never():
    """Only the upper half of the bytes, after digits on their own; a whole word before its merges."""
    steps = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                     pre_tokenizers.Metaspace(prepend_scheme="never")])
    return of_characters(normalizers.NFC(), steps, decoders.Metaspace(prepend_scheme="never"), first_byte=0x90,
                         unk_token="<unk>", fuse_unk=True, byte_fallback=True, ignore_merges=True)


def sentencepiece_model(name, kind, **settings):
    """A tokenizer.model, and its goldens by the sentencepiece package."""
    path = TESTS / "data" / "tokenizers" / f"{name}.model"
    content = io.BytesIO()
    sentences = [line for text in TEXTS for line in (TESTS / "data" / "text" / text).read_text(encoding="utf-8").splitlines()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=content, model_type=kind, vocab_size=400, num_threads=1,
        minloglevel=2, **settings)
    path.write_bytes(content.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = {}
    for text in TEXTS:
        ids = processor.encode((TESTS / "data" / "text" / text).read_bytes().decode())
        texts[text] = {"tokens": len(ids), "digest": digest(ids)}
    strings = []
    for text in ["", " ", *(text[:40] for text in random_strings(RANDOM_STRINGS, 99, ["<s>"])) ]:
        ids = processor.encode(text)
        strings.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    return {"vocabulary": processor.vocab_size(), "texts": texts, "strings": strings}


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
    begin = tokenizer.encode("a").ids[:-len(encode("a"))]
    return {"vocabulary": tokenizer.get_vocab_size(), **({"begin": begin} if begin else {}), "texts": texts,
            "strings": strings}


def main():
    makers = [smollm, gpt2, llama3, qwen2, stripping, unknown, unknown_each, qwen35, tekken, gpt4o, deepseek_v3, llama2,
              phi3, mistral3, gemma, metaspace, metaspace_never]
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
    goldens["pieces_bpe.model"] = sentencepiece_model("pieces_bpe", "bpe", byte_fallback=True, normalization_rule_name="identity",
                                                     remove_extra_whitespaces=False, split_digits=True)
    goldens["pieces_unigram.model"] = sentencepiece_model("pieces_unigram", "unigram", normalization_rule_name="identity")
    lines = json.dumps(goldens, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"')
    (TESTS / "goldens" / "tokenizer.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
