"""Models with an input for each column of a table, texts among them, against ONNX Runtime."""

import pathlib

import numpy as np
import onnxruntime
import pytest

import pellucid
from pellucid import attr

MODELS = pathlib.Path(__file__).parents[2] / "graph" / "tests" / "data" / "sklearn"
COLUMNS = {
    "age": np.array([[31.0], [64.0], [np.nan]], np.float32),
    "balance": np.array([[100.0], [-50.0], [2000.0]], np.float32),
    "job": np.array([["student"], ["retired"], ["astronaut"]], object),
    "contact": np.array([["cellular"], ["telephone"], ["cellular"]], object),
}


@pytest.fixture(scope="module")
def model():
    return pellucid.load(MODELS / "columns-mlp.onnx", precision="float64")


def test_outputs_are_those_of_onnx_runtime(model):
    session = onnxruntime.InferenceSession(MODELS / "columns-mlp.onnx", providers=["CPUExecutionProvider"])
    labels, scores = model(COLUMNS)
    want_labels, want = session.run(None, COLUMNS)
    assert labels.dtype == object and labels.tolist() == want_labels.tolist()
    assert np.abs(scores - want).max() < 1e-5
    again = model({n: c.astype(str) if c.dtype == object else c for n, c in COLUMNS.items()})
    assert np.array_equal(again[1], scores)


def test_texts_are_held_fixed_or_ablated(model):
    found = attr.IntegratedGradients(model).attribute(COLUMNS, target=1)
    assert list(found) == ["age", "balance"] and found["age"].shape == (3, 1)
    ablated = attr.FeatureAblation(model).attribute(COLUMNS, {"age": 40.0, "balance": 0.0, "job": "admin", "contact": "cellular"}, target=1)
    assert list(ablated) == list(COLUMNS)
    replaced = {**COLUMNS, "job": np.array([["admin"]] * 3, object)}
    difference = model(COLUMNS)[1][:, 1] - model(replaced)[1][:, 1]
    assert np.allclose(ablated["job"][:, 0], difference, atol=1e-12) and np.abs(difference).max() > 0


def test_a_data_frame_is_read_by_its_columns(model):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({n: c[:, 0] for n, c in COLUMNS.items()})
    assert np.array_equal(model(frame[frame.columns[::-1]])[1], model(COLUMNS)[1])
    with pytest.raises(ValueError, match="no column 'job'"):
        model(frame.drop(columns="job"))
    frame.loc[1, "contact"] = None
    empty = {**COLUMNS, "contact": np.array([["cellular"], [""], ["cellular"]], object)}
    assert np.array_equal(model(frame)[1], model(empty)[1])
