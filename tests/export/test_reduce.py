"""Whole networks: the original at full rank, the asked speed-up, a true report, no temporary files left."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.errors import InputError, ModelRefusedError, PiInferError
from edge_runtime.model_card import load_card
from export.images import ImageReader, find_images, prepare
from export.load import load_model
from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial
from export.network import Layer, ReducibleNetwork, describe, read_network
from export.progress import silent
from export.reduce import ReduceOptions, Reduction, reduce_network
from tests.attacks.networks import model_of, network, save
from tests.export import reduce_and_hash
from tests.export.small_networks import (
    Array,
    assert_equal_outputs,
    count_macs,
    images_for,
    outputs,
    residual,
    with_branch,
    with_heads,
)

COUNT = 12
FACTORS = (Channel(), Spatial(), Combined())  # what a layer becomes costs nothing elsewhere
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files: empty after every test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def reduce(model: onnx.ModelProto, images: int = COUNT, **options: object) -> Reduction:
    """Reduce on random images of the network's own size, or of 16x16."""
    found = describe(model, size_of(model), "it")
    chosen = ReduceOptions(**options)  # type: ignore[arg-type]
    return reduce_network(found, iter(images_for(found, images)), chosen, silent)


def size_of(model: onnx.ModelProto) -> tuple[int, int]:
    height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
    return height or 16, width or 16


def full_rank(method: Method, layer: Layer) -> tuple[int, ...]:
    filters = min(layer.in_channels * layer.kernel[0], layer.kernel[1] * layer.out_channels)
    ranks = {
        "channel": (min(layer.out_channels, layer.patch_length),),
        "spatial": (filters,),
        "combined": (filters, layer.out_channels),
    }
    return ranks[method.name]


def at_full_rank(found: ReducibleNetwork, images: Sequence[Array], method: Method) -> Reduction:
    """Every convolution that can be reduced replaced, and nothing lost."""
    layers = [layer for layer in found.reducible if not layer.fully_connected]
    choice = {layer.name: method.candidate(layer, full_rank(method, layer), 0.0) for layer in layers}
    options = ReduceOptions(methods=(method,), choice=choice, nonlinear=False)
    reduction = reduce_network(found, iter(images), options, silent)
    assert [layer.method for layer in reduction.layers if layer.name in choice] == [method.name] * len(choice)
    return reduction


def assert_report_is_true(model: onnx.ModelProto, reduction: Reduction) -> None:
    """Totals and layers agree with what is counted in the graphs."""
    before, after = (count_macs(m, size_of(m)) for m in (model, reduction.model))
    assert sum(layer.macs_before for layer in reduction.layers) == before
    assert sum(layer.macs_after for layer in reduction.layers) == after
    assert reduction.speedup == pytest.approx(before / after)
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in reduction.model.graph.initializer}
    nodes = [node for node in reduction.model.graph.node if node.op_type == "Conv"]
    parameters = sum(weights[name] for node in nodes for name in node.input[1:])
    assert sum(layer.parameters_after for layer in reduction.layers if layer.op_type == "Conv") == parameters
    for layer in reduction.layers:
        changed = layer.method is not None
        assert changed == (layer.solver is not None) == (layer.reason is None) == (layer.ranks is not None)
        assert changed == (layer.relative_error is not None)
        narrowed = layer.reason is not None and layer.reason.startswith("narrowed")
        assert layer.macs_after <= layer.macs_before
        assert (changed or narrowed) == (layer.macs_after < layer.macs_before)


# Whole networks


def trained(assets: Path, name: str, folder: str, count: int) -> tuple[ReducibleNetwork, list[Array]]:
    """A trained network and calibration images as its inputs."""
    path = assets / "models" / f"{name}.onnx"
    card = load_card({}, path)
    files = find_images(assets / "images" / folder / "calibration").choose(count, seed=0).files
    images = [image.tensor.copy() for image in prepare(ImageReader(files), card.input)]
    return read_network(path, card.input.size), images


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [
        ("facemask_ssd", "facemask", 12),
        ("gtsrb_cnn", "gtsrb", 12),
        ("resnet18_imagenette", "imagenette", 7),
        ("squeezenet_imagenet", "imagenette", 24),
        ("vgg19_caltech101", "caltech101", 6),
        ("yolov5n_coco", "coco-val128", 7),
    ],
)
def test_trained_networks_are_themselves_at_full_rank(
    name: str, folder: str, count: int, assets: Path
) -> None:
    """Every convolution that can be reduced; about as few images as these many channels allow."""
    found, images = trained(assets, name, folder, count)
    reduction = at_full_rank(found, images, Channel(("linear", "asymmetric")))
    assert_equal_outputs(found.model, reduction.model, images[:2])


@pytest.mark.assets
@pytest.mark.parametrize("method", [Channel(), Spatial(), Combined()], ids=lambda method: method.name)
def test_trained_network_is_itself_by_every_method(method: Method, assets: Path) -> None:
    found, images = trained(assets, "gtsrb_cnn", "gtsrb", 24)
    reduction = at_full_rank(found, images, method)
    assert_equal_outputs(found.model, reduction.model, images[:4])


@pytest.mark.assets
def test_trained_network_three_times_cheaper(assets: Path) -> None:
    found, images = trained(assets, "gtsrb_cnn", "gtsrb", 80)
    options = ReduceOptions(target=3.0, methods=FACTORS)
    reduction = reduce_network(found, iter(images), options, silent)
    assert reduction.reached
    assert 3.0 <= reduction.speedup < 3.3
    assert (reduction.images, reduction.layers[0].name) == (80, "conv2d")
    assert_report_is_true(found.model, reduction)
    before, after = (np.concatenate(outputs(m, images)) for m in (found.model, reduction.model))
    assert np.mean(before.argmax(axis=1) == after.argmax(axis=1)) > 0.9


def deep(layers: int = 5) -> onnx.ModelProto:
    """A chain of convolutions and ReLUs whose responses lie close to few dimensions."""
    random = np.random.default_rng(0)
    weights, nodes, source, channels = {}, [], "image", 3
    for index in range(layers):
        filters = random.normal(0, 1, (16, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        mixed = random.normal(0, 1, (16, 4)) @ random.normal(0, 0.5, (4, 16)) + 0.2 * np.eye(16)
        weights[f"w{index}"] = np.einsum("ab,bcij->acij", mixed, filters).astype(np.float32) / 2
        target = "scores" if index == layers - 1 else f"c{index}"
        nodes.append(
            helper.make_node("Conv", [source, f"w{index}"], [target], f"conv{index}", pads=[1, 1, 1, 1])
        )
        if index < layers - 1:
            nodes.append(helper.make_node("Relu", [target], [f"r{index}"]))
        source, channels = f"r{index}", 16
    return model_of(nodes, weights, ["N", 3, 16, 16], ["N", 16, 16, 16])


MAKERS = [network, residual, with_branch, with_heads, deep]


@pytest.mark.parametrize("make", MAKERS)
def test_asked_speedup_is_reached_by_all_methods_together(make: Callable[[], onnx.ModelProto]) -> None:
    reduction = reduce(make(), target=1.7)
    assert reduction.reached
    assert reduction.speedup >= 1.7
    assert_report_is_true(make(), reduction)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("rule", ["error", "energy"])
def test_asked_speedup_is_reached_and_not_overdone(make: Callable[[], onnx.ModelProto], rule: str) -> None:
    reduction = reduce(make(), target=1.7, rule=rule, methods=FACTORS)
    assert reduction.reached
    assert 1.7 <= reduction.speedup < 2.0
    assert_report_is_true(make(), reduction)
    assert reduction.images == COUNT
    assert 0 < reduction.image_passes <= 3


def test_speedup_of_one_changes_nothing() -> None:
    reduction = reduce(network(), target=1.0)
    assert reduction.reached
    assert reduction.model == network()
    assert reduction.layers[0].reason == "not worth reducing for this target"


def test_speedup_out_of_reach_gives_the_best_there_is() -> None:
    reduction = reduce(network(), target=1000.0)
    assert not reduction.reached
    assert_report_is_true(network(), reduction)
    assert reduction.speedup > reduce(network(), target=2.0).speedup
    assert all(
        np.isfinite(output).all() for output in outputs(reduction.model, [np.ones((1, 3, 16, 16), "f4")])
    )


def test_error_grows_with_the_speedup() -> None:
    model = deep()
    found = describe(model, None, "it")
    images = images_for(found, 10, seed=5)
    before = np.concatenate(outputs(model, images))
    changes = []
    for speedup in (1.5, 2.5, 5.0):
        after = np.concatenate(outputs(reduce(model, images=30, target=speedup).model, images))
        changes.append(float(np.square(before - after).mean() / before.var()))
    assert changes == sorted(changes)
    assert changes[0] < 0.1


def test_layers_repair_what_those_before_them_have_lost() -> None:
    """The same ranks everywhere: fits that see the reduced input are better at the end."""
    model = deep()
    found = describe(model, None, "it")
    images = images_for(found, 10, seed=5)
    before = np.concatenate(outputs(model, images))
    errors = {}
    for solver in ("linear", "asymmetric", "refit"):
        method = Channel((solver,))
        choice = {layer.name: method.candidate(layer, (4,), 0.0) for layer in found.reducible}
        reduction = reduce(model, images=40, methods=(method,), choice=choice, nonlinear=False)
        after = np.concatenate(outputs(reduction.model, images))
        errors[solver] = float(np.square(before - after).mean())
    assert errors["refit"] < 0.95 * errors["linear"]
    assert errors["refit"] < errors["asymmetric"] < errors["linear"]


def test_chosen_candidates_and_no_others_are_used() -> None:
    found = describe(network(), None, "it")
    candidate = Channel().candidate(found.layers[1], (5,), 0.0)
    reduction = reduce(network(), methods=(Channel(),), choice={"second": candidate})
    assert [(layer.name, layer.ranks) for layer in reduction.layers if layer.method] == [("second", (5,))]
    assert [layer.macs_after for layer in reduction.layers] == [
        found.layers[0].macs,
        candidate.macs,
        found.layers[2].macs,
    ]


@pytest.mark.parametrize("images", [5, 6, 9, 10])
def test_few_images_are_enough(images: int) -> None:
    """From 5 to 9 there is a single one to choose on."""
    reduction = reduce(network(), images=images, target=1.7)
    assert reduction.reached
    assert all(np.isfinite(layer.relative_error or 0) for layer in reduction.layers)


def test_too_few_images() -> None:
    with pytest.raises(InputError, match="4 calibration images are too few"):
        reduce(network(), images=4)
    with pytest.raises(InputError, match="no calibration images"):
        reduce(network(), images=0)


# What survives


def free_size() -> onnx.ModelProto:
    model = network(size="side")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    return model


def old() -> onnx.ModelProto:
    model = network()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)
    return model


def in_opset(version: int) -> onnx.ModelProto:
    model = network()
    model.opset_import[0].version = version
    return model


@pytest.mark.parametrize(
    "model",
    [
        free_size(),
        old(),
        *(in_opset(version) for version in (11, 13, 17, 21, onnx.defs.onnx_opset_version())),
    ],
    ids=["free size", "IR version 3", "11", "13", "17", "21", "newest"],
)
def test_interface_and_opset_survive(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="note", value="kept")
    model.doc_string, model.graph.node[1].doc_string = "a story", "another"
    result = reduce(model, target=1.7).model
    onnx.checker.check_model(result, full_check=True)
    assert result.graph.input[0] == model.graph.input[0]
    assert result.graph.output == model.graph.output
    assert result.opset_import == model.opset_import
    assert result.ir_version == model.ir_version
    assert list(result.metadata_props) == list(model.metadata_props)
    assert result.doc_string == "a story"
    assert next(node for node in result.graph.node if node.name == "relu1") == model.graph.node[1]


def test_free_size_still_takes_any_size() -> None:
    reduction = reduce(free_size(), target=1.7)
    for size in ((16, 16), (24, 9)):
        (image,) = images_for(describe(free_size(), size, "it"), 1)
        assert outputs(reduction.model, [image, image])[0].shape == (1, 4)
    batch = np.concatenate([image, image])
    np.testing.assert_allclose(
        outputs(reduction.model, [batch])[0][0], outputs(reduction.model, [image])[0][0], atol=1e-4
    )


@pytest.mark.parametrize("method", FACTORS, ids=lambda method: method.name)
def test_automatic_padding_takes_any_size(method: Method) -> None:
    """At full rank, so that the outputs can be compared at a size that the fit has not seen."""
    weights = {"w": np.random.default_rng(0).normal(size=(4, 3, 3, 4)).astype(np.float32)}
    node = helper.make_node("Conv", ["image", "w"], ["scores"], "only", auto_pad="SAME_UPPER", strides=[2, 3])
    model = model_of([node], weights, ["N", 3, "h", "w"], list("ndhw"))
    found = describe(model, (16, 16), "it")
    reduction = at_full_rank(found, images_for(found, 30), method)
    for size in ((16, 16), (17, 18), (9, 11)):
        assert_equal_outputs(model, reduction.model, images_for(describe(model, size, "it"), 2))


def test_batch_norm_is_folded_and_reduced(tmp_path: Path) -> None:
    model = network()
    arrays = {
        name: np.full(8, value, np.float32) for name, value in zip("abcd", (1.5, 0.2, 0.1, 2), strict=True)
    }
    normed = helper.make_node("BatchNormalization", ["c1", *arrays], ["n1"], "norm")
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()
    )
    model.graph.node[1].input[0] = "n1"
    model.graph.node.insert(1, normed)
    save(model, tmp_path / "model.onnx")
    reduction = reduce(load_model(tmp_path / "model.onnx"), target=1.7)
    assert reduction.reached
    assert "BatchNormalization" not in {node.op_type for node in reduction.model.graph.node}


# What cannot be reduced


def only_small_layers() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], "only")]
    return model_of(nodes, {"w": random.normal(size=(1, 1, 2, 2)).astype("f4")}, [1, 1, 8, 8], list("ndhw"))


def only_depthwise() -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], "only", group=3)]
    return model_of(nodes, {"w": np.ones((3, 1, 3, 3), np.float32)}, [1, 3, 8, 8], list("ndhw"))


def not_finite() -> onnx.ModelProto:
    model = network()
    model.graph.node[1].op_type = "Log"
    return model


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (only_small_layers, "no layer of this network gets cheaper"),
        (only_depthwise, "no layer of this network can be reduced"),
        (not_finite, "the network computes NaN or infinite values"),
    ],
)
def test_refused_networks(make: Callable[[], onnx.ModelProto], says: str) -> None:
    with pytest.raises(ModelRefusedError, match=says):
        reduce(make())


# Temporary files: ``scratch`` looks whether any is left


def steps_of(model: onnx.ModelProto) -> list[str]:
    """What progress is told, in order."""
    steps: list[str] = []
    found = describe(model, None, "it")

    def tell(step: str, done: int, total: int) -> None:
        assert 1 <= done <= total == COUNT
        if step not in steps:
            steps.append(step)

    reduce_network(found, iter(images_for(found, COUNT)), ReduceOptions(target=1.7), tell)
    return steps


def test_progress_tells_each_step() -> None:
    steps = steps_of(network())
    assert steps[0] == "collecting responses"
    assert steps[1].startswith("fitting layer 1 of ")


@pytest.mark.parametrize("ending", [KeyboardInterrupt, PiInferError, MemoryError])
@pytest.mark.parametrize("part", [0.1, 0.4, 0.9])
def test_nothing_is_left_when_it_ends_early(ending: type[BaseException], part: float, scratch: Path) -> None:
    """Whatever ends the work, early, in the middle or late."""
    found = describe(network(), None, "it")
    calls: list[str] = []
    reduce_network(
        found, iter(images_for(found, COUNT)), ReduceOptions(), lambda step, *_: calls.append(step)
    )
    last, sizes = round(part * len(calls)), []

    def stop(*_: object) -> None:
        sizes.append(sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()))
        if len(sizes) == last:
            raise ending

    with pytest.raises(ending):
        reduce_network(found, iter(images_for(found, COUNT)), ReduceOptions(), stop)
    assert max(sizes) > 0


def test_nothing_is_left_when_the_images_fail(scratch: Path) -> None:
    def images() -> Iterator[Array]:
        yield np.zeros((1, 3, 16, 16), np.float32)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        reduce_network(describe(network(), None, "it"), images(), ReduceOptions(), silent)
    assert list(scratch.iterdir()) == []


# The same again


def in_a_process_of_its_own(seed: int) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, reduce_and_hash.__file__, str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_same_seed_same_bytes() -> None:
    first, again, other = (in_a_process_of_its_own(seed) for seed in (7, 7, 8))
    assert len(first) == 64
    assert first == again == reduce_and_hash.main(7)
    assert first != other


def test_report_is_plain_data() -> None:
    reduction = reduce(network(), target=1.7)
    assert json.dumps([vars(layer) for layer in reduction.layers])
