"""llm-compressor, in the protocol of peer_tool.py. Options: method (rtn, gptq or awq) with bits, group_size and observer, or method
(sparsegpt or wanda) with sparsity and pattern; first (so many of the windows alone).

Asymmetric groups, the package's defaults in everything else (for GPTQ: damping 0.01, order by activation with static groups).
"""

import peer_tool
import torch
import transformers
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache

# Version 0.14 has AWQ pin memory for an accelerator, also where there is none, and fails.
IntermediatesCache.pin_memory = lambda *arguments: None


def modifiers(method, bits, group_size, observer="minmax"):
    weights = QuantizationArgs(
        num_bits=bits, group_size=group_size, strategy="group", symmetric=False, observer=observer, scale_dtype=torch.float16)
    common = {"config_groups": {"group_0": QuantizationScheme(targets=["Linear"], weights=weights)}, "ignore": ["lm_head"]}
    return {
        "rtn": [QuantizationModifier(**common)],
        "gptq": [GPTQModifier(**common)],
        "awq": [AWQModifier(), QuantizationModifier(**common)],
    }[method]


def pruners(method, sparsity, pattern="0:0"):
    modifier = {"sparsegpt": SparseGPTModifier, "wanda": WandaPruningModifier}[method]
    # By layers: in version 0.14 a list of what to leave alone does not keep it from the output head, which is the embedding here.
    return [modifier(sparsity=sparsity, mask_structure=pattern, targets=["LlamaDecoderLayer"])]


def quantize(float_folder, windows, packed, method, first=None, **options):
    windows = windows[:first]
    recipe = (pruners if "sparsity" in options else modifiers)(method, **options)
    model = peer_tool.load_float(float_folder)
    calibration = {}
    if method != "rtn":
        data = Dataset.from_dict({"input_ids": windows, "attention_mask": [[1] * len(window) for window in windows]})
        calibration = {"dataset": data, "num_calibration_samples": len(windows), "max_seq_length": len(windows[0]),
                       "shuffle_calibration_samples": False}
    oneshot(model=model, recipe=recipe, pipeline="sequential" if calibration else "datafree", **calibration)
    model.save_pretrained(packed, save_compressed=True)


def unpack(packed):
    model = transformers.AutoModelForCausalLM.from_pretrained(packed, dtype=torch.float32)
    with torch.no_grad():
        model(torch.tensor([[0]]))  # the first use is what decompresses
        state = dict(model.state_dict())
        for name, layer in peer_tool.projections(model):
            # What the layer does to each input alone is its matrix.
            state[f"{name}.weight"] = layer(torch.eye(layer.in_features)).T
    return state, peer_tool.packed_bytes(packed, half=".weight_scale")


if __name__ == "__main__":
    peer_tool.main(__doc__, ["llmcompressor", "compressed-tensors", "torch", "transformers"], quantize, unpack)
