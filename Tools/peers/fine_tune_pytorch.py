#!/usr/bin/env python3
"""Fine-tunes an encoder on texts with classes with PyTorch and prints its accuracy on others as JSON; compare_training.py drives it.

    python fine_tune_pytorch.py FOLDER TRAIN TEST --batch 32 --steps 600 --rate 1e-4 --warm-up 50 --seed 0 --threads 2

TRAIN and TEST have lines of a text, a tab and a class, below a header. It is the training that `pith train` does of the same recipe: AdamW
with decay of the matrices alone, a rate that falls in a straight line to a tenth, clipping to 1, no dropout, each text once an epoch, those of
like length together, and a head that begins with random weights.
"""

import argparse
import json
import random

import torch
import transformers


def examples(path, tokenizer):
    lines = [line.rsplit("\t", 1) for line in open(path, encoding="utf-8").read().split("\n")[1:] if line]
    ids = tokenizer([text for text, _ in lines], truncation=True, max_length=512)["input_ids"]
    return [(tokens, int(label)) for tokens, (_, label) in zip(ids, lines)]


def batches(data, size, generator):
    """All of them once, in another order each time; of 32 batches' texts the shortest go together, then the next."""
    order = list(data)
    generator.shuffle(order)
    order = order[: len(order) // size * size]
    made = []
    for start in range(0, len(order), 32 * size):
        some = sorted(order[start : start + 32 * size], key=lambda example: len(example[0]))
        made += [some[first : first + size] for first in range(0, len(some), size)]
    generator.shuffle(made)
    return made


def tensors(batch):
    longest = max(len(tokens) for tokens, _ in batch)
    return {
        "input_ids": torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in batch]),
        "attention_mask": torch.tensor([[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in batch]),
        "labels": torch.tensor([label for _, label in batch]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("folder", "train", "test"):
        parser.add_argument(name)
    for name in ("batch", "steps", "warm-up", "seed", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    generator = random.Random(options.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.folder)
    data, held = examples(options.train, tokenizer), examples(options.test, tokenizer)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        options.folder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    with torch.no_grad():
        model.bert.pooler.dense.weight.normal_(0, 0.02)
        model.bert.pooler.dense.bias.zero_()
    matrices = [value for value in model.parameters() if value.dim() > 1]
    vectors = [value for value in model.parameters() if value.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}], lr=options.rate, betas=(0.9, 0.99))

    def share(step):
        if step < options.warm_up:
            return (step + 1) / options.warm_up
        return 1 - 0.9 * (step - options.warm_up) / max(1, options.steps - 1 - options.warm_up)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    waiting = []
    for _ in range(options.steps):
        waiting = waiting or batches(data, options.batch, generator)
        model(**tensors(waiting.pop())).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(held), 64):
            part = tensors(held[start : start + 64])
            right += int((model(**part).logits.argmax(1) == part["labels"]).sum())
    print(json.dumps({"accuracy": 100 * right / len(held), "version": torch.__version__}))


if __name__ == "__main__":
    main()
