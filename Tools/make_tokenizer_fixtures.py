#!/usr/bin/env python3
"""Makes Tests/Fixtures/tokenizers: small tokenizers of each kind and what the reference library does with 2,000 strings.

    pip install tokenizers sentencepiece protobuf
    python3 Tools/make_tokenizer_fixtures.py

`strings.json` holds the strings; `NAME/tokenizer.json` a tokenizer trained on the project's own text with the
configuration of a family; `NAME/expected.json` the ids of every string with special tokens, and where decoding does not
give the string back, the decoded text.
"""

import json
import pathlib
import random
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "Tests/Fixtures/tokenizers"
TEXT = (ROOT / "Tests/Fixtures/texts/wikitext2.txt").read_text(encoding="utf8")
CODE = """
public func states<O: Operations>(_ tokens: [Int32], _ run: inout O) -> O.Value {
    var x = run.embed(tokens, from: embedding, scale: 1.0e-5)
    for (index, layer) in layers.enumerated() { x = run.add(x, attention(x, layer, at: index, &run)) }
\treturn run.normalize(x, finalNorm) // != nil && x[0] >= 0x1F
}
def main(): print("%d %s" % (len(argv), 'a b c'))
""" * 8
FOREIGN = ("Съешь же ещё этих мягких французских булок. Zwölf Boxkämpfer jagen Viktor. 色は匂へど散りぬるを 我が世誰ぞ常ならむ "
           "다람쥐 헌 쳇바퀴에 타고파 نص حكيم له سر قاطع 😀 👩‍👩‍👧‍👦 naïve café ") * 6

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def corpus():
    return [line for line in (TEXT + CODE + FOREIGN).split("\n")]


def strings():
    random.seed(7)
    result = ["", " ", "  ", "\n", "\t", "\0", "a", " a", "a ", "  a  b  ", "\r\n", "a\r\nb\n\nc", "\u00a0", "\u2028",
              "Hello, world!", "don't DON'T we'LL I'm it'ſ", "1234567890 12 3.14 ١٢٣ ⅷ ²", "<s>", "</s>", "<s>a</s>",
              "[CLS] a [SEP]", "[MASK]ed  [MASK]", "<|endoftext|>a<|endoftext|>", "a <mask> b<mask>c", "ab<word>c <word> d",
              "👩‍👩‍👧‍👦👨🏽‍🚀🏳️‍🌈", "e\u0301 é \u0323\u0307s \u1e9b\u0323", "각 각 한국어", "ﬁ ﷺ ㎏ Å Ω", "中文字符 混合 text",
              "\u200b\u200d\ufeff\ufffd", "x" * 120, "x" * 100, "ab" * 60, "word " * 60, "\U0001f600" * 30, "İ ẞ Σίσυφος ΑΣ",
              "▁a ▁▁b", "a▁b", "##ing", "n't 's do not . , ! ?", "don ' t . you ' re", "Ġa Ċ", "<0x41><0x0A>", "\ud7ff\ue000",
              "\u0378\U000e0001\U0010ffff", "a\u0300\u0301b", "\x7f\x80\x85\x9f\xad", "-1.5e-10", "#define X (1<<2)\n\treturn;"]
    lines = [line for line in corpus() if line.strip()]
    while len(result) < 700:
        line = random.choice(lines)
        start = random.randrange(len(line))
        result.append(line[start:start + random.randrange(1, 80)])
    blocks = [(0, 0x250), (0x250, 0x600), (0x600, 0xE00), (0xE00, 0x1200), (0x1200, 0x2000), (0x2000, 0x2C00),
              (0x2C00, 0x3100), (0x3100, 0xA000), (0xA000, 0xD800), (0xE000, 0x10000), (0x10000, 0x12000),
              (0x1D000, 0x1E000), (0x1F000, 0x1FB00), (0x20000, 0x2A000), (0xE0000, 0xE0200)]

    def is_old(scalar):
        # Assigned in Unicode 3.2: the same in every version of the tables that the two sides may have.
        return unicodedata.ucd_3_2_0.category(scalar) not in ("Cn", "Cs")

    def assigned(low, high):
        while True:
            scalar = chr(random.randrange(low, high))
            if is_old(scalar):
                return scalar

    while len(result) < 1500:
        low, high = random.choice(blocks)
        if not any(is_old(chr(scalar)) for scalar in range(low, high)):
            continue
        result.append("".join(assigned(low, high) for _ in range(random.randrange(1, 12))))
    alphabet = list("abc XYZ0129'\"-_.,;:!?()\t\n\r  éßñçÅ中的日本한국иаשלاب😀👍🏽\u200d\u0301\u00ad▁") + [
        "<s>", "[MASK]", "<mask>", "<|endoftext|>", "<word>", "  ", "   ", "n't", "ing", "the "]
    while len(result) < 2100:
        result.append("".join(random.choice(alphabet) for _ in range(random.randrange(1, 40))))
    return result


def byte_level(pre, vocabulary, normalizer=None, ignore_merges=False, prefix=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>", "<s>"])
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([AddedToken("<word>", single_word=True, normalized=False), AddedToken("[MASK]", lstrip=True)])
    return tokenizer


def byte_fallback(gemma):
    """Llama 2's, Mistral's and Gemma's way: a BPE over characters whose rest falls back to bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    pre = normalizers.Replace(" ", "▁") if gemma else normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.normalizer = pre
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=1400, special_tokens=special, show_progress=False, limit_alphabet=150)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([] if gemma else [decoders.Strip(" ", 1, 0)]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)])
    data = json.loads(tokenizer.to_str())
    data["model"]["byte_fallback"] = True
    if not gemma:
        data["pre_tokenizer"] = None
    # Only the true special tokens are looked for in texts.
    data["added_tokens"] = [token for token in data["added_tokens"] if token["id"] < 3]
    return Tokenizer.from_str(json.dumps(data))


def word_piece(cased):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=1200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def unigram(kind):
    """T5's (space prefix always), XLM-R's and ALBERT's ways, with sentencepiece's own character map."""
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "text.txt"
        text.write_text("\n".join(line for line in corpus() if line.strip()), encoding="utf8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=folder + "/m", vocab_size=900, model_type="unigram",
            byte_fallback=kind == "fallback", minloglevel=2, num_threads=1, character_coverage=0.995,
            normalization_rule_name="nmt_nfkc_cf" if kind == "albert" else "nmt_nfkc")
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(pathlib.Path(folder + "/m.model").read_bytes())
    vocabulary = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0, kind == "fallback"))
    steps = []
    if kind == "albert":
        steps = [normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    steps += [normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)] if kind != "fallback" else [
        normalizers.NFKC(), normalizers.Nmt()]
    steps += [normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    scheme = "first" if kind == "fallback" else "always"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme) if kind != "xlmr" else (
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]))
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme) if kind != "fallback" else decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=scheme)])
    tokenizer.add_special_tokens(["<s>", "</s>", AddedToken("<mask>", lstrip=True)])
    single = "$A </s>" if kind == "t5" else "<s> $A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def families():
    level = pre_tokenizers.ByteLevel
    split = lambda pattern: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), level(add_prefix_space=False, use_regex=False)])
    llama3 = byte_level(split(LLAMA3), 1500, ignore_merges=True)
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)])])
    roberta = byte_level(level(add_prefix_space=True), 900)
    roberta.post_processor = processors.RobertaProcessing(("<|endoftext|>", 0), ("<s>", 1))
    return {
        "gpt2": byte_level(level(add_prefix_space=False), 1500),
        "smollm": byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), level(add_prefix_space=False)]), 1000),
        "roberta": roberta,
        "llama3": llama3,
        "qwen2": byte_level(split(QWEN2), 1500, normalizer=normalizers.NFC()),
        "o200k": byte_level(split(O200K), 1000),
        "llama2": byte_fallback(gemma=False),
        "gemma": byte_fallback(gemma=True),
        "bert": word_piece(cased=False),
        "bert-cased": word_piece(cased=True),
        "t5": unigram("t5"),
        "xlmr": unigram("xlmr"),
        "albert": unigram("albert"),
        "unigram-bytes": unigram("fallback"),
    }


def main():
    texts = strings()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "strings.json").write_text(json.dumps(texts, ensure_ascii=True), encoding="utf8")
    for name, tokenizer in families().items():
        folder = OUT / name
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(
            json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")), encoding="utf8")
        # As written, so that what is read is what was asked.
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = [tokenizer.encode(text).ids for text in texts]
        decoded = {}
        for index, (text, tokens) in enumerate(zip(texts, ids)):
            back = tokenizer.decode(tokens)
            if back != text:
                decoded[str(index)] = back
        pair = tokenizer.encode("Hello there", "general")
        (folder / "expected.json").write_text(
            json.dumps({"ids": ids, "decoded": decoded, "pair": {"ids": pair.ids, "types": pair.type_ids}},
                       ensure_ascii=True, separators=(",", ":")), encoding="utf8")
        print(name, tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main()
