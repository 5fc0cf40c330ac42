"""``pi-export recover``: what it prints, writes and ends with."""

import json
import sys
from pathlib import Path

import pytest

from edge_runtime.inference import Model
from tests.attacks.command_line import Outcome, assert_one_line, run_here
from tests.attacks.images import good_images
from tests.attacks.networks import network, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(network(), tmp_path / "model.onnx")
    save(network(seed=1), tmp_path / "reduced.onnx")  # far from it, with the same responses
    good_images(tmp_path / "images", 30)
    return tmp_path


def recover(folder: Path, *options: str | Path) -> Outcome:
    return run_here(
        "recover", folder / "reduced.onnx", "--teacher", folder / "model.onnx", "--images", folder / "images",
        "-o", folder / "out.onnx", "--threads", "1", *options,
    )  # fmt: skip


def test_it_says_what_was_gained(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    outcome = recover(folder, "--epochs", "4", "--json", folder / "out.json")
    assert (outcome.code, outcome.err) == (0, "")
    before, after, how = outcome.out.splitlines()
    assert before.startswith("before: ")
    assert after.endswith("on 6 images kept apart")
    assert how.startswith(f"{folder}/out.onnx: trained for 4 passes over 22 images")
    document = json.loads((folder / "out.json").read_text())
    assert document["delivered"]
    assert document["output"] == str(folder / "out.onnx")
    assert document["after"]["divergence"] < document["before"]["divergence"]
    assert (document["epochs"], document["images"], document["interrupted"]) == (4, 22, False)


def test_exit_code_6_where_nothing_got_better(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    save(network(), folder / "reduced.onnx")
    outcome = recover(folder, "--epochs", "1")
    assert_one_line(outcome, 6, "did not get better, so nothing is written")
    assert not (folder / "out.onnx").exists()


def test_without_torch_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("export.recovery.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert_one_line(recover(folder), 2, "needs torch: pip install 'pi-infer[recover]'")


@pytest.mark.parametrize(
    "options", [("--epochs", "0"), ("--minutes", "-1"), ("--epochs", "2", "--minutes", "3")]
)
def test_lengths_that_make_no_sense(folder: Path, options: tuple[str, ...]) -> None:
    assert recover(folder, *options).code == 2


def reduce_and_recover(folder: Path, *options: str | Path) -> Outcome:
    return run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "small.onnx",
        "--speedup", "2", "--methods", "channel", "--threads", "1", "--json", folder / "small.json",
        *options,
    )  # fmt: skip


def test_reduce_recovers_what_it_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    monkeypatch.setattr("export.recovery.schedule.MOST_EPOCHS", 30)
    outcome = reduce_and_recover(folder, "--recover", "--max-drop", "100")
    assert (outcome.code, outcome.err) == (0, "")
    assert "trained for 30 passes over 22 images" in outcome.out
    document = json.loads((folder / "small.json").read_text())
    recovery = document["recovery"]
    assert document["speedup"] == 2
    assert recovery["delivered"]
    assert recovery["output"] == str(folder / "small.onnx")
    provenance = Model.open(folder / "small.onnx").card.provenance or {}
    assert provenance == recovery["provenance"]
    assert provenance["source_provenance"]["speedup"] == 2


def test_what_may_be_lost_is_judged_after_recovery(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    outcome = reduce_and_recover(folder, "--recover", "0.001", "--max-drop", "0")
    assert_one_line(outcome, 6, "even after recovery; the network is in")
    assert not (folder / "small.onnx").exists()
    assert (folder / "small.best.onnx").exists()


def test_recovery_is_for_floats(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")
    assert_one_line(reduce_and_recover(folder, "--recover", "--precision", "int8"), 2, "is for float32")
