"""From file to file: a network whose weights were disturbed learns to respond as the original does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from onnx import helper, numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.card import METADATA_KEY
from edge_runtime.model.image import Outputs
from export.judge.judge import Judge
from export.network.card import write_card
from export.network.source import read_source
from export.network.tensors import initialiser
from export.recovery import training
from export.recovery.file import recover
from export.recovery.pictures import Pictures
from export.recovery.result import Recovery
from export.reduction.file import Delivery, reduce
from tests.attacks.images import good_images
from tests.attacks.networks import network, save

pytestmark = pytest.mark.usefixtures("scratch")

IMAGES = 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(network(), tmp_path / "model.onnx")
    save(disturbed(network()), tmp_path / "reduced.onnx")
    good_images(tmp_path / "images", IMAGES)
    return tmp_path


def disturbed(model: onnx.ModelProto, size: float = 0.05) -> onnx.ModelProto:
    random = np.random.default_rng(1)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        noisy = values + random.normal(0, size, values.shape)
        tensor.CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), tensor.name))
    return model


def reduced(folder: Path) -> Delivery:
    """What ``reduce`` makes of 30 images to fit on; its weights are disturbed afterwards."""
    delivery = reduce(
        folder / "model.onnx", folder / "images", folder / "reduced.onnx",
        speedup=1.5, max_drop_percent=100, threads=1, max_images=30, seed=3,
    )  # fmt: skip
    save(disturbed(onnx.load(folder / "reduced.onnx")), folder / "reduced.onnx")
    return delivery


def recovered(folder: Path, epochs: int | None = 8, **options: Any) -> Recovery:
    return recover(
        folder / "reduced.onnx", folder / "model.onnx", folder / "images", folder / "out.onnx",
        epochs=epochs, threads=1, **options,
    )  # fmt: skip


def without_weights(path: Path) -> onnx.ModelProto:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model


def test_it_gets_nearer_to_the_original_and_only_weights_change(folder: Path) -> None:
    write_card(read_source(folder / "reduced.onnx"), folder / "reduced.onnx")
    model = onnx.load(folder / "reduced.onnx")
    model.metadata_props.add(key="somebody", value="else")
    save(model, folder / "reduced.onnx")
    recovery = recovered(folder)
    assert recovery.delivered
    assert recovery.after.divergence < recovery.before.divergence / 4
    assert recovery.path == folder / "out.onnx"
    assert without_weights(folder / "out.onnx") == without_weights(folder / "reduced.onnx")
    before, after = (Model.open(folder / name).card for name in ("reduced.onnx", "out.onnx"))
    assert replace(after, provenance=None, golden=None) == replace(before, provenance=None, golden=None)
    Model.open(folder / "out.onnx").try_out()


def test_provenance_gets_its_step(folder: Path) -> None:
    delivery = reduced(folder)
    step = recovered(folder, seed=5).card.provenance or {}
    assert step["source_provenance"] == delivery.card.provenance
    assert step["source"] == "reduced.onnx"
    assert step["teacher"] == "model.onnx"
    assert step["teacher_sha256"] == (delivery.card.provenance or {})["source_sha256"]
    assert (step["seed"], step["epochs"]) == (5, 8)
    assert step["versions"]["torch"] == torch.__version__


def test_images_apart_are_those_that_reduce_kept_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30 + 7 images that ``reduce`` chose with this seed, 30 were fitted on: 27 train and 3 choose."""
    judged: list[bytes] = []
    outputs = Judge.outputs

    def listen(judge: Judge, model: onnx.ModelProto) -> Iterator[Outputs]:
        judged.extend(tensor.tobytes() for tensor in judge._inputs)  # noqa: SLF001
        return outputs(judge, model)

    monkeypatch.setattr(Judge, "outputs", listen)
    reduced(folder)
    apart = set(judged)
    judged.clear()
    seen: list[torch.Tensor] = []
    changed = Pictures._changed  # noqa: SLF001

    def watch(pictures: Pictures, batch: np.ndarray) -> torch.Tensor:
        seen.extend(torch.from_numpy(batch.copy()))
        return changed(pictures, batch)

    monkeypatch.setattr(Pictures, "_changed", watch)
    monkeypatch.setattr(training, "BATCH", 1)
    recovery = recovered(folder, epochs=2)
    assert recovery.images == len(seen) / 2 == 27
    assert len({image.numpy().tobytes() for image in seen}) == 27
    assert len(apart) == 7
    assert set(judged) == apart
    assert apart.isdisjoint(image.numpy().tobytes() for image in seen)


def test_the_same_seed_gives_the_same_file(folder: Path) -> None:
    files = []
    for seed in (0, 0, 1):
        recovered(folder, epochs=2, seed=seed)
        files.append((folder / "out.onnx").read_bytes())
    assert files[0] == files[1] != files[2]


def test_connections_that_were_taken_out_stay_out(folder: Path) -> None:
    model = onnx.load(folder / "reduced.onnx")
    kept = np.random.default_rng(2).random((16, 8, 3, 3)) < 0.5
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
    weights.CopyFrom(numpy_helper.from_array(initialiser(model, "w2") * kept, "w2"))
    save(model, folder / "reduced.onnx")
    assert recovered(folder).delivered
    found = initialiser(onnx.load(folder / "out.onnx"), "w2")
    assert np.array_equal(found != 0, kept)


def test_nothing_is_written_where_nothing_got_better(folder: Path) -> None:
    save(network(), folder / "reduced.onnx")  # the original itself
    before = (folder / "reduced.onnx").read_bytes()
    recovery = recovered(folder, epochs=1)
    assert not recovery.delivered
    assert recovery.path is None
    assert not (folder / "out.onnx").exists()
    assert (folder / "reduced.onnx").read_bytes() == before


@pytest.mark.parametrize("poisoned", [1, 4])
def test_a_loss_that_is_no_number_leads_back_to_the_best_at_a_lower_rate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, poisoned: int
) -> None:
    """One batch of NaN is survived; where every attempt meets one, the training gives up."""
    left = iter(range(poisoned))
    changed = Pictures._changed  # noqa: SLF001

    def poison(pictures: Pictures, batch: np.ndarray) -> torch.Tensor:
        return changed(pictures, batch) * (torch.nan if next(left, None) is not None else 1.0)

    monkeypatch.setattr(Pictures, "_changed", poison)
    recovery = recovered(folder)
    gave_up = poisoned == training.ATTEMPTS
    assert recovery.training.gave_up == gave_up
    assert recovery.delivered == (not gave_up)
    assert ("no number" in recovery.words()) == gave_up


def test_ctrl_c_keeps_the_best_so_far(folder: Path) -> None:
    def interrupt(step: str, done: int, total: int) -> None:
        if step == "training" and done > total / 2:
            raise KeyboardInterrupt

    recovery = recovered(folder, epochs=16, progress=interrupt)
    assert recovery.training.interrupted
    assert 0 < recovery.training.epochs < 16
    assert recovery.delivered
    assert (folder / "out.onnx").exists()
    assert "interrupted after" in recovery.words()


def test_too_little_memory_makes_smaller_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = training.Trainer._step  # noqa: SLF001

    def limited(trainer: training.Trainer, images: torch.Tensor) -> None:
        if len(images) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        step(trainer, images)

    monkeypatch.setattr(training.Trainer, "_step", limited)
    recovery = recovered(folder)
    assert recovery.delivered
    assert recovery.training.batch == 2
    assert "not enough memory" in caplog.text


def test_too_little_memory_for_a_single_image_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(trainer: training.Trainer, images: torch.Tensor) -> None:
        del trainer, images
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(training.Trainer, "_step", fail)
    with pytest.raises(MemoryError):
        recovered(folder)


def test_progress_tells_of_time_where_time_is_given(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    recovery = recovered(folder, None, minutes=0.01, progress=lambda *step: told.append(step))
    assert recovery.training.epochs > 0
    assert {total for step, _, total in told if step == "training, in seconds"} == {1}
    assert {step for step, _, _ in told} >= {"reading images", "training, in seconds"}


def test_inputs_of_bytes_with_channels_last(folder: Path) -> None:
    for name in ("model.onnx", "reduced.onnx"):
        save(of_bytes(onnx.load(folder / name)), folder / name)
    assert recovered(folder, epochs=16).delivered


def of_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network for pixels as they are, channels last."""
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["N", side, side, 3])
    )
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "hundredth"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["image"], perm=[0, 3, 1, 2]),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    model.graph.initializer.append(numpy_helper.from_array(np.full(1, 0.01, np.float32), "hundredth"))
    for entry in model.metadata_props:
        entry.value = f'{{"input": {{"size": [{side}, {side}]}}}}'
    return model


def other_classes(folder: Path) -> None:
    model = network()
    for name in ("w3", "b3"):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        tensor.CopyFrom(numpy_helper.from_array(initialiser(model, name)[:3].copy(), name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3
    save(model, folder / "model.onnx")


def other_names(folder: Path) -> None:
    for own in ("model", "reduced"):
        model = network()
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [f"{own}_{name}" if name in {"c1", "c2", "scores"} else name for name in names]
        model.graph.node.append(helper.make_node("Identity", [f"{own}_scores"], ["scores"]))
        save(model, folder / f"{own}.onnx")


def few_images(folder: Path) -> None:
    for path in sorted((folder / "images").iterdir())[20:]:
        path.unlink()


def unknown_operator(folder: Path) -> None:
    model = network()
    model.graph.node[4].op_type = "GlobalLpPool"
    save(model, folder / "reduced.onnx")


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (other_classes, InputError, r"gives 'scores' \(1, 4\), but .*model.onnx 'scores' \(1, 3\)"),
        (other_names, InputError, "shares no responses with"),
        (few_images, InputError, "16 images .* too few: give at least 25"),
        (unknown_operator, ModelRefusedError, r"the operator GlobalLpPool \(layer 'pool'\)"),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, spoil: Callable[[Path], None], error: type[Exception], says: str
) -> None:
    spoil(folder)
    with pytest.raises(error, match=says):
        recovered(folder)
    assert not (folder / "out.onnx").exists()


def test_a_teacher_that_is_not_the_one_is_doubted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    reduced(folder)
    recovered(folder, epochs=1)
    assert "another file" not in caplog.text
    save(network(seed=1), folder / "model.onnx")
    recovered(folder, epochs=1)
    assert "was reduced from another file" in caplog.text


@pytest.mark.parametrize(
    "options", [{"epochs": 1, "minutes": 1.0}, {"epochs": 0}, {"epochs": None, "minutes": 0.0}]
)
def test_lengths_that_make_no_sense(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"epochs|minutes"):
        recovered(folder, **options)


def test_the_output_is_not_the_input(folder: Path) -> None:
    with pytest.raises(InputError, match="is the network itself"):
        recover(folder / "reduced.onnx", folder / "model.onnx", folder / "images", folder / "reduced.onnx")


def test_training_goes_on_from_what_was_written(folder: Path) -> None:
    """The images apart are still those of ``reduce``, and every step is told."""
    reduced(folder)
    first = recovered(folder)
    (folder / "out.onnx").rename(folder / "reduced.onnx")
    second = recovered(folder)
    assert second.before == first.after
    assert second.delivered
    steps = [second.card.provenance or {}]
    while "source_provenance" in steps[-1]:
        steps.append(steps[-1]["source_provenance"])
    assert ["epochs" in step for step in steps] == [True, True, False]


def test_a_detector_learns_what_its_head_says(folder: Path) -> None:
    """Boxes of one convolution's columns: two classes at each of 256 places."""
    for name in ("model.onnx", "reduced.onnx"):
        model = onnx.load(folder / name)
        save(detector(model), folder / name)
    recovery = recovered(folder, epochs=16)
    assert recovery.before.unit == "for each object"
    assert recovery.delivered
    assert recovery.after.divergence < recovery.before.divergence / 2


def detector(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with a head of YOLO version 8 in place of its classifier."""
    random = np.random.default_rng(3)
    del model.graph.node[4:]
    weights = {
        "head": random.normal(0, 0.3, (6, 16, 1, 1)).astype(np.float32),
        "columns": np.array([0, 6, 256], np.int64),
        "parts": np.array([4, 2], np.int64),
        "size": np.full((1, 1, 1), 8, np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    model.graph.node.extend(
        [
            helper.make_node("Conv", ["r2", "head"], ["map"], "head"),
            helper.make_node("Sigmoid", ["map"], ["shares"]),
            helper.make_node("Reshape", ["shares", "columns"], ["rows"]),
            helper.make_node("Split", ["rows", "parts"], ["places", "classes"], axis=1),
            helper.make_node("Mul", ["places", "size"], ["boxes"]),
            helper.make_node("Concat", ["boxes", "classes"], ["scores"], axis=1),
        ]
    )
    shape = onnx.TensorShapeProto(dim=[{"dim_param": "N"}, {"dim_value": 6}, {"dim_value": 256}])
    model.graph.output[0].type.tensor_type.shape.CopyFrom(shape)
    for entry in model.metadata_props:
        entry.value = (
            '{"input": {"size": [16, 16], "scale": 0.01}, "task": "detect", "labels": ["a", "b"], '
            '"decoder": {"kind": "yolov8"}}'
        )
    return model
