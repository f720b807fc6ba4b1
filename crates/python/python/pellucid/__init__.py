"""Attribution for trained networks, natively from ONNX.

    import pellucid

    model = pellucid.load("model.onnx")
    attributions, delta = pellucid.attr.IntegratedGradients(model).attribute(
        x, target=3, return_convergence_delta=True)

Arrays are numpy's, their first axis the rows. Names and defaults are Captum's.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import attr
from ._native import VERSION as __version__
from ._native import Model as _Model
from ._native import PellucidError

__all__ = ["Model", "PellucidError", "attr", "load", "__version__"]


class Model:
    """A trained network. Called with arrays, it gives its output, or a tuple of its outputs."""

    def __init__(self, native: _Model) -> None:
        self._native = native

    def __call__(self, *inputs: Any) -> Any:
        found = self._native.run([np.ascontiguousarray(x) for x in inputs])
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


def load(path: str | os.PathLike[str], precision: str = "float32", threads: int = 0) -> Model:
    """Reads an ONNX model.

    ``precision`` is ``"float32"`` or ``"float64"``; ``threads`` is how many threads compute, 0 for all cores (results do not depend on
    it). Raises ``PellucidError`` for what is not a model.
    """
    return Model(_Model.load(os.fspath(path), precision, threads))
