"""Makes Tests/Fixtures/models: tiny random Hugging Face checkpoints and what the reference implementation computes from them.

    python Tools/make_model_fixtures.py              makes all of them
    python Tools/make_model_fixtures.py gemma3 bert  makes those whose name begins so

Each folder is a checkpoint as `save_pretrained` writes it, and an `expected.json`:

    {"atol": 1e-4, "sequences": [{"input_ids": [...], OUTPUT: {"shape": [...], "values": [row-major float32]}, ...}]}

where OUTPUT is `logits` [tokens, vocabulary] for decoders; `hidden` [tokens, width] (the last hidden state) and `pooled` [width]
(its mean over tokens) for encoders; `class_logits` [labels] for classifiers. BERT's sequences also carry `token_type_ids`.
Outputs are computed in float32 from the weights as saved, by loading the folder again, so a folder tells all that is needed.

A case names the settings that make it peculiar; the script fails if changing one of them back changes no output, since such a
fixture would prove nothing.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

import numpy
import torch
import transformers

OUT = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "models"
ATOL = 1e-4  # how far another implementation in float32 may lie from these outputs
LENGTHS = [1, 5, 24]  # the last is longer than every sliding window below


def llama3_scaling():
    # The original length is so short that the three bands (kept, blended, stretched) all hold some of the frequencies.
    return {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16}


BASE = {"num_hidden_layers": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
LLAMA = BASE | {"vocab_size": 61, "hidden_size": 28, "intermediate_size": 37, "num_attention_heads": 2, "num_key_value_heads": 1,
                "rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}
MISTRAL = BASE | {"vocab_size": 67, "hidden_size": 36, "intermediate_size": 41, "num_attention_heads": 4, "num_key_value_heads": 2,
                  "head_dim": 10, "rms_norm_eps": 1e-5, "sliding_window": 7,
                  "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}
QWEN2 = BASE | {"vocab_size": 71, "hidden_size": 40, "intermediate_size": 37, "num_attention_heads": 4, "num_key_value_heads": 2,
                "rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}}
QWEN3 = BASE | {"vocab_size": 73, "hidden_size": 30, "intermediate_size": 37, "num_attention_heads": 3, "num_key_value_heads": 1,
                "head_dim": 14, "rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}}
GEMMA3 = BASE | {"vocab_size": 79, "hidden_size": 28, "intermediate_size": 37, "num_hidden_layers": 4, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "head_dim": 6, "sliding_window": 7, "query_pre_attn_scalar": 11,
                 "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
                 "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}}}
GEMMA3_LINEAR = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5000.0},
                 "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}}
BERT = {"vocab_size": 83, "hidden_size": 36, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 40, "hidden_act": "gelu"}
DISTILBERT = {"vocab_size": 89, "dim": 33, "hidden_dim": 37, "n_layers": 2, "n_heads": 3, "max_position_embeddings": 40}
LABELS = {"id2label": {0: "contradiction", 1: "entailment", 2: "neutral"},
          "label2id": {"contradiction": 0, "entailment": 1, "neutral": 2}}
OLD_LLAMA3 = {key: value for key, value in llama3_scaling().items() if key != "rope_theta"}

# name: (class, settings, how it is saved). In the last, `dtype` and `max_shard_size` say how weights lie in files;
# `matters` are settings that, put in place of the case's own, must change the outputs; `respell` edits the saved config.json
# into the spelling of transformers before version 5 (None removes a key), and `like` takes its weights from another case.
CASES = {
    "llama": ("LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True},
              {"matters": [{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}, {"rms_norm_eps": 0.1}]}),
    "llama-f16": ("LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True}, {"dtype": "float16", "like": "llama"}),
    "llama-relu-f16": ("LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True, "hidden_act": "relu"},
                       {"dtype": "float16", "matters": [{"hidden_act": "silu"}]}),
    "llama-bf16": ("LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True}, {"dtype": "bfloat16", "like": "llama"}),
    "llama-sharded": ("LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True}, {"max_shard_size": 24_000, "like": "llama"}),
    "llama-untied-llama3": ("LlamaForCausalLM", LLAMA | {"head_dim": 12, "rope_parameters": llama3_scaling()},
                            {"matters": [{"rope_parameters": llama3_scaling() | change} for change in (
                                {"rope_type": "default"}, {"rope_type": "linear"}, {"high_freq_factor": 16.0}, {"low_freq_factor": 3.0},
                                {"original_max_position_embeddings": 64})]}),
    "llama-untied-llama3-old": ("LlamaForCausalLM", LLAMA | {"head_dim": 12, "rope_parameters": llama3_scaling()},
                                {"like": "llama-untied-llama3", "respell": {
                                    "rope_parameters": None, "rope_theta": 500.0, "rope_scaling": OLD_LLAMA3,
                                    "dtype": None, "torch_dtype": "float32"}}),
    "llama-linear": ("LlamaForCausalLM", LLAMA | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
                                                  "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 100.0}},
                     {"matters": [{"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}]}),
    "llama-linear-old": ("LlamaForCausalLM", LLAMA | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
                                                      "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 100.0}},
                         {"like": "llama-linear", "respell": {
                             "rope_parameters": None, "rope_theta": 100.0, "rope_scaling": {"type": "linear", "factor": 3.0},
                             "dtype": None, "torch_dtype": "float32"}}),
    "llama-biases": ("LlamaForCausalLM", LLAMA | {"hidden_size": 30, "num_attention_heads": 3, "num_key_value_heads": 1,
                                                  "attention_bias": True, "mlp_bias": True},
                     {"matters": [{"attention_bias": False}, {"mlp_bias": False}]}),
    "mistral": ("MistralForCausalLM", MISTRAL, {"matters": [{"sliding_window": None}, {"sliding_window": 8}]}),
    "qwen2": ("Qwen2ForCausalLM", QWEN2 | {"tie_word_embeddings": True}, {}),
    "qwen2-window": ("Qwen2ForCausalLM", QWEN2 | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 7,
                                                  "max_window_layers": 1},
                     {"matters": [{"use_sliding_window": False}, {"max_window_layers": 0}, {"max_window_layers": 2}]}),
    "qwen2-window-old": ("Qwen2ForCausalLM", QWEN2 | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 7,
                                                      "max_window_layers": 1},
                         {"like": "qwen2-window", "respell": {
                             "rope_parameters": None, "rope_theta": 1000.0, "layer_types": None,
                             "dtype": None, "torch_dtype": "float32"}}),
    "qwen3": ("Qwen3ForCausalLM", QWEN3 | {"tie_word_embeddings": True}, {}),
    "qwen3-untied": ("Qwen3ForCausalLM", QWEN3 | {"num_attention_heads": 5, "head_dim": 8}, {}),
    "gemma3": ("Gemma3ForCausalLM", GEMMA3,
               {"matters": [{"sliding_window": 8}, {"hidden_activation": "gelu"}, {"query_pre_attn_scalar": 6},
                            {"layer_types": GEMMA3["layer_types"][::-1]}, {"rope_parameters": GEMMA3_LINEAR}]}),
    "gemma3-linear": ("Gemma3ForCausalLM", GEMMA3 | {"rope_parameters": GEMMA3_LINEAR},
                      {"matters": [{"rope_parameters": GEMMA3["rope_parameters"]}]}),
    "gemma3-linear-old": ("Gemma3ForCausalLM", GEMMA3 | {"rope_parameters": GEMMA3_LINEAR},
                          {"like": "gemma3-linear", "respell": {
                              "rope_parameters": None, "rope_theta": 5000.0, "rope_local_base_freq": 50.0,
                              "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "layer_types": None,
                              "sliding_window_pattern": 3, "_sliding_window_pattern": None, "dtype": None, "torch_dtype": "float32"}}),
    "bert": ("BertModel", BERT, {"matters": [{"hidden_act": "gelu_new"}, {"layer_norm_eps": 0.1}]}),
    "bert-classifier": ("BertForSequenceClassification", BERT | LABELS, {}),
    "distilbert": ("DistilBertModel", DISTILBERT, {"matters": [{"activation": "relu"}]}),
    "distilbert-classifier": ("DistilBertForSequenceClassification", DISTILBERT | LABELS, {}),
}


def randomize(model, name):
    """Fills the model with weights from a generator seeded by `name`: large enough that every part tells in the outputs."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            is_norm = "norm" in key.lower()
            parameter.normal_(0, 0.3 if is_norm else 0.2, generator=generator)
            if is_norm and key.endswith("weight") and "gemma3" not in model.config.model_type:
                parameter.add_(1)  # Gemma multiplies by 1 + weight, so its weights lie around 0
    return model


def inputs(model, name):
    """The token sequences of a case, seeded by `name`; for BERT with both token types."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + 1)
    for length in LENGTHS:
        sequence = {"input_ids": torch.randint(3, model.config.vocab_size, (1, length), generator=generator)}
        if model.config.model_type == "bert":
            sequence["token_type_ids"] = (torch.arange(length) > length // 2).long()[None]
        yield sequence


@torch.no_grad()
def outputs(model, sequence):
    """What the model computes of one sequence, by the names of expected.json, without the batch dimension."""
    result = model(**sequence)
    if "CausalLM" in type(model).__name__:
        return {"logits": result.logits[0]}
    if "Classification" in type(model).__name__:
        return {"class_logits": result.logits[0]}
    return {"hidden": result.last_hidden_state[0], "pooled": result.last_hidden_state[0].mean(0)}


def expected(sequences, results):
    """The document of expected.json. Numbers are the shortest decimals that read back as the same float32."""
    def tensor(value):
        return {"shape": list(value.shape), "values": [float(str(x)) for x in value.numpy().astype(numpy.float32).ravel()]}

    return {"atol": ATOL, "sequences": [{key: value[0].tolist() for key, value in sequence.items()}
                                        | {key: tensor(value) for key, value in result.items()}
                                        for sequence, result in zip(sequences, results)]}


def load(cls, folder, config=None):
    """The checkpoint in float32 with the plain attention; under another configuration if given."""
    return getattr(transformers, cls).from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()


def make(name):
    cls, settings, how = CASES[name]
    seed = how.get("like", name)
    model_class = getattr(transformers, cls)
    model = randomize(model_class(model_class.config_class(**settings)), seed).eval()
    model.config.architectures = [cls]

    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(getattr(torch, how.get("dtype", "float32"))).save_pretrained(folder, max_shard_size=how.get("max_shard_size", "1GB"))
    if "respell" in how:
        path = folder / "config.json"
        config = json.loads(path.read_text()) | how["respell"]
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}, indent=2, sort_keys=True) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = load(cls, folder)
    sequences = list(inputs(model, seed))
    results = [outputs(model, sequence) for sequence in sequences]
    for change in how.get("matters", []):
        changed = load(cls, folder, model_class.config_class(**(settings | change)))
        difference = max((outputs(changed, s)[k] - v).abs().max().item() for s, r in zip(sequences, results) for k, v in r.items())
        assert difference > 10 * ATOL, f"{name}: {change} changes the outputs by only {difference}"

    (folder / "expected.json").write_text(json.dumps(expected(sequences, results), separators=(",", ":")) + "\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: {size:,} bytes, largest output {max(v.abs().max().item() for r in results for v in r.values()):.2f}")
    return results


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    made = {name: make(name) for name in CASES if name.startswith(tuple(sys.argv[1:]) or "")}
    for name, results in made.items():
        if name.endswith("-old") and CASES[name][2]["like"] in made:
            pairs = zip(results, made[CASES[name][2]["like"]])
            assert all(torch.equal(a["logits"], b["logits"]) for a, b in pairs), f"{name}: the old spelling reads differently"


if __name__ == "__main__":
    main()
