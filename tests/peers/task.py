"""What every peer is given: a network, images with labels, a speed-up to reach, and the way to count it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn
from torch_network import TorchNetwork, load_network, save_onnx

from edge_runtime.model.card import ModelCard
from export.calibrate.images import ImageReader, find_images, prepare
from export.judge.contestants import class_indices
from export.network.layers import read_network
from export.network.source import read_source

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
IMAGES = {"resnet18_imagenette": "imagenette", "vgg19_caltech101": "caltech101"}
BISECTIONS = 10


class PeerError(Exception):
    """Why a peer gives no network; the table says it."""


@dataclass(frozen=True)
class Task:
    """One network to be made faster.

    Attributes:
        name: Of the network.
        speedup: Multiply-adds of the whole network, before over after.
        images: How many calibration images there are.
        folder: Where a peer may keep what serves it for other speed-ups.
    """

    name: str
    speedup: float
    images: int
    folder: Path

    @property
    def model(self) -> Path:
        return ASSETS / "models" / f"{self.name}.onnx"

    @property
    def calibration(self) -> Path:
        return ASSETS / "images" / IMAGES[self.name] / "calibration"

    @property
    def test(self) -> Path:
        return ASSETS / "images" / IMAGES[self.name] / "test"

    @cached_property
    def card(self) -> ModelCard:
        return read_source(self.model).require_card()

    @cached_property
    def macs(self) -> int:
        return read_network(read_source(self.model), self.card.input.size).macs

    @cached_property
    def worthwhile(self) -> list[str]:
        """Names of the layers with at least a hundredth of the multiply-adds."""
        layers = read_network(read_source(self.model), self.card.input.size).layers
        return [layer.name for layer in layers if layer.macs >= self.macs / 100]

    @cached_property
    def calibration_set(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The calibration images as (N, 3, height, width), and their classes, in a shuffled order."""
        folder = find_images(self.calibration)
        classes = class_indices(folder, self.card, len(self.card.labels or {}))
        tensors, labels = [], []
        for image in prepare(ImageReader(folder.choose(self.images, 0).files), self.card.input):
            tensors.append(torch.from_numpy(image.tensor.copy()))
            labels.append(classes[image.file.class_name or ""])
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        return torch.cat(tensors)[order], torch.tensor(labels)[order]

    def network(self) -> TorchNetwork:
        """A fresh copy of the network."""
        return load_network(self.model)

    def speedup_of(self, network: nn.Module) -> float:
        """Multiply-adds before over after, counted by this project in what the network exports to."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            save_onnx(network, self.card.input.size, path)
            return self.macs / read_network(read_source(path), self.card.input.size).macs

    def least(self, make: Callable[[float], nn.Module]) -> nn.Module:
        """The network of the least reduction, a number between 0 and 1, that reaches the speed-up."""
        low, high, best = 0.0, 1.0, None
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            network = make(middle)
            if self.speedup_of(network) >= self.speedup:
                high, best = middle, network
            else:
                low = middle
        if best is None:
            raise PeerError(f"no setting reaches {self.speedup:g}×")
        return best


def right_class_probability(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean probability given to the right class: accuracy, but smooth, so that few images measure it well."""
    with torch.no_grad():
        chances = [
            network(some).softmax(1).gather(1, classes[:, None])
            for some, classes in zip(images.split(10), labels.split(10), strict=True)
        ]
    return float(torch.cat(chances).mean())
