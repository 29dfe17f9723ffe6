#!/usr/bin/env python3
"""Compares Pith's quantization with its peers' on SmolLM2-135M-Instruct, for docs/comparison.md (`make compare-quantization`).

    python Tools/peers/compare_quantization.py --pith .build/release/pith --data DATA [--only TEXT] [--windows 128]

DATA is a folder with wikitext2/calibration.txt and wikitext2/test.txt (WikiText-2's validation and test text). Every peer runs in
an environment of its own, made with the versions below; llama.cpp is built from source. All start from the same float32 weights,
read the same tokens, and leave the embedding alone; what each has written in its own format is unpacked to float32 and measured by
`pith evaluate`. The seconds and the peak memory are those of the process that quantizes, from its start to the written file.

Whatever is done is kept in $PITH_CACHE/compare-quantization, a file for each row, so that the comparison goes on where it was
stopped; the page shows what has been measured so far, and keeps the rows that were measured elsewhere. A calibration of other than 128 windows, to try things out, has a
cache of its own, is measured on two windows and leaves the page alone. Close other programs: the seconds are those of the machine as it is.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from bench_llama_cpp import CACHE as LLAMA_CACHE
from demo import fetch

PAGE = ROOT / "docs/comparison.md"
BEGIN, END = "<!-- tables: written by Tools/peers/compare_quantization.py -->\n", "<!-- end of tables -->\n"
# Tokens of a window; windows to calibrate and to measure with, and to measure with when things are tried out.
LENGTH, FULL, MEASURED, TRIED = 512, 128, 40, 2
ENVIRONMENTS = {
    "reference": ["-r", str(ROOT / "Tools/requirements.txt")],
    "llmcompressor": ["llmcompressor==0.14.0.1", "compressed-tensors==0.19.0", "transformers==5.17.0", "torch==2.13.0"],
    "gptqmodel": ["gptqmodel==7.6.0", "transformers==5.24.0", "torch==2.13.0"],
    "hqq": ["hqq==0.2.8.post1", "transformers==5.24.0", "torch==2.13.0"],
    "bitsandbytes": ["bitsandbytes==0.50.2", "transformers==5.23.0", "accelerate==1.15.0", "torch==2.13.0"],
}


def llmcompressor(method, bits, **options):
    return "llmcompressor", {"method": method, "bits": bits, "group_size": 64, **options}


def grouped(tool, bits):
    return tool, {"bits": bits, "group_size": 64}


# Name, (tool, options). Quick ones first.
PEERS = [
    ("bitsandbytes, LLM.int8(), weights alone", ("bitsandbytes", {"kind": "int8"})),
    ("bitsandbytes, NF4", ("bitsandbytes", {"kind": "nf4"})),
    ("bitsandbytes, NF4, double quantization", ("bitsandbytes", {"kind": "nf4", "double_quantization": True})),
    ("bitsandbytes, FP4", ("bitsandbytes", {"kind": "fp4"})),
    ("llm-compressor, RTN, 4 bits", llmcompressor("rtn", 4)),
    ("llm-compressor, RTN, 3 bits", llmcompressor("rtn", 3)),
    *[(f"HQQ, {bits} bits", grouped("hqq", bits)) for bits in (4, 3, 2)],
    *[(f"llama.cpp, {kind}, importance matrix", ("llama.cpp", {"kind": kind}))
      for kind in ("Q8_0", "Q4_0", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_M")],
    *[(f"GPTQModel, GPTQ, {bits} bits", grouped("gptqmodel", bits)) for bits in (4, 3, 2)],
    ("llm-compressor, GPTQ, 4 bits", llmcompressor("gptq", 4)),
    ("llm-compressor, GPTQ, 3 bits", llmcompressor("gptq", 3)),
    ("llm-compressor, GPTQ, MSE range, 4 bits", llmcompressor("gptq", 4, observer="mse")),
    ("llm-compressor, GPTQ, MSE range, 3 bits", llmcompressor("gptq", 3, observer="mse")),
    # With all windows it takes hours.
    ("llm-compressor, AWQ, 4 bits, 16 windows", llmcompressor("awq", 4, first=16)),
    ("llm-compressor, AWQ, 3 bits, 16 windows", llmcompressor("awq", 3, first=16)),
]

# The same method in the same storage: ours, and the peers' rows that it answers.
SAME = [
    (f"Pith, GPTQ, {ranges}{bits} bits", [{"method": "gptq", "bits": bits, "group-size": 64, **options}],
     [f"llm-compressor, GPTQ, {bits} bits", f"GPTQModel, GPTQ, {bits} bits"])
    for bits in (4, 3) for ranges, options in (("", {}), ("min-max range, ", {"range-search": "minmax"}))
]

# Widths and groups (0: a scale per row), by size; between two of them the roles below have the larger, as far as the size allows.
RUNGS = [(2, 128), (2, 64), (2, 32), (3, 128), (3, 64), (4, 128), (4, 64), (5, 64), (6, 64), (8, 0), (8, 128), (8, 64),
         (8, 32)]
# The least share of a peer's bytes at which a file of ours, made for another peer, answers it too.
SPARE = 0.98
ROLES = {"value": "v_proj", "down": "down_proj", "attentionOutput": "o_proj", "key": "k_proj", "query": "q_proj", "up": "up_proj",
         "gate": "gate_proj"}


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def measured(command, log, environment=None, folder=None):
    """Runs a command, perhaps in a folder: (seconds, most bytes resident, standard output)."""
    start = time.time()
    with open(log, "a") as errors:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **(environment or {})},
            cwd=folder)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[0])
    return time.time() - start, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), output.decode()


class Comparison:
    def __init__(self, pith, data, windows, llama_cpp, threads):
        self.pith, self.windows, self.llama_cpp, self.threads = str(Path(pith).resolve()), windows, llama_cpp, threads
        cache, data = Path(os.environ.get("PITH_CACHE", Path.home() / ".cache/pith")).resolve(), data.resolve()
        self.environments = cache / "peers/environments"
        self.cache = cache / ("compare-quantization" if windows == FULL else f"compare-quantization-{windows}")
        self.cache.mkdir(parents=True, exist_ok=True)
        self.log, self.text = self.cache / "log.txt", data / "wikitext2/test.txt"
        calibration = data / "wikitext2/calibration.txt"
        for path in (calibration, self.text):
            if not path.exists():
                raise SystemExit(f"compare: {path}: no such file; name a folder with WikiText-2 in DATA")
        self.model, self.float, self.calibration = fetch(cache), self.cache / "float", self.cache / "calibration"
        if not self.float.exists():
            self.script("reference", "float_from_gguf.py", self.model, self.cache / "unfinished")
            (self.cache / "unfinished").rename(self.float)
        if not self.calibration.with_suffix(".json").exists():
            self.script("reference", "cut_windows.py", self.float, calibration, self.calibration, "--windows", windows,
                        "--length", LENGTH)

    def python(self, tool):
        """The Python of a tool's environment, which is made if it is not there yet."""
        folder = self.environments / tool
        ready = folder / "ready"
        if not ready.exists() or ready.read_text() != json.dumps(ENVIRONMENTS[tool]):
            say(f"installing {tool}")
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *ENVIRONMENTS[tool]], check=True,
                           stdout=sys.stderr)
            ready.write_text(json.dumps(ENVIRONMENTS[tool]))
        return folder / "bin/python"

    def script(self, tool, name, *arguments):
        """(seconds, bytes, the last line of the output) of one of the scripts beside this one."""
        threads = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        # Some leave logs where they are run.
        seconds, peak, output = measured([self.python(tool), HERE / name, *arguments], self.log, threads, self.cache)
        return seconds, peak, (output.strip().splitlines() or ["null"])[-1]

    def llama(self, program):
        """A program of llama.cpp, which is built if it is not there yet."""
        found = sorted(Path(self.llama_cpp).glob(f"build-*/bin/{program}"))
        if not found:
            subprocess.run([HERE / "build_llama_cpp.sh", self.llama_cpp], check=True, stdout=sys.stderr)
            found = sorted(Path(self.llama_cpp).glob(f"build-*/bin/{program}"))
        return found[-1]

    def path(self, name):
        letters = "".join(c if c.isalnum() else "-" for c in name.lower())
        return self.cache / f"row-{letters}.json"

    def row(self, name):
        """A row as it was measured, or None."""
        path = self.path(name)
        return json.loads(path.read_text()) if path.exists() else None

    def evaluate(self, folder):
        _, _, output = measured(
            [self.pith, "evaluate", folder, "--text", self.text, "--window", LENGTH, "--max-windows",
             MEASURED if self.windows == FULL else TRIED, "--against", self.model,
             "--threads", self.threads, "--json"], self.log)
        return json.loads(output)

    def keep(self, name, folder, result):
        quality = self.evaluate(folder)
        result.update({key: quality[key] for key in ("perplexity", "kl_divergence", "top1_agreement")})
        self.path(name).write_text(json.dumps(result))
        say(f"{name}: {result['bits']:.3f} bits, perplexity {result['perplexity']:.2f}, KL {result['kl_divergence']:.4f}, "
            f"{result['seconds']:.0f} s, {result['peak'] / 1e6:.0f} MB")

    @property
    def weights(self):
        """The number of weights in the layers' matrices."""
        shape = json.loads((self.float / "config.json").read_text())
        width, head = shape["hidden_size"], shape["head_dim"]
        attention = 2 * width * head * (shape["num_attention_heads"] + shape["num_key_value_heads"])
        return shape["num_hidden_layers"] * (attention + 3 * width * shape["intermediate_size"])

    def peer(self, name, tool, options):
        """Quantizes with a peer, unpacks and measures."""
        packed, unpacked = self.cache / "packed", self.cache / "unpacked"
        for folder in (packed, unpacked):
            shutil.rmtree(folder, ignore_errors=True)
        if tool == "llama.cpp":
            packed.mkdir()
            seconds, peak = self.llama_cpp_quantize(packed / "model.gguf", **options)
            versions = {"llama.cpp": self.llama("llama-quantize").parent.parent.name.removeprefix("build-")}
            _, _, size = self.script("reference", "float_from_gguf.py", packed / "model.gguf", unpacked, "--like", self.float)
        else:
            script = f"quantize_{tool}.py"
            # Also reads the libraries from the disk once, which is no part of quantizing.
            versions = json.loads(self.script(tool, script, "versions")[2])
            seconds, peak, _ = self.script(
                tool, script, "quantize", self.float, self.calibration.with_suffix(".json"), packed, json.dumps(options),
                "--threads", self.threads)
            _, _, size = self.script(tool, script, "unpack", self.float, packed, unpacked)
        size = json.loads(size)["matrix_bytes"]
        self.keep(name, unpacked, {"bytes": size, "bits": size * 8 / self.weights, "seconds": seconds, "peak": peak,
                                   "versions": versions})

    def llama_cpp_quantize(self, output, kind):
        """(seconds, peak) of the importance matrix and the quantization together; the matrix, and the float32 GGUF that both
        read, are made once."""
        source, matrix = self.cache / "float.gguf", self.cache / "imatrix.gguf"
        if not source.exists():
            unfinished = source.with_suffix(".unfinished")
            measured([self.llama("llama-quantize"), "--allow-requantize", self.model, unfinished, "F32", self.threads], self.log)
            unfinished.rename(source)
        if not matrix.with_suffix(".json").exists():
            took = measured(
                [self.llama("llama-imatrix"), "-m", source, "-f", self.calibration.with_suffix(".txt"), "-o", matrix, "-c",
                 LENGTH, "-t", self.threads, "--no-ppl"], self.log)
            matrix.with_suffix(".json").write_text(json.dumps(took[:2]))
        first, peak = json.loads(matrix.with_suffix(".json").read_text())
        second, other, _ = measured(
            [self.llama("llama-quantize"), "--imatrix", matrix, "--token-embedding-type", "f32", source, output, kind,
             self.threads], self.log)
        return first + second, max(peak, other)

    def ours(self, name, steps, windows=None):
        """Compresses with our steps, perhaps calibrated with some of the windows alone, and measures. The embedding stays as it is."""
        output, recipe = self.cache / "output", self.cache / "recipe.yaml"
        # YAML contains JSON.
        recipe.write_text(json.dumps({"embedding-bits": 0, "steps": steps}))
        seconds, peak, _ = measured(
            [self.pith, "compress", self.float, "-o", output, "--recipe", recipe, "--calibration",
             self.calibration.with_suffix(".txt"), "--calibration-tokens", (windows or self.windows) * LENGTH, "--calibration-window", LENGTH,
             "--skip-measuring", "--force", "--threads", self.threads, "--json"], self.log)
        inspected = json.loads(measured([self.pith, "inspect", output, "--json"], self.log)[2])
        size = sum(matrix["bytes"] for matrix in inspected["matrices"] if matrix["layer"] is not None)
        self.keep(name, output, {"name": name, "bytes": size, "bits": size * 8 / self.weights, "seconds": seconds, "peak": peak,
                                 "steps": steps})

    def rung_bytes(self, rung):
        """{(role, layer): bytes} of every matrix on one rung."""
        path = self.cache / f"rung-{rung[0]}-{rung[1]}.json"
        if not path.exists():
            recipe = self.cache / "rung.yaml"
            recipe.write_text(json.dumps({"embedding-bits": 0, "steps": rotated_gptq(*rung)}))
            _, _, output = measured(
                [self.pith, "compress", self.float, "-o", self.cache / "output", "--recipe", recipe, "--explain", "--json"], self.log)
            path.write_text(output)
        return {place(matrix["name"]): matrix["bytes"] for matrix in json.loads(path.read_text())["matrices"]
                if place(matrix["name"])}

    def measured_fit(self, size):
        """The name of the largest file of ours that is measured and takes at most `size` bytes, and hardly less; or None."""
        rows = [json.loads(path.read_text()) for path in self.cache.glob("row-rotation*.json")]
        rows = [row for row in rows if SPARE * size <= row["bytes"] <= size]
        return max(rows, key=lambda row: row["bytes"])["name"] if rows else None

    def fitting(self, size):
        """(name, steps) of a rotation and GPTQ that take at most `size` bytes, and hardly less; None if the least takes more."""
        rungs = [rung for rung in RUNGS if sum(self.rung_bytes(rung).values()) <= size]
        if not rungs:
            return None
        small = rungs[-1]
        name = f"rotation → GPTQ, {storage(*small)}"
        steps = rotated_gptq(*small)
        if small == RUNGS[-1]:
            return name, steps
        large = RUNGS[RUNGS.index(small) + 1]
        less, more = self.rung_bytes(small), self.rung_bytes(large)
        left = size - sum(less.values())
        layers = 1 + max(layer for _, layer in less)
        upgraded = []
        for role in ROLES:
            count = 0
            while count < layers and more[role, count] - less[role, count] <= left:
                left -= more[role, count] - less[role, count]
                count += 1
            if count:
                where = {"roles": [role]} if count == layers else {"roles": [role], "indices": f"0-{count - 1}"}
                steps.append({**rotated_gptq(*large)[1], "layers": where})
                upgraded.append(role if count == layers else f"{role} of {count} layer{'s' * (count > 1)}")
            if count < layers:
                break
        if upgraded:
            name += f"; {', '.join(upgraded)}: {storage(*large)}"
        return name, steps


def rotated_gptq(bits, group):
    return [{"method": "rotate"}, {"method": "gptq", "bits": bits, "group-size": group}]


def storage(bits, group):
    return f"{bits} bits, " + (f"groups of {group}" if group else "a scale per row")


def place(name):
    """(role, layer) of a matrix of a layer, by its name; None for others."""
    parts = name.split(".")
    role = next((role for role, module in ROLES.items() if module in parts), None)
    return (role, int(parts[parts.index("layers") + 1])) if role else None


HEADER = ("| | bits per weight | perplexity | KL | top-1 % | seconds | peak MB | ours: seconds | ours: MB |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def line(name, row, ratios=("", "")):
    cells = [name, f"{row['bits']:.3f}", f"{row['perplexity']:.2f}", f"{row['kl_divergence']:.4f}",
             f"{row['top1_agreement'] * 100:.1f}", f"{row['seconds']:.0f}", f"{row['peak'] / 1e6:.0f}", *ratios]
    return "| " + " | ".join(cells) + " |"


def ratios(ours, theirs):
    return [f"×{ours[key] / theirs[key]:.2f}" for key in ("seconds", "peak")]


def known(page):
    """What the page says: {name: its line and those that belong to it} and {tool: version}."""
    groups, versions = {}, {}
    leads, title = set(), None
    for text in page.splitlines():
        name = text.split(" | ")[0][2:] if text.startswith("| ") else None
        if text.startswith("## "):
            # The second table begins its groups with ours.
            leads = {name for name, _ in PEERS} if "At each size" in text else {name for name, _, _ in SAME}
        elif name in leads:
            title = name
            groups[title] = [text]
        elif name and title and not text.startswith("| ---"):
            groups[title].append(text)
        elif text.startswith("Versions: "):
            versions = dict(item.rsplit(" ", 1) for item in text.removeprefix("Versions: ").rstrip(".").split(", "))
        elif not name:
            title = None
    return groups, versions


def write(comparison):
    """Puts what has been measured into the page; rows that were measured elsewhere stay."""
    page = PAGE.read_text()
    groups, versions = known(page)
    parts, pairs = [], []
    for name, _ in PEERS:
        theirs = comparison.row(name)
        if not theirs:
            if name in groups:
                pairs.append((float(groups[name][0].split(" | ")[1]), groups[name]))
            continue
        versions.update(theirs["versions"])
        if "fit" in theirs and (ours := comparison.row(theirs["fit"])):
            pairs.append((theirs["bits"], [line(name, theirs), line(f"**Pith**, {theirs['fit']}", ours, ratios(ours, theirs))]))
        else:
            pairs.append((theirs["bits"], [line(name, theirs)]))
    parts.append("## At each size: a peer, and ours of at most that size\n\n" + HEADER)
    parts += [text for _, lines in sorted(pairs, key=lambda pair: -pair[0]) for text in lines]
    same = []
    for name, _, answered in SAME:
        if not (ours := comparison.row(name)):
            same += groups.get(name, [])
        else:
            same.append(line(name, ours))
            same += [line(other, theirs, ratios(ours, theirs)) for other in answered if (theirs := comparison.row(other))]
    if same:
        parts.append("\n## The same method, the same storage\n\n" + HEADER)
        parts += same
    text = "\n".join(parts) + "\n\nVersions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".\n"
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pith", default=ROOT / ".build/release/pith")
    parser.add_argument("--data", type=Path, required=True, help="a folder with wikitext2/calibration.txt and test.txt")
    parser.add_argument("--only", default="", help="measure only peers, and ours beside them, whose name contains this")
    parser.add_argument("--peers-alone", action="store_true", help="measure ours another time")
    parser.add_argument("--windows", type=int, default=FULL, help="of calibration; other than 128 to try things out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--llama-cpp", type=Path, default=LLAMA_CACHE, help="the folder of build_llama_cpp.sh")
    options = parser.parse_args()
    comparison = Comparison(options.pith, options.data, options.windows, options.llama_cpp, options.threads)
    failed = []
    for name, (tool, settings) in PEERS:
        if options.only not in name:
            continue
        try:
            if not comparison.row(name):
                say(name)
                comparison.peer(name, tool, settings)
            theirs = comparison.row(name)
            fit = None if options.peers_alone else comparison.measured_fit(theirs["bytes"])
            if not fit and not options.peers_alone and (new := comparison.fitting(theirs["bytes"])):
                comparison.ours(*new)
                fit = new[0]
            if fit:
                comparison.path(name).write_text(json.dumps({**theirs, "fit": fit}))
        except (subprocess.CalledProcessError, OSError) as error:
            failed.append(name)
            say(f"{name} failed: {error}; see {comparison.log}")
        if options.windows == FULL:
            write(comparison)
    for name, steps, answered in SAME:
        wanted = not options.peers_alone and any(options.only in other for other in [name, *answered])
        if wanted and not comparison.row(name):
            say(name)
            comparison.ours(name, steps)
    if options.windows == FULL:
        write(comparison)
    if failed:
        raise SystemExit(f"compare: failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
