"""Networks that torch would run otherwise than onnxruntime are refused."""

import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.recovery.alike import require_alike
from export.recovery.network import TorchNetwork
from tests.attacks.networks import network

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_network_that_answers_alike_is_taken() -> None:
    require_alike(TorchNetwork(network(), "it"), network(), IMAGES)


def test_a_network_that_answers_otherwise_is_refused() -> None:
    with pytest.raises(ModelRefusedError, match=r"it cannot be trained: .* its output 'scores'"):
        require_alike(TorchNetwork(network(seed=1), "it"), network(), IMAGES)


def test_what_depends_on_the_batch_is_refused() -> None:
    """A mean over the batch, too: of one image it is that of the image."""
    model = network()
    model.graph.node[4].CopyFrom(helper.make_node("ReduceMean", ["r2", "axes"], ["p"], "pool"))
    model.graph.initializer.append(axes())
    model.opset_import[0].version = 18
    with pytest.raises(ModelRefusedError, match="cannot be trained"):
        require_alike(TorchNetwork(model, "it"), model, IMAGES)


def axes() -> onnx.TensorProto:
    return helper.make_tensor("axes", onnx.TensorProto.INT64, [3], [0, 2, 3])


def test_a_batch_that_does_not_fit_is_refused_in_one_line() -> None:
    model = network()
    model.graph.node[5].CopyFrom(helper.make_node("Reshape", ["p", "one_row"], ["f"], "flatten"))
    shape = helper.make_tensor("one_row", onnx.TensorProto.INT64, [3], [4, 4, 1])
    model.graph.initializer.append(shape)
    model.graph.node.insert(6, helper.make_node("Reshape", ["f", "back"], ["g"], "back"))
    model.graph.initializer.append(helper.make_tensor("back", onnx.TensorProto.INT64, [2], [1, 16]))
    model.graph.node[7].input[0] = "g"
    with pytest.raises(ModelRefusedError, match=r"^it cannot be trained in batches: [^\n]*$"):
        require_alike(TorchNetwork(model, "it"), model, IMAGES)
