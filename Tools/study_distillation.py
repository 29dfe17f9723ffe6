#!/usr/bin/env python3
"""Trains teachers and students of every shape and writes docs/distillation.md (`make study-distillation`).

    python Tools/study_distillation.py --pith .build/release/pith --data DATA --encoder ENCODER [--only TEXT]

DATA is a folder with sst2, shakespeare and wikitext2, ENCODER that of all-MiniLM-L6-v2. Whatever is trained is kept in
$PITH_CACHE/study-distillation, so that the study goes on where it was stopped; the page shows what has been measured so far, and keeps the
tables that were measured elsewhere. Close other programs: the language model learns for an hour, and speeds are measured.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

from demo import fetch

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/distillation.md"
SEEDS = (0, 1, 2)
# Losses of characters, the first steps to which are counted.
GOALS = (1.95, 1.90, 1.80)
# The widths of a series with as many weights in the layers: the density falls with the square of the width.
WIDTHS = (64, 96, 128, 192)


def say(text):
    print(f"study: {text}", file=sys.stderr, flush=True)


class Study:
    NAME = "study-distillation"
    STEPS = 300

    def __init__(self, pith, data, encoder):
        self.pith, self.data, self.encoder = str(pathlib.Path(pith).resolve()), data.resolve(), encoder.resolve()
        cache = pathlib.Path(os.environ.get("PITH_CACHE", pathlib.Path.home() / ".cache/pith"))
        self.cache = cache / self.NAME
        self.cache.mkdir(parents=True, exist_ok=True)
        self.language_model = fetch(cache)

    def run(self, *arguments):
        return subprocess.run([self.pith, *map(str, arguments)], stdout=subprocess.PIPE, check=True, text=True).stdout

    def trained(self, name, recipe, *arguments):
        """The folder of a trained model; a training that was killed goes on."""
        folder = self.cache / name
        path = folder.with_suffix(".yaml")
        if folder.exists() and path.read_text() != json.dumps(recipe):
            raise SystemExit(f"study: {folder} was trained by another recipe: remove it, to train it anew")
        if not folder.exists():
            say(name)
            path.write_text(json.dumps(recipe))
            teaches = "teacher" in recipe or "members" in recipe
            self.run("distill" if teaches else "train", path, "-o", folder, "--resume", *arguments)
        return folder

    def train(self, trainings):
        """The folders of models, of which as many are trained at a time as there are cores, and those that are left over one by one on all of them: the
        bytes are the same on any number of threads."""
        cores = os.cpu_count()
        even = len(trainings) // cores * cores
        with concurrent.futures.ThreadPoolExecutor(cores) as pool:
            folders = list(pool.map(lambda training: self.trained(*training, "--threads", "1"), trainings[:even]))
        return folders + [self.trained(*training) for training in trainings[even:]]

    def compressed(self, name, model, steps, *arguments):
        folder = self.cache / name
        if not folder.exists():
            say(name)
            path = folder.with_suffix(".yaml")
            path.write_text(json.dumps({"embedding-bits": 0, "steps": steps}))
            self.run("compress", model, "-o", folder, "--recipe", path, "--skip-measuring", "--resume", *arguments)
        return folder

    def sentences(self):
        """What SST-2 says, a paragraph for each sentence, to calibrate with."""
        path = self.cache / "sentences.txt"
        if not path.exists():
            lines = (self.data / "sst2/train.tsv").read_text().splitlines()[1:4000]
            path.write_text("\n\n".join(line.rsplit("\t", 1)[0] for line in lines))
        return path

    def held_out(self):
        """A few of the texts with classes that are held out: accuracies are measured on others, and a training would spend a tenth of its time on all."""
        path = self.cache / "held-out.tsv"
        if not path.exists():
            path.write_text("\n".join((self.data / "sst2/dev.tsv").read_text().splitlines()[:401]) + "\n")
        return path

    # Texts with classes.

    def classes(self, name, seed=0, **members):
        """A training on SST-2."""
        recipe = {
            "model": str(self.encoder), "labels": str(self.data / "sst2/train.tsv"), "held-out": str(self.held_out()),
            "batch": 32, "steps": self.STEPS, "learning-rate": 1e-4, "warm-up": 50, "decay": "linear", "weight-decay": 0.01,
            "evaluate-every": 100_000, "seed": seed}
        return f"{name}-{seed}", {**recipe, **members}

    def accuracy(self, folder, part="test"):
        """Accuracy on GLUE's validation set, or on sentences of the training set that were held out (`dev`), in percent; kept beside the model."""
        path = folder.with_suffix(".accuracy" if part == "test" else f".{part}-accuracy")
        if not path.exists():
            report = json.loads(self.run("evaluate", folder, "--sst2", self.data / f"sst2/{part}.tsv", "--json"))
            path.write_text(str(100 * report["accuracy"]))
        return float(path.read_text())

    def size(self, folder):
        report = json.loads(self.run("inspect", folder, "--json"))
        return report["parameters"], report["size_bytes"]

    def speed(self, folder):
        path = folder.with_suffix(".speed")
        if not path.exists():
            path.write_text(self.run("bench", folder, "--json"))
        one, many = json.loads(path.read_text())["batches"]
        return one["texts_per_second"], many["texts_per_second"], one["latency_ms"]["p99"]

    def teachers(self):
        return self.train([self.classes("teacher", seed) for seed in SEEDS])

    def halves(self):
        """Half of the layers, with a teacher and without."""
        teachers = self.teachers()
        start = {"layers-of": str(teachers[0]), "every": 2}
        students = self.train(
            [self.classes("half-taught", seed, model=start, teacher=str(teachers[0]), hidden=1, soft=0.7) for seed in SEEDS]
            + [self.classes("half-alone", seed, model=start) for seed in SEEDS])
        taught, alone = students[:len(SEEDS)], students[len(SEEDS):]
        fast, slow = self.speed(taught[0]), self.speed(teachers[0])
        lines = [row(name, *[f"{self.accuracy(model):.1f}" for model in models], f"{mean(map(self.accuracy, models)):.2f}")
                 for name, models in (("teacher", teachers), ("every second layer, taught", taught), ("every second layer, alone", alone))]
        return table(["SST-2 accuracy, %", *(f"seed {seed}" for seed in SEEDS), "mean"], lines) + (
            f"\nThe student has {100 * mean(map(self.accuracy, taught)) / mean(map(self.accuracy, teachers)):.1f}% of the teacher's accuracy "
            f"and reads {fast[0] / slow[0]:.2f} times as many texts a second one by one, {fast[1] / slow[1]:.2f} times in batches of 32.\n")

    def shapes(self):
        """Students of every shape from one teacher."""
        teacher = self.teachers()[0]
        layers = {"indices": "0-5"}
        new = {"layers": 6, "width": 192, "heads": 6, "feed-forward": 768, "context": 512, "vocabulary-of": str(teacher)}
        train = [{"method": "tensor-train", "rank": 32, "layers": {"roles": ["embedding"]}}]
        students = [
            ("every second layer", {"layers-of": str(teacher), "every": 2}),
            ("half as wide", {"new": new}),
            ("low rank, half of the layers' weights", self.compressed("svd", teacher, [{"method": "svd", "loss": "plain", "layers": layers}])),
            ("the same, nearest to the layers' outputs",
             self.compressed("svd-outputs", teacher, [{"method": "svd", "layers": layers}], "--calibration", self.sentences())),
            ("tensor trains in the layers", self.compressed("trains", teacher, [{"method": "tensor-train", "layers": layers}])),
            ("the embedding a tensor train", self.compressed("embedding", teacher, train)),
            *[(f"new, {mask} mask, a quarter of the weights", {"new": {**new, "width": 384, "heads": 12, "feed-forward": 1536,
                                                                     "density": 0.25, "mask": mask}})
              for mask in ("random", "blocks", "small-world")],
        ]
        def learning(name, start):
            letters = "".join(c if c.isalnum() else "-" for c in name)
            model = start if isinstance(start, dict) else str(start)
            return self.classes(f"shape-{letters}", model=model, teacher=str(teacher), soft=0.7, batch=16)

        trained = self.train([learning(*student) for student in students])
        lines = [self.shape(name, folder) for name, folder in zip(["teacher", *[name for name, _ in students]], [teacher, *trained])]
        return table(["student", "parameters, M", "MB", "accuracy, %", "texts/s, one by one", "texts/s, 32 together", "p99 of one, ms"], lines)

    def shape(self, name, folder):
        parameters, size = self.size(folder)
        one, many, slowest = self.speed(folder)
        return row(name, f"{parameters / 1e6:.1f}", f"{size / 1e6:.1f}", f"{self.accuracy(folder):.1f}", f"{one:.0f}", f"{many:.0f}", f"{slowest:.1f}")

    def ensemble(self):
        """Three teachers, and a student of the mean of their probabilities."""
        teachers = self.teachers()
        more = {"model": str(teachers[0]), "learning-rate": 5e-5}
        student, again = self.train([
            self.classes("of-ensemble", 7, teacher=[str(teacher) for teacher in teachers], soft=0.7, **more),
            self.classes("of-itself", 7, **more)])
        lines = [row(f"teacher, seed {seed}", f"{self.accuracy(teacher):.2f}") for seed, teacher in zip(SEEDS, teachers)]
        lines += [row("student of the mean of all three", f"{self.accuracy(student):.2f}"),
                  row("the first teacher, trained as long again without them", f"{self.accuracy(again):.2f}")]
        return table(["", "SST-2 accuracy, %"], lines)

    # Characters.

    def characters(self, name, **members):
        """A training of a character model on Tiny Shakespeare."""
        recipe = {
            "model": {"new": {"layers": 4, "width": 128, "heads": 4, "feed-forward": 352, "context": 128}},
            "text": str(self.data / "shakespeare/input.txt"), "held-out": 0.1, "window": 128, "batch": 16, "steps": 1000,
            "learning-rate": 2e-3, "evaluate-every": 100, "seed": 0}
        return name, {**recipe, **members}

    def widths(self):
        """As many weights in the layers, spread over more."""
        def learning(width):
            shape = {"layers": 4, "width": width, "heads": 4, "feed-forward": 2 * width, "context": 128, "density": (WIDTHS[0] / width) ** 2}
            return self.characters(f"width-{width}", model={"new": shape}, batch=8)

        reports = [report(folder) for folder in self.train([learning(width) for width in WIDTHS])]
        losses = [report["validation_loss"] for report in reports]
        lines = [row(width, f"{(WIDTHS[0] / width) ** 2:.2f}", f"{report['parameters'] / 1e3:.0f}", f"{report['validation_loss']:.4f}")
                 for width, report in zip(WIDTHS, reports)]
        (PAGE.parent / "widths.svg").write_text(plot(losses))
        return table(["width", "density", "parameters, thousands", "validation loss"], lines)

    def dropout(self):
        """What a model is on average under its dropout masks, learned by itself."""
        teacher = self.trained(*self.characters("dropout-teacher", dropout=0.2, batch=8))
        student = self.trained(*self.characters(
            "dropout-student", model=str(teacher), teacher=str(teacher), soft=1, temperature=1, steps=300, batch=8,
            **{"teacher-dropout": 0.2, "teacher-samples": 8, "learning-rate": 2e-4, "warm-up": 20}))
        lines = [row("trained with dropout 0.2, all weights scaled", f"{report(teacher)['validation_loss']:.4f}"),
                 row("the same, having learned its mean over eight masks", f"{report(student)['validation_loss']:.4f}")]
        return table(["", "validation loss"], lines)

    def members(self):
        """Two processes with half of the text each, that share a folder; and one with half of it."""
        shared, outputs = self.cache / "shared", [self.cache / f"member-{member}" for member in (0, 1)]
        processes = []
        for member, output in enumerate(outputs):
            if output.exists():
                continue
            recipe = {
                "model": {"new": {"layers": 4, "width": 128, "heads": 4, "feed-forward": 352, "context": 128}},
                "text": str(self.data / "shakespeare/input.txt"), "held-out": 0.1, "window": 128, "batch": 8, "steps": 1000,
                "learning-rate": 2e-3, "evaluate-every": 25, "seed": member, "temperature": 1, "soft": 0.25,
                "members": {"folder": str(shared), "member": member, "of": 2, "every": 20, "burn-in": 200}}
            path = output.with_suffix(".yaml")
            path.write_text(json.dumps(recipe))
            say(output.name)
            processes.append(subprocess.Popen([self.pith, "distill", str(path), "-o", str(output), "--threads", "1", "--resume"],
                                              stdout=subprocess.DEVNULL))
        if any(process.wait() for process in processes):
            raise SystemExit("study: a member failed")
        alone = self.trained(*self.characters("member-alone", batch=8, seed=0, **{"evaluate-every": 25}))
        curves = [("alone", curve(alone)), *[(f"member {member}", curve(output)) for member, output in enumerate(outputs)]]
        lines = [row(name, *[f"{loss:.4f}" for step, loss in points if step % 100 == 0],
                     *[next((str(step) for step, loss in points if loss <= goal), "not reached") for goal in GOALS])
                 for name, points in curves]
        return table(["validation loss after", *range(100, 1001, 100), *[f"steps to {goal:.2f}" for goal in GOALS]], lines)

    # A language model.

    def language(self):
        """SmolLM2-135M with half of its layers."""
        text = self.cache / "text.txt"
        if not text.exists():
            say("text of the teacher itself")
            def write(seed, prompt):
                return self.run("generate", self.language_model, prompt, "--max-tokens", "400", "--temperature", "1", "--seed", seed, "--threads", "1")

            prompts = ["The", "In", "A", "When", "It", "After", "As", "During"] * 4
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                own = list(pool.map(write, range(len(prompts)), prompts))
            text.write_text("\n\n".join([(self.data / "wikitext2/calibration.txt").read_text(), *own]))
        recipe = {
            "model": {"layers-of": str(self.language_model), "every": 2}, "teacher": str(self.language_model), "text": str(text),
            "held-out": 0.02, "window": 256, "batch": 4, "learning-rate": 4e-4, "warm-up": 20, "weight-decay": 0.01, "soft": 0.8,
            "temperature": 1, "evaluate-every": 100_000}
        # The cut as it is: a step of no length.
        last = self.trained("language-0", {**recipe, "steps": 1, "learning-rate": 1e-12})
        lines = [row("the teacher", f"{self.perplexity(self.language_model):.2f}"), row("every second layer of it", f"{self.perplexity(last):.1f}")]
        done = 0
        for minutes in (10, 30, 60):
            # Each leg goes on from the model that the one before ended with.
            last = self.trained(f"language-{minutes}", {**recipe, "model": str(last), "time": f"{minutes - done}m"})
            done = minutes
            lines.append(row(f"… after {minutes} minutes", f"{self.perplexity(last):.1f}"))
        return table(["", "perplexity"], lines)

    def perplexity(self, model):
        path = self.cache / f"{pathlib.Path(model).name}.perplexity"
        if not path.exists():
            report = json.loads(self.run(
                "evaluate", model, "--text", self.data / "wikitext2/test.txt", "--window", 512, "--max-windows", 40, "--json"))
            path.write_text(str(report["perplexity"]))
        return float(path.read_text())


def plot(losses):
    """An SVG of the losses of WIDTHS."""
    width, height, left, bottom = 520, 300, 60, 45
    low, high = min(losses), max(losses)
    pad = 0.1 * (high - low) or 0.1
    xs = [left + 30 + index * (width - left - 60) / (len(WIDTHS) - 1) for index in range(len(WIDTHS))]
    ys = [20 + (height - bottom - 20) * (high + pad - loss) / (high - low + 2 * pad) for loss in losses]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<path d="M{left} 20V{height - bottom}H{width - 20}" stroke="#888" fill="none"/>',
             '<polyline fill="none" stroke="#2563eb" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys)) + '"/>']
    for x, y, name, loss in zip(xs, ys, WIDTHS, losses):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#2563eb"/>'
                     f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{loss:.3f}</text>'
                     f'<text x="{x:.1f}" y="{height - bottom + 18}" text-anchor="middle">{name}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">width, with as many weights in the layers</text>')
    parts.append(f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">validation loss</text>')
    return "\n".join([*parts, "</svg>", ""])


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def report(folder):
    return json.loads((folder / "training.json").read_text())


def curve(folder):
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    return [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def table(header, lines):
    return "\n".join([row(*header), row(*["---"] * len(header)), *lines]) + "\n"


PARTS = {"halves": Study.halves, "shapes": Study.shapes, "ensemble": Study.ensemble, "widths": Study.widths, "dropout": Study.dropout,
         "members": Study.members, "language": Study.language}


def fill(page, name, text):
    """Puts a table in its place on a page."""
    begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->\n"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def main(about=__doc__, study=Study, parts=PARTS, page=PAGE):
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--encoder", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", choices=parts, help="only this part (may be repeated)")
    options = parser.parse_args()
    study = study(options.pith, options.data, options.encoder)
    for name in options.only or parts:
        start = time.time()
        fill(page, name, parts[name](study))
        say(f"{name}: {(time.time() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
