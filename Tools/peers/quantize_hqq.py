"""HQQ, as its authors' package does it, in the protocol of peer_tool.py. Options: bits, group_size.

HQQ reads no text. Scales and zero points are kept in 16 bits, along rows (`axis=1`), as the package's fast kernels need.
"""

import peer_tool
import torch
from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
from hqq.models.hf.base import AutoHQQHFModel


def quantize(float_folder, windows, packed, bits, group_size):
    model = peer_tool.load_float(float_folder)
    AutoHQQHFModel.quantize_model(
        model, BaseQuantizeConfig(nbits=bits, group_size=group_size, axis=1), compute_dtype=torch.float16, device="cpu")
    AutoHQQHFModel.save_quantized(model, str(packed))


def unpack(packed):
    model = AutoHQQHFModel.from_quantized(str(packed), compute_dtype=torch.float16, device="cpu")
    state, size = dict(model.state_dict()), 0
    for name, layer in peer_tool.projections(model):
        assert isinstance(layer, HQQLinear), name
        size += sum(tensor.nbytes for tensor in (layer.W_q, layer.meta["scale"], layer.meta["zero"]))
        # In float32: the package's own arithmetic in 16 bits is not what is compared.
        layer.meta.update({key: layer.meta[key].float() for key in ("scale", "zero")}, compute_dtype=torch.float32)
        layer.compute_dtype = torch.float32
        state[f"{name}.weight"] = layer.dequantize()
    return state, size


if __name__ == "__main__":
    peer_tool.main(__doc__, ["hqq", "torch", "transformers"], quantize, unpack)
