#!/usr/bin/env python3
"""Compares the speed and the memory of Pith's training with PyTorch's, for docs/comparison.md (`make compare-training`).

    python Tools/peers/compare_training.py --pith .build/release/pith --data DATA [--only TEXT]

The same shapes, batches and lengths on as many threads, one after the other, several times in turn: a character model, an encoder like
MiniLM with a head of two classes, and SmolLM2-135M. The seconds are the median of the steps after the second; memory is the most that
was resident. Environments and the float32 model are those of compare_quantization.py. `--accuracy` compares what comes of it: MiniLM
on SST-2, fine-tuned by the same recipe with three seeds; the models are kept with those of study_distillation.py.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from compare_quantization import FULL, HERE, PAGE, ROOT, Comparison, measured, say
from study_distillation import SEEDS, Study, mean, row, table

BEGIN, END = "<!-- tables: written by Tools/peers/compare_training.py -->\n", "<!-- end of the tables of training -->\n"
ACCURACY = "<!-- table: accuracy of the trained -->\n", "<!-- end of the table of accuracy -->\n"
CHARACTERS = "{new: {layers: 4, width: 128, heads: 4, feed-forward: 352, context: 256}}"
# Name, case of train_pytorch.py, batch, window, steps.
CASES = [
    ("character model, 0.8 M parameters, 16 windows of 256 bytes", "new", 16, 256, 24),
    ("MiniLM with two classes, 23 M parameters, 32 texts of 32 tokens", "encoder", 32, 32, 14),
    ("SmolLM2-135M, 2 windows of 256 tokens", "decoder", 2, 256, 7),
]
ROUNDS = 3
# Of a fine-tuning.
STEPS = 600


def recipe(case, folder, work, batch, window, steps, text):
    """The recipe of a case; texts with classes are all as long."""
    common = f"batch: {batch}\nsteps: {steps}\nwarm-up: 2\nlearning-rate: 1e-5\nevaluate-every: 1000\n"
    if case == "encoder":
        # Two of a text's tokens mark its ends.
        lines = "sentence\tlabel\n" + "".join(f"{'good ' * (window - 2)}\t{i % 2}\n" for i in range(2 * batch))
        for name in ("train", "dev"):
            (work / f"{name}.tsv").write_text(lines if name == "train" else "\n".join(lines.splitlines()[:3]) + "\n")
        return f"model: {folder}\nlabels: {work}/train.tsv\nheld-out: {work}/dev.tsv\n{common}"
    held = work / "text.txt"
    held.write_text(text[: 400 * window])
    model = CHARACTERS if case == "new" else folder
    return f"model: {model}\ntext: {held}\nheld-out: 0.03\nwindow: {window}\n{common}"


def ours(comparison, case, folder, work, batch, window, steps, text):
    """(median seconds of a step, most bytes resident)."""
    (work / "recipe.yaml").write_text(recipe(case, folder, work, batch, window, steps, text))
    output = work / "trained"
    shutil.rmtree(output, ignore_errors=True)
    _, peak, _ = measured(
        [comparison.pith, "train", work / "recipe.yaml", "-o", output, "--threads", comparison.threads, "--force"], comparison.log)
    ends = [json.loads(line)["seconds"] for line in (output / "steps.jsonl").read_text().splitlines()]
    rest = [later - earlier for earlier, later in zip(ends[1:], ends[2:])]
    return statistics.median(rest), peak


def theirs(comparison, case, folder, batch, window, steps):
    _, peak, output = measured(
        [comparison.python("reference"), HERE / "train_pytorch.py", folder, case, "--batch", batch, "--window", window, "--steps", steps,
         "--threads", comparison.threads], comparison.log, {"HF_HUB_OFFLINE": "1"})
    result = json.loads(output.strip().splitlines()[-1])
    return result["seconds"], peak, result["version"]


def accuracy(comparison, study):
    """MiniLM on SST-2: accuracy in percent, ours and theirs, with the same seeds."""
    us = [study.accuracy(folder) for folder in study.train([study.classes("compared", seed, steps=STEPS) for seed in SEEDS])]
    them, version = [], ""
    for seed in SEEDS:
        path = study.cache / f"pytorch-{seed}.json"
        if not path.exists():
            say(f"PyTorch on SST-2, seed {seed}")
            _, _, output = measured(
                [comparison.python("reference"), HERE / "fine_tune_pytorch.py", study.encoder, study.data / "sst2/train.tsv",
                 study.data / "sst2/test.tsv", "--batch", 32, "--steps", STEPS, "--rate", 1e-4, "--warm-up", 50, "--seed", seed,
                 "--threads", comparison.threads], comparison.log, {"HF_HUB_OFFLINE": "1"})
            path.write_text(output.strip().splitlines()[-1])
        result = json.loads(path.read_text())
        them.append(result["accuracy"])
        version = result["version"]
    lines = [row(name, *[f"{value:.1f}" for value in values], f"{mean(values):.2f}")
             for name, values in ((f"PyTorch {version}", them), ("**Pith**", us))]
    before, rest = PAGE.read_text().split(ACCURACY[0])
    text = table(["SST-2 accuracy, %", *(f"seed {seed}" for seed in SEEDS), "mean"], lines)
    PAGE.write_text(before + ACCURACY[0] + "\n" + text + "\n" + ACCURACY[1] + rest.split(ACCURACY[1])[1])


def write(rows, version):
    header = ("| | PyTorch: steps/s | Pith: steps/s | ours over theirs | PyTorch: MB | Pith: MB | ours over theirs |\n"
              "| --- | --- | --- | --- | --- | --- | --- |\n")
    lines = [
        f"| {name} | {1 / them[0]:.2f} | {1 / us[0]:.2f} | ×{them[0] / us[0]:.2f} | {them[1] / 1e6:.0f} | {us[1] / 1e6:.0f} "
        f"| ×{us[1] / them[1]:.2f} |" for name, us, them in rows]
    before, rest = PAGE.read_text().split(BEGIN)
    text = "\n" + header + "\n".join(lines) + f"\n\nPyTorch {version}.\n\n"
    PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=Path, required=True, help="a folder with wikitext2 and shakespeare")
    parser.add_argument("--encoder", type=Path, required=True, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--only", default="", help="measure only cases whose name contains this; the page stays as it is")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--accuracy", action="store_true", help="compare the accuracy on SST-2 instead")
    options = parser.parse_args()
    comparison = Comparison(options.pith, options.data, FULL, None, options.threads)
    if options.accuracy:
        accuracy(comparison, Study(options.pith, options.data, options.encoder))
        return
    text = (options.data / "shakespeare/input.txt").read_text()
    rows, version = [], ""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, case, batch, window, steps in CASES:
            if options.only not in name:
                continue
            say(name)
            model = {"encoder": options.encoder, "decoder": comparison.float}.get(case, work / "trained")
            us, them = [], []
            for _ in range(ROUNDS):
                us.append(ours(comparison, case, model, work, batch, window, steps, text))
                *result, version = theirs(comparison, case, model, batch, window, steps)
                them.append(result)
            # The fastest of the turns: what else the machine did only takes time.
            rows.append((name, min(us), min(them)))
            say(f"{name}: {1 / min(us)[0]:.2f} steps/s in {min(us)[1] / 1e6:.0f} MB, "
                f"PyTorch {1 / min(them)[0]:.2f} in {min(them)[1] / 1e6:.0f} MB")
    if not options.only:
        write(rows, version)


if __name__ == "__main__":
    main()
