"""What a net does, read off while it runs: shapes, parameters and multiply-adds of every layer.

Taught in *LeNet* (chapters/imagenet/lenet.ipynb).
"""

import math
from types import SimpleNamespace

import torch
from torch import nn


def record(model: nn.Module, X: torch.Tensor) -> dict[str, SimpleNamespace]:
    """Run `model` on `X`; by the name of each layer, in running order: its `.module`, `.input` and `.output`."""
    seen, handles = {}, []
    for name, module in model.named_modules():
        if not list(module.children()):  # a layer, not a container of layers

            def hook(module, inputs, output, name=name):
                X, h = inputs[0].detach(), output.detach()
                seen[name] = SimpleNamespace(module=module, input=X, output=h)

            handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        model(X)
    for handle in handles:
        handle.remove()
    return seen


def layer_table(model: nn.Module, X: torch.Tensor) -> list[SimpleNamespace]:
    """One row a layer: `.name`, `.kind`, `.shape` (of one image's output), `.parameters`, `.multiply_adds`.

    Multiply-adds are those of weights, for one image, as papers count them: biases, pooling and activations are left
    out.
    """
    rows = []
    for name, layer in record(model, X).items():
        shape = tuple(layer.output.shape[1:])
        parameters = sum(p.numel() for p in layer.module.parameters())
        weight = getattr(layer.module, "weight", None)
        work = 0 if weight is None else weight.numel() * math.prod(shape[1:])
        row = {"name": name, "kind": type(layer.module).__name__, "shape": shape}
        row |= {"parameters": parameters, "multiply_adds": work}
        rows.append(SimpleNamespace(**row))
    return rows
