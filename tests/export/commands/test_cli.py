"""The command line of the exporter: what each subcommand prints, writes and ends with."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error
from tests.attacks.command_line import assert_one_line, run_apart, run_here
from tests.attacks.images import good_images, labelled_images
from tests.attacks.networks import CLASSES, network, save, write_network

LAYERS_OF_ASSETS = {
    "facemask_ssd": 28,
    "gtsrb_cnn": 6,
    "resnet18_imagenette": 16,
    "squeezenet_imagenet": 26,
    "vgg19_caltech101": 9,
    "yolov5n_coco": 60,
}
DOCUMENTED_LAYER_KEYS = {
    "name", "method", "rank", "macs_before", "macs_after", "cost_before", "cost_after", "relative_error",
    "reason",
}  # fmt: skip
DOCUMENTED_KEYS = {"macs_ratio", "cost_ratio", "params_ratio", "seconds", "seed", "versions", "layers"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    labelled_images(tmp_path / "images", CLASSES)
    return tmp_path


# A network of random weights decides alike for all images, so the variance of its scores counts, and little
# of that is kept.
LOSE_ANYTHING = ("--max-drop", "100")


def reduce(
    folder: Path, *options: str | Path, output: str = "out.onnx", speedup: str = "2"
) -> dict[str, Any]:
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / output,
        "--speedup", speedup, "--json", folder / "out.json", *LOSE_ANYTHING, *options,
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    document: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return document


@pytest.mark.assets
@pytest.mark.parametrize(("name", "layers"), LAYERS_OF_ASSETS.items())
def test_inspect_trained_networks(
    name: str, layers: int, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    outcome = run_here("inspect", asset_model(name), "--json", tmp_path / "layers.json")
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads((tmp_path / "layers.json").read_text())
    assert len(document["layers"]) == layers
    assert sum(layer["macs"] for layer in document["layers"]) == document["macs"]
    assert sum(layer["macs_share"] for layer in document["layers"]) == pytest.approx(1)
    assert all(layer["reducible"] == (layer["reason"] is None) for layer in document["layers"])
    assert f"{layers} layers" in outcome.out


def test_inspect_shows_every_layer_and_why_not(folder: Path) -> None:
    model = network()
    model.graph.node[-1].attribute.append(helper.make_attribute("alpha", 0.5))
    save(model, folder / "model.onnx")
    outcome = run_here("inspect", folder / "model.onnx")
    rows = [re.split(r"\s{2,}", line.strip()) for line in outcome.out.splitlines()]
    assert ["first", "Conv 3x3", "3 → 8", "1x1", "1", "16x16", "55.3 k", "15.79 %", "224", "yes"] in rows
    assert any(row[0] == "classifier" and row[-1] == "no: alpha, beta or transA is set" for row in rows)


def with_pairs() -> onnx.ModelProto:
    """A product of two computed tensors before the end, and an operator of a domain that nobody knows."""
    model = network()
    model.graph.node.insert(4, helper.make_node("MatMul", ["r2", "r2"], ["m"], "pairs"))
    model.graph.node[5].input[0] = "m"
    model.graph.node.append(helper.make_node("Foo", ["f"], ["g"], domain="com.acme"))
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    return model


def test_inspect_counts_what_cannot_be_reduced_and_names_what_it_cannot_count(tmp_path: Path) -> None:
    save(with_pairs(), tmp_path / "model.onnx")
    outcome = run_here("inspect", tmp_path / "model.onnx", "--json", tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert [layer["name"] for layer in document["layers"]] == ["first", "second", "pairs", "classifier"]
    pairs = document["layers"][2]
    assert (pairs["op_type"], pairs["macs"], pairs["reducible"]) == ("MatMul", 16 * 16**3, False)
    assert (pairs["kernel"], pairs["reason"]) == (None, "a product of two computed tensors")
    assert sum(layer["macs"] for layer in document["layers"]) == document["macs"]
    assert document["uncounted"] == [
        {"op_type": "com.acme.Foo", "nodes": 1, "reason": "how it multiplies is not known"}
    ]
    assert "not counted: com.acme.Foo (1), for how it multiplies is not known" in outcome.out
    assert "0 reducible" in outcome.out


def test_network_that_an_optimiser_wrote_is_counted_but_not_reduced(folder: Path) -> None:
    model = network()
    for place in (2, 0):
        fused, activation = model.graph.node[place], model.graph.node[place + 1]
        fused.op_type, fused.domain, fused.output[0] = "FusedConv", "com.microsoft", activation.output[0]
        fused.attribute.append(helper.make_attribute("activation", "Relu"))
        del model.graph.node[place + 1]
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    save(network(), folder / "plain.onnx")
    save(model, folder / "model.onnx")
    for name in ("plain", "model"):
        run_here("inspect", folder / f"{name}.onnx", "--json", folder / f"{name}.json")
    plain, fused = (json.loads((folder / f"{name}.json").read_text()) for name in ("plain", "model"))
    assert fused["macs"] == plain["macs"]
    assert not any(layer["reducible"] for layer in fused["layers"])
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx"
    )
    assert_one_line(outcome, 3, "written by onnxruntime's optimiser; give the network it was made from")


def test_inspect_takes_the_size_from_the_option_then_the_card(tmp_path: Path) -> None:
    save(network(size="side"), tmp_path / "free.onnx")
    assert "input 16x16" in run_here("inspect", tmp_path / "free.onnx").out
    assert "input 40x24" in run_here("inspect", tmp_path / "free.onnx", "--input-size", "40x24").out
    (tmp_path / "card.json").write_text('{"input": {"size": [10, 12]}}')
    assert "input 10x12" in run_here("inspect", tmp_path / "free.onnx", "--input", tmp_path / "card.json").out


def test_inspect_needs_a_size_from_somewhere(tmp_path: Path) -> None:
    model = network(size="side")
    del model.metadata_props[:]
    save(model, tmp_path / "free.onnx")
    assert_one_line(run_here("inspect", tmp_path / "free.onnx"), 2, "--input-size")


def test_reduce_writes_network_card_and_documented_json(folder: Path) -> None:
    document = reduce(folder, "--seed", "7")
    assert set(document) >= DOCUMENTED_KEYS
    assert all(set(layer) >= DOCUMENTED_LAYER_KEYS for layer in document["layers"])
    assert document["macs_ratio"] >= 2
    assert document["seed"] == 7
    assert document["images"] == 20  # a fifth of 24 only judge
    before, after = (
        sum(layer[f"macs_{when}"] for layer in document["layers"]) for when in ("before", "after")
    )
    assert document["macs_ratio"] == pytest.approx(before / after)
    inspected = folder / "inspected.json"
    run_here("inspect", folder / "out.onnx", "--json", inspected)
    assert json.loads(inspected.read_text())["macs"] == after


def test_reduced_network_carries_its_card(folder: Path) -> None:
    reduce(folder)
    loaded = open_network(folder / "out.onnx", threads=1)
    card = loaded.card()
    assert golden_error(loaded, card) < 1e-5
    assert card.provenance is not None
    assert card.provenance["source"] == "model.onnx"
    assert card.provenance["speedup"] == 2.0
    assert set(card.provenance["versions"]) >= {"pi-infer", "onnx", "onnxruntime", "numpy", "opencv"}


def test_same_seed_same_bytes(folder: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        reduce(folder, "--seed", "3", output=name)
    assert (folder / "one.onnx").read_bytes() == (folder / "two.onnx").read_bytes()


def test_max_images_limits_what_is_read(folder: Path) -> None:
    assert reduce(folder, "--max-images", "15")["images"] == 15


def test_storage_is_a_target_of_its_own(folder: Path) -> None:
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx",
        "--storage", "2", "--max-drop", "100", "--json", folder / "out.json",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads((folder / "out.json").read_text())
    assert document["storage_ratio"] >= 2
    assert (document["speedup"], document["storage"]) == (None, 2.0)
    assert (document["cost_unit"], document["cost_ratio"]) == ("bytes", document["storage_ratio"])
    before, after = (
        sum(layer[f"cost_{when}"] for layer in document["layers"]) for when in ("before", "after")
    )
    assert document["cost_ratio"] == pytest.approx(before / after)
    assert (folder / "out.onnx").stat().st_size < (folder / "model.onnx").stat().st_size


def test_connections_are_removed_for_storage(folder: Path) -> None:
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx",
        "--storage", "1.5", "--methods", "sparse", "--max-drop", "100", "--json", folder / "out.json",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads((folder / "out.json").read_text())
    assert document["storage_ratio"] >= 1.5
    assert document["macs_ratio"] == 1.0
    assert "smaller where zeros are packed" in outcome.out


def test_reducing_twice_warns(folder: Path) -> None:
    reduce(folder, speedup="1.3")
    twice = run_apart(
        "reduce",
        folder / "out.onnx",
        "--images",
        folder / "images",
        "-o",
        folder / "again.onnx",
        "--speedup",
        "1.2",
    )
    assert twice.code == 0
    assert "already reduced" in twice.err
    card = open_network(folder / "again.onnx").card()
    assert card.provenance is not None
    assert card.provenance["source_provenance"]["source"] == "model.onnx"


def test_output_may_be_overwritten_but_not_the_network_itself(folder: Path) -> None:
    (folder / "out.onnx").write_text("old")
    reduce(folder)
    onnx.load(folder / "out.onnx")
    (folder / "link.onnx").symlink_to("model.onnx")
    for output in ("model.onnx", "link.onnx"):
        outcome = run_here(
            "reduce",
            folder / "model.onnx",
            "--images",
            folder / "images",
            "-o",
            folder / output,
            "--speedup",
            "2",
        )
        assert_one_line(outcome, 2)


def test_target_out_of_reach_is_said_and_the_best_found_kept(folder: Path) -> None:
    outcome = run_here(
        "reduce",
        folder / "model.onnx",
        "--images",
        folder / "images",
        "-o",
        folder / "out.onnx",
        "--speedup",
        "90",
    )
    assert_one_line(outcome, 6, "out of reach")
    assert not (folder / "out.onnx").exists()
    assert open_network(folder / "out.best.onnx").card().provenance is not None


def test_speedup_and_storage_exclude_each_other(folder: Path) -> None:
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder, "-o", "o", "--speedup", "2", "--storage", "2"
    )
    assert_one_line(outcome, 2, "not allowed with")


def test_version_and_help() -> None:
    assert re.fullmatch(r"pi-export \d+\.\d+\.\d+\n", run_here("--version").out)
    for command in ("inspect", "reduce", "evaluate", "card"):
        outcome = run_here(command, "--help")
        assert outcome.code == 0
        assert outcome.out.startswith(f"usage: pi-export {command}")


def test_unexpected_error_is_one_line_with_code_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("never thought of")

    monkeypatch.setattr("export.network.inspection.inspect", fail)
    outcome = run_here("inspect", folder / "model.onnx")
    assert_one_line(outcome, 1, "ZeroDivisionError: never thought of (--debug shows where)")


def test_unlabelled_images_do_for_reducing(folder: Path) -> None:
    good_images(folder / "images", count=3)
    assert reduce(folder)["images"] == 22


@pytest.mark.parametrize("missing", ["onnx", "rich"])
def test_the_pi_alone_lacks_what_the_exporter_needs(missing: str, folder: Path) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from export.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "inspect", str(folder / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(
        r"pi-export: error: pi-export needs \w+: pip install 'pi-infer.export.'\n", done.stderr
    )
