"""Measures perplexity with the reference implementation (float32, weights decoded from GGUF), to hold Pith's against.

    python Tools/peers/perplexity_transformers.py MODEL.gguf TEXT [--windows 40] [--length 512] [--threads 2] [--save LOGITS.npz]

The text is tokenized as one string and cut into windows of `length` tokens, none before them; each window starts afresh and every
position but its first is predicted. Line ends of carriage return and newline count as newlines unless `--keep-carriage-returns`
says otherwise: a copy of WikiText-2 with the former has other tokens and another perplexity. Prints one JSON object. `--save`
keeps, for every predicted position, the token's log probability, and the 5 highest logits with their ids and the logarithm of the
sum of exponentials (float32): enough to compare top-1 agreement and to find the first position where another implementation goes
astray.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from gguf_reference import load_model, load_tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--windows", type=int, default=40, help="how many from the start of the text; 0 for all (default 40)")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep-carriage-returns", action="store_true")
    parser.add_argument("--save", metavar="FILE", help="write a summary of the logits here (.npz)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    text = Path(options.text).read_bytes().decode()
    if not options.keep_carriage_returns:
        text = text.replace("\r\n", "\n")
    ids = load_tokenizer(options.model).encode(text, add_special_tokens=False).ids
    available = len(ids) // options.length
    windows = min(options.windows or available, available)
    if windows == 0:
        raise SystemExit(f"{options.text}: {len(ids)} tokens do not fill one window of {options.length}")
    batches = torch.tensor(ids[:windows * options.length]).view(windows, 1, options.length)
    model = load_model(options.model)

    kept = {"target_log_probability": [], "top_logits": [], "top_ids": [], "log_sum_exp": []}
    start = time.perf_counter()
    with torch.inference_mode():
        for window in batches:
            logits = model(window).logits[0, :-1]
            total = logits.logsumexp(-1)
            kept["target_log_probability"].append(logits.gather(1, window[0, 1:, None])[:, 0] - total)
            if options.save:
                top = logits.topk(5)
                kept["top_logits"].append(top.values)
                kept["top_ids"].append(top.indices.int())
                kept["log_sum_exp"].append(total)
    seconds = time.perf_counter() - start

    losses = -torch.cat(kept["target_log_probability"]).double()
    if options.save:
        numpy.savez_compressed(options.save, ids=numpy.array(ids[:windows * options.length], numpy.int32),
                               **{name: torch.stack(values).numpy() for name, values in kept.items()})
    print(json.dumps({
        "model": Path(options.model).name, "text": Path(options.text).name, "perplexity": round(math.exp(losses.mean()), 4),
        "tokens": len(ids), "windows": windows, "window_length": options.length, "predicted": len(losses),
        "seconds": round(seconds, 2), "tokens_per_second": round(windows * options.length / seconds, 1), "threads": options.threads}))


if __name__ == "__main__":
    main()
