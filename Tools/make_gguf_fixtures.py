"""Makes Tests/Fixtures/gguf: small GGUF files and what is in them according to the reference implementations.

    python Tools/make_gguf_fixtures.py

`blocks-TYPE.gguf` holds one tensor `blocks` of 3 rows and 512 columns whose bytes are random, so that every code, scale and sign
occurs; a few scales are zero or subnormal, none is infinite. `blocks-TYPE.f32` is the same tensor decoded (row-major little-endian
float32).

`NAME.gguf` is a tiny random model as llama.cpp's converter writes it: its tensor names, row order of q and k, norms, metadata,
and a byte-level BPE tokenizer of a few dozen tokens. `NAME.expected.json` has the reference implementation's logits as described in
make_model_fixtures.py, and `texts` with their token ids. Where the family allows no other choice llama.cpp assumes a setting instead of
reading it: Gemma 3 scales attention by 1 / sqrt(head_dim), every sixth layer is global, and without `rope.freq_base_swa` the local
layers' base is 10000. The models are made so that this holds.
"""

import json

import gguf
import numpy
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from make_model_fixtures import CASES, LLAMA, OUT as MODELS, expected, inputs, outputs, randomize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

OUT = MODELS.parent / "gguf"

# Where a block's half-precision scales are, so that random bytes make no infinite ones.
SCALES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.IQ4_NL: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def make_blocks(kind):
    random = numpy.random.default_rng(int(kind))
    shape = (3, 512)
    if kind in SCALES:
        weights, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (shape[0] * shape[1] // weights, size), dtype=numpy.uint8)
        for offset in SCALES[kind]:
            scales = random.normal(0, 0.1, len(blocks)).astype(numpy.float16)
            scales[1], scales[2] = 0, 3e-6  # 3e-6 is subnormal in half precision
            blocks[:, offset:offset + 2] = scales.view(numpy.uint8).reshape(-1, 2)
        data = blocks.reshape(shape[0], -1)
    else:
        values = random.normal(0, 1, shape).astype(numpy.float32)
        values[0, :6] = [0.0, -0.0, 3e-6, -3e-6, 60000.0, -1e-7]  # zeros, half precision's subnormals, nearly its largest
        data = gguf.quantize(values, kind)

    writer = gguf.GGUFWriter(OUT / f"blocks-{kind.name}.gguf", "none")
    writer.add_tensor("blocks", data, raw_dtype=kind)
    write(writer)
    decoded = gguf.dequantize(data, kind).astype("<f4")
    assert decoded.shape == shape and numpy.isfinite(decoded).all()
    decoded.tofile(OUT / f"blocks-{kind.name}.f32")


GEMMA3 = CASES["gemma3"][1] | {"hidden_size": 24, "num_hidden_layers": 7, "query_pre_attn_scalar": 6, "layer_types": None,
                               "sliding_window_pattern": 6}
# name: (class, settings, type of the matrices)
MODELS_MADE = {
    "llama": ("LlamaForCausalLM", CASES["llama"][1], Type.F32),
    "llama-q8_0": ("LlamaForCausalLM", LLAMA | {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
                                                "num_key_value_heads": 2}, Type.Q8_0),
    "llama-llama3": ("LlamaForCausalLM", CASES["llama-untied-llama3"][1] | {"num_hidden_layers": 1}, Type.F32),
    "llama-linear": ("LlamaForCausalLM", CASES["llama-linear"][1] | {"num_hidden_layers": 1}, Type.F32),
    "llama-biases": ("LlamaForCausalLM", CASES["llama-biases"][1] | {"num_hidden_layers": 1}, Type.F32),
    "qwen2": ("Qwen2ForCausalLM", CASES["qwen2"][1], Type.F32),
    "qwen3": ("Qwen3ForCausalLM", CASES["qwen3"][1], Type.F32),
    "gemma3": ("Gemma3ForCausalLM", GEMMA3 | {"rope_parameters": CASES["gemma3-linear"][1]["rope_parameters"]}, Type.F32),
    "gemma3-defaults": ("Gemma3ForCausalLM", GEMMA3 | {"rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 100.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}, Type.F32),
}
ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
                 "gemma3_text": gguf.MODEL_ARCH.GEMMA3}


def permuted(rows, heads):
    """A head's rows from halves (i turns with i + size / 2) to neighbours (2i turns with 2i + 1), as llama.cpp has them for Llama."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def converted(model):
    """The model's tensors by their GGUF names."""
    config, kind = model.config, ARCHITECTURES[model.config.model_type]
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    rope = config.rope_parameters
    if rope.get("rope_type") == "llama3":
        plain = 1 / rope["rope_theta"] ** (torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim)
        yield "rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy()
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = tensor.numpy()
        projection = name.split(".")[-2]
        if kind == gguf.MODEL_ARCH.LLAMA and projection in heads:
            data = permuted(data, heads[projection])
        if kind == gguf.MODEL_ARCH.GEMMA3 and name.endswith("norm.weight"):
            data = data + 1  # the file has the factor itself, the checkpoint its distance from 1
        yield names.get_name(name, try_suffixes=(".weight", ".bias")), data


def add_settings(writer, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.model_type == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.head_dim)
    if config.model_type == "gemma3_text":
        writer.add_sliding_window(config.sliding_window)
        local = config.rope_parameters["sliding_attention"]["rope_theta"]
        if local != 10000:
            writer.add_rope_freq_base_swa(local)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


SPECIAL = ["<pad>", "<s>", "</s>"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz.,'") + ["Ġ", "Ċ"]  # as byte-level BPE spells space and newline
MERGES = ["h e", "Ġ t", "i n", "Ġt he", "r e", "o n", "Ġ a", "e r", "a t", "n d", "in g", "Ġa nd", "o r", "Ċ Ċ", "Ġ Ġ"]
TEXTS = ["the cat and the hat.", "in the morning, on a train", "don't\n\nremember  it", "zzz"]


def make_tokenizer(vocabulary):
    """A byte-level BPE tokenizer, its tokens padded to the size of the vocabulary, and the kinds of these."""
    tokens = SPECIAL + LETTERS + [merge.replace(" ", "") for merge in MERGES]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL))
    ids = {token: id for id, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[tuple(merge.split()) for merge in MERGES]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    padding = range(len(tokens), vocabulary)
    return tokenizer, tokens + [f"[PAD{i}]" for i in padding], kinds + [gguf.TokenType.UNUSED for _ in padding]


def add_tokenizer(writer, tokens, kinds):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_model(name):
    cls, settings, kind = MODELS_MADE[name]
    cls = getattr(transformers, cls)
    model = randomize(cls(cls.config_class(**settings, attn_implementation="eager")), f"gguf {name}").eval()
    if kind != Type.F32:  # the model computes with what the file will hold
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.copy_(torch.from_numpy(gguf.dequantize(gguf.quantize(parameter.numpy(), kind), kind)))

    writer = gguf.GGUFWriter(OUT / f"{name}.gguf", gguf.MODEL_ARCH_NAMES[ARCHITECTURES[model.config.model_type]])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    add_settings(writer, model.config)
    tokenizer, tokens, kinds = make_tokenizer(model.config.vocab_size)
    add_tokenizer(writer, tokens, kinds)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if kind == Type.F32 else gguf.LlamaFileType[f"MOSTLY_{kind.name}"])
    for key, data in converted(model):
        stored = kind if data.ndim == 2 else Type.F32
        writer.add_tensor(key, gguf.quantize(numpy.ascontiguousarray(data), stored), raw_dtype=stored)
    write(writer)

    sequences = list(inputs(model, name))
    document = expected(sequences, [outputs(model, sequence) for sequence in sequences])
    document["texts"] = [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]
    assert all(tokenizer.decode(each["ids"]) == each["text"] for each in document["texts"])
    (OUT / f"{name}.expected.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    for file in OUT.iterdir():
        file.unlink()
    for kind in [Type.F32, Type.F16, Type.BF16, *SCALES]:
        make_blocks(kind)
    for name in MODELS_MADE:
        make_model(name)
    print(f"{sum(file.stat().st_size for file in OUT.iterdir()):,} bytes in {OUT}")


if __name__ == "__main__":
    main()
