"""Measures llama.cpp's speed on this machine's processor.

    Tools/peers/build_llama_cpp.sh
    python Tools/peers/bench_llama_cpp.py MODEL.gguf [--types Q8_0 Q4_0 Q4_1] [--repeat 5] [--threads 2] [--prompt 512] [--generate 128]

The model is first written in each of the types by llama-quantize (also from a type that has already lost something: speed is
asked for here, not quality) into the folder of the programs' cache, once. Then llama-bench runs each type in turn, `repeat` times round,
so that a slow minute of the machine falls on all alike. Prints one JSON object: tokens per second, minimum, median and maximum.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pith" / "peers"


def programs(folder):
    """The folder of llama.cpp's programs in a cache made by build_llama_cpp.sh."""
    found = sorted(Path(folder).glob("build-*/bin/llama-bench"))
    if not found:
        raise SystemExit(f"{folder}: no llama-bench here; run Tools/peers/build_llama_cpp.sh {folder} first")
    return found[-1].parent


def quantized(model, kind, cache):
    """The model written in another type, made if it is not there yet."""
    target = Path(cache) / "models" / f"{Path(model).name.removesuffix('.gguf')}-as-{kind}.gguf"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        run = subprocess.run([programs(cache) / "llama-quantize", "--allow-requantize", model, unfinished, kind],
                             capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"llama-quantize {model} {kind}: {run.stdout[-500:]}{run.stderr[-500:]}")
        unfinished.rename(target)
    return target


def llama_bench(model, cache, threads, prompt, generate):
    """Tokens per second of one run: (reading the prompt, generating)."""
    run = subprocess.run([programs(cache) / "llama-bench", "-m", model, "-t", str(threads), "-p", str(prompt), "-n", str(generate),
                          "-r", "1", "-o", "json"], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"llama-bench {model}: {run.stderr[-500:]}")
    tests = json.loads(run.stdout)
    return (next(test["avg_ts"] for test in tests if test["n_prompt"]), next(test["avg_ts"] for test in tests if test["n_gen"]))


def spread(values):
    return {"min": round(min(values), 1), "median": round(statistics.median(values), 1), "max": round(max(values), 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--types", nargs="+", default=["Q8_0", "Q4_0", "Q4_1"])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--cache", default=CACHE, help=f"the folder given to build_llama_cpp.sh (default {CACHE})")
    options = parser.parse_args()

    models = {kind: quantized(options.model, kind, options.cache) for kind in options.types}
    runs = {kind: [] for kind in options.types}
    for turn in range(options.repeat):
        for kind, model in models.items():
            runs[kind].append(llama_bench(model, options.cache, options.threads, options.prompt, options.generate))
            print(f"{turn + 1}/{options.repeat} {kind}: {runs[kind][-1][0]:.1f} prompt, {runs[kind][-1][1]:.1f} generation "
                  f"(load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    print(json.dumps({
        "model": Path(options.model).name, "threads": options.threads, "prompt": options.prompt, "generate": options.generate,
        "types": {kind: {"bytes": models[kind].stat().st_size, "prefill_tokens_per_second": spread([run[0] for run in runs[kind]]),
                         "decode_tokens_per_second": spread([run[1] for run in runs[kind]])} for kind in options.types}}))


if __name__ == "__main__":
    main()
