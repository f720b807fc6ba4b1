"""Models with an input for each column of a table, texts among them, against ONNX Runtime."""

import pathlib

import numpy as np
import onnxruntime
import pytest

import pellucid
from pellucid import attr

CRATES = pathlib.Path(__file__).parents[2]
MODELS = CRATES / "graph" / "tests" / "data" / "sklearn"
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
    with pytest.raises(pellucid.PellucidError, match=r'input "age", row 2, element \[0\] is NaN'):
        attr.IntegratedGradients(model).attribute(COLUMNS, target=1)
    numbers = {n: c[:2] for n, c in COLUMNS.items()}
    found = attr.IntegratedGradients(model).attribute(numbers, target=1)
    assert list(found) == ["age", "balance"] and found["age"].shape == (2, 1)
    assert all(np.isfinite(a).all() and (a != 0).all() for a in found.values())
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


def test_an_exported_pipeline_scores_raw_rows_as_onnx_runtime_does():
    """``bank-raw.onnx`` is what ``pellucid export`` writes for ``bank.onnx``, which the command's own tests hold."""
    pandas = pytest.importorskip("pandas")
    path = CRATES / "cli" / "tests" / "export" / "bank-raw.onnx"
    frame = pandas.read_csv(CRATES.parent / "examples" / "01-bank" / "bank.csv", sep=";", keep_default_na=False).drop(columns="y")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    texts = {port.name for port in session.get_inputs() if port.type == "tensor(string)"}
    columns = {n: frame[n].to_numpy(object if n in texts else np.float64).reshape(-1, 1) for n in frame.columns}
    want = session.run(None, columns)
    found = pellucid.load(path)(frame)
    assert len(frame) == 4521 and len(found) == len(want) == 2
    assert np.abs(found[0] - want[0]).max() < 1e-5 and np.abs(found[1] - want[1]).max() < 1e-6
    assert np.ptp(want[0]) > 10


def test_codes_beyond_32_bit_floats_are_told_apart_as_onnx_runtime_does():
    """``codes.onnx`` is written by the command's own tests; every second code here is unknown to it."""
    path = CRATES / "cli" / "tests" / "export" / "codes.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    codes = np.array([[16777216], [16777217], [16777218], [16777219], [8999999999999999], [8999999999999998], [-3], [-4]])
    columns = {"code": codes, "x": np.full((8, 1), 1.0)}
    want = session.run(None, columns)[0]
    found = pellucid.load(path)(columns)[0]
    assert found.shape == want.shape and np.abs(found - want).max() < 1e-6
    assert len(np.unique(want[1::2])) == 1 and len(np.unique(want[::2])) == 4 and want[1] not in want[::2]
