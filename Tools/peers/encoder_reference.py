"""Measures a sentence encoder with the reference implementation on the STS benchmark: Spearman's rank correlation.

    python Tools/peers/encoder_reference.py MODEL_FOLDER STSB.tsv [--threads 2] [--save EMBEDDINGS.npy]

Each sentence is the mean of the last hidden states of its tokens (with the special tokens, at most 256); a pair is scored with the
cosine of its sentences. The file has tab-separated columns genre, file, year, id, score, sentence 1, sentence 2; quotes are literal
and further columns are ignored. Prints one JSON object.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import torch
import transformers
from tokenizers import Tokenizer

MAXIMUM_TOKENS = 256


def ranks(values):
    """Ranks from 0, equal values sharing the mean of theirs."""
    distinct, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    return (numpy.cumsum(counts) - (counts + 1) / 2)[inverse]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", metavar="FILE", help="write the embeddings, sentence 1 and 2 of each pair in turn (.npy)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.disable_progress_bar()

    lines = Path(options.pairs).read_bytes().decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    rows = [line.split("\t") for line in lines]
    scores = numpy.array([float(row[4]) for row in rows])
    sentences = [sentence for row in rows for sentence in row[5:7]]

    tokenizer = Tokenizer.from_file(str(Path(options.model) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAXIMUM_TOKENS)
    model = transformers.AutoModel.from_pretrained(options.model, dtype=torch.float32).eval()

    start = time.perf_counter()
    embeddings, tokens = [], 0
    with torch.inference_mode():
        for sentence in sentences:  # one at a time, so that no padding takes part
            ids = tokenizer.encode(sentence).ids
            tokens += len(ids)
            embeddings.append(model(torch.tensor([ids])).last_hidden_state[0].mean(0).numpy())
    seconds = time.perf_counter() - start

    embeddings = numpy.stack(embeddings)
    if options.save:
        numpy.save(options.save, embeddings)
    unit = embeddings.astype(numpy.float64) / numpy.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (unit[0::2] * unit[1::2]).sum(1)
    spearman = numpy.corrcoef(ranks(cosines), ranks(scores))[0, 1]
    print(json.dumps({
        "model": Path(options.model).name, "pairs": len(rows), "tokens": tokens, "spearman": round(float(spearman), 5),
        "pearson": round(float(numpy.corrcoef(cosines, scores)[0, 1]), 5), "seconds": round(seconds, 2), "threads": options.threads}))


if __name__ == "__main__":
    main()
