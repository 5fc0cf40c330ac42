"""Networks made ready for ncnn: the same answers on real pictures, in a file that is hardly larger."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.model.engines.ncnn import CLOSENESS
from edge_runtime.model.golden import golden_frame
from edge_runtime.model.image import Image
from edge_runtime.model.ncnn_form import METADATA_KEY
from export.calibrate.images import ImageReader, find_images, prepare
from export.convert.for_ncnn import convert_for_ncnn
from export.convert.weight_pieces import pieces_of
from export.network.source import read_source
from export.reduction.file import reduce
from tests.attacks.networks import model_of, save

Array = NDArray[np.float32]

NETWORKS = {
    "gtsrb_cnn": "gtsrb",
    "vgg19_caltech101": "caltech101",
    "resnet18_imagenette": "imagenette",
    "squeezenet_imagenet": "imagenette",
    "facemask_ssd": "facemask",
    "yolov5n_coco": "coco-val128",
}
PICTURES = 3


def written(
    path: Path, nodes: list[onnx.NodeProto], card: str | None = None, weights: dict[str, Array] | None = None
) -> Path:
    """A network of these nodes from ``image`` to ``scores``, both of (1, 3, 8, 8)."""
    model = model_of(nodes, weights or {}, [1, 3, 8, 8], [1, 3, 8, 8])
    model.metadata_props[0].value = card or '{"input": {"size": [8, 8]}, "task": "raw"}'
    save(model, path)
    return path


def demo_picture(seed: int) -> Image:
    return golden_frame(seed, (96, 96))


def convert(path: Path, output: Path) -> float:
    return convert_for_ncnn(read_source(path), output)


@pytest.mark.assets
@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_agree_on_real_pictures(
    name: str, assets: Path, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    path, output = asset_model(name), tmp_path / "both.onnx"
    convert(path, output)
    assert output.stat().st_size <= path.stat().st_size * 1.01
    own, other = Model.open(output, threads=1), Model.open(output, threads=1, engine="ncnn")
    files = find_images(assets / "images" / NETWORKS[name]).choose(PICTURES, seed=0).files
    for image in prepare(ImageReader(files), own.card.input):
        tensor = image.tensor
        for expected, found in zip(own.network.run(tensor), other.network.run(tensor), strict=True):
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= CLOSENESS * np.abs(expected).max()


def test_a_reduction_leaves_the_form_of_the_original_behind(converted_demo: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(24):
        cv2.imwrite(str(pictures / f"{index}.png"), demo_picture(index))
    output = tmp_path / "reduced.onnx"
    reduce(converted_demo, pictures, output, speedup=1.3)
    assert METADATA_KEY not in read_source(output).metadata


def test_converting_again_gives_the_same_file(converted_demo: Path, tmp_path: Path) -> None:
    convert(converted_demo, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == converted_demo.read_bytes()


def test_an_operator_that_ncnn_lacks_is_named(tmp_path: Path) -> None:
    mask = helper.make_node("IsInf", ["image"], ["mask"])
    path = written(tmp_path / "odd.onnx", [mask, helper.make_node("Cast", ["mask"], ["scores"], to=1)])
    with pytest.raises(ModelRefusedError, match=r"IsInf|isinf"):
        convert(path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_what_ncnn_refuses_of_the_converted_is_said_of_the_network_itself(tmp_path: Path) -> None:
    """Nothing is older anywhere, and the file that was tried is gone."""
    random = np.random.default_rng(0)
    weights = {
        "shape": np.array([0, 3, 256]),
        "wl": random.normal(0, 0.3, (1, 32, 3)).astype(np.float32),
        "rl": random.normal(0, 0.3, (1, 32, 8)).astype(np.float32),
        "first": np.array([0]),
    }
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["steps"], perm=[2, 0, 1]),
        helper.make_node("LSTM", ["steps", "wl", "rl"], ["", "last"], hidden_size=8),
        helper.make_node("Squeeze", ["last", "first"], ["scores"]),
    ]
    save(model_of(nodes, weights, [1, 3, 16, 16], [1, 8]), tmp_path / "lstm.onnx")
    with pytest.raises(ModelRefusedError, match=r"lstm\.onnx: ncnn refuses what pnnx made of it"):
        convert_for_ncnn(read_source(tmp_path / "lstm.onnx"), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_pixels_of_uint8_are_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["image"], ["f"], to=1), helper.make_node("Relu", ["f"], ["scores"])]
    card = '{"input": {"size": [8, 8], "scale": 1, "mean": [0, 0, 0], "std": [1, 1, 1]}, "task": "raw"}'
    path = written(tmp_path / "pixels.onnx", nodes, card)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    save(model, path)
    with pytest.raises(ModelRefusedError, match="uint8"):
        convert(path, tmp_path / "out.onnx")


def test_without_the_converter_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.convert.pnnx.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip install"):
        convert(demo.path(), tmp_path / "out.onnx")


def test_weights_are_named_wherever_they_lie_in_the_row() -> None:
    """As they are, transposed, twice, with other bytes before, between and after them."""
    random = np.random.default_rng(0)
    square, dense = (random.random(shape, np.float32) for shape in ((4, 2, 3, 3), (20, 30)))
    model = model_of([], {"square": square, "dense": dense}, [1], [1])
    row = b"tag0" + dense.T.tobytes() + square.tobytes() + b"between4" + square.tobytes() + b"last"
    pieces = pieces_of(row, model)
    assert [(piece.kind, piece.value if piece.kind != "bytes" else "") for piece in pieces] == [
        ("bytes", ""),
        ("transposed", "dense"),
        ("same", "square"),
        ("bytes", ""),
        ("same", "square"),
        ("bytes", ""),
    ]


def test_an_output_that_cannot_be_written_leaves_nothing(converted_demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    shutil.copy(converted_demo, path)
    with pytest.raises(InputError):
        convert(path, tmp_path / "nowhere" / "out.onnx")
    assert sorted(tmp_path.iterdir()) == [path]
