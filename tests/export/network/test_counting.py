"""Multiply-adds of each operator, against the products that onnxruntime really sums up."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.counting import Operands, count_of, may_multiply
from export.network.einsum import einsum_macs
from export.network.layers import network_of
from tests.attacks.networks import model_of
from tests.export.run_count import products_on_ones

MICROSOFT = "com.microsoft"
ONE = np.float32(1)
ZERO = np.uint8(0)


def ones(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


def operator(
    kind: str,
    first: Sequence[int],
    others: Sequence[np.ndarray] = (),
    *,
    domain: str = "",
    pixels: bool = False,
    **attributes: object,
) -> onnx.ModelProto:
    """One operator behind a Reshape of the image to the shape of its first input.

    Args:
        kind: The operator.
        first: Shape of its first input.
        others: Its other inputs.
        domain: Of the operator.
        pixels: Whether its first input is of whole numbers.
        attributes: Of the operator.
    """
    names = [f"w{index}" for index in range(len(others))]
    weights: dict[str, np.ndarray] = dict(zip(names, others, strict=True))
    weights["shape"] = np.array(first, np.int64)
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["x"]),
        helper.make_node(kind, ["x", *names], ["scores"], "only", domain=domain, **attributes),
    ]
    model = model_of(nodes, weights, [1, 1, 1, math.prod(first)], None)
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    if pixels:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
        whole = kind in ("QLinearConv", "QLinearMatMul")
        written = TensorProto.UINT8 if whole else TensorProto.INT32
        model.graph.output[0].type.tensor_type.elem_type = written
    return model


def quantised(*weight: int) -> list[np.ndarray]:
    """All inputs of a quantised product but the first, every scale 1 and every zero point 0."""
    return [ONE, ZERO, ones(*weight, dtype=np.uint8), ONE, ZERO, ONE, ZERO]


OPERATORS: Mapping[str, onnx.ModelProto] = {
    "Conv over one axis": operator("Conv", (1, 4, 9), [ones(6, 4, 3)], strides=[2]),
    "Conv over two axes": operator("Conv", (1, 4, 7, 6), [ones(6, 4, 3, 2)], dilations=[2, 1]),
    "Conv over three axes": operator("Conv", (1, 2, 3, 4, 5), [ones(3, 2, 2, 3, 2)]),
    "grouped Conv": operator("Conv", (1, 4, 7, 6), [ones(6, 2, 3, 3)], group=2),
    "depthwise Conv": operator("Conv", (1, 4, 7, 6), [ones(4, 1, 3, 3)], group=4),
    "Conv of several inputs": operator("Conv", (5, 4, 7, 6), [ones(6, 4, 3, 3)]),
    "Conv over one axis of several inputs": operator("Conv", (5, 4, 7), [ones(6, 4, 3)]),
    "ConvTranspose": operator("ConvTranspose", (1, 4, 5, 6), [ones(4, 3, 4, 2)], strides=[2, 1]),
    "ConvTranspose over one axis": operator("ConvTranspose", (2, 4, 5), [ones(4, 3, 4)], strides=[3]),
    "ConvTranspose over three axes": operator("ConvTranspose", (1, 2, 3, 2, 3), [ones(2, 3, 2, 2, 2)]),
    "grouped ConvTranspose": operator("ConvTranspose", (1, 4, 5, 6), [ones(4, 3, 2, 2)], group=2),
    "ConvInteger": operator("ConvInteger", (1, 3, 6, 5), [ones(4, 3, 3, 3, dtype=np.uint8)], pixels=True),
    "QLinearConv": operator("QLinearConv", (1, 2, 4, 5), quantised(3, 2, 2, 3), pixels=True),
    "FusedConv": operator("FusedConv", (1, 4, 7, 6), [ones(6, 4, 3, 3)], domain=MICROSOFT, activation="Relu"),
    "Gemm": operator("Gemm", (3, 5), [ones(5, 7)]),
    "Gemm of transposed weights": operator("Gemm", (3, 5), [ones(7, 5)], transB=1),
    "Gemm of a transposed input": operator("Gemm", (3, 5), [ones(3, 7)], transA=1),
    "FusedGemm": operator("FusedGemm", (3, 5), [ones(7, 5)], domain=MICROSOFT, transB=1, activation="Relu"),
    "MatMul of a matrix": operator("MatMul", (3, 5), [ones(5, 7)]),
    "MatMul of tokens": operator("MatMul", (2, 3, 5), [ones(5, 7)]),
    "MatMul of stacks": operator("MatMul", (2, 1, 3, 5), [ones(4, 5, 7)]),
    "MatMul of a vector": operator("MatMul", (5,), [ones(5, 7)]),
    "MatMul with a vector": operator("MatMul", (2, 3, 5), [ones(5)]),
    "MatMul of vectors": operator("MatMul", (5,), [ones(5)]),
    "MatMulInteger": operator("MatMulInteger", (2, 3, 5), [ones(5, 7, dtype=np.uint8)], pixels=True),
    "QLinearMatMul": operator("QLinearMatMul", (3, 5), quantised(5, 7), pixels=True),
    "FusedMatMul": operator("FusedMatMul", (2, 3, 5), [ones(2, 3, 4)], domain=MICROSOFT, transA=1),
    "FusedMatMul, batch last": operator(
        "FusedMatMul", (3, 2, 5), [ones(2, 5, 4)], domain=MICROSOFT, transBatchA=1
    ),
    "DynamicQuantizeMatMul": operator(
        "DynamicQuantizeMatMul", (2, 3, 5), [ones(5, 7, dtype=np.uint8), ONE], domain=MICROSOFT
    ),
    "Einsum": operator("Einsum", (2, 3, 5), [ones(2, 4, 5)], equation="bid,bjd->bij"),
    "Einsum without an arrow": operator("Einsum", (3, 5), [ones(5, 7)], equation="ij,jk"),
    "Einsum with dots": operator("Einsum", (2, 1, 3, 5), [ones(1, 4, 5, 6)], equation="...ij,...jk->...ik"),
    "Einsum, outer": operator("Einsum", (3,), [ones(4)], equation="i,j->ij"),
    "DeformConv": operator(
        "DeformConv", (1, 4, 6, 5), [ones(6, 4, 3, 2), np.zeros((1, 12, 4, 4), np.float32)]
    ),
}
OPSETS = {"DeformConv": 19}


@pytest.mark.parametrize("name", OPERATORS)
def test_products_of_an_operator(name: str) -> None:
    model = OPERATORS[name]
    model.opset_import[0].version = OPSETS.get(name, 17)
    shape = tuple(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    found = network_of(model, None, "it")
    assert len(found.rows) == 1
    assert found.uncounted == ()
    assert found.macs == products_on_ones(model, shape) > 0


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_recurrent_layers(kind: str, gates: int, direction: str) -> None:
    """Each step: every gate of every unit meets all inputs and all units."""
    both = 1 + (direction == "bidirectional")
    weights = [ones(both, gates * 6, 5), ones(both, gates * 6, 6)]
    model = operator(kind, (7, 2, 5), weights, hidden_size=6, direction=direction)
    found = network_of(model, None, "it")
    assert found.macs == 7 * 2 * both * gates * 6 * (5 + 6)
    assert found.parameters == both * gates * 6 * (5 + 6)


def test_attention() -> None:
    """Queries of 4 heads of 8 by 6 keys, and what comes of that by 6 values."""
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["q"]),
        helper.make_node("Attention", ["q", "k", "v"], ["scores"], "only", q_num_heads=4, kv_num_heads=4),
    ]
    arrays = {"k": ones(1, 6, 32), "v": ones(1, 6, 32), "shape": np.array([1, 5, 32])}
    model = model_of(nodes, arrays, [1, 1, 1, 160], None)
    model.opset_import[0].version, model.ir_version = 23, 10
    assert network_of(model, None, "it").macs == 2 * 4 * 5 * 6 * 8


def test_attention_with_its_projection() -> None:
    """By onnxruntime: 5 tokens of 16 to queries, keys and values of 8, then queries by keys by values."""
    model = operator("Attention", (1, 5, 16), [ones(16, 24), ones(24)], domain=MICROSOFT, num_heads=2)
    assert network_of(model, None, "it").macs == 5 * 16 * 24 + 2 * 5 * 5 * 8


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_einsum_multiplies_one_after_another(sides: list[int]) -> None:
    a, b, c, d, e = sides
    shapes = [(a, b), (b, c), (c, d), (d, e)]
    assert einsum_macs("ab, bc, cd, de -> ae", shapes) == a * b * c + a * c * d + a * d * e
    assert einsum_macs("ab->ba", shapes[:1]) == 0


def test_einsum_that_cannot_be() -> None:
    node = helper.make_node("Einsum", ["image", "w"], ["scores"], equation="ab->ab")
    count = count_of(node)
    assert count is not None
    operands = Operands(node, {"image": (2, 3), "w": (3, 4)})
    with pytest.raises(ModelRefusedError, match="'ab->ab' cannot be of"):
        count(operands)


@pytest.mark.parametrize(
    ("kind", "domain", "multiplies"),
    [
        ("Relu", "", False),
        ("Resize", "", False),
        ("DFT", "", True),
        ("Relu", "com.acme", True),
        ("Conv", "com.acme", True),
        ("Gelu", MICROSOFT, False),
        ("MoE", MICROSOFT, True),
        ("Scaler", "ai.onnx.ml", False),
        ("LinearClassifier", "ai.onnx.ml", True),
    ],
)
def test_what_may_multiply(kind: str, domain: str, *, multiplies: bool) -> None:
    node = helper.make_node(kind, ["x"], ["y"], domain=domain)
    assert count_of(node) is None
    assert may_multiply(node) == multiplies
