#!/usr/bin/env python3
"""Trains a character model on a text in ten minutes, then a student with a quarter of its parameters (`make train-demo`)."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPE = {"layers": 4, "width": 128, "heads": 4, "feed-forward": 352, "context": 256}
STUDENT = {"layers": 4, "width": 64, "heads": 4, "feed-forward": 160, "context": 256}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--text", type=pathlib.Path, required=True, help="a UTF-8 text, of a megabyte or so")
    parser.add_argument("--minutes", type=float, default=10, help="of the first training; the second takes 0.4 as long")
    options = parser.parse_args()
    if not options.text.exists():
        raise SystemExit(f"train-demo: {options.text}: no such file; name a text in TEXT")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        recipe = {"text": str(options.text.resolve()), "held-out": 0.1, "window": 128, "batch": 16, "learning-rate": 2e-3}

        def train(command, name, **members):
            path = folder / f"{name}.yaml"
            path.write_text(json.dumps({**recipe, **members}))
            subprocess.run([options.pith, command, path, "-o", folder / name], check=True, stdout=subprocess.DEVNULL)
            return json.loads((folder / name / "training.json").read_text())

        print("A character model, from random weights:", file=sys.stderr)
        teacher = train("train", "teacher", model={"new": SHAPE}, time=f"{options.minutes}m")
        print("A student, from random weights, of what the first makes of the text:", file=sys.stderr)
        student = train("distill", "student", model={"new": STUDENT}, teacher=str(folder / "teacher"), temperature=1,
                        time=f"{0.4 * options.minutes}m")
        rows = [("", "parameters", "minutes", "validation loss"),
                *[(name, f"{report['parameters']:,}", f"{report['seconds'] / 60:.1f}", f"{report['validation_loss']:.4f}")
                  for name, report in (("teacher", teacher), ("student", student))]]
        for row in rows:
            print("{:10}{:>12}{:>10}{:>18}".format(*row))
        for name in ("teacher", "student"):
            text = subprocess.run([options.pith, "generate", folder / name, "The ", "--max-tokens", "160", "--temperature", "0.7"],
                                  check=True, stdout=subprocess.PIPE, text=True).stdout
            print(f"\nThe {name} writes: {text.strip()}")


if __name__ == "__main__":
    main()
