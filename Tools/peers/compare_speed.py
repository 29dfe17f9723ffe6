"""Compares Pith's speed with llama.cpp's, side by side on this machine.

    python Tools/peers/compare_speed.py --pith .build/release/pith --models small-Q8_0.gguf small-pith=small-Q4_0.gguf [--repeat 5]

Each of the models is a GGUF file that both run, or PITH=GGUF: what Pith runs, and what llama.cpp runs against it. `pith bench
MODEL --json` and llama-bench alternate, and which goes first alternates too, so that the machine's other work and its heat fall
on both. Prints one JSON object with tokens per second (minimum, median, maximum) and Pith's median over llama.cpp's (above 1,
Pith is the faster), and the same of their best runs. Other work on the machine harms both, and not alike: measure when it is
idle. What a person wants to see goes to standard error.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys

from bench_llama_cpp import CACHE, llama_bench, spread

SPEEDS = ["prefill_tokens_per_second", "decode_tokens_per_second"]


def pith_bench(program, model, arguments):
    """Tokens per second of one run: (reading the prompt, generating)."""
    run = subprocess.run([program, "bench", model, "--json", *arguments], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{program} bench {model}: {run.stderr[-500:]}")
    try:
        result = json.loads(run.stdout)
    except json.JSONDecodeError as error:
        raise SystemExit(f"{program} bench {model} --json: its output is no JSON document: {error}")
    missing = [key for key in SPEEDS if key not in result]
    if missing:
        raise SystemExit(f"{program} bench {model}: its JSON has no {' and no '.join(missing)}")
    return tuple(result[key] for key in SPEEDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pith", required=True, help="the program")
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL", help="GGUF or PITH=GGUF")
    parser.add_argument("--pith-arguments", default="", help="more arguments for pith bench, as one string")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of llama.cpp; tell pith bench by --pith-arguments")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--cache", default=CACHE, help=f"the folder given to build_llama_cpp.sh (default {CACHE})")
    options = parser.parse_args()

    pairs = [(name.partition("=")[0], name.partition("=")[2] or name) for name in options.models]
    runs = {pair: {"pith": [], "llama.cpp": []} for pair in pairs}
    for turn in range(options.repeat):
        for pair in pairs:
            for who in ["pith", "llama.cpp"][::1 if turn % 2 == 0 else -1]:
                speed = (pith_bench(options.pith, pair[0], shlex.split(options.pith_arguments)) if who == "pith"
                         else llama_bench(pair[1], options.cache, options.threads, options.prompt, options.generate))
                runs[pair][who].append(speed)
                print(f"{turn + 1}/{options.repeat} {who} {pair[who != 'pith']}: {speed[0]:.1f} prompt, {speed[1]:.1f} generation "
                      f"(load {os.getloadavg()[0]:.1f})", file=sys.stderr)

    results = []
    for pair, speeds in runs.items():
        result = {"pith_model": pair[0], "llama_cpp_model": pair[1]}
        for index, key in enumerate(SPEEDS):
            ours, theirs = (spread([run[index] for run in speeds[who]]) for who in ("pith", "llama.cpp"))
            result[key] = {"pith": ours, "llama_cpp": theirs, "ratio": round(ours["median"] / theirs["median"], 3),
                           "ratio_of_best": round(ours["max"] / theirs["max"], 3)}
            print(f"{key.split('_')[0]:8}{pair[0]}: pith {ours['median']}, llama.cpp {theirs['median']}, ratio {result[key]['ratio']}",
                  file=sys.stderr)
        results.append(result)
    print(json.dumps({"threads": options.threads, "prompt": options.prompt, "generate": options.generate, "repeat": options.repeat,
                      "results": results}))


if __name__ == "__main__":
    main()
