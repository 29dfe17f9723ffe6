"""Makes Tests/Fixtures/tokenizers: small tokenizers of every family, and what the reference does with them.

Run from the package's root, with any English text to train on:

    pip install tokenizers==0.23.3 sentencepiece
    python3 Tools/make_tokenizer_fixtures.py TEXT

For each family there is NAME.json, a tokenizer, and NAME.ref, the reference's answers: for each string of
strings.json the number of ids and the ids as LEB128, then the FNV-1a hash (32 bits, little endian) of the text
decoded with and without skipping special tokens.
"""

import base64
import json
import os
import random
import sys
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

OUT = "Tests/Fixtures/tokenizers"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BYTES = [f"<0x{b:02X}>" for b in range(256)]
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def make_strings(text):
    pick = random.Random(20)
    words = sorted(set(text.split()))
    samples = ["", " ", "  ", "\n", "\t", "\0", "a", "▁", "▁▁ ▁a", " a", "a ", "\r\n", "\n\n\n", "'", "don't I'LL we'ſ"]
    samples += ["Hello, world! It's 12345678 o'clock.", "naïve café — “quoted” … ½ ² ﬁ Å Å Ω K", "  two  spaces   three\t\ttabs\n\n lines\r\n"]
    samples += ["مرحبا بالعالم שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界。こんにちは세계", "한국어 조선말 한글", "Ǆ ǆ ß ẞ İ ı ſ"]
    samples += ["👨‍👩‍👧‍👦👩🏽‍🚀🏳️‍🌈🇩🇪🇯🇵 ❤️ 1️⃣", "e\u0301\u0323 q\u0307\u0323 \u0344 \u1E9B\u0323 \uAC00\u11A8 \u1100\u1161\u11A8", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!"]
    samples += ["x" * 300, "ab" * 200, "Donaudampfschifffahrtsgesellschaftskapitän" * 4, " " * 100, "\n" * 50 + "a", "1" * 100, "." * 77 + " !" * 9, "é" * 120]
    samples += ["def f(x):\n    return {k: v for k, v in x.items() if k != '__init__'}\n", "#include <stdio.h>\nint main(void) { return 0x7f; }\t// ok", "https://example.org/a_b?c=%20d&e=f#g user@example.org", "\\ \\\\ \" ` ``x'' $x^2_{ij}$ <b>bold</b>"]
    specials = ["<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<mask>", "<tool>", "<start_of_turn>", "<0x0A>", "##a", "<extra_id_0>", "newword"]
    for special in specials:
        samples += [special, f"a{special}b", f"a {special} b", f" {special}{special}\n", f"x\n\n{special}  é {special.upper()}"]
    samples += ["<|im_start|>user\nHi there!<|im_end|>\n<|im_start|>assistant\n", "mask:  <mask> . [MASK]  ,<mask>"]
    blocks = {}
    for code in range(1, 0x110000):
        if unicodedata.category(chr(code)) not in ("Cs", "Co", "Cn"):
            blocks.setdefault(code >> 7, []).append(chr(code))
    for block in sorted(blocks):
        limit = 2 if 0x3400 >> 7 <= block < 0x9FFF >> 7 or 0xAC00 >> 7 <= block < 0xD7A4 >> 7 or block >= 0x12000 >> 7 else 4
        for _ in range(limit):
            letters = pick.choices(blocks[block], k=pick.randint(1, 6))
            for _ in range(pick.randint(0, 3)):
                letters.insert(pick.randint(0, len(letters)), pick.choice([" ", "\n", "a", "1", ".", "\u0301", "  ", pick.choice(words)]))
            samples.append("".join(letters))
    everything = [c for block in blocks.values() for c in block]
    for _ in range(150):
        samples.append("".join(pick.choices(everything, k=pick.randint(1, 12))))
    for _ in range(60):  # unassigned, private and noncharacters
        samples.append("".join(pick.choice(["a", " ", chr(pick.choice([0x378, 0xFFFF, 0xE000, 0x10FFFF, 0xF0000, 0x2FE0F, 0xFDD0, 0xE0FFF]))]) for _ in range(6)))
    for _ in range(150):
        samples.append("".join(pick.choice([" ", "  ", "\n", "\t", "\r", "\u00a0", "\u3000", "\u200b", "\u2028", "\x0b", "\x85", "a", "B", "7", "!", "\x00", "\x1f", "\x7f", "'s", "\u00ad", "\ufeff", "\u200d"]) for _ in range(pick.randint(1, 16))))
    for _ in range(400):
        start = pick.randrange(len(text) - 200)
        samples.append(text[start:start + pick.randint(1, 70)])
    for _ in range(200):
        samples.append("".join(pick.choice([w, w.upper(), w.title(), w[::-1], str(pick.randint(0, 10**6))]) + pick.choice([" ", "", "-", "'s ", ", ", "\n"]) for w in pick.choices(words, k=pick.randint(1, 5))))
    return samples


def leb128(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def fnv(text):
    value = 0x811C9DC5
    for byte in text.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value.to_bytes(4, "little")


def write(name, tokenizer, strings):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    description = json.loads(tokenizer.to_str())
    with open(f"{OUT}/{name}.json", "w", encoding="utf-8") as out:
        json.dump(description, out, ensure_ascii=False, separators=(",", ":"))
    tokenizer = Tokenizer.from_file(f"{OUT}/{name}.json")
    with open(f"{OUT}/{name}.ref", "wb") as out:
        for string in strings:
            ids = tokenizer.encode(string).ids
            out.write(leb128(len(ids)) + b"".join(map(leb128, ids)))
            out.write(fnv(tokenizer.decode(ids)) + fnv(tokenizer.decode(ids, skip_special_tokens=False)))


def edited(tokenizer, edit):
    description = json.loads(tokenizer.to_str())
    edit(description)
    return Tokenizer.from_str(json.dumps(description))


def bpe(lines, specials=(), size=1500, model=None, normalizer=None, pre=None, **options):
    tokenizer = Tokenizer(model or models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False, **options)
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def byte_level(lines, pattern, specials, **options):
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer = bpe(lines, specials, pre=pre, initial_alphabet=ALPHABET, **options)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def gpt2(lines):
    tokenizer = bpe(lines, ["<|endoftext|>"], pre=pre_tokenizers.ByteLevel(add_prefix_space=False), initial_alphabet=ALPHABET)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def smollm(lines):
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer = bpe(lines, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre=pre, initial_alphabet=ALPHABET)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def llama3(lines):
    tokenizer = byte_level(lines, LLAMA3, ["<s>", "<|endoftext|>"])
    tokenizer = edited(tokenizer, lambda d: d["model"].update(ignore_merges=True))
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 0)])])
    return tokenizer


def qwen2(lines):
    tokenizer = byte_level(lines, QWEN2, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizer=normalizers.NFC())
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False, special=False), AddedToken("newword", single_word=True, normalized=True)])
    return tokenizer


def o200k(lines):
    return byte_level(lines, O200K, ["<|endoftext|>"])


def roberta(lines):
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = bpe(lines, specials, pre=pre_tokenizers.ByteLevel(add_prefix_space=True), initial_alphabet=ALPHABET)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def clip(lines):
    normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer = bpe(lines, ["<unk>", "<s>", "</s>"], model=models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), normalizer=normalizer, pre=pre, initial_alphabet=ALPHABET, end_of_word_suffix="</w>")
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    tokenizer.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    return tokenizer


def without_byte_tokens(description):
    description["added_tokens"] = [t for t in description["added_tokens"] if t["content"] not in BYTES]


def sentencepiece_bpe(lines, normalizer, pre, decoder, specials):
    # Trained word by word; the pre-tokenizer of the family then leaves whole texts to the merges.
    training = pre_tokenizers.Metaspace(prepend_scheme="always")
    model = models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = bpe(lines, specials + BYTES, size=2000, model=model, pre=training, limit_alphabet=200)
    tokenizer = edited(tokenizer, without_byte_tokens)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    if pre is None:
        tokenizer = edited(tokenizer, lambda d: d.update(pre_tokenizer=None))
    tokenizer.decoder = decoder
    return tokenizer


def llama2(lines):
    tokenizer = sentencepiece_bpe(
        lines, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        ["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer


def mistral(lines):
    tokenizer = sentencepiece_bpe(
        lines, normalizers.Sequence([]), pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        ["<unk>", "<s>", "</s>"])
    tokenizer.add_tokens([AddedToken("▁▁", normalized=False), AddedToken("newword", normalized=True, rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def gemma(lines):
    tokenizer = sentencepiece_bpe(
        lines, normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
        ["<pad>", "</s>", "<s>", "<unk>", "<start_of_turn>"])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ["\n\n", "\n\n\n", "<b>", "</b>"]])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 2)])
    return tokenizer


def bert(lines, cased):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=2200, special_tokens=specials, show_progress=False, limit_alphabet=600))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece(cleanup=not cased)
    return tokenizer


def character_map(rules=None):
    with tempfile.TemporaryDirectory() as folder:
        options = {}
        if rules:
            with open(f"{folder}/rules.tsv", "w") as out:
                for old, new in rules:
                    out.write(" ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n")
            options["normalization_rule_tsv"] = f"{folder}/rules.tsv"
        else:
            options["normalization_rule_name"] = "nmt_nfkc"
        sentences = iter([" ".join(chr(97 + (i * j) % 26) * 3 for j in range(9)) for i in range(99)])
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=sentences, model_prefix=f"{folder}/m", vocab_size=40, minloglevel=2, hard_vocab_limit=False, **options)
        proto = sentencepiece_model_pb2.ModelProto()
        with open(f"{folder}/m.model", "rb") as model:
            proto.ParseFromString(model.read())
        return proto.normalizer_spec.precompiled_charsmap


SMALL_RULES = [("ﬁ", "fi"), ("①", "1"), ("é", "e"), ("e\u0301", "e"), ("Å", "A"), ("\u00ad", ""), ("\u3000", " "), ("\t", " "), ("\n", " "), ("“", '"'), ("”", '"'), ("…", "..."), ("\u200b", " "), ("㌔", "キロ")]


def unigram(lines, charsmap, pre, normalizer=(), specials=("<s>", "<pad>", "</s>", "<unk>"), byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(list(normalizer) + [normalizers.Precompiled(charsmap)])
    tokenizer.pre_tokenizer = pre
    trainer = trainers.UnigramTrainer(vocab_size=1800, special_tokens=list(specials) + (BYTES if byte_fallback else []), unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([line for line in lines if line.isascii() and "<" not in line and "[" not in line], trainer)
    if byte_fallback:
        tokenizer = edited(tokenizer, lambda d: (without_byte_tokens(d), d["model"].update(byte_fallback=True)))
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return tokenizer


def xlmr(lines):
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer = unigram(lines, character_map(), pre)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def t5(lines):
    tokenizer = unigram(lines, character_map(SMALL_RULES), pre_tokenizers.Metaspace(prepend_scheme="always"), specials=["<pad>", "</s>", "<unk>", "<extra_id_0>"], byte_fallback=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def albert(lines):
    extra = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer = unigram(lines, character_map(SMALL_RULES), pre_tokenizers.Metaspace(prepend_scheme="first"), extra, ["<pad>", "<unk>", "[CLS]", "[SEP]"])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def wordlevel(lines):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(), pre_tokenizers.CharDelimiterSplit("x")])
    tokenizer.train_from_iterator(lines, trainers.WordLevelTrainer(vocab_size=1500, special_tokens=["<unk>"], show_progress=False))
    return tokenizer


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        text = source.read()[:250_000]
    strings = make_strings(text)
    os.makedirs(OUT, exist_ok=True)
    with open(f"{OUT}/strings.json", "w", encoding="utf-8") as out:
        json.dump(strings, out, ensure_ascii=False, separators=(",\n", ":"))
    lines = text.split("\n") + strings
    for name, make in [("gpt2", gpt2), ("smollm", smollm), ("llama3", llama3), ("qwen2", qwen2), ("o200k", o200k), ("roberta", roberta),
                       ("clip", clip), ("llama2", llama2), ("mistral", mistral), ("gemma", gemma),
                       ("bert-uncased", lambda l: bert(l, False)), ("bert-cased", lambda l: bert(l, True)), ("xlmr", xlmr), ("t5", t5),
                       ("albert", albert), ("wordlevel", wordlevel)]:
        write(name, make(lines), strings)
        print(name)
    print(len(strings), "strings")


main()
