"""Builds every network, holds Pellucid against ONNX Runtime and the framework that wrote the file, and writes docs/networks.md.

    python conformance/networks/table.py [NETWORK ...]

With names, only these are built again; the other rows are those of the last run, which lie beside the files in target/networks.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import sys
import time
import warnings
from typing import Any, Iterator

import numpy as np

import compare
import torch_nets

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target" / "networks"
PAGE = ROOT / "docs" / "networks.md"

#: The bounds: outputs and attributions in f64 over the largest; L2 in f32, of kinked networks and of smooth ones.
FORWARD, DOUBLE, KINKED, SMOOTH = 1e-4, 1e-4, 1e-2, 1e-4

PACKAGES = [
    "torch", "torchvision", "transformers", "captum", "onnx", "onnxscript", "onnxruntime", "keras", "tensorflow-cpu",
    "tf2onnx", "numpy",
]  # fmt: skip

HEAD = """\
<!-- Written by `cargo xtask networks`. -->

# Networks

Whole networks with seeded random weights, in files that exporters write today, under Pellucid and under the framework that wrote them.

- **forward**: our output in 32 bits against ONNX Runtime's; the largest difference over the largest element (bound {forward:.0e}).
- **gradient, IG**: the input gradient of the largest output, and Integrated Gradients from zero with {steps} nodes, against PyTorch and
  Captum, or TensorFlow, **both sides in 64 bits**; the largest difference over the largest element (bound {double:.0e}). Captum keeps its nodes in 32 bits, hence the 1e-8.
- **in 32 bits**: the same in single precision, ours and the framework's own, each against the framework in 64 bits; the L2 norm of the difference
  over that of the attributions (bound {smooth:.0e}, or {kinked:.0e} for networks with a Relu or a max pool: where one stands on its kink, rounding moves
  single elements, in every framework).

"""


def versions() -> str:
    """What was compared with what."""
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{p} {importlib.metadata.version(p)}" for p in PACKAGES]
    return ", ".join(parts)


def describe(path: str) -> dict[str, Any]:
    """The operator set and the number of nodes of a file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    return {"opset": opset, "nodes": len(model.graph.node), "bytes": os.path.getsize(path)}


def row(path: str, inputs: list[np.ndarray], names: list[str], target: int, want: Any, single: Any) -> dict[str, Any]:
    """The comparison of one file."""
    double = compare.under_pellucid(path, inputs, target, "float64")
    ours = compare.under_pellucid(path, inputs, target, "float32")
    runtime = compare.under_onnxruntime(path, dict(zip(names, inputs)))
    return {
        **describe(path),
        "forward": compare.largest(ours.output, runtime),
        "output": compare.largest(double.output, want.output),
        "gradient": compare.largest(double.gradient, want.gradient),
        "integrated": compare.largest(double.integrated, want.integrated),
        "gradient32": [compare.distance(f.gradient, want.gradient) for f in (ours, single)],
        "integrated32": [compare.distance(f.integrated, want.integrated) for f in (ours, single)],
    }


def of_torch(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a PyTorch network, one for each exporter."""
    net = torch_nets.build(name, narrow=False)
    one = [x[:1] for x in net.inputs.values()]
    target = int(net.module(*one).argmax())
    want, single = (compare.under_torch(net, one, target, p) for p in ("float64", "float32"))
    parameters = sum(p.numel() for p in net.module.parameters())
    for exporter in net.exporters:
        path = str(FOLDER / f"{name}.{exporter}.onnx")
        torch_nets.export(net, path, exporter)
        found = row(path, [x.numpy() for x in one], list(net.inputs), target, want, single)
        os.remove(path)
        yield exporter, {**found, "parameters": parameters, "kinked": net.kinked}


def of_keras(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row of a Keras network."""
    import onnx

    from keras_nets import Net

    net = Net(name, narrow=False)
    path = str(FOLDER / f"{name}.tf2onnx.onnx")
    net.export(path)
    x = net.x[:1]
    target = int(net.model(x).numpy().argmax())
    want, single = (net.reference(x, target, p) for p in ("float64", "float32"))
    names = [i.name for i in onnx.load(path).graph.input]
    found = row(path, [x], names, target, want, single)
    yield "tf2onnx", {**found, "parameters": net.parameters(), "kinked": net.kinked}


KERAS = ["keras_mlp", "keras_conv"]


def all_names() -> list[str]:
    """Every network."""
    return torch_nets.names() + KERAS


def of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a network."""
    return of_keras(name) if name in KERAS else of_torch(name)


def misses(r: dict[str, Any]) -> list[str]:
    """What a row does not hold."""
    bound = KINKED if r["kinked"] else SMOOTH
    held = [
        ("forward", r["forward"], FORWARD),
        ("gradient", r["gradient"], DOUBLE),
        ("IG", r["integrated"], DOUBLE),
        ("gradient in 32 bits", r["gradient32"][0], bound),
        ("IG in 32 bits", r["integrated32"][0], bound),
    ]
    return [f"{name} {value:.1e}" for name, value, most in held if not value <= most]


def page(results: dict[str, dict[str, Any]]) -> str:
    """The page of all rows."""
    text = HEAD.format(forward=FORWARD, double=DOUBLE, kinked=KINKED, smooth=SMOOTH, steps=compare.STEPS)
    text += "| network | exporter | opset | nodes | parameters | forward | gradient | IG | gradient in 32 bits: ours | framework's | IG in 32 bits: ours | framework's |\n"
    text += "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    for name in all_names():
        for key, r in results.items():
            own, exporter = key.split(" ")
            if own != name:
                continue
            numbers = [r["forward"], r["gradient"], r["integrated"], *r["gradient32"], *r["integrated32"]]
            cells = [name, exporter, str(r["opset"]), str(r["nodes"]), f"{r['parameters']:,}"]
            cells += [f"{n:.0e}" for n in numbers]
            text += "| " + " | ".join(cells) + " |\n"
    missing = [name for name in all_names() if not any(key.split(" ")[0] == name for key in results)]
    if missing:
        text += f"\nNot measured yet: {', '.join(missing)}.\n"
    return f"{text}\nWith {versions()}, on {platform.machine()}.\n"


def main() -> int:
    """Builds what is asked for and writes the page."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    store = FOLDER / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(store.read_text()) if store.exists() else {}
    wrong = 0
    for name in sys.argv[1:] or all_names():
        start = time.monotonic()
        for exporter, found in of(name):
            results[f"{name} {exporter}"] = found
            missed = misses(found)
            wrong += len(missed)
            print(f"{name} {exporter}: {', '.join(missed) or 'holds'} ({time.monotonic() - start:.0f} s)", flush=True)
            store.write_text(json.dumps(results, indent=1))
        gc.collect()
    PAGE.write_text(page(results))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
