"""What the scripts quantize_*.py share: their command line, the model they start from and the checkpoint they end with.

Each of them runs in its package's own environment (compare_quantization.py makes it) and does one of three things:

    python quantize_X.py versions                                  prints the versions of the packages that matter
    python quantize_X.py quantize FLOAT WINDOWS PACKED '{...}'     FLOAT, quantized, in the package's own format; JSON says how
    python quantize_X.py unpack FLOAT PACKED OUTPUT                PACKED as plain floats, for an evaluator that all share

FLOAT is a float32 checkpoint in Hugging Face's layout, WINDOWS a JSON file with lists of token ids. `quantize` alone is timed:
what it leaves is what the package's users get. `unpack` loads it from the disk as they would, writes a float32 checkpoint like
FLOAT's and prints how many bytes the layers' matrices take when packed, with all that belongs to them.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"], os.environ["HF_HUB_OFFLINE"] = "", "1"

import torch
import transformers
from safetensors.torch import load_file, save_file

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EMBEDDING = "model.embed_tokens.weight"


def projections(model):
    """(name, module) of every matrix of the layers."""
    return [(name, module) for name, module in model.named_modules() if name.endswith(PROJECTIONS)]


def is_of_projection(name):
    """Whether a tensor in a packed file belongs to a matrix of the layers: its codes, scales, or whatever else it needs."""
    return any(f".{projection}." in name for projection in PROJECTIONS)


def packed_bytes(folder, half=None):
    """The bytes that the layers' matrices take in the safetensors files of a folder.

    Tensors whose name ends with `half` have the type of the model's weights, and are counted with the 16 bits that those of a
    published model have, not with the 32 bits of the one here.
    """
    tensors = {name: tensor for path in sorted(Path(folder).glob("*.safetensors")) for name, tensor in load_file(path).items()}
    return sum(2 * tensor.numel() if half and name.endswith(half) else tensor.nbytes
               for name, tensor in tensors.items() if is_of_projection(name))


def load_float(folder):
    """The model to be quantized, in float32."""
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def save_float(state, reference, output):
    """Writes a float32 checkpoint like the one in `reference` with the tensors of `state`, which must leave the embedding alone."""
    expected = load_file(Path(reference) / "model.safetensors")
    missing = [name for name in expected if name not in state]
    if missing:
        raise SystemExit(f"{output}: no {missing[0]} ({len(missing)} tensors are missing)")
    tensors = {name: state[name].detach().float().contiguous() for name in expected}
    wrong = [name for name in expected if tensors[name].shape != expected[name].shape or not tensors[name].isfinite().all()]
    if wrong:
        raise SystemExit(f"{output}: {wrong[0]} has another shape than the original, or values that are not finite")
    # A peer may have kept it in 16 bits; all are measured with the same one.
    if (tensors[EMBEDDING] - expected[EMBEDDING]).abs().max() > 1e-2 * expected[EMBEDDING].abs().max():
        raise SystemExit(f"{output}: the embedding is no longer the original's; it must not be compressed here")
    tensors[EMBEDDING] = expected[EMBEDDING]
    Path(output).mkdir(parents=True, exist_ok=True)
    save_file(tensors, Path(output) / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(Path(reference) / name, Path(output) / name)


def main(doc, packages, quantize, unpack):
    """The command line. `quantize(float_folder, windows, packed, **options)`; `unpack(packed)` gives (tensors by name, bytes)."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("versions")
    command = commands.add_parser("quantize")
    for name in ("float", "windows", "packed"):
        command.add_argument(name, type=Path)
    command.add_argument("options", type=json.loads, help="a JSON object")
    command.add_argument("--threads", type=int, default=2)
    command = commands.add_parser("unpack")
    for name in ("float", "packed", "output"):
        command.add_argument(name, type=Path)
    arguments = parser.parse_args()

    if arguments.command == "versions":
        print(json.dumps({package: importlib.metadata.version(package) for package in packages}))
    elif arguments.command == "quantize":
        torch.set_num_threads(arguments.threads)
        arguments.packed.mkdir(parents=True, exist_ok=True)
        quantize(arguments.float, json.loads(arguments.windows.read_text()), arguments.packed, **arguments.options)
    else:
        state, size = unpack(arguments.packed)
        save_float(state, arguments.float, arguments.output)
        print(json.dumps({"matrix_bytes": size}))
