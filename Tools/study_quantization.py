#!/usr/bin/env python3
"""Compresses SmolLM2-135M-Instruct with every method that quantizes and writes docs/quantization.md (`make study-quantization`).

How it measures, and what DATA is, says study.py.
"""

import study
from study import step


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
        ("AWQ", [AWQ, step("rtn", bits=3, loss="layer")]),
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


if __name__ == "__main__":
    study.main("study-quantization", "docs/quantization.md", STUDIES, __doc__.splitlines()[0])
