"""Shapes that onnx cannot infer, taken from one run of the network by onnxruntime.

A Reshape whose target goes through floating point, an operator of onnxruntime's own, a loop: behind these
onnx knows no shapes, though the network runs well. The run is of the graph as it is, on noise, and nothing
of it is kept but the shapes.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from edge_runtime.model.engines.onnxruntime import profile_run
from export.network.content import image_dependence
from export.network.topology import all_nodes

Shape = tuple[int, ...]
Written = tuple[str, Shape]  # a tensor's element type, as onnx writes it, and its shape

LIMIT_S = 60.0  # the largest of our networks takes less than one


@dataclass(frozen=True)
class Measured:
    """What a run told of the tensors of a network.

    Attributes:
        values: Type and shape of each tensor that had one shape only, whatever the image shows.
        varying: The tensors whose shape depends on what the image shows; None as long as there was no run.
    """

    values: Mapping[str, onnx.ValueInfoProto] = field(default_factory=dict)
    varying: frozenset[str] | None = None


def measure(model: onnx.ModelProto, image: onnx.ValueInfoProto, limit_s: float = LIMIT_S) -> Measured:
    """Run a network once.

    Args:
        model: The network.
        image: Its input, each length of its shape known.
        limit_s: How long the run may take.

    Raises:
        ModelRefusedError: onnxruntime refuses the network, or cannot run it on such an input, or not in time.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    outputs = {}
    for number, node in enumerate(all_nodes(named.graph)):
        node.name = f"node{number}"  # names may be missing, or the same
        outputs[node.name] = [name for name in node.output if name]
    seen: dict[str, set[Written]] = {}
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        profile = profile_run(named.SerializeToString(), {image.name: _noise(image)}, Path(folder), limit_s)
        for node_name, written in _executions(profile):
            names = outputs.get(node_name, [])
            if len(names) == len(written):  # what is no tensor is not told
                for name, value in zip(names, written, strict=True):
                    seen.setdefault(name, set()).add(value)
    varying = frozenset(name for name, each in image_dependence(model, image.name).items() if each.shape)
    return Measured(dict(_single_shapes(seen, varying)), varying)


def _noise(image: onnx.ValueInfoProto) -> NDArray[np.generic]:
    """An input that is not the same everywhere, of the type that is asked for."""
    kind = image.type.tensor_type
    noise = np.random.default_rng(0).uniform(0, 1, [dim.dim_value for dim in kind.shape.dim])
    return noise.astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))


def _executions(profile: Path) -> Iterator[tuple[str, list[Written]]]:
    """For each run of each node, those in bodies included, its name and what it wrote."""
    with profile.open() as lines:
        for line in lines:  # one event a line: with loops there may be very many
            event = json.loads(line.strip().rstrip(",")) if line.startswith("{") else {}
            name = event.get("name", "")
            if name.endswith("_kernel_time"):
                written = [next(iter(value.items())) for value in event["args"]["output_type_shape"]]
                yield (
                    name.removesuffix("_kernel_time"),
                    [(kind.upper(), tuple(shape)) for kind, shape in written],
                )


def _single_shapes(
    seen: Mapping[str, set[Written]], varying: frozenset[str]
) -> Iterator[tuple[str, onnx.ValueInfoProto]]:
    """Those that every round of a loop wrote alike."""
    for name, values in seen.items():
        if len(values) == 1 and name not in varying:
            ((kind, shape),) = values
            yield name, helper.make_tensor_value_info(name, onnx.TensorProto.DataType.Value(kind), shape)
