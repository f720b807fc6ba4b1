"""Times Pellucid and its peers interleaved (A B A B), checks the answers, and writes results.json and RESULTS.md.

    python compare.py WORKLOAD_PROGRAM PELLUCID_COMMAND DIR [--rounds N] [WORKLOAD...]

`cargo xtask bench` calls it. Every participant is a process of its own that has its model ready and its data in memory; in each round
each is told once to explain everything. Medians are of the rounds. Results of workloads that are not asked for are kept.
"""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
THREADS = 2
MOST_SECONDS = 240.0


class Participant:
    def __init__(self, name, command):
        self.name = name
        self.seconds = []
        self.peak = 0.0
        environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS), TF_CPP_MIN_LOG_LEVEL="3")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self):
        found = self.tell("run")
        self.seconds.append(found["seconds"])
        self.peak = max(self.peak, found["peak_rss_mb"])

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def median(self):
        return statistics.median(self.seconds)


def gemm_rate():
    """The machine's rate of single-precision products, in Gflop/s on all threads: PyTorch's (oneDNN or MKL) on 2048 x 2048."""
    code = (
        "import torch, time; torch.set_num_threads(2); a = torch.randn(2048, 2048); b = torch.randn(2048, 2048); best = 9.0\n"
        "for _ in range(20):\n"
        "    t = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - t)\n"
        "print(2 * 2048**3 / best / 1e9)"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def difference(found, expected):
    """The largest difference over the largest attribution, and the relative L2 norm of the difference."""
    a, b = found.astype(np.float64).ravel(), expected.ravel()
    return float(np.abs(a - b).max() / np.abs(b).max()), float(np.linalg.norm(a - b) / np.linalg.norm(b))


def attribution(path):
    return next(iter(load_file(path).values()))


def flops_of(folder):
    """Floating-point operations of a forward pass of one row, counted from the products and convolutions of the file."""
    import onnx
    from onnx import numpy_helper, shape_inference

    model = shape_inference.infer_shapes(onnx.load(folder / "model.onnx"))
    weights = {w.name: numpy_helper.to_array(w).shape for w in model.graph.initializer}
    shapes = {
        v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]
        for v in [*model.graph.value_info, *model.graph.input, *model.graph.output]
    }
    total = 0
    for node in model.graph.node:
        shape = lambda i: weights.get(node.input[i]) or shapes.get(node.input[i], [1])
        out = shapes.get(node.output[0], [1])
        if node.op_type == "Conv":
            total += 2 * np.prod(out) * np.prod(shape(1)[1:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += 2 * np.prod(out) * shape(0)[-1]
        elif node.op_type == "LSTM":
            steps, batch = shape(0)[0], 1
            total += 2 * steps * batch * (np.prod(shape(1)) + np.prod(shape(2)))
    return float(total)


def workload(name, root, program, rounds):
    folder = root / name
    facts = json.loads((folder / "workload.json").read_text())
    listed = subprocess.run([sys.executable, HERE / "peers.py", "list", name], capture_output=True, text=True, check=True)
    peers = listed.stdout.split("\n")[:-1]
    people = [Participant("Pellucid", [program, folder, "--threads", str(THREADS)])]
    people += [Participant(p, [sys.executable, HERE / "peers.py", "serve", name, p]) for p in peers]
    expected = attribution(folder / "expected.safetensors")
    errors = {}
    for person in people:
        if person.name in ("Pellucid", "PyTorch"):
            path = folder / f"{person.name}.safetensors"
            person.tell(f"save {path}")
            errors[person.name] = difference(attribution(path), expected)
    wide = Participant("Pellucid in float64", [program, folder, "--threads", str(THREADS), "--float64"])
    path = folder / "wide.safetensors"
    wide.tell(f"save {path}")
    wide.end()
    errors["Pellucid in float64"] = difference(attribution(path), expected)
    start = time.monotonic()
    for n in range(rounds):
        for person in people:
            # A peer that takes long has three measurements, and stops then.
            if n < 3 or person.median() * (n + 1) < MOST_SECONDS / len(people):
                person.run()
        if n >= 2 and time.monotonic() - start > MOST_SECONDS:
            break
    for person in people:
        person.end()
    points = facts["rows"] * facts["n_steps"]
    return {
        "what": facts["what"],
        "points": points,
        "seconds": {p.name: [p.median(), min(p.seconds), max(p.seconds), len(p.seconds)] for p in people},
        "peak_mb": {p.name: p.peak for p in people},
        "errors": errors,
        "gflop": 2 * points * flops_of(folder) / 1e9,
    }


# A process starts with the high-water mark of the one that it was made from, so commands are started by a small one.
LAUNCHER = """
import json, os, subprocess, sys, time
for line in sys.stdin:
    start = time.perf_counter()
    process = subprocess.Popen(json.loads(line), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = status
    print(json.dumps([seconds, status, usage.ru_maxrss * 1024 / 1e6, process.stderr.read().decode()]), flush=True)
"""


def whole(command, rounds=7):
    """Medians of a whole process: seconds and peak memory in MB."""
    launcher = subprocess.Popen([sys.executable, "-S", "-c", LAUNCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    measured, peaks = [], []
    for _ in range(rounds):
        launcher.stdin.write(json.dumps([str(c) for c in command]) + "\n")
        launcher.stdin.flush()
        seconds, status, peak, said = json.loads(launcher.stdout.readline())
        if status:
            raise SystemExit(f"{command} ended with {status}: {said}")
        measured.append(seconds)
        peaks.append(peak)
    launcher.stdin.close()
    launcher.wait()
    return [statistics.median(measured), min(measured), max(measured), rounds, max(peaks)]


COLD_CAPTUM = """
import numpy as np, torch
from captum.attr import IntegratedGradients
from safetensors.torch import load_file
x = load_file('{folder}/inputs.safetensors')['x']
layers = torch.nn.Sequential(torch.nn.Linear(4, 10), torch.nn.ReLU(), torch.nn.Linear(10, 3), torch.nn.Softmax(dim=1))
IntegratedGradients(layers).attribute(x, target=0, n_steps=1000)
"""


def table_files(root, pellucid):
    """The bank example's network, and its table's 17 columns as 1,000 and 1,000,000 rows, the same ones repeated, in Parquet."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    example = HERE.parent / "examples/01-bank"
    folder = root / "raw-bank"
    model = next(folder.glob("**/model.onnx"), None)
    if model is None:
        subprocess.run([pellucid, "run", example / "recipe.toml", "--out", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        model = next(folder.glob("**/model.onnx"))
    table = csv.read_csv(example / "bank.csv", parse_options=csv.ParseOptions(delimiter=";"))
    paths = {}
    for rows in (1_000, 1_000_000):
        path = folder / f"rows-{rows}.parquet"
        if not path.exists():
            pq.write_table(table.take(pa.array(np.arange(rows) % len(table))), path, compression="zstd")
        paths[rows] = path
    return model, paths


def commands(root, pellucid):
    """Whole commands, from the start of the process to its end."""
    iris = root / "iris"
    np.save(iris / "x.npy", next(iter(load_file(iris / "inputs.safetensors").values())))
    shared = ["--threads", str(THREADS), "--quiet"]
    explain = lambda model, data, nodes, out: [pellucid, "explain", model, data, "--nodes", str(nodes), "--output", out, *shared]
    found = {}
    found["iris, one row × 1,000 nodes: Pellucid"] = whole(explain(iris / "model.onnx", iris / "x.npy", 1000, iris / "a.npy") + ["--target", "0"], 21)
    found["the same: Python with Captum"] = whole([sys.executable, "-c", COLD_CAPTUM.format(folder=iris)])
    model, paths = table_files(root, pellucid)
    for rows, nodes in ((1_000, 50), (1_000, 5_000), (1_000_000, 50)):
        name = f"bank's 17 raw columns, {rows:,} rows × {nodes:,} nodes, Parquet to Parquet: Pellucid"
        found[name] = whole(explain(model, paths[rows], nodes, root / "raw-bank/a.parquet"), 3 if rows > 10_000 else 9)
    return found


def duration(s):
    return f"{s:.2f} s" if s >= 1 else f"{s * 1e3:.1f} ms" if s >= 0.01 else f"{s * 1e3:.2f} ms"


def report(results):
    machine = results["machine"]
    lines = [
        "# Results",
        "",
        "Written by `cargo xtask bench`; how things are measured is in [README.md](README.md).",
        "",
        f"{machine['date']}, {machine['processor']}, {THREADS} threads, {machine['instructions']}.",
        "Versions: " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()) + ".",
        f"The machine's rate of single-precision products (PyTorch, 2048 × 2048): {machine['gemm']:.0f} Gflop/s.",
        "",
        "## Through the library, model ready and data in memory",
        "",
        "| workload | Pellucid | best peer | ratio | other peers | points/s | share of the product rate | peak memory, ours and best peer's |",
        "|---|---:|---:|---:|---|---:|---:|---:|",
    ]
    for name, r in results["workloads"].items():
        ours = r["seconds"]["Pellucid"][0]
        others = sorted(((v[0], k) for k, v in r["seconds"].items() if k != "Pellucid"))
        best, best_name = others[0]
        rest = ", ".join(f"{k} {duration(v)}" for v, k in others[1:])
        rate = r["gflop"] / ours / machine["gemm"]
        lines.append(
            f"| {name}: {r['what']} | {duration(ours)} | {duration(best)} ({best_name}) | {ours / best:.2f} | {rest} "
            f"| {r['points'] / ours:,.0f} | {rate:.0%} | {r['peak_mb']['Pellucid']:.0f} and {r['peak_mb'][best_name]:.0f} MB |"
        )
    lines += [
        "",
        "The share counts a forward and a backward pass for each point, whatever is really computed: work that is saved raises it.",
        "",
        "## The same answers",
        "",
        "Against a hand-written loop in PyTorch in float64: the largest difference over the largest attribution, and in brackets the L2 norm of the",
        "difference over that of the attributions.",
        "",
        "| workload | Pellucid, float64 | Pellucid, float32 | PyTorch, float32 |",
        "|---|---:|---:|---:|",
    ]
    for name, r in results["workloads"].items():
        cell = lambda who: "{:.1e} ({:.1e})".format(*r["errors"][who])
        lines.append(f"| {name} | {cell('Pellucid in float64')} | {cell('Pellucid')} | {cell('PyTorch')} |")
    if results.get("commands"):
        lines += ["", "## Whole commands", "", "| what | median | fastest and slowest | peak memory |", "|---|---:|---:|---:|"]
        for name, (median, low, high, runs, peak) in results["commands"].items():
            lines.append(f"| {name} | {duration(median)} of {runs} | {duration(low)}, {duration(high)} | {peak:.0f} MB |")
    return "\n".join(lines) + "\n"


def machine():
    processor = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [l.split(":")[1].strip() for l in info.read_text().splitlines() if l.startswith("model name")]
        flags = next((l for l in info.read_text().splitlines() if l.startswith("flags")), "")
        processor = names[0] if names else processor
    else:
        flags = ""
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else platform.machine()
    names = ("torch", "captum", "jax", "onnx")
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor,
        "instructions": wide,
        "versions": {"Python": platform.python_version(), **{n: importlib.metadata.version(n) for n in names}},
        "gemm": gemm_rate(),
    }


def main(arguments):
    rounds = 9
    if "--rounds" in arguments:
        at = arguments.index("--rounds")
        rounds = int(arguments[at + 1])
        del arguments[at : at + 2]
    program, pellucid, root, *names = arguments
    root = pathlib.Path(root)
    known = json.loads(subprocess.run([sys.executable, HERE / "peers.py", "names"], capture_output=True, text=True, check=True).stdout)
    unknown = [n for n in names if n not in [*known, "commands"]]
    if unknown:
        raise SystemExit(f"unknown workload {', '.join(unknown)}; there are {', '.join(known)} and commands")
    kept = HERE / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {"workloads": {}}
    results["machine"] = machine()
    for name in names or known:
        if name == "commands":
            continue
        subprocess.run([sys.executable, HERE / "peers.py", "prepare", root, name], check=True)
        print(f"{name} ...", flush=True)
        results["workloads"][name] = found = workload(name, root, program, rounds)
        for who, (median, *_) in found["seconds"].items():
            print(f"  {who}: {duration(median)}", flush=True)
    results["workloads"] = {n: results["workloads"][n] for n in known if n in results["workloads"]}
    if not names or "commands" in names:
        subprocess.run([sys.executable, HERE / "peers.py", "prepare", root, "iris", "bank"], check=True)
        results["commands"] = commands(root, pellucid)
    kept.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (HERE / "RESULTS.md").write_text(report(results))
    print(report(results))


if __name__ == "__main__":
    main(sys.argv[1:])
