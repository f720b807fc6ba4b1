"""Writes narrow copies of the networks, and what they should give, for the tests that run without any framework.

    python conformance/networks/narrow.py

Each is an ONNX file in crates/pellucid/tests/networks, as its exporter writes it but for the exporter's own notes (source lines and paths of
the machine), and a .safetensors file beside it: two rows of inputs, the outputs, and for the first row the gradient, the integral and some
layers, computed in 64 bits and kept in 32.
"""

from __future__ import annotations

import json
import logging
import pathlib
import sys
import warnings
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import save_file

import compare
import torch_nets

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "crates" / "pellucid" / "tests" / "networks"

#: name, exporter, modules whose outputs (or, with :input, inputs) the file must lead to
TORCH: list[tuple[str, str, list[str]]] = [
    ("resnet18", "dynamo", ["layer2.0", "layer2.0.conv2:input", "avgpool"]),
    ("resnet50", "torchscript-16", ["layer3.1", "layer3.1.conv3:input"]),
    ("mobilenet_v3", "torchscript-13", ["features.4.block.2", "features.6"]),
    ("efficientnet_b0", "dynamo", ["features.2.0", "features.2.0.block.2:input"]),
    ("densenet121", "torchscript-16", ["features.denseblock2.denselayer2.conv2", "features.transition1.pool"]),
    ("vgg11_bn", "torchscript-13", ["features.7", "classifier.1"]),
    ("convnext_tiny", "torchscript-16", ["features.1.0.block.2", "features.3.0.block.4"]),
    ("squeezenet", "dynamo", ["features.3.expand3x3_activation", "features.5"]),
    ("vit_b_16", "dynamo", ["encoder.layers.encoder_layer_1.ln_2", "encoder.layers.encoder_layer_0.mlp"]),
    ("swin_t", "torchscript-16", ["features.1.1.norm2", "features.3.0.mlp"]),
    ("lstm", "dynamo", ["lstm", "head:input"]),
    ("gru", "torchscript-16", ["gru", "head:input"]),
    ("encoder", "torchscript-16", ["layers.layers.0.norm2", "layers.layers.1.linear2:input"]),
    ("bert", "dynamo", ["bert.bert.encoder.layer.0.attention.output.LayerNorm", "bert.bert.embeddings"]),
]

KERAS = ["keras_mlp", "keras_conv"]

#: What PyTorch's exporter notes beside a node and the tests have no use for.
NOTES = {
    "namespace",
    "pkg.torch.onnx.class_hierarchy",
    "pkg.torch.onnx.fx_node",
    "pkg.torch.onnx.stack_trace",
}


def strip(path: pathlib.Path) -> list[str]:
    """Takes the exporter's notes out of a file; gives the names of its inputs."""
    model = onnx.load(path)
    graphs = [model.graph, *model.functions]
    for holder in graphs:
        for node in holder.node:
            node.ClearField("doc_string")
            kept = [p for p in node.metadata_props if p.key not in NOTES]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
    model.graph.ClearField("doc_string")
    onnx.save(model, path)
    return [i.name for i in model.graph.input]


def save(name: str, inputs: list[np.ndarray], output: Any, found: compare.Found, layers: dict[str, Any], facts: dict[str, Any]) -> None:
    """Writes what a network should give."""
    single = lambda x: np.ascontiguousarray(x, dtype=np.float32)  # noqa: E731
    tensors = {f"input.{i}": np.ascontiguousarray(x) for i, x in enumerate(inputs)}
    tensors |= {"output": single(output), "gradient": single(found.gradient), "integrated": single(found.integrated)}
    tensors |= {f"layer.{path}": single(x) for path, x in layers.items()}
    save_file(tensors, FOLDER / f"{name}.safetensors", {"facts": json.dumps(facts)})


def of_torch(name: str, exporter: str, paths: list[str]) -> None:
    """A PyTorch network."""
    import torch

    net = torch_nets.build(name, narrow=True)
    file = FOLDER / f"{name}.onnx"
    torch_nets.export(net, str(file), exporter)
    strip(file)
    inputs = list(net.inputs.values())
    one = [x[:1] for x in inputs]
    target = int(net.module(*one).argmax())
    found = compare.under_torch(net, one, target, "float64")
    module = net.module.to(torch.float64)
    layers: dict[str, Any] = {}
    for path in paths:
        part = module.get_submodule(path.removesuffix(":input"))

        def keep(_: Any, given: Any, made: Any, path: str = path) -> None:
            value = given[0] if path.endswith(":input") else made
            layers[path] = (value[0] if isinstance(value, tuple) else value).detach().numpy().copy()

        part.register_forward_hook(keep)
    wide = lambda x: x.to(torch.float64) if x.is_floating_point() else x  # noqa: E731
    module(*(wide(x) for x in one))
    output = module(*(wide(x) for x in inputs)).detach().numpy()
    layers = {path: value[:1] for path, value in layers.items()}
    facts = {"exporter": f"torch {torch.__version__.split('+')[0]} {exporter}", "target": target, "kinked": net.kinked}
    save(name, [x.numpy() for x in inputs], output, found, layers, facts)


def of_keras(name: str) -> None:
    """A Keras network."""
    import keras

    from keras_nets import Net

    net = Net(name, narrow=True)
    file = FOLDER / f"{name}.onnx"
    net.export(str(file))
    strip(file)
    target = int(net.model(net.x[:1]).numpy().argmax())
    found = net.reference(net.x[:1], target, "float64")
    output = net.reference(net.x, target, "float64").output
    facts = {"exporter": f"keras {keras.__version__} tf2onnx", "target": target, "kinked": net.kinked}
    save(name, [net.x], output, found, {}, facts)


def main() -> None:
    """Writes all, or those that are named."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    for name, exporter, paths in TORCH:
        if not wanted or name in wanted:
            of_torch(name, exporter, paths)
    for name in KERAS:
        if not wanted or name in wanted:
            of_keras(name)
    print(f"{sum(f.stat().st_size for f in FOLDER.iterdir()):,} bytes in {FOLDER}")


if __name__ == "__main__":
    main()
