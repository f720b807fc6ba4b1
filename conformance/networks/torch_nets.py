"""The PyTorch networks: torchvision's architectures, recurrent classifiers and an encoder, whole or narrow, with seeded weights."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import torch
import torchvision.models as tv
from torch import nn


@dataclasses.dataclass
class Net:
    """A network in evaluation mode, and a batch of two rows for it."""

    name: str
    module: nn.Module
    inputs: dict[str, torch.Tensor]
    #: Whether a Relu or a max pool bends it, so that rounding moves single elements of its gradient.
    kinked: bool
    #: The module whose output attribution starts at, where the first input is of token ids.
    start: str | None = None

    @property
    def exporters(self) -> list[str]:
        """How it is written: by today's exporter, and, where that gives another graph, by the older one, which spells layer normalization
        out before operator set 17."""
        alike = ["resnet50", "efficientnet_b0", "densenet121", "vgg11_bn"]
        return ["dynamo"] if self.name in alike else ["dynamo", "torchscript-16"]


def pictures(rows: int, size: int) -> torch.Tensor:
    """Smooth random pictures with some noise."""
    coarse = torch.randn(rows, 3, 6, 6)
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return smooth + 0.1 * torch.randn(rows, 3, size, size)


def settle(module: nn.Module, example: torch.Tensor | None = None) -> nn.Module:
    """Gives parameters that start constant (biases, norms, scales, heads) values as training would, and norms their statistics."""
    with torch.no_grad():
        for p in module.parameters():
            if p.numel() and p.min() == p.max():
                # A layer scale starts at 1e-6, with which a block would do nothing.
                start = 1.0 if p.flatten()[0] == 1 else (0.3 if 0 < p.flatten()[0] < 0.01 else 0.0)
                p.copy_(start + 0.1 * torch.randn_like(p))
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        if norms and example is not None:
            for m in norms:
                m.momentum = None
            module.train()
            module(example)
            for m in norms:
                m.momentum = 0.1
    return module.eval()


def fold(module: nn.Module) -> nn.Module:
    """The network with each norm behind a convolution folded into that, in 32 bits, as exporters do."""
    for parent in module.modules():
        children = list(parent.named_children())
        for (conv, x), (norm, y) in zip(children, children[1:]):
            if isinstance(x, nn.Conv2d) and isinstance(y, nn.BatchNorm2d):
                setattr(parent, conv, nn.utils.fusion.fuse_conv_bn_eval(x, y))
                setattr(parent, norm, nn.Identity())
    return module


def shrink(module: nn.Module, by: int, classes: int = 10) -> nn.Module:
    """The same network with that many times fewer channels."""

    def less(n: int) -> int:
        return n if n == 3 else classes if n == 1000 else max(1, n // by)

    for parent in list(module.modules()):
        for name, m in list(parent.named_children()):
            if isinstance(m, nn.Conv2d):
                new: nn.Module = nn.Conv2d(
                    less(m.in_channels),
                    less(m.out_channels),
                    m.kernel_size,
                    m.stride,
                    m.padding,
                    m.dilation,
                    1 if m.groups == 1 else less(m.groups),
                    m.bias is not None,
                )
            elif isinstance(m, nn.BatchNorm2d):
                new = nn.BatchNorm2d(less(m.num_features), m.eps)
            elif isinstance(m, nn.Linear):
                new = nn.Linear(less(m.in_features), less(m.out_features), m.bias is not None)
            else:
                continue
            setattr(parent, name, new)
    return module


def _resnet18(narrow: bool) -> nn.Module:
    return shrink(tv.resnet18(), 32) if narrow else tv.resnet18()


def _resnet50(narrow: bool) -> nn.Module:
    if narrow:
        return shrink(tv.ResNet(tv.resnet.Bottleneck, [1, 1, 2, 1]), 32)
    return tv.resnet50()


def _mobilenet_v3(narrow: bool) -> nn.Module:
    if narrow:
        return tv.mobilenet_v3_small(width_mult=0.1, num_classes=10, reduced_tail=True)
    return tv.mobilenet_v3_large()


def _efficientnet_b0(narrow: bool) -> nn.Module:
    if not narrow:
        return tv.efficientnet_b0()
    block = tv.efficientnet.MBConvConfig
    rows = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 1), (6, 5, 1, 40, 112, 1)]
    settings = [block(*row, width_mult=0.25) for row in rows]
    return tv.EfficientNet(settings, dropout=0.2, num_classes=10, last_channel=32)


def _densenet121(narrow: bool) -> nn.Module:
    if narrow:
        return tv.DenseNet(growth_rate=4, block_config=(2, 3), num_init_features=8, bn_size=2, num_classes=10)
    return tv.densenet121()


def _vgg11_bn(narrow: bool) -> nn.Module:
    if not narrow:
        return tv.vgg11_bn()
    module = shrink(tv.vgg11_bn(), 32)
    module.avgpool = nn.AdaptiveAvgPool2d((1, 1))
    module.classifier[0] = nn.Linear(16, 32)
    module.classifier[3] = nn.Linear(32, 32)
    module.classifier[6] = nn.Linear(32, 10)
    return module


def _squeezenet(narrow: bool) -> nn.Module:
    return shrink(tv.squeezenet1_1(), 8) if narrow else tv.squeezenet1_1()


def _convnext_tiny(narrow: bool) -> nn.Module:
    if not narrow:
        return tv.convnext_tiny()
    block = tv.convnext.CNBlockConfig
    return tv.ConvNeXt([block(8, 16, 1), block(16, 24, 1), block(24, None, 2)], num_classes=10)


def _vit_b_16(narrow: bool) -> nn.Module:
    if not narrow:
        return tv.vit_b_16()
    return tv.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10
    )


def _swin_t(narrow: bool) -> nn.Module:
    if not narrow:
        return tv.swin_t()
    # Windows of 4 on 8 × 8 patches, so that the second block of the first stage is shifted.
    return tv.SwinTransformer(
        patch_size=[4, 4], embed_dim=12, depths=[2, 1], num_heads=[2, 4], window_size=[4, 4], num_classes=10
    )


#: name, how it is made, whether it is kinked, the narrow copy's picture size
PICTURES: list[tuple[str, Callable[[bool], nn.Module], bool, int]] = [
    ("resnet18", _resnet18, True, 32),
    ("resnet50", _resnet50, True, 32),
    ("mobilenet_v3", _mobilenet_v3, True, 32),
    ("efficientnet_b0", _efficientnet_b0, False, 32),
    ("densenet121", _densenet121, True, 32),
    ("vgg11_bn", _vgg11_bn, True, 32),
    ("convnext_tiny", _convnext_tiny, False, 32),
    ("squeezenet", _squeezenet, True, 48),
    ("vit_b_16", _vit_b_16, False, 32),
    ("swin_t", _swin_t, False, 32),
]


class LstmClassifier(nn.Module):
    """Two LSTM layers over time, and a linear layer on the last step."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, _ = self.lstm(x)
        return self.head(steps[:, -1])


class GruClassifier(nn.Module):
    """A bidirectional GRU over time, its mean over the steps, and a linear layer."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, _ = self.gru(x)
        return self.head(steps.mean(1))


class Bert(nn.Module):
    """Hugging Face's BERT for classification, with its logits as the only output."""

    def __init__(self, narrow: bool) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        own: dict[str, Any] = (
            dict(vocab_size=60, hidden_size=16, intermediate_size=32, max_position_embeddings=24)
            if narrow
            else dict(hidden_size=256, intermediate_size=1024)
        )
        layers = 2 if narrow else 4
        config = BertConfig(
            num_hidden_layers=layers, num_attention_heads=2 if narrow else 4, num_labels=3, **own
        )
        config._attn_implementation = "sdpa"
        self.bert = BertForSequenceClassification(config)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.bert(input_ids=ids, attention_mask=mask).logits


class Encoder(nn.Module):
    """Token embeddings with positions, torch's own encoder layers, the mean over the tokens, and a linear layer."""

    def __init__(self, words: int, width: int, heads: int, layers: int, longest: int, classes: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Parameter(0.1 * torch.randn(longest, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.words(ids) + self.positions[: ids.shape[1]]
        return self.head(self.layers(x).mean(1))


def _sequences(name: str, narrow: bool) -> Net:
    if name == "lstm":
        module: nn.Module = LstmClassifier(6, 12, 4) if narrow else LstmClassifier(40, 128, 10)
        x = torch.randn(2, 9 if narrow else 40, 6 if narrow else 40)
        return Net(name, module, {"x": x}, kinked=False)
    if name == "gru":
        module = GruClassifier(6, 10, 4) if narrow else GruClassifier(40, 128, 10)
        x = torch.randn(2, 9 if narrow else 40, 6 if narrow else 40)
        return Net(name, module, {"x": x}, kinked=False)
    if name == "encoder":
        module = Encoder(40, 16, 2, 2, 12, 4) if narrow else Encoder(5000, 192, 6, 4, 64, 10)
        ids = torch.randint(1, 40 if narrow else 5000, (2, 10 if narrow else 48))
        return Net(name, module, {"ids": ids}, kinked=False, start="words")
    module = Bert(narrow)
    ids = torch.randint(1, 60 if narrow else 20000, (2, 10 if narrow else 48))
    mask = torch.ones_like(ids)
    mask[0, -3:] = 0
    return Net(
        name, module, {"ids": ids, "mask": mask}, kinked=False, start="bert.bert.embeddings.word_embeddings"
    )


# So deep and bent that rounding the weights of folded norms to 32 bits moves PyTorch's own gradient or integral in 64 bits by more than the bound;
# both sides get them folded.
FOLDED = ["resnet50", "mobilenet_v3", "densenet121"]
SEQUENCES = ["lstm", "gru", "encoder", "bert"]


def names() -> list[str]:
    """All networks."""
    return [row[0] for row in PICTURES] + SEQUENCES


def build(name: str, narrow: bool) -> Net:
    """The network of that name; the same weights and inputs on every call."""
    torch.manual_seed(sum(map(ord, name)))
    for own, make, kinked, small in PICTURES:
        if own == name:
            size = small if narrow else 224
            module = settle(make(narrow), pictures(8 if narrow else 4, size))
            if name in FOLDED and not narrow:
                module = fold(module)
            return Net(name, module, {"x": pictures(2, size)}, kinked)
    net = _sequences(name, narrow)
    settle(net.module)
    return net


def export(net: Net, path: str, exporter: str) -> None:
    """Writes the network: `dynamo`, or `torchscript-N` for the older exporter and operator set N."""
    names = list(net.inputs)
    args = tuple(net.inputs.values())
    if exporter == "dynamo":
        batch = torch.export.Dim("batch")
        torch.onnx.export(
            net.module,
            args,
            path,
            dynamo=True,
            input_names=names,
            output_names=["y"],
            dynamic_shapes=tuple({0: batch} for _ in args),
            external_data=False,
            verbose=False,
        )
        return
    torch.onnx.export(
        net.module,
        args,
        path,
        dynamo=False,
        opset_version=int(exporter.removeprefix("torchscript-")),
        input_names=names,
        output_names=["y"],
        dynamic_axes={n: {0: "batch"} for n in [*names, "y"]},
    )
