"""A card that does not fit its network: each command says so, in the same words, before any long work."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.attacks.command_line import Outcome, run_here
from tests.attacks.networks import write_network
from tests.export.propose.heads import CELLS, SIDE, scores, write_head

DETECT = {"input": {"size": [SIDE, SIDE]}, "task": "detect", "decoder": {"kind": "yolov8"}}
POSES = 300 * scores(1, 56, CELLS)


def pi_infer(*arguments: str | Path) -> Outcome:
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Outcome(done.returncode, done.stdout, done.stderr)


def complaint(outcome: Outcome) -> str:
    """The one line of an error, without the program's name."""
    assert outcome.code in (2, 3), outcome
    (line,) = outcome.err.splitlines()
    return line.split(": error: ", 1)[1]


def pictures(folder: Path) -> Path:
    """A folder of eight."""
    images = folder / "images"
    images.mkdir()
    for number in range(8):
        picture = np.random.default_rng(number).integers(0, 256, (80, 90, 3), np.uint8)
        cv2.imwrite(str(images / f"{number}.png"), picture)
    return images


def test_reduce_says_it_before_it_reads_an_image(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    write_network(model)
    card, images, output = tmp_path / "card.json", pictures(tmp_path), tmp_path / "out.onnx"
    for fields, says in (
        ({"labels": 9}, "the model card names 9 classes but the network gives 4 scores"),
        ({"task": "detect", "decoder": {"kind": "yolov5"}}, "are not those of its card's decoder"),
    ):
        card.write_text(json.dumps({"input": {"size": [16, 16]}, **fields}))
        outcome = run_here(
            "reduce", model, "--input", card, "--images", images, "-o", output, "--speedup", "2"
        )
        assert says in complaint(outcome)
        assert not output.exists()


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (DETECT, "scores of this network reach from"),
        ({**DETECT, "labels": 53}, "the model card names 53 classes but the network gives 52 scores"),
        ({**DETECT, "decoder": {"kind": "yolov5"}}, "but look like those of yolov8"),
        ({**DETECT, "decoder": {"kind": "yolo8"}}, "did you mean 'yolov8'?"),
        ({**DETECT, "labels": "coco80"}, "did you mean 'COCO-80'?"),
        ({**DETECT, "lables": 52}, "did you mean 'labels'?"),
        ({"input": DETECT["input"], "decoder": DETECT["decoder"]}, 'write "task": "detect"'),
        ({"input": DETECT["input"], "task": "detect"}, "decoder.kind is missing"),
    ],
)
def test_each_command_says_the_same(card: dict[str, object], says: str, tmp_path: Path) -> None:
    model = write_head(tmp_path / "m.onnx", POSES)
    model.with_suffix(".json").write_text(json.dumps(card))
    images = pictures(tmp_path)
    said = {
        complaint(outcome)
        for outcome in (
            run_here("card", model),
            run_here("evaluate", model, "--images", images),
            pi_infer("--source", images, "--model", model),
        )
    }
    assert len(said) == 1
    assert says in said.pop()
    report = json.loads(_doctor(model, tmp_path))
    assert says in next(check["detail"] for check in report["checks"] if check["verdict"] == "problem")


def _doctor(model: Path, folder: Path) -> str:
    assert pi_infer("doctor", "--model", model, "--json", folder / "doctor.json").code == 1
    return (folder / "doctor.json").read_text()
