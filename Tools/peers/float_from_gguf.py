"""Writes a GGUF model of SmolLM2's kind as a float32 checkpoint in Hugging Face's layout.

    python float_from_gguf.py MODEL.gguf OUTPUT                    the model that all start from
    python float_from_gguf.py MODEL.gguf OUTPUT --like FLOAT       what llama.cpp made of it; the embedding is FLOAT's

Prints one JSON object with the bytes that the layers' matrices take in the GGUF file.
"""

import argparse
import json
import sys
from pathlib import Path

import gguf
from safetensors.torch import save_file

import peer_tool

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from gguf_reference import load_model, load_tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    parser.add_argument("--like", type=Path, metavar="FLOAT")
    options = parser.parse_args()

    model = load_model(options.model)
    if options.like:
        peer_tool.save_float(model.state_dict(), options.like, options.output)
    else:
        options.output.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
        save_file(tensors, options.output / "model.safetensors", metadata={"format": "pt"})
        configuration = {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
        (options.output / "config.json").write_text(json.dumps({**configuration, "architectures": ["LlamaForCausalLM"]}))
        load_tokenizer(options.model).save(str(options.output / "tokenizer.json"))
    matrices = [tensor for tensor in gguf.GGUFReader(options.model).tensors
                if tensor.name.startswith("blk.") and len(tensor.shape) == 2]
    print(json.dumps({"matrix_bytes": sum(int(tensor.n_bytes) for tensor in matrices)}))


if __name__ == "__main__":
    main()
