"""Builds every network, holds Pellucid against ONNX Runtime and the framework that wrote the file, and writes docs/networks.md.

    python conformance/networks/table.py [--missing | NETWORK ...]

With names, only these are built again, and with --missing only those without a row; the other rows are those of the last runs, which lie in
target/networks.
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
import traceback
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
    "tf2onnx", "scikit-learn", "skl2onnx", "numpy",
]  # fmt: skip

HEAD = """\
<!-- Written by `cargo xtask networks`. -->

# Networks

Whole networks with seeded random weights, in files that exporters write today, under Pellucid and under the framework that wrote them.

- **forward**: our output in 32 bits against ONNX Runtime's; the largest difference over the largest element (bound {forward:.0e}).
- **gradient, IG**: the input gradient of the largest output, and Integrated Gradients from zero with {steps} nodes, against PyTorch and
  Captum, or TensorFlow, **both sides in 64 bits**; the largest difference over the largest element (bound {double:.0e}). Captum keeps its nodes in 32 bits, hence the 1e-8.
- PyTorch's exporters fold a norm into the convolution before it and round the product to 32 bits. In {folded} this alone moves
  PyTorch's own gradient or integral in 64 bits by 3e-3 to 2e-2, across kinks; these are folded before, so that file and PyTorch have the same weights.
- scikit-learn's pipeline, a ColumnTransformer over five columns of numbers and three of texts and an MLPClassifier, has no framework behind it that
  differentiates. Its output is held against ONNX Runtime and against `predict_proba` in 64 bits; gradient and IG against the classifier built anew
  in NumPy from the fitted coefficients, behind scikit-learn's own encoding: of the columns of numbers, texts held fixed, and of all columns as
  encoded, from another row as baseline. The larger difference is shown.
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


def measures(ours: compare.Found, double: compare.Found, want: compare.Found, single: compare.Found) -> dict[str, Any]:
    """How far ours are, in both precisions, from what is wanted."""
    return {
        "output": compare.largest(double.output, want.output),
        "gradient": compare.largest(double.gradient, want.gradient),
        "integrated": compare.largest(double.integrated, want.integrated),
        "gradient32": [compare.distance(f.gradient, want.gradient) for f in (ours, single)],
        "integrated32": [compare.distance(f.integrated, want.integrated) for f in (ours, single)],
    }


def row(path: str, inputs: dict[str, np.ndarray], target: int, want: Any, single: Any) -> dict[str, Any]:
    """The comparison of one file."""
    double = compare.under_pellucid(path, inputs, target, "float64")
    ours = compare.under_pellucid(path, inputs, target, "float32")
    runtime = compare.under_onnxruntime(path, inputs)
    forward = compare.largest(ours.output, runtime)
    return {**describe(path), "forward": forward, **measures(ours, double, want, single)}


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
        found = row(path, {name: x.numpy() for name, x in zip(net.inputs, one)}, target, want, single)
        found |= {"parameters": parameters, "kinked": net.kinked}
        os.remove(path)
        yield exporter, found


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
    found = row(path, {onnx.load(path).graph.input[0].name: x}, target, want, single)
    yield "tf2onnx", {**found, "parameters": net.parameters(), "kinked": net.kinked}


def of_sklearn(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row of the scikit-learn pipeline: the larger differences of two explanations, of its columns of numbers and of all, encoded."""
    import pellucid

    from sklearn_nets import Net

    net = Net()
    path = str(FOLDER / f"{name}.skl2onnx.onnx")
    net.export(path)
    ours, double = (net.under_pellucid(path, p) for p in ("float32", "float64"))
    want, single = (net.reference(p) for p in ("float64", "float32"))
    parts = [measures(ours[k], double[k], want[k], single[k]) for k in want]
    found = {key: np.max([p[key] for p in parts], axis=0).tolist() for key in parts[0]}
    rows = net.feed(net.scored)
    given = {p: pellucid.load(path, precision=p)(rows)[-1] for p in ("float32", "float64")}
    forward = [
        compare.largest(given["float32"], compare.under_onnxruntime(path, rows)),
        compare.largest(given["float64"], net.probabilities(net.scored)),
    ]
    facts = {**describe(path), "forward": max(forward), "parameters": net.parameters(), "kinked": net.kinked}
    yield "skl2onnx", {**facts, **found}


KERAS = ["keras_mlp", "keras_conv"]
SKLEARN = ["sklearn_columns"]


def all_names() -> list[str]:
    """Every network."""
    return torch_nets.names() + KERAS + SKLEARN


def of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a network."""
    return of_keras(name) if name in KERAS else of_sklearn(name) if name in SKLEARN else of_torch(name)


def misses(r: dict[str, Any]) -> list[str]:
    """What a row does not hold."""
    most = KINKED if r["kinked"] else SMOOTH
    held = [
        ("forward", r["forward"], FORWARD),
        ("output in 64 bits", r["output"], DOUBLE),
        ("gradient", r["gradient"], DOUBLE),
        ("IG", r["integrated"], DOUBLE),
        ("gradient in 32 bits", r["gradient32"][0], most),
        ("IG in 32 bits", r["integrated32"][0], most),
    ]
    return [f"{name} {value:.1e}" for name, value, most in held if not value <= most]


def page(results: dict[str, dict[str, Any]]) -> str:
    """The page of all rows."""
    bounds = dict(forward=FORWARD, double=DOUBLE, kinked=KINKED, smooth=SMOOTH)
    text = HEAD.format(**bounds, steps=compare.STEPS, folded=", ".join(torch_nets.FOLDED))
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
    missing = [name for name in all_names() if not measured(name, results)]
    if missing:
        text += f"\nNot measured yet: {', '.join(missing)}.\n"
    return f"{text}\nWith {versions()}, on {platform.machine()}.\n"


def measured(name: str, results: dict[str, dict[str, Any]]) -> bool:
    """Whether a network has a row."""
    return any(key.split(" ")[0] == name for key in results)


def main() -> int:
    """Builds what is asked for and writes the page."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    store = FOLDER / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(store.read_text()) if store.exists() else {}
    names = sys.argv[1:] or all_names()
    if names == ["--missing"]:
        names = [name for name in all_names() if not measured(name, results)]
    unknown = [name for name in names if name not in all_names()]
    if unknown:
        sys.exit(f"no network {unknown[0]!r}; there are {', '.join(all_names())}")
    wrong = 0
    for name in names:
        start = time.monotonic()
        try:
            for exporter, found in of(name):
                results[f"{name} {exporter}"] = found
                missed = misses(found)
                wrong += len(missed)
                print(f"{name} {exporter}: {', '.join(missed) or 'holds'} ({time.monotonic() - start:.0f} s)", flush=True)
                store.write_text(json.dumps(results, indent=1))
        except Exception:
            # The others can still be measured.
            traceback.print_exc()
            print(f"{name}: failed ({time.monotonic() - start:.0f} s)", flush=True)
            wrong += 1
        gc.collect()
    PAGE.write_text(page(results))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
