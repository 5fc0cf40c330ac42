"""Small networks of fully connected layers."""

import math

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper

from export.network.layers import ReducibleNetwork, network_of
from tests.attacks.networks import model_of


def dense_model(
    inputs: int = 12,
    outputs: int = 8,
    *,
    rows: int = 1,
    operation: str = "Gemm",
    bias: tuple[int, ...] | None = (),
    seed: int = 0,
    **attributes: object,
) -> onnx.ModelProto:
    """A layer named ``only`` behind a Reshape to (rows, inputs); ``bias`` is the shape of its bias."""
    random = np.random.default_rng(seed)
    shape = (outputs, inputs) if attributes.get("transB") else (inputs, outputs)
    weights = {
        "shape": np.array([-1, inputs]),
        "w": random.normal(0, 1 / math.sqrt(inputs), shape).astype(np.float32),
    }
    if bias is not None and operation == "Gemm":
        weights["b"] = random.normal(0, 1, bias or outputs).astype(np.float32)
    names = [name for name in weights if name != "shape"]
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["flat"], "flatten"),
        helper.make_node(operation, ["flat", *names], ["scores"], "only", **attributes),
    ]
    return model_of(nodes, weights, [1, rows, inputs, 1], ["rows", outputs])


def dense(inputs: int = 12, outputs: int = 8, *, rows: int = 1, seed: int = 0) -> ReducibleNetwork:
    """A Gemm with a bias."""
    return network_of(dense_model(inputs, outputs, rows=rows, seed=seed), None, "a fully connected layer")


@st.composite
def dense_networks(draw: st.DrawFn) -> ReducibleNetwork:
    """Fully connected layers of any shape, however their weights and biases are stored."""
    shape = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    rows, seed = draw(st.integers(1, 4)), draw(st.integers(0, 99))
    if draw(st.booleans()):
        model = dense_model(*shape, rows=rows, operation="MatMul", seed=seed)
    else:
        bias = draw(st.sampled_from([None, (), (1,), (1, 1)]))
        transposed = draw(st.integers(0, 1))
        model = dense_model(*shape, rows=rows, bias=bias, seed=seed, transB=transposed)
    return network_of(model, None, "a fully connected layer")
