"""Attribution for trained networks, natively from ONNX.

    import pellucid

    model = pellucid.load("model.onnx")
    attributions, delta = pellucid.attr.IntegratedGradients(model).attribute(
        x, target=3, return_convergence_delta=True)

Arrays are numpy's, their first axis the rows. Names and defaults are Captum's.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import attr
from ._inputs import bind, names_inputs
from ._native import VERSION as __version__
from ._native import Model as _Model
from ._native import PellucidError

__all__ = ["Explanation", "Model", "PellucidError", "attr", "explain", "load", "__version__"]


class Model:
    """A trained network. Called with arrays, it gives its output, or a tuple of its outputs."""

    def __init__(self, native: _Model) -> None:
        self._native = native

    def __call__(self, *inputs: Any) -> Any:
        """The output for rows. Inputs come in order, or by name in one mapping or data frame. For lists of rows, a list of what each
        row gives."""
        one = len(inputs) == 1 and names_inputs(inputs[0])
        bound = bind(self, inputs[0] if one else inputs)
        if bound.ragged:
            found = [[a[0] for a in item] for item in self._native.run_ragged(bound.items)]
            return [f[0] if len(f) == 1 else tuple(f) for f in found]
        found = self._native.run(bound.items[0])
        return found[0] if len(found) == 1 else tuple(found)

    @property
    def precision(self) -> str:
        """The precision of the computation, ``float32`` or ``float64``."""
        return self._native.precision

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return self._native.input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._native.output_names

    @property
    def metadata(self) -> dict[str, str]:
        """Key and value pairs of the file."""
        return self._native.metadata

    def __repr__(self) -> str:
        return f"Model({', '.join(self.input_names)} -> {', '.join(self.output_names)}, {self.precision})"


def load(
    path: str | os.PathLike[str], precision: str = "float32", threads: int = 0, tile: int | None = None
) -> Model:
    """Reads an ONNX model.

    ``precision`` is ``"float32"`` or ``"float64"``; ``threads`` is how many threads compute, 0 for all cores; ``tile`` is how many rows or
    points run together, as many as fit the caches where it is None, and 1 for a model whose rows mix. Results do not depend on either.
    Raises ``PellucidError`` for what is not a model.
    """
    return Model(_Model.load(os.fspath(path), precision, threads, tile))


@dataclass(frozen=True)
class Explanation:
    """Attributions with what is needed to trust and repeat them. Lists have an entry for each source."""

    sources: list[str]
    """The explained inputs, or the layer."""
    embeddings: list[str | None]
    """For an input of ids, the layer at whose output attribution started."""
    attributions: list[np.ndarray]
    """[rows, ...]."""
    per_token: list[np.ndarray]
    """The same with an embedding's elements added up to one number for each id."""
    output: np.ndarray
    """The target's value for each row."""
    baseline_output: np.ndarray | None
    """Its value at the baseline, where the method has one."""
    convergence_delta: np.ndarray | None
    """The sum of the attributions minus the difference of outputs, where the method promises that."""
    record: dict[str, Any]
    """What was asked for and computed: the specification, what part each input played, versions and hashes."""


def explain(
    model: Model,
    inputs: Any,
    method: str = "integrated_gradients",
    target: Any = None,
    baselines: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Any = None,
    layer: str | None = None,
    **arguments: Any,
) -> Explanation | list[Explanation]:
    """Explains rows by a method's name (``pellucid methods`` lists them) with its arguments.

    ``inputs`` and the others are as in :mod:`pellucid.attr`; a mapping by name leaves it to the inputs' types which are explained. For rows
    of different length, a list with an explanation for each.
    """
    bound = bind(model, inputs, additional_forward_args)
    spec, given = attr.specification(bound, {"name": method, **arguments}, target, baselines, layer)
    found = attr.explained(model, bound, spec, given, feature_mask, 3)
    all_of_it = [_explanation(f) for f in found]
    return all_of_it if bound.ragged else all_of_it[0]


def _explanation(found: dict[str, Any]) -> Explanation:
    def first(lists: Any) -> np.ndarray | None:
        return None if lists is None or not lists else np.asarray(lists[0])

    return Explanation(
        sources=found["sources"],
        embeddings=found["embeddings"],
        attributions=[a[:, 0] for a in found["attributions"]],
        per_token=[a[:, 0] for a in found["per_token"]],
        output=first(found["output"]),
        baseline_output=first(found["baseline_output"]),
        convergence_delta=first(found["convergence_delta"]),
        record=json.loads(found["record"]),
    )
