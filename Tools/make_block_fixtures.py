"""Makes Tests/Fixtures/blocks: for each GGUF block format, random blocks (FORMAT.bin) and the float32 values that the
package `gguf` decodes them to (FORMAT.f32). Three rows of 512 columns each.

    pip install gguf numpy
    python Tools/make_block_fixtures.py
"""

from pathlib import Path

import gguf
import numpy

ROWS, COLUMNS = 3, 512

# Where each format keeps its half-precision numbers, which must be finite; every other byte may be anything.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip


def main():
    folder = Path(__file__).parent.parent / "Tests" / "Fixtures" / "blocks"
    folder.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(20)
    for name, offsets in HALVES.items():
        format = gguf.GGMLQuantizationType[name]
        weights, size = gguf.GGML_QUANT_SIZES[format]
        blocks = random.integers(0, 256, (ROWS * COLUMNS // weights, size), dtype=numpy.uint8)
        for offset in offsets:
            halves = (random.standard_normal(len(blocks)) * 0.01).astype(numpy.float16)
            halves[0] = 3e-6  # subnormal
            blocks[:, offset : offset + 2] = halves.view(numpy.uint8).reshape(-1, 2)
        blocks.tofile(folder / f"{name}.bin")
        gguf.dequantize(blocks.reshape(ROWS, -1), format).tofile(folder / f"{name}.f32")


if __name__ == "__main__":
    main()
