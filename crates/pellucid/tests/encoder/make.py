"""Writes encoder.onnx, a small BERT-like classifier with seeded weights, and captum.json: Captum's numbers for it, in float64.

    python make.py

Needs torch, onnx and captum. The layer of the layer methods is the word embedding, as in Captum's tutorial on BERT; the methods of
inputs take the words' vectors as their input.
"""

import json
import pathlib

import torch
from captum.attr import (
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    Saliency,
)

HERE = pathlib.Path(__file__).parent
VOCABULARY, DIMS, HEADS, POSITIONS, CLASSES = 30, 8, 2, 12, 3


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (torch.nn.Linear(DIMS, DIMS) for _ in range(4))
        self.norm1, self.norm2 = torch.nn.LayerNorm(DIMS), torch.nn.LayerNorm(DIMS)
        self.up, self.down = torch.nn.Linear(DIMS, 2 * DIMS), torch.nn.Linear(2 * DIMS, DIMS)

    def forward(self, x, bias):
        b, t, d = x.shape
        q, k, v = (f(x).reshape(b, t, HEADS, d // HEADS).transpose(1, 2) for f in (self.query, self.key, self.value))
        weights = torch.softmax(q @ k.transpose(2, 3) / (d // HEADS) ** 0.5 + bias, -1)
        x = self.norm1(x + self.out((weights @ v).transpose(1, 2).reshape(b, t, d)))
        return self.norm2(x + self.down(torch.nn.functional.gelu(self.up(x))))


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(VOCABULARY, DIMS)
        self.positions = torch.nn.Embedding(POSITIONS, DIMS)
        self.types = torch.nn.Embedding(2, DIMS)
        self.norm = torch.nn.LayerNorm(DIMS)
        self.block = Block()
        self.head = torch.nn.Linear(DIMS, CLASSES)

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.behind(self.words(input_ids), attention_mask, token_type_ids)

    def behind(self, words, attention_mask, token_type_ids):
        x = self.norm(words + self.positions(torch.arange(words.shape[1])) + self.types(token_type_ids))
        bias = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -1e4
        return self.head(torch.tanh(self.block(x, bias)[:, 0]))


def main():
    torch.manual_seed(7)
    model = Encoder().eval()
    ids = torch.tensor([[2, 5, 17, 29, 8, 3], [2, 11, 4, 3, 0, 0], [2, 25, 25, 6, 3, 0]])
    mask = (ids != 0).long()
    types = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}}
    torch.onnx.export(
        model,
        (ids, mask, types),
        str(HERE / "encoder.onnx"),
        input_names=names,
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    model = model.double()
    args = (mask, types)
    found = {"ids": ids.tolist(), "mask": mask.tolist(), "types": types.tolist(), "logits": model(ids, *args).tolist()}
    lig = LayerIntegratedGradients(model, model.words)
    for name, base in [("pad", torch.zeros_like(ids)), ("other", torch.full_like(ids, 9))]:
        values, delta = lig.attribute(
            ids, baselines=base, target=1, additional_forward_args=args, n_steps=40, return_convergence_delta=True
        )
        found[f"layer_integrated_gradients_{name}"] = values.tolist()
        found[f"delta_{name}"] = delta.tolist()
    found["layer_gradient_x_activation"] = (
        LayerGradientXActivation(model, model.words).attribute(ids, target=1, additional_forward_args=args).tolist()
    )
    vectors = model.words(ids).detach()
    for name, method in [
        ("integrated_gradients", IntegratedGradients(model.behind)),
        ("saliency", Saliency(model.behind)),
        ("input_x_gradient", InputXGradient(model.behind)),
    ]:
        more = {"n_steps": 40} if name == "integrated_gradients" else {}
        found[name] = method.attribute(vectors, target=1, additional_forward_args=args, **more).tolist()
    ablation = FeatureAblation(lambda i, *rest: model(i, *rest))
    found["feature_ablation"] = ablation.attribute(ids, baselines=0, target=1, additional_forward_args=args).tolist()
    groups = torch.tensor([[0, 0, 1, 1, 2, 2]])
    found["feature_ablation_groups"] = ablation.attribute(
        ids, baselines=0, target=1, additional_forward_args=args, feature_mask=groups
    ).tolist()
    (HERE / "captum.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
