"""Networks under ncnn: what a file must be to run there, and the commands that take an engine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.model.engines.select import open_network
from edge_runtime.model.golden import golden_error, golden_frame
from edge_runtime.model.ncnn_form import METADATA_KEY

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def changed(path: Path, output: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    model = onnx.load(path)
    change(model)
    output.write_bytes(model.SerializeToString(deterministic=True))
    return output


def form_of(model: onnx.ModelProto) -> onnx.StringStringEntryProto:
    return next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)


def change_form(model: onnx.ModelProto, **values: object) -> None:
    entry = form_of(model)
    entry.value = json.dumps({**json.loads(entry.value), **values})


def test_it_answers_as_onnxruntime_does(converted_demo: Path) -> None:
    own, other = Model.open(converted_demo), Model.open(converted_demo, engine="ncnn")
    assert (own.network.output_names, own.card) == (other.network.output_names, other.card)
    for seed in range(4):
        image = golden_frame(seed, (120, 160))
        assert own(image).predictions()[0].index == other(image).predictions()[0].index
    assert golden_error(other.network, other.card) < 1e-4


def test_outputs_are_the_receivers_to_keep(converted_demo: Path) -> None:
    model = Model.open(converted_demo, engine="ncnn")
    first = model.network.run(model.preprocess(golden_frame(0, model.card.input.size)))[0]
    kept = first.copy()
    model.network.run(model.preprocess(golden_frame(1, model.card.input.size)))
    np.testing.assert_array_equal(first, kept)


def test_a_network_that_was_not_converted_says_how_to() -> None:
    with pytest.raises(InputError, match="pi-export convert"):
        open_network(demo.path(), engine="ncnn")


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(InputError, match="onnxruntime, ncnn"):
        open_network(demo.path(), engine="tensorflow")


def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.model.engines.select.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install 'pi-infer\[ncnn\]'"):
        open_network(demo.path(), engine="ncnn")


def test_changed_weights_change_its_answer(converted_demo: Path, tmp_path: Path) -> None:
    """The form names the weights of the file, and holds no copy that could be another network's."""

    def halve(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) / 2).tobytes()

    path = changed(converted_demo, tmp_path / "halved.onnx", halve)
    own, other = Model.open(path), Model.open(path, engine="ncnn")
    tensor = own.preprocess(golden_frame(0, own.card.input.size))
    np.testing.assert_allclose(own.network.run(tensor)[0], other.network.run(tensor)[0], atol=1e-4)
    assert golden_error(other.network, other.card) > 1e-3


def test_a_form_of_another_graph_is_refused(converted_demo: Path, tmp_path: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.node[0].name = "other"

    with pytest.raises(ModelRefusedError, match="was changed after"):
        open_network(changed(converted_demo, tmp_path / "x.onnx", rename), engine="ncnn")


def cut(model: onnx.ModelProto) -> None:
    entry = form_of(model)
    entry.value = entry.value[: len(entry.value) // 2]


def drop_a_weight(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.name = "nobody's"


@pytest.mark.parametrize(
    "change",
    [
        cut,
        drop_a_weight,
        lambda model: change_form(model, format=2),
        lambda model: change_form(model, param=7),
        lambda model: change_form(model, outputs=[]),
        lambda model: change_form(model, weights=[{"kind": "bytes", "value": "!"}]),
        lambda model: change_form(model, weights=[]),
        lambda model: change_form(model, param="7767517\n1 1\nNoSuchLayer x 0 1 in0\n"),
        lambda model: change_form(model, param="nonsense"),
        lambda model: change_form(model, output_blobs=["nowhere"]),
        lambda model: setattr(form_of(model), "value", "[]"),
    ],
)
def test_a_form_that_is_damaged_ends_in_one_line(
    converted_demo: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], object], pi_infer: Run
) -> None:
    path = changed(converted_demo, tmp_path / "x.onnx", change)
    done = pi_infer("--source", "demo", "--model", path, "--engine", "ncnn", "--frames", 1, "--plain")
    assert done.returncode in (2, 3), done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert str(path) in done.stderr


@pytest.mark.parametrize(("engine", "other"), [("ncnn", "onnxruntime"), ("onnxruntime", "ncnn")])
def test_only_the_engine_in_use_is_imported(converted_demo: Path, engine: str, other: str) -> None:
    program = (
        "import sys\nfrom edge_runtime import Model\n"
        f"Model.open({str(converted_demo)!r}, engine={engine!r}).try_out()\n"
        f"assert {engine!r} in sys.modules and {other!r} not in sys.modules, sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_live_command_runs_it(converted_demo: Path, pi_infer: Run) -> None:
    arguments = ("--source", "demo", "--model", converted_demo, "--frames", 3, "--jsonl", "-")
    results = [pi_infer(*arguments, "--engine", engine) for engine in ("onnxruntime", "ncnn")]
    assert [done.returncode for done in results] == [0, 0]
    own, other = ([json.loads(line) for line in done.stdout.splitlines()] for done in results)
    labels = [[each["label"] for each in line["labels"]] for line in own]
    assert len(labels) == 3
    assert [[each["label"] for each in line["labels"]] for line in other] == labels


def test_auto_says_what_it_took_and_why(converted_demo: Path, pi_infer: Run) -> None:
    done = pi_infer(
        "--source", "demo", "--model", converted_demo, "--frames", 1, "--plain", "--engine", "auto"
    )
    assert done.returncode == 0
    assert "ms under onnxruntime" in done.stdout + done.stderr
    assert "ms under ncnn" in done.stdout + done.stderr


def test_auto_takes_onnxruntime_for_a_network_made_for_nothing_else(pi_infer: Run) -> None:
    done = pi_infer("--source", "demo", "--frames", 1, "--plain", "--engine", "auto")
    assert done.returncode == 0
    assert "engine onnxruntime" in done.stdout + done.stderr


def test_the_benchmark_sets_engines_side_by_side(converted_demo: Path, pi_infer: Run) -> None:
    arguments = ("--seconds", 0.05, "--rounds", 1, "--json", "-")
    done = pi_infer("bench", converted_demo, "--engine", "onnxruntime,ncnn", *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [model["engine"] for model in report["models"]] == ["onnxruntime", "ncnn"]
    assert report["models"][0]["against_first"] is None
    assert report["models"][1]["against_first"]["speedup"] == report["speedup"]
    assert {"onnxruntime", "ncnn"} <= set(report["machine"]["versions"])


def test_the_doctor_examines_it(converted_demo: Path, pi_infer: Run) -> None:
    done = pi_infer("doctor", "--model", converted_demo, "--engine", "ncnn", "--json", "-")
    findings = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert findings["network"]["verdict"] == findings["golden-output"]["verdict"] == "ok"
