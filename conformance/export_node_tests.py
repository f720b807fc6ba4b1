"""Writes the test cases that the ONNX project keeps for its operators into a folder.

    python conformance/export_node_tests.py FOLDER

Each case becomes a folder in ONNX's own layout: `model.onnx`, `data.json` with the tolerances, and the inputs and
outputs as tensors, `test_data_set_0/input_0.pb` and so on. Needs the `onnx` package, of the version named in README.md.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests


def main(folder: Path) -> None:
    with warnings.catch_warnings():
        # Cases that overflow or divide by zero do so on purpose.
        warnings.simplefilter("ignore", RuntimeWarning)
        cases = load_model_tests(kind="node")
    skipped = 0
    for case in cases:
        target = folder / case.name
        target.mkdir(parents=True, exist_ok=True)
        (target / "model.onnx").write_bytes(case.model.SerializeToString())
        (target / "data.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))
        for number, (inputs, outputs) in enumerate(case.data_sets):
            arrays = [(kind, i, a) for kind, given in (("input", inputs), ("output", outputs)) for i, a in enumerate(given)]
            # Sequences, optional values and maps are not tensors, and no operator here takes them.
            if not all(isinstance(a, (np.ndarray, np.generic, TensorProto)) for _, _, a in arrays):
                skipped += 1
                continue
            data = target / f"test_data_set_{number}"
            data.mkdir(exist_ok=True)
            for kind, i, array in arrays:
                tensor = array if isinstance(array, TensorProto) else numpy_helper.from_array(np.asarray(array))
                (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())
    print(f"{len(cases)} cases in {folder}, {skipped} of them without data, which are not tensors")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
