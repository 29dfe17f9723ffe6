#!/usr/bin/env python3
"""Writes the gradients that PyTorch finds for the small models of Tests/Fixtures/models, beside them (see requirements.txt).

    python Tools/make_gradient_fixtures.py

For a decoder the loss is the mean cross-entropy of the next token over two sequences, for an encoder with a head that of a
class for each; `gradients.safetensors` holds the gradient of each tensor of the checkpoint, and the loss in its metadata.
"""

from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

MODELS = Path(__file__).resolve().parent.parent / "Tests/Fixtures/models"
DECODERS, ENCODERS = ("llama-biases", "gemma3"), ("bert-classifier",)
# As in Tests/PithTrainingTests/ReferenceGradientTests.swift.
LENGTHS, CLASSES = (13, 6), (1, 0)


def tokens(length, vocabulary):
    return torch.tensor([[(7 * i + 3 * length) % vocabulary for i in range(length)]])


def main():
    torch.manual_seed(0)
    for name in DECODERS + ENCODERS:
        decodes = name in DECODERS
        kind = transformers.AutoModelForCausalLM if decodes else transformers.AutoModelForSequenceClassification
        model = kind.from_pretrained(MODELS / name, dtype=torch.float32, attn_implementation="eager").eval()
        vocabulary = model.config.vocab_size
        total, count = 0, 0
        for length, target in zip(LENGTHS, CLASSES):
            ids = tokens(length, vocabulary)
            logits = model(input_ids=ids).logits
            targets = ids[0, 1:] if decodes else torch.tensor([target])
            scores = logits[0, :-1] if decodes else logits
            total = total + torch.nn.functional.cross_entropy(scores.float(), targets, reduction="sum")
            count += len(targets)
        loss = total / count
        loss.backward()
        gradients = {key: value.grad.contiguous() for key, value in model.named_parameters() if value.grad is not None}
        save_file(gradients, MODELS / name / "gradients.safetensors", metadata={"loss": f"{loss.item():.9g}"})
        print(f"{name}: loss {loss.item():.6f}, {len(gradients)} gradients")


if __name__ == "__main__":
    main()
