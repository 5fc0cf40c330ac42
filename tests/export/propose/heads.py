"""Small networks that give chosen outputs for any frame, with metadata as exporters write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 64
#: Of an input of 64x64 pixels at the strides 8, 16 and 32.
CELLS = 8 * 8 + 4 * 4 + 2 * 2

Values = NDArray[np.float32]


def scores(*shape: int) -> Values:
    """Outputs in which every number may be a score: from 0 to 1."""
    return np.random.default_rng(0).random(shape, np.float32)


def write_head(
    path: Path,
    *outputs: Values,
    metadata: Mapping[str, str] | None = None,
    size: Sequence[int | str] = (SIDE, SIDE),
    channels: int | str = 3,
    shape: Sequence[int | str] | None = None,
    element: int = TensorProto.FLOAT,
    first: str = "",
    producer: str = "",
) -> Path:
    """Write a network that gives ``outputs`` whatever it sees.

    Args:
        path: The file.
        outputs: What it gives.
        metadata: What stands in the file.
        size: Height and width of its input; a name for a free one.
        channels: Of its input.
        shape: Of its input, in place of one image of that size and so many channels.
        element: The type of its input.
        first: An operator of two inputs that it begins with.
        producer: The program that is said to have written it.
    """
    names = [f"output{index}" for index in range(len(outputs))]
    weights = {"zero": np.zeros(1, np.float32), "one": np.ones(1, np.float32)}
    weights |= {f"value{index}": values for index, values in enumerate(outputs)}
    nodes = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node(first, ["float", "one"], ["ready"])] if first else []
    nodes.append(helper.make_node("ReduceMean", ["ready" if first else "float"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    nodes += [
        helper.make_node("Add", [f"value{index}", "nothing"], [name]) for index, name in enumerate(names)
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("image", element, shape or [1, channels, *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = producer
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path
