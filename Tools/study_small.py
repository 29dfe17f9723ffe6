#!/usr/bin/env python3
"""Trains models that learn to be small and writes docs/learning-to-be-small.md (`make study-small`).

    python Tools/study_small.py --pith .build/release/pith --data DATA --encoder ENCODER [--only TEXT]

DATA is a folder with sst2, shakespeare, digits and wikitext2, ENCODER that of all-MiniLM-L6-v2. Whatever is trained is kept in
$PITH_CACHE/study-small, so that the study goes on where it was stopped; the page shows what has been measured so far, and keeps the tables
that were measured elsewhere. Close other programs: some trainings end by time.
"""

import gzip
import json
import math
import time

import study_distillation
from study_distillation import ROOT, curve, report, row, say, table

PAGE = ROOT / "docs/learning-to-be-small.md"
TARGET = 0.8
SCHEDULES = ("cubic", "even", "once")
# Tokens that are read to compress, and learned from.
TOKENS = 32_768
# Minutes of training by bits: the fewer there are, the more there is to gain.
MINUTES = {2: 30, 3: 10, 4: 5}
COLOURS = {"no time": "#d97706", "some time": "#2563eb", "a ton of time": "#16a34a"}


class Study(study_distillation.Study):
    NAME = "study-small"
    STEPS = 600

    # A language model.

    def made(self, name, *arguments, text=None):
        """A compressed SmolLM2: its bytes, perplexity and divergence, and the seconds it took. Without a text, it read WikiText-2's validation text."""
        folder, path = self.cache / name, self.cache / f"{name}.json"
        if not path.exists():
            say(name)
            start = time.time()
            if not folder.exists():
                self.run("compress", self.language_model, "-o", folder, "--calibration", text or self.data / "wikitext2/calibration.txt",
                         "--calibration-tokens", TOKENS, "--skip-measuring", "--resume", *arguments)
            # Where it was killed meanwhile, these are those of the last turn.
            seconds = self.kept(f"{name}-seconds", lambda: time.time() - start)
            self.measure(folder, path, seconds)
        return json.loads(path.read_text())

    def quality(self, folder, text, windows):
        """Perplexity and divergence on a text."""
        reference = self.cache / f"reference-{text.parent.name}-{text.stem}-{windows}.safetensors"
        return json.loads(self.run(
            "evaluate", folder, "--text", text, "--window", 512, "--max-windows", windows, "--against", self.language_model,
            "--keep-reference", reference, "--json"))

    def measure(self, folder, path, seconds):
        found = self.quality(folder, self.data / "wikitext2/test.txt", 40)
        size = json.loads(self.run("inspect", folder, "--json"))["size_bytes"]
        path.write_text(json.dumps({"bytes": size, "perplexity": found["perplexity"], "divergence": found["kl_divergence"], "seconds": seconds}))

    def efforts(self):
        """Quality against bytes for no time, some time and a ton of time."""
        made = {}
        for bits, minutes in MINUTES.items():
            width = ["--bits", bits, "--group-size", 64]
            made["no time", bits] = self.made(f"none-{bits}", "--method", "rtn", *width)
            made["some time", bits] = self.made(f"some-{bits}", "--effort", "some", *width)
            made["a ton of time", bits] = self.made(f"ton-{bits}", "--effort", "ton", "--time-budget", f"{minutes}m", *width)
        (PAGE.parent / "learning-to-be-small.svg").write_text(efforts_plot(made))
        return table(["", "bits", "MB", "perplexity", "KL divergence", "minutes"], [
            row(effort, bits, f"{one['bytes'] / 1e6:.1f}", f"{one['perplexity']:.2f}", f"{one['divergence']:.3f}", f"{one['seconds'] / 60:.0f}")
            for (effort, bits), one in made.items()]) + picture("KL divergence against bytes", "learning-to-be-small.svg")

    def own_text(self):
        """Training on nothing but what the model writes itself, measured on texts of other kinds."""
        prompts = self.cache / "prompts.txt"
        if not prompts.exists():
            lines = (self.data / "prompts/spec_bench.jsonl").read_text().splitlines()
            prompts.write_text("\n\n".join(turn for line in lines for turn in json.loads(line)["turns"]))
        own = ["--bits", 2, "--group-size", 64]
        self.made("own-some", "--effort", "some", *own, text="self")
        self.made("own-ton", "--effort", "ton", "--time-budget", "10m", *own, text="self")
        lines = []
        for title, text in (("WikiText-2", self.data / "wikitext2/test.txt"), ("Tiny Shakespeare", self.data / "shakespeare/input.txt"),
                            ("prompts of Spec-Bench", prompts)):
            before, after = (self.kept(f"{name}-{text.stem}", lambda: self.quality(self.cache / name, text, 20)) for name in ("own-some", "own-ton"))
            lines.append(row(title, *(f"{one['perplexity']:.1f}" for one in (before, after)), *(f"{one['kl_divergence']:.3f}" for one in (before, after))))
        return table(["text", "before: perplexity", "trained: perplexity", "before: KL divergence", "trained: KL divergence"], lines)

    def kept(self, name, make):
        """What was measured once."""
        path = self.cache / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(make()))
        return json.loads(path.read_text())

    def masked(self):
        """SparseGPT, and then training of what its masks keep."""
        lines = []
        for name, sparsity in (("2:4", "2:4"), ("60%", "0.6")):
            letters = sparsity.replace(":", "-").replace(".", "-")
            start, folder = self.cache / f"sparse-{letters}", self.cache / f"masked-{letters}"
            before = self.made(start.name, "--method", "sparsegpt", "--sparsity", sparsity)
            path = folder.with_suffix(".json")
            if not path.exists():
                recipe = {
                    "teacher": str(self.language_model), "text": str(self.data / "wikitext2/calibration.txt"), "window": 256, "batch": 4, "held-out": 0.01,
                    "soft": 1, "temperature": 1, "time": "5m"}
                layers = self.trained(f"{folder.name}-layers", {
                    **recipe, "model": str(start), "by-layer": True, "learning-rate": 2e-3})
                self.trained(folder.name, {
                    **recipe, "model": str(layers), "learning-rate": 3e-4, "warm-up": 5, "evaluate-every": 20, "keep": "best"})
                self.measure(folder, path, 600)
            after = json.loads(path.read_text())
            lines.append(row(name, f"{before['perplexity']:.1f}", f"{after['perplexity']:.1f}", f"{before['divergence']:.3f}", f"{after['divergence']:.3f}",
                             f"{after['bytes'] / 1e6:.0f}"))
        return table(["sparsity", "SparseGPT: perplexity", "trained: perplexity", "SparseGPT: KL divergence", "trained: KL divergence", "MB"], lines)

    # Texts with classes.

    def two_bits(self):
        """MiniLM on SST-2 in integers of 2 bits, before and after training."""
        teacher = self.trained(*self.classes("teacher"))
        start = self.compressed("two-bits", teacher, [{"method": "gptq", "bits": 2, "group-size": 64}], "--calibration", self.sentences())
        learned = self.trained(*self.classes("two-bits-trained", model=str(start), teacher=str(teacher), soft=0.7))
        return table(["", "accuracy, %", "MB"], [
            row(name, f"{self.accuracy(folder):.1f}", f"{self.size(folder)[1] / 1e6:.1f}")
            for name, folder in (("float32", teacher), ("GPTQ, layers in 2 bits", start), ("the same, trained", learned))])

    def heads(self):
        """MiniLM on SST-2 without most of its heads."""
        teacher = self.trained(*self.classes("teacher"))
        cut = self.trained(*self.classes(
            "heads", model=str(teacher), teacher=str(teacher), soft=0.7, **{"learning-rate": 5e-5, "warm-up": 20},
            sparsity={"method": "l0", "of": "heads", "target": 0.65}))
        configuration = json.loads((cut / "config.json").read_text())
        layers, heads = configuration["num_hidden_layers"], configuration["num_attention_heads"]
        gone = {(int(layer), head) for layer, some in configuration["pruned_heads"].items() for head in some}
        (PAGE.parent / "heads.svg").write_text(heads_plot(layers, heads, gone))
        fast, slow = self.speed(cut), self.speed(teacher)
        return table(["", "heads", "accuracy, %", "MB", "texts/s, one by one"], [
            row("fine-tuned", layers * heads, f"{self.accuracy(teacher):.1f}", f"{self.size(teacher)[1] / 1e6:.1f}", f"{slow[0]:.0f}"),
            row("without what its gates closed", layers * heads - len(gone), f"{self.accuracy(cut):.1f}", f"{self.size(cut)[1] / 1e6:.1f}",
                f"{fast[0]:.0f}")]) + picture("which heads stay", "heads.svg")

    def pruned(self):
        """MiniLM on SST-2 without most of its weights, which go little by little or at once."""
        teacher = self.trained(*self.classes("teacher"))
        folders = self.train([
            self.classes(f"pruned-{schedule}", model=str(teacher), teacher=str(teacher), soft=0.7, **{"warm-up": 20},
                         sparsity={"method": "magnitude", "target": TARGET, "until": 0.4, "schedule": schedule}) for schedule in SCHEDULES])
        return table(["", "schedule", "accuracy, %", "on the held-out sentences, %", "MB"], [
            row(name, schedule, f"{self.accuracy(folder):.1f}", f"{self.accuracy(folder, 'dev'):.1f}", f"{self.size(folder)[1] / 1e6:.1f}")
            for name, schedule, folder in [("fine-tuned", "", teacher), *[(f"{TARGET:.0%} of the weights gone", *pair) for pair in zip(SCHEDULES, folders)]]])

    def digits(self):
        """A net of two layers on pictures of digits, of which most weights are noise."""
        path = self.cache / "digits.csv"
        if not path.exists():
            path.write_bytes(gzip.decompress((self.data / "digits/digits.csv.gz").read_bytes()))
        recipe = {
            "model": {"new": {"layers": 2, "width": 128, "heads": 4, "feed-forward": 512, "context": 65}}, "images": str(path), "held-out": 0.2,
            "batch": 32, "steps": 2000, "learning-rate": 2e-3, "warm-up": 50, "dropout": 0.1, "evaluate-every": 500}
        dense = self.trained("digits", recipe)
        sparse = self.trained("digits-variational", {
            **recipe, "model": str(dense), "dropout": 0, "sparsity": {"method": "variational", "target": 0.95}})
        steps = [json.loads(line) for line in (sparse / "steps.jsonl").read_text().splitlines()]
        left = 1 - max(steps[-1]["compressed"], 0.95)
        return table(["", "weights of the layers", "accuracy, %", "kB"], [
            row(name, f"{share:.1%}", f"{100 * report(folder)['validation_accuracy']:.1f}", f"{self.size(folder)[1] / 1e3:.0f}")
            for name, share, folder in (("trained", 1, dense), ("what variational dropout leaves", left, sparse))])

    # Characters.

    def all_at_once(self):
        """A part at a time, against all of it and training as long."""
        start = self.trained(*self.characters("characters"))
        kinds = {
            f"{TARGET:.0%} of the weights go": ("sparsity", {"method": "magnitude", "target": TARGET, "every": 10}, SCHEDULES),
            "all layers become integers of 2 bits": ("quantization", {"bits": 2, "group-size": 32}, ["even", "once"]),
        }
        lines, curves = [], {}
        for title, (key, members, schedules) in kinds.items():
            for schedule in schedules:
                folder = self.trained(*self.characters(
                    f"{key}-{schedule}", model=str(start), steps=300, **{"learning-rate": 1e-3, "evaluate-every": 25},
                    **{key: {**members, "schedule": schedule}}))
                curves[title, schedule] = curve(folder)
                lines.append(row(title, schedule, f"{report(start)['validation_loss']:.4f}", f"{report(folder)['validation_loss']:.4f}"))
        (PAGE.parent / "a-part-at-a-time.svg").write_text(curves_plot(curves))
        return table(["", "schedule", "loss before", "validation loss"], lines) + picture("validation losses", "a-part-at-a-time.svg")


def picture(what, file):
    return f"\n![{what}]({file})\n"


def svg(width, height, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
                      f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>", ""])


def axes(width, height, across, up):
    return [f'<path d="M60 20V{height - 45}H{width - 20}" stroke="#888" fill="none"/>',
            f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">{across}</text>',
            f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">{up}</text>']


def scale(values, low, high):
    least, most = min(values), max(values)
    return lambda value: low + (high - low) * (value - least) / ((most - least) or 1)


def efforts_plot(made):
    """KL divergence, on a logarithmic scale, against bytes."""
    width, height = 560, 340
    x = scale([one["bytes"] for one in made.values()], 90, width - 60)
    y = scale([math.log(one["divergence"]) for one in made.values()], height - 65, 35)
    parts = axes(width, height, "MB", "KL divergence (logarithmic)")
    for index, (effort, colour) in enumerate(COLOURS.items()):
        points = [(x(one["bytes"]), y(math.log(one["divergence"])), one) for (name, _), one in made.items() if name == effort]
        parts.append(f'<polyline fill="none" stroke="{colour}" points="' + " ".join(f"{a:.1f},{b:.1f}" for a, b, _ in points) + '"/>')
        for a, b, one in points:
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/><text x="{a + 7:.1f}" y="{b - 5:.1f}">{one["divergence"]:.3f}</text>')
        parts.append(f'<text x="{width - 130}" y="{40 + 17 * index}" fill="{colour}">{effort}</text>')
    return svg(width, height, parts)


def heads_plot(layers, heads, gone):
    """A square for each head; those that went are empty."""
    size, left = 26, 70
    parts = [f'<text x="{left}" y="18">heads</text>']
    for layer in range(layers):
        parts.append(f'<text x="10" y="{46 + layer * size}">layer {layer}</text>')
        for head in range(heads):
            fill_colour = "white" if (layer, head) in gone else "#2563eb"
            parts.append(f'<rect x="{left + head * size}" y="{28 + layer * size}" width="{size - 4}" height="{size - 4}" fill="{fill_colour}" stroke="#888"/>')
    return svg(left + heads * size + 10, 40 + layers * size, parts)


def curves_plot(curves):
    """Validation losses by steps."""
    width, height = 560, 340
    points = [point for curve in curves.values() for point in curve]
    x, y = scale([step for step, _ in points], 60, width - 20), scale([loss for _, loss in points], height - 45, 25)
    parts = axes(width, height, "steps", "validation loss")
    for index, ((title, schedule), line) in enumerate(curves.items()):
        colour = ["#2563eb", "#16a34a", "#d97706", "#9333ea", "#dc2626"][index % 5]
        parts.append(f'<polyline fill="none" stroke="{colour}" points="' + " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in line) + '"/>')
        parts.append(f'<text x="{width - 300}" y="{35 + 17 * index}" fill="{colour}">{title}: {schedule}</text>')
    return svg(width, height, parts)


PARTS = {
    "efforts": Study.efforts, "own-text": Study.own_text, "masked": Study.masked, "two-bits": Study.two_bits, "heads": Study.heads,
    "pruned": Study.pruned, "digits": Study.digits, "once": Study.all_at_once}


if __name__ == "__main__":
    study_distillation.main(__doc__, Study, PARTS, PAGE)
