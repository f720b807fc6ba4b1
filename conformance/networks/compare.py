"""What a network gives under Pellucid, beside what it gives under ONNX Runtime and under the framework that wrote it."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Callable

import numpy as np

#: Nodes of the integral. Both sides take the same, so that their number plays no part in the comparison.
STEPS = 8


@dataclasses.dataclass
class Found:
    """Outputs and attributions of rows, in one precision."""

    output: np.ndarray
    gradient: np.ndarray
    integrated: np.ndarray


def largest(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference over the largest element."""
    if got.shape != want.shape:
        raise ValueError(f"shape {got.shape}, expected {want.shape}")
    return float(np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30))


def distance(got: np.ndarray, want: np.ndarray) -> float:
    """The L2 norm of the difference over that of the wanted."""
    return float(np.linalg.norm(got.astype(np.float64) - want) / max(np.linalg.norm(want), 1e-30))


def under_torch(net: Any, inputs: list[Any], target: int, precision: str) -> Found:
    """PyTorch's gradient, and Captum's integral, from the first input or from the output of the module at which attribution starts."""
    import torch
    from captum.attr import IntegratedGradients

    dtype = getattr(torch, precision)
    module = copy.deepcopy(net.module).to(dtype)
    for p in module.parameters():
        p.requires_grad_(False)
    inputs = [x.to(dtype) if x.is_floating_point() else x for x in inputs]
    if net.start is None:
        x, base, call = inputs[0], torch.zeros_like(inputs[0]), lambda x: module(x, *inputs[1:])
        size = 1 if len(inputs) == 1 else len(x)
    else:
        start = module.get_submodule(net.start)
        x = start(inputs[0])
        base = torch.zeros_like(x)
        call = _from(module, start, inputs)
        size = len(x)
    leaf = x.clone().requires_grad_(True)
    output = call(leaf)
    (gradient,) = torch.autograd.grad(output[:, target].sum(), leaf)
    integrated = IntegratedGradients(call).attribute(
        x, base, target=target, n_steps=STEPS, internal_batch_size=size
    )
    return Found(output.detach().numpy(), gradient.numpy(), integrated.detach().numpy())


def _from(module: Any, start: Any, inputs: list[Any]) -> Callable[[Any], Any]:
    """The network as a function of the output of one of its modules."""

    def call(x: Any) -> Any:
        handle = start.register_forward_hook(lambda *_: x)
        try:
            return module(*inputs)
        finally:
            handle.remove()

    return call


def along(
    call: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], x: np.ndarray, base: Any = 0.0
) -> Found:
    """Gradient, and integral from a base, of a function that gives its output and the gradient of its target."""
    output, gradient = call(x)
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    total = sum(w / 2 * call(base + (n + 1) / 2 * (x - base))[1] for n, w in zip(nodes, weights))
    return Found(output, gradient, np.asarray((x - base) * total))


def under_pellucid(path: str, inputs: dict[str, np.ndarray], target: int, precision: str) -> Found:
    """The same from the file. Attributions of ids start at the output of their embedding; masks are held fixed."""
    import pellucid
    from pellucid import attr

    model = pellucid.load(path, precision=precision)
    (gradient,) = attr.Saliency(model).attribute(inputs, target=target, abs=False).values()
    (integrated,) = attr.IntegratedGradients(model).attribute(inputs, target=target, n_steps=STEPS).values()
    return Found(model(*inputs.values()), gradient, integrated)


def under_onnxruntime(path: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The output under ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[-1]
