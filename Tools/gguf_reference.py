"""Loads a GGUF model of SmolLM2's kind into the reference implementation, in float32. Shared by the scripts beside it."""

import os
from pathlib import Path

import gguf
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers


def load_model(path):
    """The model, its blocks decoded to float32 by the `gguf` package."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path = Path(path).absolute()
    return transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()


def load_tokenizer(path):
    """The file's byte-level BPE tokenizer with SmolLM's splitting (every digit alone), which transformers does not read from GGUF."""
    fields = gguf.GGUFReader(path).fields
    model, split = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("model", "pre"))
    if (model, split) != ("gpt2", "smollm"):
        raise SystemExit(f"{path}: its tokenizer is {model}/{split}; only gpt2/smollm is known here")
    tokens, kinds, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    tokenizer = Tokenizer(models.BPE(vocab={token: id for id, token in enumerate(tokens)},
                                     merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token, kind in zip(tokens, kinds) if kind == gguf.TokenType.CONTROL])
    return tokenizer
