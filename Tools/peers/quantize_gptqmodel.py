"""GPTQModel, in the protocol of peer_tool.py. Options: bits, group_size.

Asymmetric groups; the package's defaults in everything else.
"""

import os

# Version 7.6 asks for two workers to load with, and on a processor of two cores gives itself one, which it then refuses.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import peer_tool
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig


def quantize(float_folder, windows, packed, bits, group_size):
    config = QuantizeConfig(bits=bits, group_size=group_size, sym=False, device="cpu")
    model = GPTQModel.load(str(float_folder), config, dtype="float32")
    model.quantize([{"input_ids": window, "attention_mask": [1] * len(window)} for window in windows], batch_size=1)
    model.save(str(packed))


def unpack(packed):
    model = GPTQModel.load(str(packed), backend=BACKEND.TORCH, device="cpu").model
    state = dict(model.state_dict())
    for name, layer in peer_tool.projections(model):
        state[f"{name}.weight"] = layer.dequantize_weight().T
    return state, peer_tool.packed_bytes(packed)


if __name__ == "__main__":
    peer_tool.main(__doc__, ["gptqmodel", "torch", "transformers"], quantize, unpack)
