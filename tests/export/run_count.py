"""Multiply-adds counted a second way, to hold the exporter's own count against.

Of a whole network: every tensor is made an output, onnxruntime runs it, and the shapes are those of what came
out. Of one operator: it is run on ones, with weights of ones; each product is then a one, so the sum of what
it writes is the number of products, whatever formula anyone believes in.
"""

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge_runtime.model.engines.onnxruntime import open_bytes


def macs_of_a_run(model: onnx.ModelProto, size: tuple[int, int]) -> int:
    """Multiply-adds of all Convs, ConvTransposes, Gemms and MatMuls outside of bodies."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    weights = {tensor.name: numpy_helper.to_array(tensor).shape for tensor in whole.graph.initializer}
    given = {value.name for value in whole.graph.output}
    names = [name for node in whole.graph.node for name in node.output if name and name not in given]
    whole.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = open_bytes(whole.SerializeToString(), threads=1)
    image = session.get_inputs()[0]
    channels = image.shape[1] if isinstance(image.shape[1], int) else 3
    values = session.run(None, {image.name: np.full((1, channels, *size), 0.5, np.float32)})
    found = {output.name: value.shape for output, value in zip(session.get_outputs(), values, strict=True)}
    shapes = {image.name: (1, channels, *size), **weights, **found}
    return sum(_macs(node, shapes) for node in whole.graph.node)


def _macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Products of one operator: of each weight by as many values as it meets."""
    if node.op_type in ("Conv", "ConvTranspose"):
        meets = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
        return meets[0] * math.prod(meets[2:]) * math.prod(shapes[node.input[1]])
    if node.op_type == "Gemm":
        return shapes[node.output[0]][0] * math.prod(shapes[node.input[1]])
    if node.op_type == "MatMul":
        rows, inner, columns = *shapes[node.input[0]][-2:], shapes[node.input[1]][-1]
        return math.prod(shapes[node.output[0]][:-2]) * rows * inner * columns
    return 0


def products_on_ones(model: onnx.ModelProto, shape: tuple[int, ...]) -> int:
    """The sum of all that a network of one operator writes for an input of ones."""
    session = open_bytes(model.SerializeToString(), threads=1)
    image = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[image.type]
    return round(sum(float(value.sum()) for value in session.run(None, {image.name: np.ones(shape, kind)})))
