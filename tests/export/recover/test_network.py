"""ONNX graphs in torch, equal to onnxruntime."""

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch

from edge_runtime.model.engines.onnxruntime import open_bytes
from export.network.load import load_model
from export.network.source import read_source
from export.recover.network import TorchNetwork
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
def test_answers_as_onnxruntime_does(assets, name) -> None:
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
