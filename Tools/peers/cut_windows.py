"""Cuts the start of a text into windows of tokens: one calibration for tools that read ids and for those that read text.

    python cut_windows.py FLOAT TEXT OUTPUT --windows 128 --length 512

Writes OUTPUT.json, a list of lists of ids, and OUTPUT.txt, the text that has exactly these tokens (line ends are line feeds).
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("float", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--windows", type=int, default=128)
    parser.add_argument("--length", type=int, default=512)
    options = parser.parse_args()

    tokenizer = Tokenizer.from_file(str(options.float / "tokenizer.json"))
    text = options.text.read_bytes().decode().replace("\r\n", "\n")
    ids = tokenizer.encode(text, add_special_tokens=False).ids[:options.windows * options.length]
    if len(ids) < options.windows * options.length:
        raise SystemExit(f"{options.text}: {len(ids)} tokens do not fill {options.windows} windows of {options.length}")
    start = tokenizer.decode(ids, skip_special_tokens=False)
    if tokenizer.encode(start, add_special_tokens=False).ids != ids:
        raise SystemExit(f"{options.text}: its first {len(ids)} tokens are not those of their own text; take one window less or more")
    options.output.with_suffix(".txt").write_bytes(start.encode())
    options.output.with_suffix(".json").write_text(
        json.dumps([ids[at:at + options.length] for at in range(0, len(ids), options.length)]))


if __name__ == "__main__":
    main()
