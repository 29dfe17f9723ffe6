#!/usr/bin/env python3
"""Compares Pith's pruning with llm-compressor's on SmolLM2-135M-Instruct, for docs/comparison.md (`make compare-pruning`).

    python Tools/peers/compare_pruning.py --pith .build/release/pith --data DATA [--only TEXT]

It measures as compare_quantization.py does, with the first 32 of its windows to calibrate, and shares its environments and its cache.
Weights that stay are float32 in the peer's files and float16 in ours, so only their qualities, seconds and memory are compared.
"""

import argparse
import subprocess
from pathlib import Path

from compare_quantization import FULL, PAGE, ROOT, Comparison, line, ratios, say

BEGIN, END = "<!-- tables: written by Tools/peers/compare_pruning.py -->\n", "<!-- end of the tables of pruning -->\n"
HEADER = ("| | perplexity | KL | top-1 % | seconds | peak MB | ours: seconds | ours: MB |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
WINDOWS = 32
# What is pruned, and how llm-compressor and Pith are told.
PATTERNS = [("50%", {"sparsity": 0.5}, "0.5"), ("2:4", {"sparsity": 0.5, "pattern": "2:4"}, "2:4")]
METHODS = [("SparseGPT", "sparsegpt"), ("Wanda", "wanda")]
PAIRS = [
    ((f"llm-compressor, {title}, {pattern}", {"method": method, "first": WINDOWS, **theirs}),
     (f"Pith, {title}, {pattern}", [{"method": method, "sparsity": ours}]))
    for pattern, theirs, ours in PATTERNS for title, method in METHODS
]


def cells(name, row, own=("", "")):
    """A line without the bits per weight."""
    parts = line(name, row, own).split(" | ")
    return " | ".join(parts[:1] + parts[2:])


def write(comparison):
    """Puts what has been measured into the page; without that it stays as it is."""
    lines = []
    for (peer, _), (own, _) in PAIRS:
        theirs, ours = comparison.row(peer), comparison.row(own)
        if not theirs or not ours:
            return
        lines += [cells(peer, theirs), cells(f"**{own}**", ours, ratios(ours, theirs))]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + "\n".join([HEADER, *lines]) + "\n\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=Path, required=True, help="a folder with wikitext2/calibration.txt and test.txt")
    parser.add_argument("--only", default="", help="measure only rows whose name contains this")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    comparison = Comparison(options.pith, options.data, FULL, None, options.threads)
    failed = []
    for (peer, how), (own, steps) in PAIRS:
        try:
            if options.only in peer and not comparison.row(peer):
                say(peer)
                comparison.peer(peer, "llmcompressor", how)
            if options.only in own and not comparison.row(own):
                say(own)
                comparison.ours(own, steps, WINDOWS)
        except (subprocess.CalledProcessError, OSError) as error:
            failed.append(peer)
            say(f"{peer} failed: {error}; see {comparison.log}")
        write(comparison)
    if failed:
        raise SystemExit(f"compare: failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
