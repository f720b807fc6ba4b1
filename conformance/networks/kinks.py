"""Whether a network's error in 32 bits comes from its kinks alone: our gradients in 32 bits, at an input and at the points of its integral, beside
those of PyTorch in 64 bits that take, at every Relu and max pool, the side that ours took there."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

import compare


class Sides(TorchFunctionMode):
    """Relus that let through where given values are positive, and max pools that take the element that is largest among given values."""

    def __init__(self, relus: list[torch.Tensor], pooled: list[torch.Tensor]) -> None:
        super().__init__()
        self.relus, self.pooled = iter(relus), iter(pooled)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in (functional.relu, torch.relu, torch.relu_):
            ours = next(self.relus)
            if ours.shape != args[0].shape:
                raise ValueError(f"a Relu of {tuple(args[0].shape)} in the module, of {tuple(ours.shape)} in the file")
            return args[0] * (ours > 0).to(args[0].dtype)
        if function in (functional.max_pool2d, torch.max_pool2d):
            kwargs = {k: v for k, v in kwargs.items() if k != "return_indices"}
            found, places = functional.max_pool2d_with_indices(next(self.pooled), *args[1:], **kwargs)
            return args[0].flatten(2).gather(2, places.flatten(2)).view(found.shape)
        return function(*args, **kwargs)


def distances(path: str, net: Any, inputs: list[torch.Tensor], target: int) -> list[float]:
    """The L2 norm of the difference over that of PyTorch's, of the gradient, and of the sum of gradients that is the integral from zero. The Relus
    and max pools of the file are those of the module, in the same order."""
    import pellucid
    from pellucid import attr

    model = pellucid.load(path)
    nodes = onnx.load(path, load_external_data=False).graph.node
    relus = [n.output[0] for n in nodes if n.op_type == "Relu"]
    pooled = [n.input[0] for n in nodes if n.op_type == "MaxPool"]
    module = copy.deepcopy(net.module).double()
    rest = [x.numpy() for x in inputs[1:]]

    def ours(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = (point.astype(np.float32), *rest)
        return model(*given), attr.Saliency(model).attribute(given, target=target, abs=False)[0]

    def wanted(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = (point.astype(np.float32), *rest)
        values = [
            [torch.from_numpy(attr.LayerActivation(model, name).attribute(given)) for name in names]
            for names in (relus, pooled)
        ]
        leaf = torch.from_numpy(given[0]).double().requires_grad_(True)
        with Sides(*values) as mode:
            output = module(leaf, *inputs[1:])
            if next(mode.relus, None) is not None or next(mode.pooled, None) is not None:
                raise ValueError("the file has more Relus or max pools than the module")
        (gradient,) = torch.autograd.grad(output[0, target], leaf)
        return output.detach().numpy(), gradient.numpy()

    x = inputs[0].double().numpy()
    got, want = compare.along(ours, x), compare.along(wanted, x)
    return [
        compare.distance(got.gradient, want.gradient),
        compare.distance(got.integrated, want.integrated),
    ]
