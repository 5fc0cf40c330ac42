"""ONNX graphs in torch, equal to onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from onnx import helper, numpy_helper

from edge_runtime.model.engines.onnxruntime import open_bytes
from export.network.load import load_model
from export.network.source import read_source
from export.network.tensors import initialiser
from export.recovery.network import TorchNetwork
from tests.attacks.networks import network
from tests.export.small_networks import relative_difference

NETWORKS = (
    "facemask_ssd",
    "gtsrb_cnn",
    "resnet18_imagenette",
    "squeezenet_imagenet",
    "vgg19_caltech101",
    "yolov5n_coco",
)
SIZES = {"resnet18_imagenette": 96, "vgg19_caltech101": 160}


def tensors(model: onnx.ModelProto, images: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """What onnxruntime computes under these names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = open_bytes(copy.SerializeToString(), threads=1)
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: images}), strict=True))


@pytest.mark.assets
@pytest.mark.parametrize("name", NETWORKS)
def test_answers_as_onnxruntime_does(assets: Path, name: str) -> None:
    model = load_model(read_source(assets / "models" / f"{name}.onnx"))
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    side = SIZES.get(name, 0)
    images = np.random.default_rng(0).random((2, *(length or side for length in shape)), np.float32)
    network = TorchNetwork(model, name)
    assert network.responses
    names = [*network.output_names, *network.responses]
    with torch.no_grad():
        found = network(torch.from_numpy(images), keep=network.responses)
    assert set(found) == set(names)
    for key, expected in tensors(model, images, names).items():
        assert relative_difference(expected, found[key].numpy()) <= 1e-4, key


def test_what_is_trained_is_what_multiplies() -> None:
    weights = TorchNetwork(network(), "it").trainable()
    assert list(weights) == ["b1", "b2", "b3", "w1", "w2", "w3"]
    assert all(weight.requires_grad for weight in weights.values())
    model = network()
    model.graph.node.append(helper.make_node("Mul", ["scores", "two"], ["doubled"]))
    model.graph.initializer.append(numpy_helper.from_array(np.full(1, 2, np.float32), "two"))
    assert "two" not in TorchNetwork(model, "it").trainable()


def test_weights_go_back_where_they_were_and_nothing_else_changes() -> None:
    model = network()
    trained = TorchNetwork(model, "it")
    new = torch.full((16, 8, 3, 3), 0.25)
    written = trained.written({"w2": new})
    assert np.array_equal(initialiser(written, "w2"), new.numpy())
    for tensor in written.graph.initializer:
        if tensor.name == "w2":
            tensor.CopyFrom(numpy_helper.from_array(initialiser(model, "w2"), "w2"))
    assert written == model


def test_gradients_are_those_of_the_loss() -> None:
    trained = TorchNetwork(network(), "it")
    bias = trained.trainable()["b3"]
    trained(torch.rand(2, 3, 16, 16))["scores"].sum().backward()
    assert torch.equal(bias.grad, torch.full((4,), 2.0))
