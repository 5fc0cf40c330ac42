"""An ONNX classifier as a PyTorch module with the same weights, and back.

Every node becomes a submodule under the node's name, so that the peers can find and replace it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn


class Add(nn.Module):
    """A residual addition."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first + second


class Sqrt(nn.Module):
    """A square root whose gradient at zero is zero, not infinite: some peers ask for gradients."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(values.clamp_min(1e-12) if torch.is_grad_enabled() else values)


class TorchNetwork(nn.Module):
    """The nodes of an ONNX graph, run in its order."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
        self.input_name = model.graph.input[0].name
        self.output_name = model.graph.output[0].name
        self.steps: list[tuple[str, list[str], str]] = []
        for node in model.graph.node:
            self.add_module(node.name, module_of(node, constants))
            read = [name for name in node.input if name not in constants]
            self.steps.append((node.name, read, node.output[0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = {self.input_name: images}
        for name, read, written in self.steps:
            values[written] = getattr(self, name)(*(values[tensor] for tensor in read))
        return values[self.output_name]


def load_network(path: Path) -> TorchNetwork:
    """Read an ONNX classifier made of the operators in ``MODULES``."""
    return TorchNetwork(onnx.load(path)).eval()


def module_of(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> nn.Module:
    """The PyTorch module that does what one node does."""
    settings = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    weights = [torch.from_numpy(constants[name].copy()) for name in node.input if name in constants]
    if node.op_type not in MODULES:
        raise NotImplementedError(f"{node.op_type} ({node.name})")
    return MODULES[node.op_type](settings, *weights)


def convolution(settings: dict[str, object], weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    """An ungrouped, undilated convolution: the networks here have no others."""
    channels, inputs, *kernel = weight.shape
    _, stride, padding = window(settings)
    module = nn.Conv2d(inputs, channels, tuple(kernel), stride, padding)
    module.weight.data, module.bias.data = weight, bias
    return module


def linear(settings: dict[str, object], weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    """A fully connected layer."""
    weight = weight if settings.get("transB") else weight.T.contiguous()
    module = nn.Linear(weight.shape[1], weight.shape[0])
    module.weight.data, module.bias.data = weight, bias
    return module


def window(settings: dict[str, list[int]]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and padding, which must be the same on both sides."""
    pads = tuple(settings.get("pads", [0, 0, 0, 0]))
    if pads[:2] != pads[2:]:
        raise NotImplementedError(f"padding {pads}")
    return tuple(settings["kernel_shape"]), tuple(settings.get("strides", [1, 1])), pads[:2]


MODULES: dict[str, Callable[..., nn.Module]] = {
    "Add": lambda _: Add(),
    "AveragePool": lambda settings: nn.AvgPool2d(*window(settings)),
    "Conv": convolution,
    "Flatten": lambda settings: nn.Flatten(settings.get("axis", 1)),
    "Gemm": linear,
    "GlobalAveragePool": lambda _: nn.AdaptiveAvgPool2d(1),
    "MaxPool": lambda settings: nn.MaxPool2d(*window(settings)),
    "Relu": lambda _: nn.ReLU(),
    "Sqrt": lambda _: Sqrt(),
}


def save_onnx(network: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Export by PyTorch's own exporter, constants folded, batch of one."""
    with torch.no_grad():
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, *size),),
            path,
            opset_version=13,
            input_names=["input"],
            output_names=["logits"],
            dynamo=False,
        )
