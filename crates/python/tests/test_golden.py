"""Holds the package against attributions that Captum computed in float64.

A part of the cases lies beside this file. All of them run where the project's shared folder is at hand; those of methods that the package
does not have are skipped by name, a line for each method. A ``limit`` case is an integral that Captum took with 20,000 nodes: ours has
to come as near by its ``tolerance``.
"""

import json
import pathlib
import sys

import pytest
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "golden"))
import check  # noqa: E402

import pellucid  # noqa: E402

OWN = HERE / "golden" / "cases"
SHARED = HERE.parents[3] / "shared" / "golden" / "cases"


def document(folder):
    return json.loads((folder / "case.json").read_text())


def has_method(folder):
    method = document(folder)["method"]
    return method == "Forward" or hasattr(pellucid.attr, method)


def all_cases(root):
    return [path.parent for path in sorted(root.glob("*/*/case.json"))]


def cases(root):
    chosen = [f for f in all_cases(root) if has_method(f)]
    return [pytest.param(f, id=f"{f.parts[-2]}/{f.parts[-1]}") for f in chosen]


def error(folder, precision):
    doc = document(folder)
    tensors = load_file(str(folder / "tensors.safetensors"))
    model = pellucid.load(folder.parent / "model.onnx", precision=precision)
    got = check.call(pellucid, model, doc, tensors)
    worst = 0.0
    for key, want in tensors.items():
        if not key.startswith("expected."):
            continue
        key = key.removeprefix("expected.")
        if key == "convergence_delta":
            scale = max(abs(v).sum() for k, v in tensors.items() if k.startswith("expected.attr"))
            worst = max(worst, float(abs(got[key] - want).max() / max(scale, 1e-6)))
        else:
            worst = max(worst, check.error(got[key], want, doc["statistical"])[0])
    return worst, doc["tolerance"]


@pytest.mark.parametrize("folder", cases(OWN))
def test_own_case(folder):
    worst, tolerance = error(folder, "float64")
    assert worst <= tolerance


@pytest.mark.skipif(not SHARED.exists(), reason="the shared golden cases are not at hand")
@pytest.mark.parametrize("folder", cases(SHARED))
def test_shared_case(folder):
    worst, tolerance = error(folder, "float64")
    assert worst <= tolerance


@pytest.mark.parametrize("model", sorted(p.parent for p in SHARED.glob("*/model.onnx")), ids=lambda p: p.name)
def test_shared_model_loads(model):
    assert pellucid.load(model / "model.onnx").output_names


@pytest.mark.parametrize("method", sorted({document(f)["method"] for f in all_cases(SHARED) if not has_method(f)}))
def test_method_that_is_not_there(method):
    count = sum(document(f)["method"] == method for f in all_cases(SHARED))
    pytest.skip(f"there is no {method} yet: {count} cases")


@pytest.mark.filterwarnings("ignore:.*than the tolerance:RuntimeWarning")
def test_float32_misses_are_few_and_small():
    """In float32 a Relu on its kink moves single elements; count such cases rather than loosen the bound."""
    found = {}
    for case in cases(OWN):
        worst, tolerance = error(case.values[0], "float32")
        if worst > tolerance:
            found[case.id] = worst
    for name, worst in found.items():
        print(f"float32 misses {name}: {worst:.1e}")
    assert len(found) <= 8 and all(w < 0.1 for w in found.values()), found
