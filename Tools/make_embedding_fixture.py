#!/usr/bin/env python3
"""Writes Tests/Fixtures/embeddings: sentences of SST-2 as vectors of MiniLM, on which the vector methods are compared.

    python3 Tools/make_embedding_fixture.py --pith .build/release/pith MINILM SST2 [--train 2000] [--test 400]

MINILM is the folder of the encoder, SST2 one with train.tsv and test.tsv. Each file holds vectors of 384 float16 numbers, little
endian, one after the other: of every so-manieth sentence, so that they are spread over the whole file.
"""

import argparse
import json
import pathlib
import struct
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/embeddings"


def sentences(path, count):
    lines = [line.split("\t")[0].strip() for line in path.read_text().splitlines()[1:]]
    lines = [line for line in lines if line]
    return [lines[index * len(lines) // count] for index in range(count)]


def embed(pith, model, texts):
    vectors = []
    for start in range(0, len(texts), 500):
        run = subprocess.run([pith, "embed", "--json", model, "--", *texts[start:start + 500]], stdout=subprocess.PIPE, check=True)
        vectors += [item["embedding"] for item in json.loads(run.stdout)]
    return vectors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--pith", default="pith")
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=400)
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for split, count in [("train", options.train), ("test", options.test)]:
        vectors = embed(options.pith, options.model, sentences(options.data / f"{split}.tsv", count))
        with open(options.output / f"{split}.f16", "wb") as file:
            for vector in vectors:
                file.write(struct.pack(f"<{len(vector)}e", *vector))


if __name__ == "__main__":
    main()
