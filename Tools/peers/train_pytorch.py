#!/usr/bin/env python3
"""Trains a model with PyTorch and prints seconds per step as JSON; compare_training.py drives it, and measures its memory.

    python train_pytorch.py FOLDER CASE --batch 16 --window 256 --steps 20 --threads 2

FOLDER is a model in Hugging Face's layout; of the case `new` only its shape is taken. Cases: `new` and `decoder` learn the next token
of random ones, `encoder` two classes. AdamW, clipping to 1, and the defaults of transformers in all else; dropout is off.
"""

import argparse
import json
import time

import torch
import transformers


def model_of(folder, case):
    if case == "new":
        return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder))
    if case == "encoder":
        return transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("case", choices=["new", "decoder", "encoder"])
    for name in ("batch", "window", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = model_of(options.folder, options.case).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    times = []
    for _ in range(options.steps):
        start = time.time()
        tokens = torch.randint(0, model.config.vocab_size, (options.batch, options.window))
        labels = torch.randint(0, 2, (options.batch,)) if options.case == "encoder" else tokens
        loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.time() - start)
    # The first steps make what later ones use again.
    rest = sorted(times[2:])
    print(json.dumps({"seconds": rest[len(rest) // 2], "version": torch.__version__}))


if __name__ == "__main__":
    main()
