"""Prints the reference implementation's most likely next tokens after a prompt, to look at when logits disagree.

    python Tools/reference_logits.py MODEL.gguf "The capital of France is" [--top 5] [--all-positions] [--ids 12,34,56]

MODEL is a GGUF file of SmolLM2's kind (see gguf_reference.py). No token is put before the prompt.
"""

import argparse

import torch
from gguf_reference import load_model, load_tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("prompt", nargs="?", default="")
    parser.add_argument("--ids", help="token ids in place of a prompt, with commas between them")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--all-positions", action="store_true", help="after every token of the prompt, not only the last")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    tokenizer = load_tokenizer(options.model)
    ids = [int(id) for id in options.ids.split(",")] if options.ids else tokenizer.encode(options.prompt).ids
    if not ids:
        parser.error("the prompt has no tokens: give a prompt or --ids")
    with torch.inference_mode():
        logits = load_model(options.model)(torch.tensor([ids])).logits[0]

    print("ids", ids)
    for position in range(0 if options.all_positions else len(ids) - 1, len(ids)):
        print(f"after {position}: {tokenizer.decode([ids[position]])!r}")
        probabilities = logits[position].softmax(-1)
        for value, id in zip(*logits[position].topk(options.top)):
            print(f"  {id:6d}  logit {value:9.4f}  probability {probabilities[id]:.4f}  {tokenizer.decode([int(id)])!r}")


if __name__ == "__main__":
    main()
