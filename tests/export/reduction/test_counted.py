"""A reduction's ratios are of everything that multiplies, what cannot be reduced included."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.choose.cost import STORAGE
from export.report.documents import reduction_document
from tests.attacks.networks import model_of
from tests.export.reductions import reduce
from tests.export.run_count import macs_of_a_run

SIZE = (16, 16)
PADS = {"pads": [1, 1, 1, 1]}
GELU = helper.make_opsetid("com.microsoft", 1)


def decoder(*, activation: str = "Relu", domain: str = "") -> onnx.ModelProto:
    """Two convolutions, a transposed one, and a product of all pixels by each other, as an attention has."""
    random = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (16, 8, 3, 3), "w3": (16, 4, 2, 2)}
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["flat"] = np.array([1, 16, -1])
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "first", **PADS),
        helper.make_node(activation, ["c1"], ["r1"], domain=domain),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "second", **PADS),
        helper.make_node("Reshape", ["c2", "flat"], ["tokens"]),
        helper.make_node("Transpose", ["tokens"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["tokens", "turned"], ["alike"], "pairs"),
        helper.make_node("ConvTranspose", ["c2", "w3"], ["up"], "up", strides=[2, 2]),
        helper.make_node("ReduceMean", ["alike"], ["mean"]),
        helper.make_node("Add", ["up", "mean"], ["scores"]),
    ]
    model = model_of(nodes, weights, ["N", 3, "side", "side"], list("ncyx"))
    if domain:
        model.opset_import.append(GELU)
    return model


FIXED = 16 * 16 * 256 + 256 * 16 * 4 * 4  # the products of the MatMul and of the ConvTranspose


@pytest.mark.parametrize("domain", ["", "com.microsoft"])
def test_ratio_is_of_all_that_multiplies(domain: str) -> None:
    """The second network has shapes that only a run tells, before and after."""
    model = decoder(activation="Gelu" if domain else "Relu", domain=domain)
    reduction = reduce(model, target=1.5)
    before, after = macs_of_a_run(model, SIZE), macs_of_a_run(reduction.model, SIZE)
    assert sum(row.macs_before for row in reduction.layers) == before
    assert sum(row.macs_after for row in reduction.layers) == after
    assert reduction.speedup == pytest.approx(before / after)
    assert reduction.speedup >= 1.5
    rows = {row.name: row for row in reduction.layers}
    assert list(rows) == ["first", "second", "pairs", "up"]
    assert sum(rows[name].macs_after for name in ("pairs", "up")) == FIXED
    assert rows["up"].reason == "no method for ConvTranspose"
    assert rows["pairs"].reason == "a product of two computed tensors"
    assert rows["up"].parameters_after == 16 * 4 * 2 * 2


def test_storage_is_of_all_weights() -> None:
    reduction = reduce(decoder(), target=1.3, cost=STORAGE)
    stored = 4 * (8 * 27 + 16 * 72 + 16 * 16)
    after = sum(row.storage_bytes_after for row in reduction.layers)
    assert reduction.storage_ratio == pytest.approx(stored / after)
    assert reduction.storage_ratio >= 1.3


def test_what_is_not_counted_is_said() -> None:
    model = decoder()
    arrays = {"length": np.array(16), "last": np.array([-1])}
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in arrays.items())
    model.graph.node.append(helper.make_node("Unsqueeze", ["mean", "last"], ["signal"]))
    model.graph.node.append(helper.make_node("DFT", ["signal", "length"], ["waves"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("waves", TensorProto.FLOAT, list("abcd")))
    document = reduction_document(reduce(model, target=1.2), {}, 10)
    assert document["uncounted"] == [
        {"op_type": "DFT", "nodes": 1, "reason": "how it multiplies is not known"}
    ]
