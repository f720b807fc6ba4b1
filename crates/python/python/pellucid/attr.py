"""Attribution methods under Captum's names and with its arguments.

Each class takes a model from :func:`pellucid.load` (layer methods also a layer: a tensor's name, a node's or a module path), and has one
method, ``attribute``. Inputs, baselines, masks and results are numpy arrays, tuples of them where several inputs are explained. Attributions
have the shape of what they belong to. Inputs of the model behind ``inputs``, such as a mask, are ``additional_forward_args``: held as they are.

Inputs of ids are explained from the output of their embedding on, which is found in the graph: attributions have shape [rows, tokens, dims],
and ``.sum(-1)`` gives one number for each token. Baselines are ids, such as that of the padding; by default the zero vector stands in place
of each embedding. (Methods that Captum gives ids, ``FeatureAblation`` and those of layers, take the id 0 by default, as it does.)
:func:`pellucid.explain` says which embedding was found.

Rows of different length are a list with an array for each row; the result is a list then. A mapping gives inputs by name, a data frame
by its columns; which of them are explained then follows from their types, and the result is a mapping.

Where Captum's definition has a slip, the true one is computed: the weights of ``riemann_trapezoid`` sum to one.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from ._inputs import Bound, bind, names_inputs

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


def _plain(value: Any) -> Any:
    """What numpy calls a number as one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of {type(value).__name__} is no argument of a method")


def specification(
    bound: Bound,
    method: dict[str, Any],
    target: Any = None,
    baselines: Any = None,
    layer: str | None = None,
    default: Any = "zero",
) -> tuple[str, list[list[np.ndarray]] | None]:
    """The specification in JSON, and the baselines that come with the rows."""
    said, given = ({}, None) if baselines is None else bound.baselines(baselines)
    inputs: dict[str, dict[str, Any]] = {name: {"role": role} for name, role in bound.roles.items()}
    for name, baseline in said.items():
        inputs.setdefault(name, {})["baseline"] = baseline
    spec: dict[str, Any] = {
        "method": method,
        "targets": [_target(target, bound.rows)],
        "baseline": default,
        "inputs": inputs,
    }
    if layer is not None:
        spec["layer"] = layer
    try:
        return json.dumps(spec, default=_plain, allow_nan=False), given
    except ValueError:
        raise ValueError(f"the arguments of {method['name']} and baselines by number are finite numbers") from None


def explained(
    model: Any, bound: Bound, spec: str, given: list[list[np.ndarray]] | None, feature_mask: Any, depth: int
) -> list[dict[str, Any]]:
    """What the native half finds, with a warning where rows have attributions that are not finite numbers or do not reach a tolerance, and
    where a layer is not quite what its name says."""
    found = model._native.explain(spec, bound.items, given, bound.masks(feature_mask))
    note = model._native.note_of(json.loads(spec).get("layer"))
    if note is not None:
        warnings.warn(note, UserWarning, stacklevel=depth)
    rows = [np.zeros(len(f["attributions"][0]), bool) for f in found]
    for f, bad in zip(found, rows):
        for a in f["attributions"]:
            bad |= ~np.isfinite(a).all(axis=tuple(range(1, a.ndim)))
    bad = np.concatenate(rows) if rows else np.zeros(0, bool)
    if bad.any():
        warnings.warn(
            f"{bad.sum()} of {len(bad)} rows, the first is row {bad.argmax()}, cannot be trusted: the model's output, or its gradient on "
            "the way from the baseline, is not a finite number there",
            RuntimeWarning,
            stacklevel=depth,
        )
    tolerance = json.loads(spec)["method"].get("tolerance")
    if tolerance is not None:
        share = np.concatenate([_missed(f) for f in found]) if found else np.zeros(0)
        beyond = share > tolerance
        if beyond.any():
            advice = "; float64 brings that down, unless the model jumps" if model.precision == "float32" else ""
            warnings.warn(
                f"{beyond.sum()} of {len(beyond)} rows miss F(inputs) − F(baselines) by more than the tolerance, {tolerance} of it, the "
                f"worst is row {share.argmax()} with {share.max():.1e}" + advice,
                RuntimeWarning,
                stacklevel=depth,
            )
    return found


def _missed(found: dict[str, Any]) -> np.ndarray:
    """For each row the largest |delta| of its targets, as a share of the difference that is explained."""
    delta = np.abs(np.asarray(found["convergence_delta"], np.float64))
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.asarray(found["output"], np.float64) - np.asarray(found["baseline_output"], np.float64))
    # Where one of them is no number, nothing is reached.
    delta = np.where(np.isfinite(delta) & np.isfinite(difference), delta, np.inf)
    difference = np.where(np.isfinite(difference), difference, 0.0)
    share = np.divide(delta, difference, out=np.where(delta > 0, np.inf, 0.0), where=difference > 0)
    return share.max(axis=0)


class _Attribution:
    """What all methods share: the way from arguments to a specification and back to arrays."""

    _method = ""
    _default: Any = "zero"
    # Attributes of the object that are arguments of the method.
    _options: tuple[str, ...] = ()

    def __init__(self, model: Any) -> None:
        self.model = model
        self._layer: str | None = None

    def _run(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        additional: Any = None,
        feature_mask: Any = None,
        arguments: dict[str, Any] | None = None,
        delta: bool = False,
    ) -> Any:
        bound = bind(self.model, inputs, additional)
        method = {"name": self._method, **{o: getattr(self, o) for o in self._options}, **(arguments or {})}
        spec, given = specification(bound, method, target, baselines, self._layer, self._default)
        found = explained(self.model, bound, spec, given, feature_mask, 4)
        result = self._result(inputs, bound, found)
        if delta:
            return result, np.concatenate([f["convergence_delta"][0] for f in found])
        return result

    def _result(self, inputs: Any, bound: Bound, found: list[dict[str, Any]]) -> Any:
        sources = found[0]["sources"] if found else []
        if bound.ragged:
            parts = [[f["attributions"][s][0, 0] for f in found] for s in range(len(sources))]
        else:
            parts = [a[:, 0] for a in found[0]["attributions"]]
        if self._layer is not None:
            return parts[0]
        if names_inputs(inputs):
            by_name: dict[str, Any] = {}
            for name, part in zip(sources, parts):
                by_name[name] = (*by_name[name], part) if name in by_name else (part,)
            return {name: p[0] if len(p) == 1 else p for name, p in by_name.items()}
        return tuple(parts) if isinstance(inputs, tuple) or len(parts) > 1 else parts[0]


class _LayerAttribution(_Attribution):
    _default = {"scalar": 0.0}

    def __init__(self, model: Any, layer: str) -> None:
        super().__init__(model)
        self._layer = layer


class _GradientAttribution(_Attribution):
    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> Any:
        """Attributions of the shape of ``inputs``, or of the layer. One forward and one backward pass."""
        return self._run(inputs, target, additional=additional_forward_args)


class _PathAttribution(_Attribution):
    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions of the shape of ``inputs``, or of the layer; with ``return_convergence_delta`` also, for each row, their sum minus
        F(inputs) − F(baselines). Memory does not grow with ``n_steps``, so there is no batch size to set."""
        arguments = {"quadrature": method, "n_steps": n_steps}
        return self._run(
            inputs, target, baselines, additional_forward_args, arguments=arguments, delta=return_convergence_delta
        )


class _TolerantAttribution(_PathAttribution):
    _options = ("multiply_by_inputs",)

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        return_convergence_delta: bool = False,
        tolerance: float | None = None,
    ) -> Any:
        """Attributions of the shape of ``inputs``, or of the layer; with ``return_convergence_delta`` also, for each row, their sum minus
        F(inputs) − F(baselines). Memory does not grow with ``n_steps``, so there is no batch size to set.

        With a ``tolerance``, nodes are set row by row, about ``n_steps`` of them at first and 65,536 at most, until that sum is within this share of
        F(inputs) − F(baselines); a warning says so where it does not get there."""
        arguments = {"quadrature": method, "n_steps": n_steps, "tolerance": tolerance}
        return self._run(
            inputs, target, baselines, additional_forward_args, arguments=arguments, delta=return_convergence_delta
        )


class Saliency(_Attribution):
    """The gradient of the target, or its magnitude (Simonyan et al. 2014)."""

    _method = "saliency"

    def attribute(
        self, inputs: Any, target: Any = None, abs: bool = True, additional_forward_args: Any = None
    ) -> Any:
        """Attributions of the shape of ``inputs``. One forward and one backward pass."""
        return self._run(inputs, target, additional=additional_forward_args, arguments={"absolute": abs})


class InputXGradient(_GradientAttribution):
    """Input × gradient (Shrikumar et al. 2017)."""

    _method = "input_x_gradient"


class GuidedBackprop(_GradientAttribution):
    """Guided backpropagation (Springenberg et al. 2015), through every Relu of the graph."""

    _method = "guided_backprop"


class IntegratedGradients(_TolerantAttribution):
    """Integrated Gradients (Sundararajan et al. 2017)."""

    _method = "integrated_gradients"

    def __init__(self, model: Any, multiply_by_inputs: bool = True) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs


class DeepLift(_Attribution):
    """DeepLIFT with the rescale rule (Shrikumar et al. 2017).

    ``max_pool="captum"`` gives Captum 0.9's numbers, which pass the plain derivative through a max pool directly behind an activation and do
    not add up there; ``"difference"`` adds up.
    """

    _method = "deep_lift"
    _options = ("multiply_by_inputs", "eps", "max_pool")

    def __init__(
        self, model: Any, multiply_by_inputs: bool = True, eps: float = 1e-10, max_pool: str = "captum"
    ) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs
        self.eps = eps
        self.max_pool = max_pool

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions of the shape of ``inputs``. They sum to F(inputs) − F(baselines), but for what ``max_pool`` says."""
        return self._run(inputs, target, baselines, additional_forward_args, delta=return_convergence_delta)


class FeatureAblation(_Attribution):
    """What replacing features, or groups of them, by the baseline changes."""

    _method = "feature_ablation"
    _default = {"scalar": 0.0}

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Any = None,
    ) -> Any:
        """Attributions of the shape of ``inputs``, also of ids. ``feature_mask`` gives features with the same number a common difference,
        across inputs too."""
        return self._run(inputs, target, baselines, additional_forward_args, feature_mask)


class LayerActivation(_LayerAttribution):
    """A layer's values."""

    _method = "layer_activation"

    def attribute(self, inputs: Any, additional_forward_args: Any = None) -> Any:
        """The values, of the layer's shape."""
        return self._run(inputs, additional=additional_forward_args)


class LayerGradientXActivation(_LayerAttribution, _GradientAttribution):
    """A layer's values times the gradient with respect to them."""

    _method = "layer_gradient_x_activation"
    _options = ("multiply_by_inputs",)

    def __init__(self, model: Any, layer: str, multiply_by_inputs: bool = True) -> None:
        super().__init__(model, layer)
        self.multiply_by_inputs = multiply_by_inputs


class LayerConductance(_LayerAttribution, _PathAttribution):
    """Conductance of a layer's neurons (Dhamdhere et al. 2019)."""

    _method = "layer_conductance"


class LayerIntegratedGradients(_LayerAttribution, _TolerantAttribution):
    """Integrated Gradients along the line between a layer's values."""

    _method = "layer_integrated_gradients"

    def __init__(self, model: Any, layer: str, multiply_by_inputs: bool = True) -> None:
        super().__init__(model, layer)
        self.multiply_by_inputs = multiply_by_inputs
