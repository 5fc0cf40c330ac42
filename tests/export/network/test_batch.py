"""A batch that is fixed by chance is let go; one that matters is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_network
from export.network.batch import with_batch_of_one
from export.network.source import SourceModel, read_source
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import good_images
from tests.attacks.networks import CLASSES, SIZE, network, save

BATCH = 8


def batched(size: int | str = SIZE) -> onnx.ModelProto:
    model = network(size=size)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = BATCH
    return model


def reshaped(*shape: int) -> onnx.ModelProto:
    """Flattened by a Reshape to a shape that the file holds."""
    model = batched()
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "shape"))
    model.graph.node[5].CopyFrom(helper.make_node("Reshape", ["p", "shape"], ["f"], "reshape"))
    return model


def compared_among_each_other() -> onnx.ModelProto:
    """Runs with any batch, but what it says of an image depends on the others."""
    model = batched()
    model.graph.node[-1].output[0] = "own"
    model.graph.node.append(helper.make_node("ReduceMean", ["own"], ["mean"], axes=[0], keepdims=1))
    model.graph.node.append(helper.make_node("Sub", ["own", "mean"], ["scores"]))
    return model


def with_an_output_of_all_images() -> onnx.ModelProto:
    model = batched()
    model.graph.node.append(helper.make_node("ReduceMax", ["scores"], ["highest"], keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info("highest", TensorProto.FLOAT, []))
    return model


def huge() -> onnx.ModelProto:
    model = batched()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 40
    return model


def of_pixels() -> onnx.ModelProto:
    model = batched()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node[0].input[0] = "pixels"
    model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT))
    return model


def channels_last() -> onnx.ModelProto:
    model = batched()
    for dim, length in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (BATCH, SIZE, SIZE, 3), strict=True
    ):
        dim.dim_value = length
    model.graph.node[0].input[0] = "planes"
    model.graph.node.insert(0, helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]))
    return model


@pytest.fixture
def read(tmp_path: Path) -> Callable[[onnx.ModelProto], SourceModel]:
    def read(model: onnx.ModelProto) -> SourceModel:
        save(model, tmp_path / "model.onnx")
        return read_source(tmp_path / "model.onnx")

    return read


def test_a_free_batch_or_one_of_one_is_left_alone(read: Callable[[onnx.ModelProto], SourceModel]) -> None:
    source = read(network())
    assert with_batch_of_one(source) is source


@pytest.mark.parametrize(
    "make", [batched, of_pixels, channels_last, lambda: reshaped(-1, 16), lambda: reshaped(0, 16)]
)
def test_an_image_alone_gets_the_answer_it_gets_among_others(
    make: Callable[[], onnx.ModelProto], read: Callable[[onnx.ModelProto], SourceModel]
) -> None:
    source = read(make())
    freed = with_batch_of_one(source)
    assert freed.input.shape == (1, *source.input.shape[1:])
    shape = tuple(length or 0 for length in source.input.shape)
    images = np.random.default_rng(5).integers(0, 256, shape).astype(source.input.element)
    together = source.network(1).run(images)[0]
    for index in range(BATCH):
        alone = freed.network(1).run(images[index : index + 1])[0]
        assert alone.shape == (1, CLASSES)
        np.testing.assert_allclose(alone[0], together[index], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: reshaped(BATCH, 16),
        lambda: reshaped(BATCH, -1),
        compared_among_each_other,
        with_an_output_of_all_images,
        huge,
    ],
    ids=["whole shape", "rest of shape", "among each other", "of all images", "huge"],
)
def test_a_batch_that_matters_is_refused(
    make: Callable[[], onnx.ModelProto], read: Callable[[onnx.ModelProto], SourceModel]
) -> None:
    with pytest.raises(ModelRefusedError, match="what it computes depends on that: export it again"):
        with_batch_of_one(read(make()))


def test_a_size_that_is_free_must_be_given(read: Callable[[onnx.ModelProto], SourceModel]) -> None:
    source = read(batched(size="side"))
    assert with_batch_of_one(source, (20, 12)).input.batch == 1
    with pytest.raises(InputError, match="leaves its input size free"):
        with_batch_of_one(source)


def test_the_source_stays_as_it_is(read: Callable[[onnx.ModelProto], SourceModel]) -> None:
    source = read(batched())
    with_batch_of_one(source)
    assert source.proto == batched()
    assert source.input.batch == BATCH


def test_every_command_takes_it_and_card_writes_one_that_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(batched(), tmp_path / "model.onnx")
    good_images(tmp_path / "images")
    for arguments in (
        ["inspect", tmp_path / "model.onnx"],
        ["evaluate", tmp_path / "model.onnx", "--images", tmp_path / "images"],
        ["card", tmp_path / "model.onnx", "-o", tmp_path / "one.onnx"],
    ):
        caplog.clear()
        assert run_here(*arguments).code == 0
        assert "takes batches of 8 images; it says the same of one alone" in caplog.text
    network = open_network(tmp_path / "one.onnx")
    assert network.input.shape == (1, 3, SIZE, SIZE)
    assert network.session.get_outputs()[0].shape == [1, CLASSES]


def test_inspect_refuses_a_batch_that_matters(tmp_path: Path) -> None:
    save(reshaped(BATCH, 16), tmp_path / "model.onnx")
    assert_one_line(run_here("inspect", tmp_path / "model.onnx"), 3, "takes batches of 8 images")
