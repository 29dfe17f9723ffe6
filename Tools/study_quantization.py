#!/usr/bin/env python3
"""Compresses SmolLM2-135M-Instruct with every method and writes docs/quantization.md (`make study-quantization`).

The model is that of the demo. DATA is a folder with wikitext2/calibration.txt to calibrate and wikitext2/test.txt to measure
(WikiText-2's validation and test text): 128 windows of 512 tokens, and 40. Whatever is done is kept in
$PITH_CACHE/study-quantization, so the study goes on where it was stopped; the page shows what has been measured so far. Sizes,
qualities and processor seconds do not depend on what else runs; speeds do, and are measured at the end: close other programs then.
"""

import argparse
import json
import os
import pathlib
import shutil
import resource
import subprocess
import sys

from demo import fetch

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/quantization.md"


def step(method, **options):
    return {"method": method, **{key.replace("_", "-"): value for key, value in options.items()}}


def gptq(bits, **options):
    return step("gptq", bits=bits, **options)


ROTATE, AWQ = step("rotate"), step("awq")
DOWN = {"layers": {"roles": ["down"]}}
W8A8 = step("rtn", bits=8, symmetric=True, group_size=0, activations="int8")
# Title, name, and steps or what stands in their place on the command line. The first of each section are measured first.
STUDIES = [
    ("16 bits", [
        ("float16, the embedding too", [step("float16"), step("float16", layers={"roles": ["embedding"]})]),
    ]),
    ("8 bits", [
        ("RTN, a scale per row", [step("rtn", bits=8, symmetric=True, group_size=0)]),
        ("RTN, a scale per row, W8A8", [W8A8]),
        ("rotation → RTN, W8A8", [ROTATE, W8A8]),
        ("RTN, groups of 64", [step("rtn", bits=8)]),
        ("LLM.int8(), outliers at run time", [step("llm-int8")]),
        ("LLM.int8(), outliers of calibration", [step("llm-int8", fixed_outliers=True)]),
        ("SmoothQuant, W8A8", [step("smoothquant")]),
        ("SmoothQuant → GPTQ, W8A8", [step("smoothquant"), gptq(8, symmetric=True, group_size=0,
                                                                 activations="int8")]),
        ("GPTQ", [gptq(8)]),
        ("rotation → GPTQ", [ROTATE, gptq(8)]),
    ]),
    ("4 bits", [
        ("RTN", [step("rtn", bits=4)]),
        ("RTN, MSE range", [step("rtn", bits=4, range_search="mse")]),
        ("HQQ", [step("hqq", bits=4)]),
        ("percentile codebook", [step("percentile", bits=4)]),
        ("percentile codebook, diagonal of H", [step("percentile", bits=4, loss="diagonal")]),
        ("k-means codebook", [step("kmeans", bits=4)]),
        ("k-means codebook, diagonal of H", [step("kmeans", bits=4, loss="diagonal")]),
        ("NF4", [step("nf4")]),
        ("NF4, double quantization", [step("nf4", double_quantization=True)]),
        ("AF4", [step("af4")]),
        ("GPTQ, min-max range", [gptq(4, range_search="minmax")]),
        ("GPTQ", [gptq(4)]),
        ("GPTQ, order stored", [gptq(4, act_order="stored")]),
        ("GPTQ, columns in their order", [gptq(4, act_order="none")]),
        ("GPTQ on NF4's grid", [gptq(4, grid="nf4")]),
        ("GPTQ on AF4's grid", [gptq(4, grid="af4")]),
        ("AWQ", [AWQ]),
        ("AWQ → GPTQ", [AWQ, gptq(4)]),
        ("rotation → RTN", [ROTATE, step("rtn", bits=4, range_search="mse")]),
        ("rotation → GPTQ", [ROTATE, gptq(4)]),
        ("SpQR", [step("spqr", bits=4, group_size=32)]),
        ("QUIK, W4A4, down-projections W8A8", [step("quik", bits=4), step("quik", bits=8, **DOWN)]),
        ("rotation → QUIK", [ROTATE, step("quik", bits=4), step("quik", bits=8, **DOWN)]),
        ("vectors of 2, 256 codes", [step("vq", bits=8, dimension=2)]),
        ("chosen by --target-bits 4.25", ["--target-bits", "4.25"]),
    ]),
    ("3 bits", [
        ("RTN", [step("rtn", bits=3)]),
        ("HQQ", [step("hqq", bits=3)]),
        ("k-means codebook", [step("kmeans", bits=3)]),
        ("GPTQ", [gptq(3)]),
        ("GPTQ, min-max range", [gptq(3, range_search="minmax")]),
        ("AWQ", [AWQ, step("rtn", bits=3, range_search="mse")]),
        ("AWQ → GPTQ", [AWQ, gptq(3)]),
        ("SpQR", [step("spqr", bits=3)]),
        ("rotation → GPTQ", [ROTATE, gptq(3)]),
        ("rotation → GPTQ, groups of 128", [ROTATE, gptq(3, group_size=128)]),
        ("vectors of 3, 512 codes", [step("vq", bits=9, dimension=3)]),
        ("AQ, 2 × 64 vectors of 4", [step("aq", bits=6, dimension=4)]),
        ("chosen by --target-bits 3.25", ["--target-bits", "3.25"]),
    ]),
    ("2 bits", [
        ("RTN", [step("rtn", bits=2)]),
        ("k-means codebook", [step("kmeans", bits=2)]),
        ("GPTQ", [gptq(2)]),
        ("rotation → GPTQ", [ROTATE, gptq(2)]),
        ("vectors of 4, 256 codes", [step("vq", bits=8, dimension=4)]),
        ("PQ", [step("pq")]),
        ("OPQ", [step("opq")]),
        ("AQ, 2 × 64 vectors of 6", [step("aq", bits=6, dimension=6)]),
        ("chosen by --target-bits 2.25", ["--target-bits", "2.25"]),
        ("AQ, 2 × 256 vectors of 8", [step("aq")]),
        ("LSQ, 2 × 256 vectors of 8", [step("lsq")]),
    ]),
]


def say(text):
    print(f"study: {text}", file=sys.stderr, flush=True)


class Study:
    def __init__(self, pith, data):
        self.pith = str(pathlib.Path(pith).resolve())
        cache = pathlib.Path(os.environ.get("PITH_CACHE", pathlib.Path.home() / ".cache/pith"))
        self.cache = cache / "study-quantization"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.model = fetch(cache)
        self.calibration, self.text = data / "wikitext2/calibration.txt", data / "wikitext2/test.txt"
        for path in (self.calibration, self.text):
            if not path.exists():
                raise SystemExit(f"study: {path}: no such file; name a folder with WikiText-2 in DATA")

    def run(self, *arguments):
        result = subprocess.run([self.pith, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
        return json.loads(result.stdout)

    def path(self, section, name):
        letters = "".join(c if c.isalnum() else "-" for c in f"{section} {name}".lower())
        return self.cache / f"{letters}.json"

    def quality(self, model):
        return self.run(
            "evaluate", model, "--text", self.text, "--window", 512, "--max-windows", 40, "--against", self.model, "--json")

    def original(self):
        path = self.path("original", "")
        if not path.exists():
            say("the original")
            path.write_text(json.dumps(self.quality(self.model)))
        return json.loads(path.read_text())

    def row(self, section, name, steps):
        """Compresses and measures the quality; the output is kept until its speed is measured."""
        path = self.path(section, name)
        if path.exists():
            return
        say(f"{section}: {name}")
        recipe = self.cache / "recipe.yaml"
        if isinstance(steps[0], dict):
            # YAML contains JSON.
            recipe.write_text(json.dumps({"steps": steps}))
            steps = ["--recipe", recipe]
        output = path.with_suffix("")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        card = self.run(
            "compress", self.model, "-o", output, *steps, "--calibration", self.calibration, "--skip-measuring", "--force",
            "--json")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        row = {"seconds": seconds, "peak_memory_bytes": card["peak_memory_bytes"], "notes": card["matrices_with_notes"]}
        path.write_text(json.dumps({**self.quality(output), **row}))

    def speed(self, path, model):
        """Measures the speed of what has none yet, and lets go of the output."""
        row = json.loads(path.read_text())
        if "decode_tokens_per_second" not in row and model.exists():
            say(f"speed of {path.stem}")
            path.write_text(json.dumps({**row, **self.run("bench", model, "--json")}))
            if model != self.model:
                shutil.rmtree(model)

    def speeds(self):
        self.speed(self.path("original", ""), self.model)
        for section, rows in STUDIES:
            for name, _ in rows:
                if (path := self.path(section, name)).exists():
                    self.speed(path, path.with_suffix(""))

    def results(self):
        for section, rows in STUDIES:
            found = [(name, json.loads(self.path(section, name).read_text()))
                     for name, _ in rows if self.path(section, name).exists()]
            if found:
                yield section, found


def line(name, row):
    def number(key, digits, factor=1.0):
        return f"{row[key] * factor:.{digits}f}" if key in row and row[key] is not None else ""
    cells = [
        name, number("bits_per_weight", 3), number("size_bytes", 1, 1e-6), number("perplexity", 2),
        number("kl_divergence", 4), number("top1_agreement", 1, 100), number("seconds", 0),
        number("peak_memory_bytes", 0, 1e-6) if "seconds" in row else "", number("prefill_tokens_per_second", 0),
        number("decode_tokens_per_second", 0)]
    return "| " + " | ".join(cells) + " |"


HEADER = ("| method | bits per weight | MB | perplexity | KL | top-1 % | CPU seconds | peak MB | prefill tokens/s | decode tokens/s |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def write(study):
    page = PAGE.read_text()
    begin, end = "<!-- tables: written by Tools/study_quantization.py -->\n", "<!-- end of tables -->\n"
    parts = [HEADER, line("as it came (GGUF, Q4_1)", study.original())]
    text = "\n".join(parts) + "\n"
    for section, rows in study.results():
        text += f"\n## {section}\n\n{HEADER}\n" + "\n".join(line(name, row) for name, row in rows) + "\n"
    before, rest = page.split(begin)
    PAGE.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder with wikitext2/calibration.txt and test.txt")
    parser.add_argument("--only", default="", help="measure only rows whose section and name contain this")
    parser.add_argument("--no-speeds", action="store_true", help="measure speeds another time, when nothing else runs")
    arguments = parser.parse_args()
    study = Study(arguments.pith, arguments.data)
    study.original()
    for section, rows in STUDIES:
        for name, steps in rows:
            if arguments.only in f"{section}: {name}":
                study.row(section, name, steps)
                write(study)
    if not arguments.no_speeds:
        study.speeds()
    write(study)


if __name__ == "__main__":
    main()
