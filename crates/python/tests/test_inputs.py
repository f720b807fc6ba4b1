"""Several inputs, inputs of ids, rows of different length: against the numbers of Captum that the Rust tests use."""

import json
import pathlib

import numpy as np
import pytest

import pellucid
from pellucid import attr

HERE = pathlib.Path(__file__).parent
ENCODER = HERE.parents[1] / "pellucid" / "tests" / "encoder"
WANT = {k: np.asarray(v) for k, v in json.loads((ENCODER / "captum.json").read_text()).items()}
IDS, MASK, TYPES = WANT["ids"], WANT["mask"], WANT["types"]
WORDS = "/words/Gather_output_0"


@pytest.fixture(scope="module")
def encoder():
    return pellucid.load(ENCODER / "encoder.onnx", precision="float64")


@pytest.fixture(scope="module")
def two():
    return pellucid.load(HERE / "golden" / "cases" / "two_inputs" / "model.onnx", precision="float64")


def near(found, want):
    assert found.shape == want.shape
    assert abs(found - want).max() <= 1e-6 * abs(want).max()


def test_ids_are_explained_from_their_embedding_as_captum_does(encoder):
    near(encoder(IDS, MASK, TYPES), WANT["logits"])
    args = {"target": 1, "additional_forward_args": (MASK, TYPES)}
    ig = attr.IntegratedGradients(encoder)
    near(ig.attribute(IDS, n_steps=40, **args), WANT["integrated_gradients"])
    for base, name in [(0, "pad"), (9, "other"), (np.full((1, 6), 9), "other"), (np.full((3, 6), 9.0), "other")]:
        found, delta = ig.attribute(IDS, baselines=base, n_steps=40, return_convergence_delta=True, **args)
        near(found, WANT[f"layer_integrated_gradients_{name}"])
        assert np.allclose(delta, WANT[f"delta_{name}"], atol=1e-7)
    # With a layer, the default is Captum's: the id 0.
    near(attr.LayerIntegratedGradients(encoder, WORDS).attribute(IDS, n_steps=40, **args), WANT["layer_integrated_gradients_pad"])
    near(attr.Saliency(encoder).attribute(IDS, **args), WANT["saliency"])
    near(attr.InputXGradient(encoder).attribute(IDS, **args), WANT["input_x_gradient"])
    near(attr.LayerGradientXActivation(encoder, WORDS).attribute(IDS, **args), WANT["layer_gradient_x_activation"])
    near(attr.FeatureAblation(encoder).attribute(IDS, **args), WANT["feature_ablation"])
    groups = np.array([[0, 0, 1, 1, 2, 2]])
    near(attr.FeatureAblation(encoder).attribute(IDS, feature_mask=groups, **args), WANT["feature_ablation_groups"])
    # Without a mask each feature stands alone.
    near(attr.FeatureAblation(encoder).attribute(IDS, feature_mask=(None,), **args), WANT["feature_ablation"])


def test_a_mapping_leaves_it_to_the_types_and_an_explanation_says_what_was_done(encoder):
    by_name = {"attention_mask": MASK, "token_type_ids": TYPES, "input_ids": IDS}
    near(encoder(by_name), WANT["logits"])
    found = attr.IntegratedGradients(encoder).attribute(by_name, target=1, n_steps=40)
    assert list(found) == ["input_ids"]
    near(found["input_ids"], WANT["integrated_gradients"])
    said = pellucid.explain(encoder, by_name, target=1, n_steps=40)
    assert (said.sources, said.embeddings) == (["input_ids"], ["words"])
    assert np.array_equal(said.attributions[0], found["input_ids"])
    near(said.per_token[0], WANT["integrated_gradients"].sum(-1))
    assert np.allclose(said.per_token[0].sum(1), said.output - said.baseline_output + said.convergence_delta)
    parts = {i["name"]: i["explained"] for i in said.record["inputs"]}
    assert parts == {"input_ids": True, "attention_mask": False, "token_type_ids": False}


def test_rows_of_different_length_are_lists(encoder):
    lengths = [6, 2, 4, 2]
    ids, mask, types = ([x[i % 3, :n] for i, n in enumerate(lengths)] for x in (IDS, MASK, TYPES))
    outputs = encoder(ids, mask, types)
    targets = [0, 2, 1, 1]
    explainer = attr.IntegratedGradients(encoder)
    found, delta = explainer.attribute(
        ids, baselines=0, target=targets, additional_forward_args=(mask, types), return_convergence_delta=True
    )
    said = pellucid.explain(encoder, ids, target=targets, baselines=0, additional_forward_args=(mask, types))
    each = explainer.attribute(ids, [np.zeros_like(i) for i in ids], targets, (mask, types))
    for i, n in enumerate(lengths):
        alone = [x[i][None] for x in (ids, mask, types)]
        assert np.array_equal(outputs[i], encoder(*alone)[0])
        want = explainer.attribute(alone[0], baselines=0, target=targets[i], additional_forward_args=tuple(alone[1:]))
        assert found[i].shape == (n, 8)
        assert np.array_equal(found[i], want[0]) and np.array_equal(said[i].attributions[0], want)
        assert np.array_equal(each[i], want[0])
        assert delta[i] == said[i].convergence_delta[0]


def test_inputs_have_their_own_roles_and_baselines(two):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(4, *shape)) for shape in input_shapes(two))
    target = 0
    explainer = attr.IntegratedGradients(two)
    both = explainer.attribute((a, b), target=target)
    assert isinstance(both, tuple) and [x.shape for x in both] == [a.shape, b.shape]
    first = explainer.attribute(a, target=target, additional_forward_args=b)
    same = explainer.attribute((a, b), baselines=(0.0, b), target=target)
    assert np.allclose(first, same[0], atol=1e-12) and not same[1].any()
    each, delta = explainer.attribute((a, b), baselines=(a[:1], 0.5), target=target, return_convergence_delta=True)
    assert abs(delta).max() < 1e-2 and len(each) == 2


def input_shapes(model):
    """What shapes the inputs have, from the refusal of a wrong one."""
    shapes = []
    for i in range(len(model.input_names)):
        arrays = [np.zeros((1, *s)) for s in shapes] + [np.zeros((1, 1, 1, 1, 1, 1))] * (len(model.input_names) - i)
        with pytest.raises(pellucid.PellucidError) as error:
            model(*arrays)
        text = str(error.value)
        dims = text.split("expected shape [")[1].split("]")[0].split(", ")
        shapes.append(tuple(int(d) for d in dims[1:]))
    return shapes


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda m: attr.Saliency(m).attribute((IDS, MASK, TYPES), target=1), "hold it fixed"),
        (lambda m: attr.Saliency(m).attribute(IDS, target=1), "nothing for attention_mask"),
        (lambda m: attr.Saliency(m).attribute({"ids": IDS}, target=1), "no input 'ids'"),
        (lambda m: attr.Saliency(m).attribute(IDS, 1, additional_forward_args=(MASK, TYPES, IDS)), "4 inputs in all"),
        (lambda m: m([[1, 2], [3]], [[1, 1]], [[0, 0], [0]]), "one array for each row"),
        (lambda m: m([[1, 2], [3]], [[1, 1], [1, 1]], [[0, 0], [0]]), "item 1"),
        (lambda m: attr.IntegratedGradients(m).attribute(IDS, 0.5, 1, (MASK, TYPES)), "0.5"),
        (lambda m: attr.IntegratedGradients(m).attribute(IDS, (0, 0), 1, (MASK, TYPES)), "1 are explained"),
    ],
)
def test_refusals(encoder, call, part):
    with pytest.raises((pellucid.PellucidError, ValueError)) as error:
        call(encoder)
    assert part in str(error.value)
