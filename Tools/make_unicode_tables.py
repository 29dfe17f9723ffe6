"""Writes Sources/PithTokenizers/Normalization/UnicodeTables.swift from Python's unicodedata.

Scalars that the reference tokenizers' older tables leave alone are left out. Run from the package's root:

    pip install tokenizers==0.23.3
    python3 Tools/make_unicode_tables.py
"""

import unicodedata

from tokenizers import normalizers

REFERENCE = normalizers.NFKD()


def entries():
    for code in range(0x110000):
        if 0xAC00 <= code < 0xAC00 + 11172:  # Hangul syllables follow a formula
            continue
        raw = unicodedata.decomposition(chr(code))
        if not raw or REFERENCE.normalize_str(chr(code)) == chr(code):
            continue
        parts = raw.split()
        kind = "="
        if parts[0].startswith("<"):
            kind, parts = "~", parts[1:]
        elif unicodedata.normalize("NFC", unicodedata.normalize("NFD", chr(code))) != chr(code):
            kind = "!"
        yield f"{code:X}{kind}" + " ".join(f"{int(p, 16):X}" for p in parts)


def lines(width):
    line = ""
    for entry in entries():
        if len(line) + len(entry) + 1 > width:
            yield line
            line = ""
        line += entry + ";"
    yield line


with open("Sources/PithTokenizers/Normalization/UnicodeTables.swift", "w") as out:
    out.write("// swift-format-ignore-file\n")
    out.write("// Made by Tools/make_unicode_tables.py; longer than a file should be because it is data.\n\n")
    out.write(f"/// Decompositions of Unicode as far as the reference knows them, one step each: `=` canonical, `!` canonical but\n")
    out.write("/// never composed again, `~` for compatibility.\n")
    out.write('let unicodeDecompositions: StaticString = """\n')
    for line in lines(108):
        out.write(f"  {line}\\\n")
    out.write('\n  """\n')
