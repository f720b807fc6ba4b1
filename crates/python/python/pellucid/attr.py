"""Attribution methods under Captum's names and with its arguments.

Each class takes a model from :func:`pellucid.load` (layer methods also a layer: a tensor's name, a node's or a module path), and has one
method, ``attribute``. Inputs, baselines, masks and results are numpy arrays, tuples of them where the model has several inputs. Attributions
have the shape of what they belong to.

Where Captum's definition has a slip, the true one is computed: the weights of ``riemann_trapezoid`` sum to one.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

__all__ = [
    "DeepLift",
    "FeatureAblation",
    "GuidedBackprop",
    "InputXGradient",
    "IntegratedGradients",
    "LayerActivation",
    "LayerConductance",
    "LayerGradientXActivation",
    "LayerIntegratedGradients",
    "Saliency",
]


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _index(target: Any) -> list[int]:
    parts = target if isinstance(target, tuple) else (target,)
    if not all(_integer(p) for p in parts):
        raise TypeError(f"a target is an integer, or a tuple of them, for each row; found {target!r}")
    return [int(p) for p in parts]


def _target(target: Any, rows: int) -> Any:
    """Captum's forms of a target as the specification writes them."""
    if target is None:
        return "output"
    if isinstance(target, str):
        return target.replace("-", "_")
    if isinstance(target, np.ndarray):
        if target.ndim > 1:
            raise TypeError(f"a target array has one dimension, found {target.ndim}")
        target = int(target.reshape(-1)[0]) if target.size == 1 else target.tolist()
    if _integer(target) or isinstance(target, tuple):
        return {"index": _index(target)}
    if isinstance(target, list):
        if len(target) != rows:
            raise ValueError(f"{len(target)} targets for {rows} rows")
        return {"per_row": [_index(t) for t in target]}
    raise TypeError(f"a target is None, an integer, a tuple, a list of either for each row, or a name; found {target!r}")


class _Attribution:
    """What all methods share: the way from arguments to a specification and back to arrays."""

    _method = ""
    _many = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self._layer: str | None = None

    def _baseline(self, baselines: Any, inputs: list[np.ndarray]) -> tuple[Any, list[np.ndarray] | None]:
        if baselines is None:
            return "zero", None
        parts = _tuple(baselines)
        if len(parts) == 1 and np.ndim(parts[0]) == 0 and len(inputs) > 1:
            parts = parts * len(inputs)
        if len(parts) != len(inputs):
            raise ValueError(f"baselines for {len(parts)} inputs, the model has {len(inputs)}")
        if all(np.ndim(p) == 0 for p in parts) and len({float(p) for p in parts}) == 1:
            return {"scalar": float(parts[0])}, None
        arrays = []
        for part, x in zip(parts, inputs):
            array = np.asarray(part)
            if array.ndim and array.shape[1:] != x.shape[1:]:
                raise ValueError(f"a baseline has shape {array.shape}, the input {x.shape}")
            arrays.append(array)
        if all(a.ndim == 0 or a.shape[0] == 1 for a in arrays):
            rows = [np.broadcast_to(a, (1, *x.shape[1:])).astype(np.float64).reshape(-1).tolist() for a, x in zip(arrays, inputs)]
            return {"row": rows}, None
        for a, x in zip(arrays, inputs):
            if a.ndim and a.shape[0] not in (1, x.shape[0]):
                raise ValueError(f"a baseline has {a.shape[0]} rows, the input {x.shape[0]}; expected 1 or as many")
        return "each", [np.ascontiguousarray(np.broadcast_to(a, x.shape), dtype=x.dtype) for a, x in zip(arrays, inputs)]

    def _run(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        feature_mask: Any = None,
        arguments: dict[str, Any] | None = None,
        delta: bool = False,
    ) -> Any:
        arrays = [np.ascontiguousarray(x) for x in _tuple(inputs)]
        rows = arrays[0].shape[0] if arrays and arrays[0].ndim else 0
        baseline, given = self._baseline(baselines, arrays)
        spec: dict[str, Any] = {
            "method": {"name": self._method, **(arguments or {})},
            "targets": [_target(target, rows)],
            "baseline": baseline,
        }
        if self._layer is not None:
            spec["layer"] = self._layer
        masks = None
        if feature_mask is not None:
            masks = [np.ascontiguousarray(m, dtype=np.int64) for m in _tuple(feature_mask)]
        found = self.model._native.explain(json.dumps(spec), arrays, given, masks)
        attributions = [a[:, 0] for a in found["attributions"]]
        many = isinstance(inputs, (tuple, list)) and self._layer is None
        result = tuple(attributions) if many else attributions[0]
        if delta:
            return result, np.asarray(found["convergence_delta"][0])
        return result


class _LayerAttribution(_Attribution):
    def __init__(self, model: Any, layer: str) -> None:
        super().__init__(model)
        self._layer = layer


class Saliency(_Attribution):
    """The gradient of the target, or its magnitude (Simonyan et al. 2014)."""

    _method = "saliency"

    def attribute(self, inputs: Any, target: Any = None, abs: bool = True) -> Any:
        """Attributions of the shape of ``inputs``. One forward and one backward pass."""
        return self._run(inputs, target, arguments={"absolute": abs})


class InputXGradient(_Attribution):
    """Input × gradient (Shrikumar et al. 2017)."""

    _method = "input_x_gradient"

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        """Attributions of the shape of ``inputs``. One forward and one backward pass."""
        return self._run(inputs, target)


class GuidedBackprop(_Attribution):
    """Guided backpropagation (Springenberg et al. 2015), through every Relu of the graph."""

    _method = "guided_backprop"

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        """Attributions of the shape of ``inputs``. One forward and one backward pass."""
        return self._run(inputs, target)


class IntegratedGradients(_Attribution):
    """Integrated Gradients (Sundararajan et al. 2017)."""

    _method = "integrated_gradients"

    def __init__(self, model: Any, multiply_by_inputs: bool = True) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions of the shape of ``inputs``; with ``return_convergence_delta`` also, for each row, their sum minus
        F(inputs) − F(baselines). Memory does not grow with ``n_steps``, so there is no batch size to set."""
        arguments = {"quadrature": method, "n_steps": n_steps, "multiply_by_inputs": self.multiply_by_inputs}
        return self._run(inputs, target, baselines, arguments=arguments, delta=return_convergence_delta)


class DeepLift(_Attribution):
    """DeepLIFT with the rescale rule (Shrikumar et al. 2017).

    ``max_pool="captum"`` gives Captum 0.9's numbers, which pass the plain derivative through a max pool directly behind an activation and do
    not add up there; ``"difference"`` adds up.
    """

    _method = "deep_lift"

    def __init__(
        self, model: Any, multiply_by_inputs: bool = True, eps: float = 1e-10, max_pool: str = "captum"
    ) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs
        self.eps = eps
        self.max_pool = max_pool

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, return_convergence_delta: bool = False
    ) -> Any:
        """Attributions of the shape of ``inputs``. They sum to F(inputs) − F(baselines), but for what ``max_pool`` says."""
        arguments = {"multiply_by_inputs": self.multiply_by_inputs, "eps": self.eps, "max_pool": self.max_pool}
        return self._run(inputs, target, baselines, arguments=arguments, delta=return_convergence_delta)


class FeatureAblation(_Attribution):
    """What replacing features, or groups of them, by the baseline changes."""

    _method = "feature_ablation"

    def attribute(self, inputs: Any, baselines: Any = None, target: Any = None, feature_mask: Any = None) -> Any:
        """Attributions of the shape of ``inputs``. ``feature_mask`` gives features with the same number a common difference."""
        return self._run(inputs, target, baselines, feature_mask)


class LayerActivation(_LayerAttribution):
    """A layer's values."""

    _method = "layer_activation"

    def attribute(self, inputs: Any) -> Any:
        """The values, of the layer's shape."""
        return self._run(inputs)


class LayerGradientXActivation(_LayerAttribution):
    """A layer's values times the gradient with respect to them."""

    _method = "layer_gradient_x_activation"

    def __init__(self, model: Any, layer: str, multiply_by_inputs: bool = True) -> None:
        super().__init__(model, layer)
        self.multiply_by_inputs = multiply_by_inputs

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        """Attributions of the layer's shape."""
        return self._run(inputs, target, arguments={"multiply_by_inputs": self.multiply_by_inputs})


class LayerConductance(_LayerAttribution):
    """Conductance of a layer's neurons (Dhamdhere et al. 2019)."""

    _method = "layer_conductance"

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions of the layer's shape."""
        arguments = {"quadrature": method, "n_steps": n_steps}
        return self._run(inputs, target, baselines, arguments=arguments, delta=return_convergence_delta)


class LayerIntegratedGradients(_LayerAttribution):
    """Integrated Gradients along the line between a layer's values."""

    _method = "layer_integrated_gradients"

    def __init__(self, model: Any, layer: str, multiply_by_inputs: bool = True) -> None:
        super().__init__(model, layer)
        self.multiply_by_inputs = multiply_by_inputs

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions of the layer's shape."""
        arguments = {"quadrature": method, "n_steps": n_steps, "multiply_by_inputs": self.multiply_by_inputs}
        return self._run(inputs, target, baselines, arguments=arguments, delta=return_convergence_delta)
