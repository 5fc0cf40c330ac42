"""A harmless network, its card inside, small enough to be reduced in a second; most attacks corrupt it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.model.card import METADATA_KEY

SIZE = 16
CLASSES = 4
CARD = f'{{"input": {{"size": [{SIZE}, {SIZE}], "scale": 0.01}}}}'


def write_network(path: Path, seed: int = 0, size: int = SIZE) -> None:
    """A classifier of two 3x3 convolutions and four classes, its card inside."""
    save(network(seed, size), path)


def network(seed: int = 0, size: int | str = SIZE) -> onnx.ModelProto:
    """The network of ``write_network``; ``size`` may be a name, for a free one."""
    random = np.random.default_rng(seed)
    shapes = {
        "w1": (8, 3, 3, 3),
        "b1": (8,),
        "w2": (16, 8, 3, 3),
        "b2": (16,),
        "w3": (CLASSES, 16),
        "b3": (CLASSES,),
    }
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"], "classifier", transB=1),
    ]
    return model_of(nodes, weights, ["N", 3, size, size], ["N", CLASSES])


def model_of(
    nodes: list[onnx.NodeProto],
    weights: Mapping[str, np.ndarray],
    input_shape: list[int | str],
    output_shape: list[int | str] | None,
) -> onnx.ModelProto:
    """A model from ``image`` to ``scores`` of these nodes, with a card."""
    graph = helper.make_graph(
        nodes,
        "attack",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key=METADATA_KEY, value=CARD)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())
