"""bitsandbytes through transformers, in the protocol of peer_tool.py. Options: kind (nf4, fp4 or int8), double_quantization.

Nothing here reads a text. Of LLM.int8() the weights alone are measured: in use it also rounds the activations to 8 bits.
"""

import bitsandbytes
import peer_tool
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def quantize(float_folder, windows, packed, kind, double_quantization=False):
    if kind == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["lm_head"])
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules=["lm_head"])
    model = AutoModelForCausalLM.from_pretrained(float_folder, quantization_config=config, dtype=torch.float32, device_map="cpu")
    model.save_pretrained(packed)


def unpack(packed):
    model = AutoModelForCausalLM.from_pretrained(packed, dtype=torch.float32, device_map="cpu")
    state = dict(model.state_dict())
    for name, layer in peer_tool.projections(model):
        weight = layer.weight
        if isinstance(weight, bitsandbytes.nn.Int8Params):
            codes = weight.CB if weight.CB is not None else weight.data
            scales = weight.SCB if weight.SCB is not None else layer.state.SCB
            state[f"{name}.weight"] = codes.float() * scales.float()[:, None] / 127
        else:
            state[f"{name}.weight"] = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state)
    return state, peer_tool.packed_bytes(packed)


if __name__ == "__main__":
    peer_tool.main(__doc__, ["bitsandbytes", "torch", "transformers"], quantize, unpack)
