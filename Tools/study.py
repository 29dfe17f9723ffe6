"""What the studies of compression share: a model goes through many recipes, and a page shows the figures.

SmolLM2-135M-Instruct, calibrated with 32 windows of 512 tokens of DATA/wikitext2/calibration.txt (WikiText-2's validation text) and
measured on 40 of its test text. Whatever is done is kept in a folder of its own in $PITH_CACHE, so a study goes on where it was stopped;
its page shows what has been measured so far, and keeps the figures that were measured elsewhere: `--missing` measures only what it lacks.
As many rows are measured at once as there are cores, each with one thread: sizes, qualities and processor seconds do not depend on what
else runs. Speeds do: they are measured one by one at the end, beside those of float16. Close other programs then. Where only a speed is
missing, the file that it is measured with is made from one window of calibration: its codes are worse, and lie as those of the row.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from demo import fetch

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- tables: written by the study -->", "<!-- end of tables -->"
ORIGINAL = "as it came (GGUF, Q4_1)"
# The cells of a line, and where three of them stand.
CELLS, PLACES = 10, {"quality": 3, "seconds": 6, "speed": 9}
# Methods that take their time to find codes.
ITERATIVE = {"vq", "pq", "opq", "aq", "lsq"}


def step(method, **options):
    return {"method": method, **{key.replace("_", "-"): value for key, value in options.items()}}


def say(text):
    print(f"study: {text}", file=sys.stderr, flush=True)


class Study:
    """One study: `sections` are titles with rows, each a name and steps, or arguments that stand in their place."""

    def __init__(self, name, page, sections, pith, data):
        self.name, self.page, self.sections = name, ROOT / page, sections
        self.pith = str(pathlib.Path(pith).resolve())
        cache = pathlib.Path(os.environ.get("PITH_CACHE", pathlib.Path.home() / ".cache/pith"))
        self.cache = cache / name
        self.cache.mkdir(parents=True, exist_ok=True)
        self.model = fetch(cache)
        self.calibration, self.text = data / "wikitext2/calibration.txt", data / "wikitext2/test.txt"
        for path in (self.calibration, self.text):
            if not path.exists():
                raise SystemExit(f"study: {path}: no such file; name a folder with WikiText-2 in DATA")

    def run(self, *arguments):
        """What the program prints as JSON, and how many processor seconds it took."""
        process = subprocess.Popen([self.pith, *map(str, arguments)], stdout=subprocess.PIPE)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        return json.loads(text), usage.ru_utime + usage.ru_stime

    def path(self, section, name):
        letters = "".join(c if c.isalnum() else "-" for c in f"{section} {name}".lower())
        return self.cache / f"{letters}.json"

    def quality(self, model, *arguments):
        return self.run(
            "evaluate", model, "--text", self.text, "--window", 512, "--max-windows", 40, "--against", self.model,
            "--keep-reference", self.cache / "reference.safetensors", "--json", *arguments)[0]

    def original(self):
        """Measures the original's quality, which leaves the reference that others are measured against."""
        path = self.path("original", "")
        if not path.exists():
            say("the original")
            path.write_text(json.dumps(self.quality(self.model)))

    def original_cells(self):
        """The cells of the original's line, in a list; without it where nothing is known."""
        path = self.path("original", "")
        own = cells(ORIGINAL, json.loads(path.read_text())) if path.exists() else self.known().get(("", ORIGINAL))
        return [own] if own else []

    def lacks(self, section, name):
        """What the page does not show of a row: its quality, the seconds of its compression, its speed."""
        cells = self.known().get((section, name), [""] * CELLS)
        return {what for what, cell in PLACES.items() if not cells[cell]}

    def row(self, section, name, steps, wanted):
        """Compresses, and measures the quality if that is wanted; the output is kept until its speed is measured."""
        path = self.path(section, name)
        if path.exists() or not wanted:
            return
        say(f"{section}: {name}: {', '.join(sorted(wanted))}")
        quick = wanted == {"speed"}
        recipe = path.with_suffix(".yaml")
        if isinstance(steps[0], dict):
            # YAML contains JSON.
            steps = [{**step, "iterations": 1} if quick and step["method"] in ITERATIVE else step for step in steps]
            recipe.write_text(json.dumps({"steps": steps}))
            steps = ["--recipe", recipe]
        output = path.with_suffix("")
        card, seconds = self.run(
            "compress", self.model, "-o", output, *steps, "--calibration", self.calibration, "--calibration-tokens",
            512 if quick else 32 * 512, "--threads", 1, "--skip-measuring", "--force", "--json")
        row = {} if quick else {"seconds": seconds, "peak_memory_bytes": card["peak_memory_bytes"], "notes": card["matrices_with_notes"]}
        if "quality" in wanted:
            row.update(self.quality(output, "--threads", 1))
        path.write_text(json.dumps(row))

    def speeds(self):
        """Measures the speed of what has none yet, as multiples of that of float16, and lets go of the outputs."""
        paths = [self.path(section, name) for section, rows in self.sections for name, _ in rows]
        waiting = [path for path in paths if path.exists() and path.with_suffix("").exists()]
        if not waiting:
            return
        reference = self.cache / "float16"
        if not reference.exists():
            self.run("compress", self.model, "-o", reference, "--method", "float16", "--embedding-bits", 8, "--skip-measuring", "--json")
        for path in waiting:
            say(f"speed of {path.stem}")
            model = path.with_suffix("")
            plain, own = (self.run("bench", model, "--repetitions", 1, "--json")[0] for model in (reference, model))
            ratios = {key: own[key] / plain[key] for key in ("prefill_tokens_per_second", "decode_tokens_per_second")}
            path.write_text(json.dumps({**json.loads(path.read_text()), **ratios, "float16": plain}))
            shutil.rmtree(model)

    def known(self):
        """{(section, name): the cells of its line} of the page."""
        lines, title = {}, ""
        for text in self.page.read_text().splitlines():
            if text.startswith("## "):
                title = text[3:]
            elif text == BEGIN:
                title = ""
            elif text.startswith("| "):
                cells = [cell.strip() for cell in text.strip("|").split("|")]
                lines[title, cells[0]] = cells
        return lines

    def results(self):
        """The lines of each section: what was measured here, else what the page says."""
        known = self.known()
        for section, rows in self.sections:
            lines = []
            for name, _ in rows:
                path, old = self.path(section, name), known.get((section, name), [""] * CELLS)
                new = cells(name, json.loads(path.read_text())) if path.exists() else old
                if any(new[1:]) or any(old[1:]):
                    lines.append(line([mine or other for mine, other in zip(new, old)]))
            if lines:
                yield section, lines


def cells(name, row):
    def number(key, digits, factor=1.0):
        return f"{row[key] * factor:.{digits}f}" if key in row and row[key] is not None else ""
    return [
        name, number("bits_per_weight", 3), number("size_bytes", 1, 1e-6), number("perplexity", 2),
        number("kl_divergence", 4), number("top1_agreement", 1, 100), number("seconds", 0),
        number("peak_memory_bytes", 0, 1e-6) if "notes" in row else "",
        number("prefill_tokens_per_second", 2) if "float16" in row else "",
        number("decode_tokens_per_second", 2) if "float16" in row else ""]


def line(cells):
    return "| " + " | ".join(cells) + " |"


HEADER = ("| method | bits per weight | MB | perplexity | KL | top-1 % | CPU seconds | peak MB | prefill | decode |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def write(study):
    text = HEADER + "\n" + "".join(line(cells) + "\n" for cells in study.original_cells())
    for section, lines in study.results():
        text += f"\n## {section}\n\n{HEADER}\n" + "\n".join(lines) + "\n"
    before, rest = study.page.read_text().split(BEGIN + "\n")
    after = rest.split(END + "\n")[1]
    study.page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}\n{after}")


def main(name, page, sections, description, finish=lambda study: None):
    """Measures what is not measured yet and writes the page; `finish` may add to it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder with wikitext2/calibration.txt and test.txt")
    parser.add_argument("--only", action="append", help="measure only rows whose section and name contain this (may be repeated)")
    parser.add_argument("--missing", action="store_true", help="measure only what the page does not show yet")
    parser.add_argument("--no-speeds", action="store_true", help="measure speeds another time, when nothing else runs")
    arguments = parser.parse_args()
    study = Study(name, page, sections, arguments.pith, arguments.data)
    rows = [(section, row, steps, study.lacks(section, row) if arguments.missing else set(PLACES))
            for section, rows in sections for row, steps in rows
            if any(part in f"{section}: {row}" for part in arguments.only or [""])]
    if any("quality" in wanted for *_, wanted in rows):
        study.original()
    writing, failed = threading.Lock(), []

    def measure(section, row, steps, wanted):
        try:
            study.row(section, row, steps, wanted)
        except subprocess.CalledProcessError as error:
            say(f"{section}: {row} failed: {error}")
            failed.append(row)
        with writing:
            write(study)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in rows:
            pool.submit(measure, *row)
    if not arguments.no_speeds:
        study.speeds()
    write(study)
    finish(study)
    if failed:
        raise SystemExit(f"study: failed: {'; '.join(failed)}")
