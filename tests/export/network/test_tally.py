"""What is counted inside the bodies of an If, a Loop or a Scan, how often, and what is said of the rest."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.layer import CountedNode
from export.network.layers import network_of
from export.network.tally import Uncounted, uncounted_documents
from tests.attacks.networks import model_of

ONE_CONV = 8 * 8 * 4 * 4 * 9  # products of a 3x3 convolution of 4 channels over 8x8 pixels
WEIGHT = np.ones((4, 4, 3, 3), np.float32)
CONV = helper.make_node("Conv", ["s", "v"], ["c"], "inner", pads=[1, 1, 1, 1])


def value(name: str, kind: int = TensorProto.FLOAT, shape: list[int] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes: Sequence[onnx.NodeProto], inputs: Sequence[str], outputs: Sequence[str]) -> onnx.GraphProto:
    """A body whose second input, where it has several, is a condition, and so is its first output."""
    kinds = {"i": (TensorProto.INT64, []), "go": (TensorProto.BOOL, []), "on": (TensorProto.BOOL, [])}
    weights = [numpy_helper.from_array(WEIGHT, "v")]
    given, written = ([value(name, *kinds.get(name, ())) for name in names] for names in (inputs, outputs))
    return helper.make_graph(list(nodes), "body", given, written, weights)


def around(*nodes: onnx.NodeProto, **weights: object) -> onnx.ModelProto:
    """A convolution ``r`` of the image to 4 channels, then these nodes, which write ``scores``."""
    arrays = {name: np.asarray(array) for name, array in weights.items()}
    first = helper.make_node("Conv", ["image", "w"], ["r"], "first", pads=[1, 1, 1, 1])
    arrays["w"] = np.ones((4, 3, 3, 3), np.float32)
    return model_of([first, *nodes], arrays, [1, 3, 8, 8], None)


def counted(model: onnx.ModelProto) -> tuple[CountedNode, ...]:
    return network_of(model, None, "it").counted


def branch(convolutions: int) -> onnx.GraphProto:
    nodes = [helper.make_node("Identity", ["r"], ["t0"])]
    nodes += [
        helper.make_node("Conv", [f"t{index}", "v"], [f"t{index + 1}"], pads=[1, 1, 1, 1])
        for index in range(convolutions)
    ]
    return graph(nodes, [], [f"t{convolutions}"])


@pytest.mark.parametrize("dearer", ["then_branch", "else_branch"])
def test_of_an_if_the_dearer_branch_counts(dearer: str) -> None:
    branches = {"then_branch": branch(1), "else_branch": branch(1), dearer: branch(3)}
    model = around(
        helper.make_node("ReduceMax", ["image"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "half"], ["bright"]),
        helper.make_node("If", ["bright"], ["scores"], "if", **branches),
        half=np.float32(0.5),
    )
    found = counted(model)
    assert [node.macs for node in found] == [ONE_CONV] * 3
    assert {node.output for node in found} == {"scores"}
    assert {node.reason for node in found} == {"inside an If, of whose branches the dearer is counted"}
    assert [node.parameters for node in found] == [WEIGHT.size] * 3
    assert [node.stored_bytes for node in found] == [4 * WEIGHT.size] * 3


def loop(limit: str, *, computed: bool = False) -> onnx.NodeProto:
    """A Loop with one convolution a round; its condition is handed on, or computed."""
    condition = helper.make_node("Identity", ["go"], ["on"])
    if computed:
        condition = helper.make_node("Less", ["i", "few"], ["on"])
    body = graph([CONV, condition], ["i", "go", "s"], ["on", "c"])
    return helper.make_node("Loop", [limit, "yes", "r"], ["scores"], "loop", body=body)


def test_loop_counts_every_round() -> None:
    (node,) = counted(around(loop("rounds"), rounds=np.int64(5), yes=np.array(True)))
    assert (node.name, node.op_type, node.macs) == ("inner", "Conv", 5 * ONE_CONV)
    assert node.parameters == WEIGHT.size
    assert node.reason == "inside a Loop of 5 rounds"


UNKNOWN_ROUNDS = "inside a Loop, counted once: how often it runs is not known"


def test_loop_that_its_condition_may_end_counts_once() -> None:
    weights = {"rounds": np.int64(5), "yes": np.array(True), "few": np.int64(2)}
    (node,) = counted(around(loop("rounds", computed=True), **weights))
    assert (node.macs, node.reason) == (ONE_CONV, UNKNOWN_ROUNDS)


def test_loop_whose_number_of_rounds_is_computed_counts_once() -> None:
    shape = helper.make_node("Size", ["few"], ["rounds"])
    (node,) = counted(around(shape, loop("rounds"), few=np.ones((2, 3)), yes=np.array(True)))
    assert (node.macs, node.reason) == (ONE_CONV, UNKNOWN_ROUNDS)


def test_loop_without_a_number_of_rounds_counts_once() -> None:
    (node,) = counted(around(loop("", computed=True), yes=np.array(True), few=np.int64(2)))
    assert (node.macs, node.reason) == (ONE_CONV, UNKNOWN_ROUNDS)


def test_scan_counts_every_step() -> None:
    """Rows of 8 pixels, each a product of 4 channels by 4."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["row", "m"], ["product"], "inner"),
            helper.make_node("Add", ["state", "product"], ["sum"]),
            helper.make_node("Identity", ["sum"], ["copy"]),
        ],
        "body",
        [value("state"), value("row")],
        [value("sum"), value("copy")],
        [numpy_helper.from_array(np.ones((4, 4), np.float32), "m")],
    )
    nodes = [
        helper.make_node("Squeeze", ["r", "first"], ["image3"]),
        helper.make_node("Transpose", ["image3"], ["rows"], perm=[1, 2, 0]),
        helper.make_node("Scan", ["start", "rows"], ["last", "scores"], body=body, num_scan_inputs=1),
    ]
    model = around(*nodes, start=np.zeros((8, 4), np.float32), first=np.array([0]))
    (node,) = counted(model)
    assert (node.macs, node.reason) == (8 * 8 * 16, "inside a Scan of 8 rounds")


def test_bodies_within_bodies() -> None:
    inner = graph([CONV, helper.make_node("Identity", ["go"], ["on"])], ["i", "go", "s"], ["on", "c"])
    twice = helper.make_node("Loop", ["two", "yes", "r"], ["t1"], body=inner)
    branches = {
        "then_branch": helper.make_graph([twice], "then", [], [value("t1")]),
        "else_branch": branch(1),
    }
    model = around(
        helper.make_node("ReduceMax", ["image"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "half"], ["bright"]),
        helper.make_node("If", ["bright"], ["scores"], "if", **branches),
        half=np.float32(0.5),
        two=np.int64(2),
        yes=np.array(True),
    )
    (node,) = counted(model)
    assert node.macs == 2 * ONE_CONV
    assert node.reason == "inside an If, of whose branches the dearer is counted; inside a Loop of 2 rounds"


def test_loop_whose_rounds_differ_in_size_is_named() -> None:
    """The state grows with every round."""
    grow = helper.make_node("Concat", ["c", "s"], ["grown"], axis=2)
    body = graph(
        [CONV, grow, helper.make_node("Identity", ["go"], ["on"])], ["i", "go", "s"], ["on", "grown"]
    )
    node = helper.make_node("Loop", ["rounds", "yes", "r"], ["scores"], "loop", body=body)
    found = network_of(around(node, rounds=np.int64(3), yes=np.array(True)), None, "it")
    assert found.counted == ()
    assert found.uncounted == (Uncounted("Conv", "its size is not known"),)


def test_operators_of_unknown_domains_are_named() -> None:
    nodes = [helper.make_node("Foo", ["r"], [f"f{index}"], domain="com.acme") for index in range(3)]
    model = around(*nodes, helper.make_node("Relu", ["r"], ["scores"]))
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    found = network_of(model, None, "it")
    reason = "how it multiplies is not known"
    assert uncounted_documents(found.uncounted) == [{"op_type": "com.acme.Foo", "nodes": 3, "reason": reason}]
    assert [layer.reason for layer in found.layers] == [
        "has operators that onnxruntime does not know: com.acme.Foo"
    ]
