"""Time instead of multiply-adds: tables that a profile writes, and reductions that go by them."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.inference import Model
from edge_runtime.model.golden import golden_error
from export.choose.latency import LatencyTable
from export.layer import ConvolutionShape
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import labelled_images
from tests.attacks.networks import CLASSES, write_network

METHODS = "channel,spatial"
LOSE_ANYTHING = ("--max-drop", "100")
ELSEWHERE = {"cpu": "another machine's", "arch": "none"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its images, and its cost tables, as measured on this machine."""
    folder = tmp_path_factory.mktemp("time")
    write_network(folder / "model.onnx")
    labelled_images(folder / "images", CLASSES)
    for engine in ("onnxruntime", "ncnn"):
        outcome = run_here(
            *("profile", folder / "model.onnx", "--engine", engine, "--methods", METHODS, "--threads", "1"),
            *("-o", folder / f"{engine}.json"),
        )
        assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return folder


def table_with(network: Path, path: Path, nanoseconds: Callable[[ConvolutionShape], float]) -> Path:
    """A cost table of another machine, on which convolutions take what a function says."""
    table = LatencyTable.from_json((network / "ncnn.json").read_text(), "t")
    points = tuple(replace(point, ns=nanoseconds(point.shape)) for point in table.points)
    made = replace(table, points=points, between=(), machine=ELSEWHERE, network_ns=0.0)
    path.write_text(made.to_json())
    return path


def reduce(network: Path, output: Path, *options: str | Path) -> dict[str, object]:
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", output),
        *("--methods", METHODS, "--json", output.with_suffix(".json"), *LOSE_ANYTHING, *options),
    )
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    document: dict[str, object] = json.loads(output.with_suffix(".json").read_text())
    return document


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
def test_a_profile_says_where_and_how_it_was_measured(network: Path, engine: str) -> None:
    table = LatencyTable.from_json((network / f"{engine}.json").read_text(), "t")
    assert (table.engine, table.threads) == (engine, 1)
    assert {"pi-infer", engine, "numpy"} <= set(table.machine["versions"])
    assert table.network_ns > 0
    assert all(point.ns > 0 for point in table.points)


@pytest.mark.parametrize(("dear", "taken"), [((1, 1), "spatial"), ((3, 1), "channel")])
def test_layers_take_the_form_that_is_fast_where_the_table_was_measured(
    network: Path, tmp_path: Path, dear: tuple[int, int], taken: str
) -> None:
    """Kernels that an engine has no fast way for are avoided, whatever they save in multiply-adds."""
    table = table_with(
        network, tmp_path / "t.json", lambda shape: shape.macs * (1000 if shape.kernel == dear else 1)
    )
    document = reduce(network, tmp_path / "out.onnx", "--cost", table, "--speedup", "1.3")
    methods = {layer["method"] for layer in document["layers"]}  # type: ignore[attr-defined]
    assert methods - {None} == {taken}
    assert document["timed"] is None  # nothing is said of another machine's time


def test_a_table_by_multiply_adds_chooses_as_multiply_adds_do(network: Path, tmp_path: Path) -> None:
    table = table_with(network, tmp_path / "t.json", lambda shape: float(shape.macs))
    by_time = reduce(network, tmp_path / "t.onnx", "--cost", table, "--speedup", "1.5", "--engine", "ncnn")
    by_macs = reduce(network, tmp_path / "m.onnx", "--speedup", "1.5")
    ranks = [
        [(layer["method"], layer["rank"]) for layer in document["layers"]]  # type: ignore[attr-defined]
        for document in (by_time, by_macs)
    ]
    assert ranks[0] == ranks[1]
    assert (by_time["cost_unit"], by_macs["cost_unit"]) == ("ns", "macs")


def test_a_budget_is_a_speed_up_of_the_network_as_it_was_timed(network: Path, tmp_path: Path) -> None:
    table = table_with(network, tmp_path / "t.json", lambda shape: float(shape.macs))
    whole = json.loads(table.read_text())
    total = sum(layer["macs_before"] for layer in inspected(network))
    table.write_text(json.dumps(whole | {"network_ns": total}))
    budget = str(total / 1e6 / 1.5)
    by_budget = reduce(network, tmp_path / "b.onnx", "--cost", table, "--budget-ms", budget)
    by_ratio = reduce(network, tmp_path / "r.onnx", "--cost", table, "--speedup", "1.5")
    assert (by_budget["layers"], by_budget["reached"]) == (by_ratio["layers"], True)


def inspected(network: Path) -> list[dict[str, int]]:
    outcome = run_here("inspect", network / "model.onnx", "--json", network / "inspected.json")
    assert outcome.code == 0
    layers: list[dict[str, int]] = json.loads((network / "inspected.json").read_text())["layers"]
    return [{"macs_before": layer["macs"]} for layer in layers]


def test_a_network_for_ncnn_comes_out_ready_for_it(network: Path, tmp_path: Path) -> None:
    reduce(network, tmp_path / "out.onnx", "--engine", "ncnn", "--speedup", "1.5")
    for engine in ("onnxruntime", "ncnn"):
        model = Model.open(tmp_path / "out.onnx", engine=engine)
        assert golden_error(model.network, model.card) < 1e-3


def test_local_measures_here_and_says_what_was_reached(network: Path, tmp_path: Path) -> None:
    """How fast this machine is today decides whether a speed-up is reached: either is told, with figures."""
    output = tmp_path / "out.onnx"
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", output, "--cost", "local"),
        *("--engine", "ncnn", "--methods", METHODS, "--threads", "1", "--speedup", "1.05", *LOSE_ANYTHING),
    )
    assert outcome.code in (0, 6), outcome.err
    assert "ms before" in outcome.out
    assert output.exists() == (outcome.code == 0)


def test_a_budget_that_nothing_keeps_is_out_of_reach_and_was_never_predicted(
    network: Path, tmp_path: Path
) -> None:
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", tmp_path / "out.onnx"),
        *(
            "--cost",
            network / "onnxruntime.json",
            "--budget-ms",
            "1e-6",
            "--methods",
            METHODS,
            *LOSE_ANYTHING,
        ),
        *("--json", tmp_path / "out.json"),
    )
    assert outcome.code == 6
    assert "1e-06 ms is out of reach" in outcome.err
    assert "was predicted" not in outcome.err
    assert not (tmp_path / "out.onnx").exists()
    assert json.loads((tmp_path / "out.json").read_text())["reached"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cost", "nowhere.json"), "pi-export profile"),
        (("--cost", "ONNXRUNTIME", "--engine", "ncnn"), "is of onnxruntime"),
        (("--cost", "OTHER"), "another network"),
        (("--cost", "OLD"), "was measured under onnxruntime 0.1"),
        (("--cost", "MODEL"), "cost table"),
        (("--storage", "2", "--cost", "local"), "storage"),
        (("--budget-ms", "5"), "cost in time"),
    ],
)
def test_what_cannot_be_gone_by_is_said_before_any_work(
    network: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    other = json.loads((network / "ncnn.json").read_text()) | {"source_sha256": "00"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    old = json.loads((network / "onnxruntime.json").read_text())
    old["machine"]["versions"]["onnxruntime"] = "0.1"
    (tmp_path / "old.json").write_text(json.dumps(old))
    files = {
        "ONNXRUNTIME": network / "onnxruntime.json",
        "OTHER": tmp_path / "other.json",
        "OLD": tmp_path / "old.json",
        "MODEL": network / "model.onnx",
    }
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", tmp_path / "out.onnx"),
        *(files.get(option, option) for option in options),
    )
    assert_one_line(outcome, 2, words)
    assert not (tmp_path / "out.onnx").exists()


def test_without_ncnn_nothing_of_it_is_needed(network: Path, tmp_path: Path) -> None:
    """Networks for onnxruntime are reduced and timed where ncnn was never installed."""
    program = (
        "import sys\nsys.modules['ncnn'] = None\nfrom export.cli import main\n"
        f"sys.exit(main(['profile', {str(network / 'model.onnx')!r}, '--methods', 'channel',"
        f" '-o', {str(tmp_path / 't.json')!r}]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_table_of_int8_goes_with_a_network_in_int8(network: Path, tmp_path: Path) -> None:
    table = tmp_path / "int8.json"
    outcome = run_here(
        *("profile", network / "model.onnx", "--precision", "int8", "--methods", METHODS, "--threads", "1"),
        *("-o", table),
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert "convolutions in int8 under onnxruntime" in outcome.out
    read = LatencyTable.from_json(table.read_text(), "t")
    assert read.precision == "int8"
    assert read.gain == pytest.approx(read.network_ns / read.whole_ns)
    slow = replace(read, network_ns=2 * read.whole_ns, machine=ELSEWHERE)
    table.write_text(slow.to_json())
    in_int8 = ("--cost", table, "--precision", "int8")
    document = reduce(network, tmp_path / "out.onnx", *in_int8, "--speedup", "2")
    assert document["cost_ratio"] >= 2  # type: ignore[operator]
    assert document["macs_ratio"] == 1  # int8 alone does it
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", tmp_path / "no.onnx"),
        *("--cost", table, "--speedup", "2"),
    )
    assert_one_line(outcome, 2)
    assert "is of int8: give --precision int8" in outcome.err


def test_the_fastest_precision_is_timed(network: Path, tmp_path: Path) -> None:
    options = ("--cost", "local", "--precision", "auto", "--speedup", "1.01", "--threads", "1")
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", tmp_path / "out.onnx"),
        *("--methods", METHODS, "--json", tmp_path / "out.json", *LOSE_ANYTHING, *options),
    )
    assert outcome.code in (0, 6)
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["precision"] in ("float32", "int8")
    assert (document["int8"] is None) == (document["precision"] == "float32")


def test_the_fastest_precision_needs_a_place_to_time_it(network: Path, tmp_path: Path) -> None:
    outcome = run_here(
        *("reduce", network / "model.onnx", "--images", network / "images", "-o", tmp_path / "no.onnx"),
        *("--precision", "auto", "--speedup", "2"),
    )
    assert_one_line(outcome, 2)
    assert "--cost local or ssh:HOST" in outcome.err
