"""Whole networks: the original at full rank, the asked speed-up, a true report."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import load_card
from export.calibrate.images import ImageReader, find_images, prepare
from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from tests.attacks.networks import model_of, network
from tests.export.reductions import COUNT, FACTORS, assert_report_is_true, at_full_rank, reduce, reduce_on
from tests.export.small_networks import (
    Array,
    assert_equal_outputs,
    images_for,
    outputs,
    residual,
    with_branch,
    with_heads,
)

pytestmark = pytest.mark.usefixtures("scratch")


def trained(assets: Path, name: str, folder: str, count: int) -> tuple[ReducibleNetwork, list[Array]]:
    """A trained network and calibration images as its inputs."""
    path = assets / "models" / f"{name}.onnx"
    card = load_card({}, path)
    files = find_images(assets / "images" / folder / "calibration").choose(count, seed=0).files
    images = [image.tensor.copy() for image in prepare(ImageReader(files), card.input)]
    return read_network(read_source(path), card.input.size), images


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [
        ("facemask_ssd", "facemask", 12),
        ("gtsrb_cnn", "gtsrb", 12),
        ("resnet18_imagenette", "imagenette", 7),
        ("squeezenet_imagenet", "imagenette", 7),
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
    reduction = reduce_on(found, images, target=3.0, methods=FACTORS)
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
    found = network_of(model, None, "it")
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
    found = network_of(model, None, "it")
    images = images_for(found, 10, seed=5)
    before = np.concatenate(outputs(model, images))
    errors = {}
    for solver in ("linear", "asymmetric", "refit"):
        method = Channel((solver,))
        decision = {layer.output: method.candidate(layer, (4,), 0.0) for layer in found.reducible}
        reduction = reduce(model, images=40, methods=(method,), decision=decision, nonlinear=False)
        after = np.concatenate(outputs(reduction.model, images))
        errors[solver] = float(np.square(before - after).mean())
    assert errors["refit"] < 0.95 * errors["linear"]
    assert errors["refit"] < errors["asymmetric"] < errors["linear"]


def test_chosen_candidates_and_no_others_are_used() -> None:
    found = network_of(network(), None, "it")
    candidate = Channel().candidate(found.layers[1], (5,), 0.0)
    reduction = reduce(network(), methods=(Channel(),), decision={found.layers[1].output: candidate})
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


def with_wide_end() -> onnx.ModelProto:
    """Two ordinary convolutions, then one of more filters than a few images can give samples for."""
    random = np.random.default_rng(0)
    sizes = {"a": (8, 3, 3, 3), "b": (8, 8, 3, 3), "c": (4000, 8, 1, 1)}
    weights = {name: random.normal(0, 0.3, size).astype(np.float32) for name, size in sizes.items()}
    steps = zip(("image", "ao", "bo"), sizes, ("ao", "bo", "scores"), strict=True)
    nodes = [helper.make_node("Conv", [before, name], [after], name) for before, name, after in steps]
    return model_of(nodes, weights, (1, 3, 16, 16), (1, 4000, 12, 12))


def test_a_layer_that_needs_more_images_is_left_alone() -> None:
    reduction = reduce(with_wide_end(), images=10, target=1.01)
    found = re.fullmatch(r"needs at least (\d+) calibration images", reduction.layers[-1].reason or "")
    assert found is not None
    assert any(layer.method for layer in reduction.layers)
    enough = reduce(with_wide_end(), images=int(found[1]), target=1.01)
    assert "images" not in (enough.layers[-1].reason or "")


def test_too_few_images_for_every_layer() -> None:
    found = network_of(with_wide_end(), None, "it")
    wide = replace(found, layers=tuple(replace(x, reason="no") if x.name != "c" else x for x in found.layers))
    with pytest.raises(InputError, match="10 images are too few to fit any layer; give at least"):
        reduce_on(wide, images_for(wide, 10))
