"""The runtime on emulated Pi 4 and Pi 5 cores: same answers as here, fewer instructions after reduction."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.model.engines.ncnn import CLOSENESS
from edge_runtime.settings.arguments import ENGINES

from .conftest import HERE, PROJECT, Board, Instructions

pytestmark = [pytest.mark.arm, pytest.mark.assets]
NETWORKS = ("base", "reduced")
RUNS = tuple((network, engine) for network in NETWORKS for engine in ENGINES)
ROUNDED = (("int8", "onnxruntime"), ("half", "ncnn"))  # the base in fewer bits, under the engine it is for
INPUT_SIZE = (30, 30)
PICTURES = 4
TOLERANCE = 1e-4
ROUNDED_TOLERANCE = 0.05
BASE = ("base", "onnxruntime")

Run = tuple[str, str]  # a network and an engine


@dataclass(frozen=True)
class Inputs:
    """A network before and after reduction, and real images for it.

    Attributes:
        models: The networks by name.
        frames: A .npz file: ``PICTURES`` images as they are, then the same in the network's input size.
    """

    models: Mapping[str, Path]
    frames: Path


@pytest.fixture(scope="module")
def inputs(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    base, reduced = folder / "gtsrb_cnn.onnx", folder / "reduced.onnx"
    shutil.copyfile(assets / "models" / "gtsrb_cnn.onnx", base)
    export("card", base, "--input", assets / "models" / "gtsrb_cnn.json")
    calibration = assets / "images" / "gtsrb" / "calibration"
    export("reduce", base, "--images", calibration, "--speedup", "2", "-o", reduced)
    for network in (base, reduced):
        export("convert", network)
    int8, half = folder / "int8.onnx", folder / "half.onnx"
    export("quantise", base, "--images", calibration, "--max-images", "60", "-o", int8)
    export("convert", base, "--precision", "float16", "--images", calibration, "-o", half)
    files = sorted((assets / "images" / "gtsrb" / "test").glob("*/*.png"))
    pictures = [cv2.imread(str(file)) for file in files[:: len(files) // PICTURES][:PICTURES]]
    np.savez(folder / "frames.npz", *pictures, *(cv2.resize(picture, INPUT_SIZE) for picture in pictures))
    models = {"base": base, "reduced": reduced, "int8": int8, "half": half}
    return Inputs(models, folder / "frames.npz")


def export(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "export.cli", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Comparison:
    """One network under one engine on this machine and on a board.

    Attributes:
        here: What ``infer.py`` kept here.
        there: What it kept on the board.
        instructions: Of one inference on the board.
    """

    here: Mapping[str, NDArray[np.generic]]
    there: Mapping[str, NDArray[np.generic]]
    instructions: Instructions


@pytest.fixture(scope="module")
def compared(board: Board, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> dict[Run, Comparison]:
    folder = tmp_path_factory.mktemp(board.name)
    return {
        run: compare(board, inputs, inputs.models[run[0]], folder / "-".join(run), run[1])
        for run in (*RUNS, *ROUNDED)
    }


def compare(board: Board, inputs: Inputs, model: Path, out: Path, engine: str) -> Comparison:
    here, there = Path(f"{out}-here.npz"), Path(f"{out}-there.npz")
    program = HERE / "infer.py"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, program, model, inputs.frames, here, engine], env=environment, check=True)
    instructions = board.counted(program, model, inputs.frames, there, engine)
    return Comparison(dict(np.load(here)), dict(np.load(there)), instructions)


def test_a_frame_of_the_right_size_becomes_the_same_tensor(compared: dict[Run, Comparison]) -> None:
    base = compared[BASE]
    np.testing.assert_array_equal(base.there["tensors"][PICTURES:], base.here["tensors"][PICTURES:])


def test_resizing_rounds_alike_but_for_ties(compared: dict[Run, Comparison]) -> None:
    """OpenCV's area average fuses multiply and add on ARM: a value halfway between two levels may flip."""
    base = compared[BASE]
    difference = np.abs(base.there["tensors"] - base.here["tensors"])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


@pytest.mark.parametrize("run", RUNS)
def test_outputs_agree_with_this_machine(compared: dict[Run, Comparison], run: Run) -> None:
    here, there = compared[run].here["outputs"], compared[run].there["outputs"]
    assert here.shape == there.shape == (2 * PICTURES, 43)
    np.testing.assert_array_equal(there.argmax(axis=1), here.argmax(axis=1))
    error = np.abs(there - here) / np.abs(here).max(axis=1, keepdims=True)
    assert error[PICTURES:].max() < TOLERANCE


@pytest.mark.parametrize("network", NETWORKS)
def test_both_engines_agree_there(compared: dict[Run, Comparison], network: str) -> None:
    own, other = (compared[network, engine].there["outputs"] for engine in ENGINES)
    assert np.abs(other - own).max() <= CLOSENESS * np.abs(own).max()


@pytest.mark.parametrize("run", RUNS)
def test_the_golden_output_in_the_card_is_met(compared: dict[Run, Comparison], run: Run) -> None:
    assert compared[run].there["golden_error"] < TOLERANCE


@pytest.mark.parametrize("run", ROUNDED)
def test_in_fewer_bits_it_answers_nearly_as_in_float(compared: dict[Run, Comparison], run: Run) -> None:
    expected, found = compared[BASE].there["outputs"], compared[run].there["outputs"]
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(found - expected).max() < ROUNDED_TOLERANCE  # of probabilities
    assert compared[run].there["golden_error"] < 2 * ROUNDED_TOLERANCE  # on noise, which is like no class


def test_fewer_bits_take_fewer_instructions_where_the_processor_has_them(
    compared: dict[Run, Comparison], board: Board, report_line: Callable[[str], None]
) -> None:
    ratios = [
        compared["base", engine].instructions.total / compared[network, engine].instructions.total
        for network, engine in ROUNDED
    ]
    report_line(f"{board.name}, instructions of gtsrb_cnn in float32 over int8 and float16: {ratios}")
    least = (1.5, 1.2) if board.name == "pi5" else (0.9, 0.95)
    assert all(ratio > each for ratio, each in zip(ratios, least, strict=True))


def test_nothing_of_the_workstation_is_loaded(compared: dict[Run, Comparison]) -> None:
    loaded = set(compared[BASE].there["modules"])
    assert {"edge_runtime", "onnxruntime", "cv2"} <= loaded
    assert not loaded & {"export", "onnx", "torch", "scipy", "matplotlib", "rich"}


def test_the_reduced_network_needs_fewer_instructions(
    compared: dict[Run, Comparison], board: Board, report_line: Callable[[str], None]
) -> None:
    base, reduced = (compared[name, "onnxruntime"].instructions for name in NETWORKS)
    report_line(
        f"{board.name}, million instructions per inference of gtsrb_cnn: {in_millions(base)}; "
        f"reduced 2 times: {in_millions(reduced)}; ratio {base.total / reduced.total:.2f}"
    )
    # 17.4 M multiply-adds in the base, four to a vector instruction: a counter that misses some shows here
    assert 17.4e6 / 4 <= base.fused_multiply_add <= base.total
    assert base.fused_multiply_add / reduced.fused_multiply_add > 1.5
    assert base.total / reduced.total > 1.5


def test_the_other_engine_needs_fewer_instructions(
    compared: dict[Run, Comparison], board: Board, report_line: Callable[[str], None]
) -> None:
    found = {run: compared[run].instructions for run in RUNS}
    words = ", ".join(f"{network} {in_millions(found[network, 'ncnn'])}" for network in NETWORKS)
    report_line(f"{board.name}, million instructions per inference of gtsrb_cnn under ncnn: {words}")
    for network in NETWORKS:
        assert found[network, "onnxruntime"].total / found[network, "ncnn"].total > 1.1


def in_millions(instructions: Instructions) -> str:
    return f"{instructions.total / 1e6:.2f} ({instructions.fused_multiply_add / 1e6:.2f} FMA)"


def test_the_benchmark_worker_runs(board: Board, inputs: Inputs) -> None:
    job = {
        "model": str(inputs.models["reduced"]),
        "card": None,
        "frames": str(inputs.frames),
        "threads": 1,
        "seconds": 0.1,
    }
    answer = json.loads(board.python("-m", "edge_runtime.bench.worker", stdin=json.dumps(job)).stdout)
    assert len(answer["latency_ms"]) >= 5
    assert min(answer["latency_ms"]) > 0
    assert answer["threads"] == 1
    assert f"onnxruntime=={answer['versions']['onnxruntime']}" in pinned()


def pinned() -> list[str]:
    return (PROJECT / "deploy" / "constraints-trixie.txt").read_text().splitlines()


def test_the_command_line_runs(board: Board, inputs: Inputs) -> None:
    done = board.python(
        *("-m", "edge_runtime.cli", "--source", "demo", "--model", inputs.models["base"], "--frames", "2"),
        *("--jsonl", "-"),
    )
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 2
