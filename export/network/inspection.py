"""The layers of a network and what they cost: what ``pi-export inspect`` tells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.layer import CountedNode, Layer
from export.network.batch import with_batch_of_one
from export.network.layers import read_network
from export.network.source import read_source
from export.network.tally import Uncounted, uncounted_documents
from export.paths import AnyPath, as_path


@dataclass(frozen=True)
class Inspection:
    """The layers of a network, for one size of its input.

    Attributes:
        model: The network's file.
        input_size: Height and width in pixels.
        layout: Where the channels of its input are: ``NCHW`` or ``NHWC``.
        layers: All in it that multiplies, in order of execution: convolutions and fully connected layers, and
            the operators that are only counted.
        uncounted: What multiplies, or may, and is in no total: one for each node.
    """

    model: Path
    input_size: tuple[int, int]
    layout: str
    layers: tuple[Layer | CountedNode, ...]
    uncounted: tuple[Uncounted, ...]

    @property
    def macs(self) -> int:
        """Multiply-adds of all layers for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def reducible(self) -> tuple[Layer, ...]:
        """The layers that can be reduced; ``reason`` of each other says why not."""
        layers = (layer for layer in self.layers if isinstance(layer, Layer))
        return tuple(layer for layer in layers if layer.reason is None)

    def to_document(self) -> dict[str, Any]:
        """What ``inspect --json`` writes."""
        return {
            "model": str(self.model),
            "input_size": list(self.input_size),
            "input_layout": self.layout,
            "macs": self.macs,
            "parameters": self.parameters,
            "uncounted": uncounted_documents(self.uncounted),
            "layers": [self._layer_document(layer) for layer in self.layers],
        }

    def share(self, layer: Layer | CountedNode) -> float:
        """A layer's part of all multiply-adds, from 0 to 1."""
        return layer.macs / self.macs if self.macs else 0.0

    def _layer_document(self, layer: Layer | CountedNode) -> dict[str, Any]:
        whole = layer if isinstance(layer, Layer) else None
        return {
            "name": layer.name,
            "op_type": layer.op_type,
            "in_channels": whole and whole.in_channels,
            "out_channels": whole and whole.out_channels,
            "kernel": whole and list(whole.kernel),
            "stride": whole and list(whole.stride),
            "group": whole and whole.group,
            "output_size": whole and list(whole.output_size),
            "macs": layer.macs,
            "macs_share": self.share(layer),
            "parameters": layer.parameters,
            "reducible": layer.reason is None,
            "reason": layer.reason,
        }


def inspect(
    model: AnyPath,
    input_size: tuple[int, int] | None = None,
    card: AnyPath | None = None,
) -> Inspection:
    """List the layers of a network and what they cost.

    Args:
        model: An ONNX file.
        input_size: Height and width of the input in pixels, for a network that leaves them free; those of
            its model card if None.
        card: A JSON file with a model card that takes the place of the network's own.

    Raises:
        InputError: A file is missing or malformed, or the size of the input is not known or does not fit.
        ModelRefusedError: The network is malformed, has several inputs, or nothing in it multiplies.
    """
    source = read_source(as_path(model))
    own = source.find_card(as_path(card))
    size, layout = (own.input.size, own.input.layout) if own else (None, None)
    source = with_batch_of_one(source, input_size or size, layout)
    network = read_network(source, input_size or size, layout)
    return Inspection(source.path, network.input_size, network.layout, network.rows, network.uncounted)
