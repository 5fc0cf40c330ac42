"""Residual connections: what is added to a layer's response, so that the layer can make up for its errors.

Where a layer's response y only enters a sum ``y + s``, and s comes from the reduced network as ŝ, the layer
is fitted to ``y + s - ŝ``: it then also repairs the error that came in by the other branch.
"""

import onnx

from export.layer import Layer
from export.network.attributes import operator
from export.network.layers import ReducibleNetwork
from export.network.topology import consumers


def shortcut_of(network: ReducibleNetwork, layer: Layer) -> str:
    """The tensor added to a layer's response, or an empty text where there is none to correct for.

    It must be there before the layer runs, have the response's shape, and the sum must be the only reader.
    """
    readers = consumers(network.model, layer.output)
    if len(readers) != 1 or operator(readers[0]) != "Add":
        return ""
    others = [name for name in readers[0].input if name != layer.output]
    if len(others) != 1 or network.shapes.get(others[0]) != network.shapes[layer.output]:
        return ""
    return others[0] if _comes_before(network.model, others[0], layer.output) else ""


def _comes_before(model: onnx.ModelProto, tensor: str, output: str) -> bool:
    """Whether ``tensor`` is written by an earlier node than ``output``: nodes are in order of execution."""
    for node in model.graph.node:
        if tensor in node.output:
            return True
        if output in node.output:
            return False
    return False
