"""Holds the package against attributions that Captum computed in float64.

A part of the cases lies beside this file. All of them run where the project's shared folder is at hand.
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


def cases(root):
    return list(_cases(root))


def _cases(root):
    for folder in sorted(root.glob("*/*/case.json")) if root.exists() else []:
        doc = json.loads(folder.read_text())
        known = doc["method"] == "Forward" or hasattr(pellucid.attr, doc["method"])
        if known and not doc["arguments"].get("limit"):
            yield pytest.param(folder.parent, id=f"{folder.parts[-3]}/{folder.parts[-2]}")


def error(folder, precision):
    doc = json.loads((folder / "case.json").read_text())
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
