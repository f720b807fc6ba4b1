"""What the package does with arguments: forms of targets and baselines, results, refusals."""

import pathlib
import warnings

import numpy as np
import pytest

import pellucid
from pellucid import attr
from pellucid._inputs import _array

CRATES = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parent / "golden" / "cases"


@pytest.fixture(scope="module")
def classes():
    return pellucid.load(GOLDEN / "multilayer" / "model.onnx", precision="float64")


@pytest.fixture(scope="module")
def bank():
    return pellucid.load(GOLDEN / "bank" / "model.onnx")


ROWS = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.parametrize(
    "target",
    [1, np.int64(1), (1,), [1, 1, 1, 1], [(1,)] * 4, np.array([1, 1, 1, 1]), np.array(1), np.array([1])],
    ids=repr,
)
def test_targets_that_mean_the_same(classes, target):
    want = attr.Saliency(classes).attribute(ROWS, target=1)
    assert np.array_equal(attr.Saliency(classes).attribute(ROWS, target=target), want)


def test_predicted_is_the_largest(classes):
    predicted = classes(ROWS).argmax(1)
    want = attr.IntegratedGradients(classes).attribute(ROWS, target=predicted.tolist())
    assert np.array_equal(attr.IntegratedGradients(classes).attribute(ROWS, target="predicted"), want)


@pytest.mark.parametrize("baseline", [0.5, np.full((1, 3), 0.5), np.full((4, 3), 0.5)], ids=["scalar", "row", "each"])
def test_baselines_that_mean_the_same(classes, baseline):
    explainer = attr.IntegratedGradients(classes)
    want = explainer.attribute(ROWS, baselines=np.full((4, 3), 0.5), target=0)
    assert np.allclose(explainer.attribute(ROWS, baselines=baseline, target=0), want, atol=1e-14)


def test_dtype_and_shape_follow_the_model(classes, bank):
    x = np.zeros((2, 51), np.float32)
    found, delta = attr.IntegratedGradients(bank).attribute(x, return_convergence_delta=True)
    assert found.dtype == np.float32 and found.shape == x.shape and delta.shape == (2,)
    assert attr.LayerActivation(classes, "linear_1").attribute(ROWS).shape == (4, 4)
    assert isinstance(attr.Saliency(classes).attribute((ROWS,), target=0), tuple)


def test_rows_not_contiguous_or_of_other_types(bank):
    x = np.arange(102, dtype=np.int64).reshape(51, 2).T
    same = np.ascontiguousarray(x, dtype=np.float32)
    assert np.array_equal(attr.Saliency(bank).attribute(x), attr.Saliency(bank).attribute(same))


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda m: attr.Saliency(m).attribute(ROWS, target=7), "shape [2]"),
        (lambda m: attr.Saliency(m).attribute(ROWS), "2 elements"),
        (lambda m: attr.Saliency(m).attribute(ROWS[:, :2], target=0), "expected shape [batch, 3], found [4, 2]"),
        (lambda m: attr.Saliency(m).attribute(ROWS, target=[0, 1]), "2 targets for 4 rows"),
        (lambda m: attr.Saliency(m).attribute(ROWS, target=1.5), "1.5"),
        (lambda m: attr.IntegratedGradients(m).attribute(ROWS, baselines=np.zeros((1, 2)), target=0), "(1, 2)"),
        (lambda m: attr.IntegratedGradients(m).attribute(ROWS, baselines=np.zeros((3, 3)), target=0), "expected 1 or as many"),
        (lambda m: attr.IntegratedGradients(m).attribute(ROWS, target=0, method="simpson"), "simpson"),
        (lambda m: attr.IntegratedGradients(m).attribute(ROWS, target=0, n_steps=0), "nodes"),
        (lambda m: attr.LayerConductance(m, "linear_9").attribute(ROWS, target=0), "linear_1"),
        (lambda m: attr.Saliency(m).attribute(np.array([1j]), target=0), "numpy array"),
        (lambda m: attr.Saliency(m).attribute(np.array([["a", "b", "c"]]), target=0), "string"),
    ],
)
def test_refusals_say_what_was_expected(classes, call, part):
    with pytest.raises((pellucid.PellucidError, ValueError, TypeError)) as error:
        call(classes)
    assert part in str(error.value)


def test_files_that_are_not_models(tmp_path):
    for name, content, part in [
        ("weights.pt", b"PK\x03\x04" + b"\0" * 60, "torch.onnx.export"),
        ("empty.onnx", b"", "empty"),
        ("text.onnx", b"hello, world\n", "ONNX"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(pellucid.PellucidError) as error:
            pellucid.load(path)
        assert part in str(error.value)
    with pytest.raises(pellucid.PellucidError):
        pellucid.load(tmp_path / "missing.onnx")


def test_halves_are_singles_and_a_scalar_has_no_dimensions(classes):
    halves = ROWS.astype(np.float16)
    assert np.array_equal(classes(halves), classes(halves.astype(np.float32)))
    assert _array(np.float32(2)).shape == ()


def test_a_tile_changes_no_bit(classes):
    path = GOLDEN / "multilayer" / "model.onnx"
    want = attr.IntegratedGradients(classes).attribute(ROWS, target="predicted", n_steps=7)
    for tile in (1, 3):
        other = pellucid.load(path, precision="float64", tile=tile)
        assert np.array_equal(other(ROWS), classes(ROWS))
        assert np.array_equal(attr.IntegratedGradients(other).attribute(ROWS, target="predicted", n_steps=7), want)
    with pytest.raises(pellucid.PellucidError, match="at least one"):
        pellucid.load(path, tile=0)(ROWS)


def test_a_tolerance_is_held_or_its_miss_is_told(bank):
    rows = np.random.default_rng(1).normal(size=(20, 51))
    exact = pellucid.load(GOLDEN / "bank" / "model.onnx", precision="float64")
    for method in (attr.IntegratedGradients(exact), attr.LayerIntegratedGradients(exact, "net.1")):
        _, delta = method.attribute(rows, return_convergence_delta=True)
        _, held = method.attribute(rows, return_convergence_delta=True, tolerance=np.float32(1e-6))
        found = pellucid.explain(exact, rows)
        difference = abs(found.output - found.baseline_output)
        assert (abs(held) <= 1.01e-6 * difference).all() and not (abs(delta) <= 1e-6 * difference).all()
    with pytest.warns(RuntimeWarning, match="rows miss .* tolerance, 1e-13 .* float64") as told:
        attr.IntegratedGradients(bank).attribute(rows, tolerance=1e-13)
    assert told[0].filename == __file__
    with pytest.warns(RuntimeWarning, match="rows miss") as told:
        pellucid.explain(bank, rows, tolerance=1e-13)
    assert told[0].filename == __file__


def test_a_layer_that_is_not_quite_what_its_name_says_is_told():
    """PyTorch's older exporter merges the normalization behind a convolution into it."""
    path = CRATES / "pellucid" / "tests" / "networks" / "vgg11_bn.onnx"
    model = pellucid.load(path)
    pictures = np.zeros((1, 3, 32, 32), np.float32)
    for explain in (
        lambda layer: attr.LayerActivation(model, layer).attribute(pictures),
        lambda layer: pellucid.explain(model, pictures, method="layer_activation", layer=layer),
    ):
        with pytest.warns(UserWarning, match="features.0: the exporter merged the normalization") as told:
            explain("features.0")
        assert [w.filename for w in told] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            explain("features.0:input")


def test_arguments_that_a_method_does_not_take_are_named(classes):
    for arguments, what in [
        ({"method": "layer_conductance", "layer": "linear1", "tolerance": 1e-3}, "not take tolerance; it takes quadrature, n_steps"),
        ({"method": "guided_backprop", "n_steps": 3}, "not take n_steps$"),
        ({"tolerance": 0}, "between 0 and 1"),
        ({"tolerance": "small"}, "expected f64$"),
    ]:
        with pytest.raises(pellucid.PellucidError, match=what):
            pellucid.explain(classes, ROWS, target=1, **arguments)
    with pytest.raises(ValueError, match="finite"):
        pellucid.explain(classes, ROWS, target=1, tolerance=float("nan"))
    with pytest.raises(TypeError, match="no argument"):
        pellucid.explain(classes, ROWS, target=1, n_steps=[np.zeros(3)])


def test_rows_that_are_not_finite_are_told(classes):
    rows = np.array([[0.1, 0.2, 0.3], [1.7e308, 1.7e308, -1.7e308]])
    with pytest.warns(RuntimeWarning, match="1 of 2 rows, the first is row 1"):
        attr.IntegratedGradients(classes).attribute(rows, target=1)
    with pytest.warns(RuntimeWarning, match="cannot be trusted"):
        pellucid.explain(classes, rows, target=1)
