"""The bank recipe over several seeds, here and in PyTorch, on the same splits.

    python examples/01-bank/compare.py target/release/pellucid [--seeds 1 2 3 4 5]

Needs torch, scikit-learn and pandas. For each seed the split, the first weights, the shuffles and the dropout are drawn anew; PyTorch
then trains on the very split that was written, with its own draws. Prints a Markdown table of the test rows' ROC AUC after 20 and 120
epochs, with the notebook's leak (steps fitted on all rows), and with early stopping.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
STOPPING = 'epochs = 120\nearly_stopping = { patience = 10 }'


def ours(program, folder, seed, changes):
    """The test ROC AUC of the recipe with some of its lines changed, and where its split was written."""
    text = (HERE / "recipe.toml").read_text()
    changes = {
        "seed = 42": f"seed = {seed}",
        "seed = 34": f"seed = {seed}",
        'path = "bank.csv"': f'path = "{HERE / "bank.csv"}"',
        **changes,
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    text = text[: text.index("[[explain]]")]
    folder.mkdir()
    (folder / "recipe.toml").write_text(text)
    subprocess.run([program, "run", "recipe.toml", "--out", "out"], cwd=folder, check=True, capture_output=True)
    found = json.loads((folder / "out" / "metrics.json").read_text())["evaluations"]
    test = next(e for e in found if e["rows"] == "test")
    return test["metrics"]["binary"]["report"]["roc_auc"], folder / "out" / "split.csv"


def theirs(split, seed, epochs):
    """The test ROC AUC of the same recipe in PyTorch, at several numbers of epochs."""
    torch.manual_seed(seed)
    table = pd.read_csv(HERE / "bank.csv", sep=None, engine="python")
    y = (table.pop("y") == "yes").to_numpy().astype("float32")
    part = pd.read_csv(split).set_index("row")["split"].reindex(range(len(table))).to_numpy()
    train, test = (part == "train").nonzero()[0], (part == "test").nonzero()[0]
    numbers = table.select_dtypes("number").columns.tolist()
    categories = [c for c in table.columns if c not in numbers]
    one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    steps = ColumnTransformer([("n", StandardScaler(), numbers), ("c", one_hot, categories)]).fit(table.iloc[train])
    x, labels = torch.tensor(steps.transform(table)).float(), torch.tensor(y).view(-1, 1)
    widths, layers = [x.shape[1], 80, 30, 10, 1], []
    for i in range(4):
        layer = torch.nn.Linear(widths[i], widths[i + 1])
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer] + ([torch.nn.ReLU(), torch.nn.Dropout(0.3)] if i < 3 else [])
    network = torch.nn.Sequential(*layers)
    weight = float((y[train] == 0).sum() / y[train].sum())
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    found = {}
    for epoch in range(1, max(epochs) + 1):
        network.train()
        for batch in torch.tensor(train)[torch.randperm(len(train))].split(10):
            optimiser.zero_grad()
            loss(network(x[batch]), labels[batch]).backward()
            optimiser.step()
        if epoch in epochs:
            network.eval()
            with torch.no_grad():
                found[epoch] = float(roc_auc_score(y[test], network(x[test]).numpy()))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the pellucid command")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    given = parser.parse_args()
    program = given.program.resolve()
    torch.set_num_threads(1)
    variants = {
        "120 epochs": {},
        "20 epochs": {"epochs = 120": "epochs = 20"},
        "120 epochs, fitted on all rows": {"[split]": "[data.steps]\nfit_on_all_rows = true\n\n[split]"},
        "early stopping": {"epochs = 120": STOPPING, "test = 0.2": "test = 0.2\nvalidation = 0.1"},
    }
    rows = {name: [] for name in [*variants, "PyTorch, 120 epochs", "PyTorch, 20 epochs"]}
    with tempfile.TemporaryDirectory() as folder:
        for seed in given.seeds:
            for i, (name, changes) in enumerate(variants.items()):
                auc, split = ours(program, pathlib.Path(folder) / f"{seed}-{i}", seed, changes)
                rows[name].append(auc)
                if name == "120 epochs":
                    peer = theirs(split, seed, [20, 120])
                    rows["PyTorch, 120 epochs"].append(peer[120])
                    rows["PyTorch, 20 epochs"].append(peer[20])
    print("| |", " | ".join(f"seed {s}" for s in given.seeds), "| mean | standard deviation |")
    print("|---|" + "---|" * (len(given.seeds) + 2))
    for name, aucs in rows.items():
        cells = [f"{v:.4f}" for v in aucs]
        spread = statistics.stdev(aucs) if len(aucs) > 1 else 0.0
        print(f"| {name} |", " | ".join(cells), f"| {statistics.mean(aucs):.4f} | {spread:.4f} |")


if __name__ == "__main__":
    main()
