"""From Captum's forms of inputs, baselines and masks to those of the native half."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Bound", "bind", "listed", "names_inputs", "rows_of"]


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def names_inputs(value: Any) -> bool:
    """Whether a value gives inputs by name: a mapping, or a data frame."""
    return isinstance(value, Mapping) or _is_frame(value)


def _columns(names: list[str], frame: Any) -> dict[str, Any]:
    """A data frame's columns, each as the input of its name; for a model with one input that no column names, all side by side."""
    if len(names) == 1 and names[0] not in frame.columns:
        return {names[0]: frame.to_numpy()}
    missing = [n for n in names if n not in frame.columns]
    if missing:
        raise ValueError(f"the data frame has no column {missing[0]!r}; the model has {len(names)} inputs: {', '.join(names)}")
    return {n: frame[n].to_numpy().reshape(-1, 1) for n in names}


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value)


def _array(value: Any) -> np.ndarray:
    """An array of elements that the native half takes: of objects, texts, a missing one empty, or else numbers; halves as singles."""
    array = np.asarray(value, order="C")
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind != "O":
        return array
    cells = array.ravel().tolist()
    if not all(isinstance(c, str) or _is_missing(c) for c in cells):
        return np.array([np.nan if _is_missing(c) else c for c in cells], np.float64).reshape(array.shape)
    return np.array(["" if _is_missing(c) else c for c in cells], object).reshape(array.shape)


def rows_of(value: Any) -> list[np.ndarray]:
    """The rows of a list, or of an array, each as a batch of one."""
    return [np.ascontiguousarray(np.asarray(row)[None]) for row in value]


def listed(parts: list[Any]) -> list[list[np.ndarray]]:
    """Items of one row from inputs of which one or more are lists of rows."""
    columns = [rows_of(p) for p in parts]
    counts = {len(c) for c in columns}
    if len(counts) > 1:
        raise ValueError(f"inputs of {sorted(counts)} rows; a list holds one array for each row")
    if counts == {0}:
        raise ValueError("the list holds no rows")
    return [list(item) for item in zip(*columns)]


class Bound:
    """Inputs in the model's order, in items of rows of one shape, with what is said of each."""

    def __init__(self, names: list[str], parts: dict[str, Any], roles: dict[str, str]) -> None:
        missing = [n for n in names if n not in parts]
        unknown = [n for n in parts if n not in names]
        if missing or unknown:
            what = f"no input {unknown[0]!r}" if unknown else f"nothing for {', '.join(missing)}"
            raise ValueError(f"{what}; the model has {len(names)} inputs: {', '.join(names)}")
        self.names = names
        self.roles = roles
        self.ragged = any(isinstance(p, list) for p in parts.values())
        ordered = [parts[n] for n in names]
        if self.ragged:
            self.items = listed(ordered)
        else:
            self.items = [[_array(p) for p in ordered]]

    @property
    def rows(self) -> int:
        """The number of rows of all items."""
        return sum(item[0].shape[0] if item and item[0].ndim else 0 for item in self.items)

    def _by_name(self, values: Any, what: str) -> dict[str, Any]:
        if isinstance(values, Mapping):
            unknown = [n for n in values if n not in self.names]
            if unknown:
                raise ValueError(f"{what} for an input {unknown[0]!r}; the model has {', '.join(self.names)}")
            return dict(values)
        parts = _tuple(values)
        names = [n for n in self.names if self.roles.get(n) != "fixed"]
        if len(parts) == 1 and not isinstance(parts[0], list) and np.ndim(parts[0]) == 0:
            parts = parts * len(names)
        if len(parts) != len(names):
            raise ValueError(f"{what} for {len(parts)} inputs, {len(names)} are explained")
        return dict(zip(names, parts))

    def baselines(self, values: Any) -> tuple[dict[str, Any], list[list[np.ndarray]] | None]:
        """What the specification says of each input's baseline, and those that come with the rows."""
        said: dict[str, Any] = {}
        coming: dict[str, list[np.ndarray]] = {}
        for name, value in self._by_name(values, "baselines").items():
            if value is None:
                continue
            place = self.names.index(name)
            inputs = [item[place] for item in self.items]
            if isinstance(value, str):
                said[name] = {"text": value}
            elif isinstance(value, list) and self.ragged:
                if len(value) != len(inputs):
                    raise ValueError(f"{len(value)} baselines for {len(inputs)} rows")
                coming[name] = [self._fitting(b[None], x) for b, x in zip(map(np.asarray, value), inputs)]
            else:
                array = np.asarray(value)
                if array.ndim == 0:
                    said[name] = {"scalar": float(array)}
                    continue
                coming[name] = [self._fitting(array, x) for x in inputs]
                if array.shape[0] == 1 and not self.ragged and array.dtype.kind in "iufb":
                    row = coming.pop(name)[0][:1]
                    said[name] = {"row": row.astype(np.float64).reshape(-1).tolist()}
        if not coming:
            return said, None
        for name in coming:
            said[name] = "each"
        unused = np.zeros((1,), np.float32)
        given = [[coming[n][i] if n in coming else unused for n in self.names] for i in range(len(self.items))]
        return said, given

    @staticmethod
    def _fitting(array: np.ndarray, x: np.ndarray) -> np.ndarray:
        if array.shape[1:] != x.shape[1:]:
            raise ValueError(f"a baseline has shape {array.shape}, the input {x.shape}")
        if array.shape[0] not in (1, x.shape[0]):
            raise ValueError(f"a baseline has {array.shape[0]} rows, the input {x.shape[0]}; expected 1 or as many")
        if x.dtype.kind in "iub" and array.dtype.kind == "f" and np.array_equal(array, np.round(array)):
            array = array.astype(x.dtype)
        return np.ascontiguousarray(np.broadcast_to(array, x.shape))

    def masks(self, values: Any) -> list[list[np.ndarray]] | None:
        """The feature masks of all inputs. The features of one without a mask each stand alone; those held fixed are not looked at."""
        if values is None:
            return None
        given = {n: m for n, m in self._by_name(values, "feature masks").items() if m is not None}
        numbers = [np.max(m) for g in given.values() for m in (g if isinstance(g, list) else [g]) if np.size(m)]
        found = []
        for i, item in enumerate(self.items):
            one = []
            first = 1 + max((int(n) for n in numbers), default=-1)
            for name, x in zip(self.names, item):
                if name not in given:
                    own = np.arange(first, first + math.prod(x.shape[1:]), dtype=np.int64)
                    first += own.size
                    one.append(own.reshape(1, *x.shape[1:]))
                    continue
                mask = given[name]
                mask = np.asarray(mask[i])[None] if isinstance(mask, list) and self.ragged else np.asarray(mask)
                if mask.ndim != x.ndim:
                    mask = mask[None]
                shape = (mask.shape[0], *x.shape[1:])
                one.append(np.ascontiguousarray(np.broadcast_to(mask, shape), dtype=np.int64))
            found.append(one)
        return found


def bind(model: Any, inputs: Any, additional: Any = None) -> Bound:
    """Puts inputs in the model's order.

    A mapping, or a data frame by its columns, names its inputs, whose types then decide which are explained. Otherwise ``inputs``, an
    array or a tuple of them, are the model's first inputs, all explained, and ``additional`` the next ones, held fixed.
    """
    names = model.input_names
    if _is_frame(inputs):
        inputs = _columns(names, inputs)
    parts: dict[str, Any] = {}
    roles: dict[str, str] = {}
    if isinstance(inputs, Mapping):
        parts.update(inputs)
    else:
        given = _tuple(inputs)
        if len(given) > len(names):
            raise ValueError(f"{len(given)} inputs; the model has {len(names)} inputs: {', '.join(names)}")
        parts.update(zip(names, given))
        roles.update((n, "explained") for n in parts)
    if isinstance(additional, Mapping):
        more = dict(additional)
    else:
        rest = [n for n in names if n not in parts]
        given = () if additional is None else _tuple(additional)
        if len(given) > len(rest):
            total = len(parts) + len(given)
            raise ValueError(f"{total} inputs in all; the model has {len(names)} inputs: {', '.join(names)}")
        more = dict(zip(rest, given))
    parts.update(more)
    roles.update((n, "fixed") for n in more)
    return Bound(names, parts, roles)
