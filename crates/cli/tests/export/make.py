"""Writes what ONNX Runtime gives for rows.csv under raw.onnx, a model that `pellucid export` wrote, into expected.csv.

    python make.py

Needs onnxruntime and numpy; the file here was made with ONNX Runtime 1.31.1.
"""

import csv
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent


def feed(session, rows):
    """A column for each input: texts as they are, numbers with NaN where one is missing, truth values as 0 and 1."""
    found = {}
    for port in session.get_inputs():
        cells = [row[port.name] for row in rows]
        if port.type == "tensor(string)":
            found[port.name] = np.array(cells, object).reshape(-1, 1)
        else:
            numbers = [{"": np.nan, "true": 1.0, "false": 0.0}.get(c, c) for c in cells]
            found[port.name] = np.array(numbers, np.float64).reshape(-1, 1)
    return found


def main():
    session = onnxruntime.InferenceSession(HERE / "raw.onnx", providers=["CPUExecutionProvider"])
    with open(HERE / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [port.name for port in session.get_outputs()]
    outputs = session.run(names, feed(session, rows))
    with open(HERE / "expected.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*(o.reshape(-1).tolist() for o in outputs)))


if __name__ == "__main__":
    main()
