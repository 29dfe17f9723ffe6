#!/usr/bin/env python3
"""Prunes SmolLM2-135M-Instruct with every method and writes docs/sparsity.md and docs/sparsity.svg (`make study-sparsity`).

How it measures, and what DATA is, says study.py. Beside sparse models the picture shows those of docs/quantization.md that are only
quantized.
"""

import math

import study
from study import ROOT, step

SHARES = ["0.1", "0.3", "0.5", "0.7", "0.9"]
PATTERNS = ["2:4", "4:8"]
METHODS = {
    "magnitude": [("magnitude", {}), ("magnitude, whole model", {"scope": "model"})],
    "wanda": [("Wanda", {})],
    "obd": [("OBD", {})],
    "sparsegpt": [("SparseGPT", {})],
}


def percent(sparsity):
    return sparsity if ":" in sparsity else f"{float(sparsity):.0%}"


def pruned(sparsity):
    """Every method at one sparsity; a pattern is chosen in each matrix, not in the whole model."""
    return [(label, [step(method, sparsity=sparsity, **options)]) for method, variants in METHODS.items()
            for label, options in variants if not (":" in sparsity and options)]


def joint(bits, sparsity, **options):
    return step("sparsegpt", bits=bits, sparsity=sparsity, **options)


STUDIES = [
    *[(f"{percent(sparsity)} of the weights", pruned(sparsity)) for sparsity in SHARES + PATTERNS],
    ("Pruned and quantized in one sweep", [
        ("SparseGPT 50%, 8 bits", [joint(8, "0.5")]),
        ("SparseGPT 30%, 4 bits", [joint(4, "0.3")]),
        ("SparseGPT 50%, 4 bits", [joint(4, "0.5")]),
        ("SparseGPT 2:4, 4 bits", [joint(4, "2:4")]),
        ("SparseGPT 50%, NF4", [joint(4, "0.5", grid="nf4")]),
        ("rotation → SparseGPT 50%, 4 bits", [step("rotate"), joint(4, "0.5")]),
    ]),
    ("Blocks that go whole", [
        (f"SparseGPT {percent(sparsity)}, {block}", [step("sparsegpt", sparsity=sparsity, block=block)])
        for sparsity, block in [("0.3", "1x8"), ("0.5", "1x8"), ("0.3", "4x8"), ("0.5", "4x8"), ("0.3", "32x32")]
    ]),
    ("Cut out whole", [
        ("1 layer", ["--drop-layers", 1]),
        *[(f"{count} layers", ["--drop-layers", count]) for count in (2, 4, 8)],
        ("a third of the heads", ["--drop-heads", "0.3"]),
        ("a third of the heads, by magnitude", ["--drop-heads", "0.3", "--drop-score", "magnitude"]),
        *[(f"{share:.0%} of the neurons", ["--drop-neurons", share]) for share in (0.1, 0.25, 0.5)],
        ("10% of the neurons, by magnitude", ["--drop-neurons", "0.1", "--drop-score", "magnitude"]),
    ]),
]

# Name, colour, and the sections of a series of the picture.
SERIES = [
    ("quantized", "#2563eb", None),
    ("pruned", "#dc2626", [title for title, _ in STUDIES[: len(SHARES + PATTERNS)]]),
    ("pruned and quantized", "#9333ea", ["Pruned and quantized in one sweep"]),
    ("blocks", "#ea580c", ["Blocks that go whole"]),
    ("cut out whole", "#16a34a", ["Cut out whole"]),
]


def points(page, sections):
    """(MB, perplexity, name) of the rows of a page, of some sections or of all."""
    title, found = None, []
    for text in page.splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if text.startswith("## "):
            title = text[3:]
        elif text.startswith("| ") and title and (sections is None or title in sections):
            try:
                found.append((float(cells[2]), float(cells[3]), cells[0]))
            except ValueError:
                continue
    return found


def picture(series, low, high):
    """An SVG of perplexity, from 29 to `high`, against megabytes from `low` on; both axes are logarithmic."""
    width, height, left, bottom = 860, 520, 60, 50
    most = max(size for _, _, dots in series for size, _, _ in dots)

    def x(size):
        return left + (width - left - 20) * math.log(size / low) / math.log(most / low)

    def y(perplexity):
        return height - bottom - (height - bottom - 20) * math.log(perplexity / 28) / math.log(high / 28)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for size in (60, 80, 100, 150, 200, 270):
        if low <= size <= most:
            parts.append(f'<path d="M{x(size):.1f} 20V{height - bottom}" stroke="#ddd"/>'
                         f'<text x="{x(size):.1f}" y="{height - bottom + 18}" text-anchor="middle">{size}</text>')
    for perplexity in (30, 40, 50, 70, 100, 200, 400):
        if perplexity <= high:
            parts.append(f'<path d="M{left} {y(perplexity):.1f}H{width - 20}" stroke="#ddd"/>'
                         f'<text x="{left - 8}" y="{y(perplexity) + 4:.1f}" text-anchor="end">{perplexity}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">MB of the whole model</text>')
    parts.append(f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">perplexity</text>')
    for index, (name, colour, dots) in enumerate(series):
        parts += [f'<circle cx="{x(size):.1f}" cy="{y(perplexity):.1f}" r="4" fill="{colour}" fill-opacity="0.75">'
                  f"<title>{label}: {size:.1f} MB, {perplexity:.2f}</title></circle>"
                  for size, perplexity, label in dots if perplexity <= high and size >= low]
        parts.append(f'<circle cx="{width - 190}" cy="{34 + 18 * index}" r="4" fill="{colour}"/>'
                     f'<text x="{width - 178}" y="{38 + 18 * index}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def draw(measured):
    quantized = (ROOT / "docs/quantization.md").read_text()
    series = [(name, colour, points(quantized if sections is None else measured.page.read_text(), sections))
              for name, colour, sections in SERIES]
    (ROOT / "docs/sparsity.svg").write_text(picture(series, low=55, high=400))


if __name__ == "__main__":
    study.main("study-sparsity", "docs/sparsity.md", STUDIES, __doc__.splitlines()[0], finish=draw)
