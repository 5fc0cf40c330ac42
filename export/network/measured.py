"""Shapes that onnx cannot infer, taken from one run of the network by onnxruntime.

A Reshape whose target goes through floating point, an operator of onnxruntime's own, a loop: behind these
onnx knows no shapes, though the network runs well. The run is of the graph as it is, on noise, and nothing
of it is kept but the shapes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper

from edge_runtime.model.engines.onnxruntime import executions
from export.network.content import image_dependence
from export.network.topology import all_nodes

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """What a run told of the tensors of a network.

    Attributes:
        values: Type and shape of each tensor that had one shape only, whatever the image shows.
        varying: The tensors whose shape depends on what the image shows; None as long as there was no run.
    """

    values: Mapping[str, onnx.ValueInfoProto] = field(default_factory=dict)
    varying: frozenset[str] | None = None


def measure(model: onnx.ModelProto, image: onnx.ValueInfoProto) -> Measured:
    """Run a network once.

    Args:
        model: The network.
        image: Its input, each length of its shape known.

    Raises:
        ModelRefusedError: onnxruntime refuses the network, or cannot run it on such an input.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    outputs = {}
    for number, node in enumerate(all_nodes(named.graph)):
        node.name = f"node{number}"  # names may be missing, or the same
        outputs[node.name] = [name for name in node.output if name]
    kind = image.type.tensor_type
    shape = tuple(dim.dim_value for dim in kind.shape.dim)
    noise = np.random.default_rng(0).uniform(0, 1, shape)
    feeds = {image.name: noise.astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))}
    seen: dict[str, set[tuple[str, Shape]]] = {}
    for node_name, written in executions(named.SerializeToString(), feeds):
        names = outputs.get(node_name, [])
        if len(names) == len(written):  # what is no tensor is not told
            for name, value in zip(names, written, strict=True):
                seen.setdefault(name, set()).add(value)
    varying = frozenset(name for name, each in image_dependence(model, image.name).items() if each.shape)
    return Measured(dict(_single_shapes(seen, varying)), varying)


def _single_shapes(
    seen: Mapping[str, set[tuple[str, Shape]]], varying: frozenset[str]
) -> Iterator[tuple[str, onnx.ValueInfoProto]]:
    """Those that every round of a loop wrote alike."""
    for name, values in seen.items():
        if len(values) == 1 and name not in varying:
            ((kind, shape),) = values
            yield name, helper.make_tensor_value_info(name, onnx.TensorProto.DataType.Value(kind), shape)
