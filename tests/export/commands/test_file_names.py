"""Networks and pictures with names that are not UTF-8: what is written about them is UTF-8."""

import json
import os
import shutil
from pathlib import Path

from tests.attacks.command_line import run_here
from tests.attacks.images import good_images, text
from tests.attacks.networks import write_network

LATIN_1 = os.fsdecode("café".encode("latin-1"))
SHOWN = r"caf\xe9"


def written(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "strict")


def test_evaluate_and_reduce_write_documents_that_any_program_reads(tmp_path: Path) -> None:
    model, images = tmp_path / f"{LATIN_1}.onnx", tmp_path / LATIN_1
    write_network(tmp_path / "plain.onnx")
    for plain in sorted(tmp_path.glob("plain.*")):
        shutil.move(plain, tmp_path / f"{LATIN_1}{plain.suffix}")
    good_images(tmp_path / "images", count=12)
    (tmp_path / "images").rename(images)
    text(images / f"{LATIN_1}.png")
    (images / LATIN_1).symlink_to("nowhere")
    evaluated = run_here("evaluate", model, "--images", images, "--json", tmp_path / "evaluate.json")
    assert evaluated.code == 0, evaluated.err
    options = ("-o", tmp_path / f"{LATIN_1}.out.onnx", "--speedup", "1.1", "--methods", "channel")
    more = ("--json", tmp_path / "reduce.json", "--report", tmp_path / "report")
    reduced = run_here("reduce", model, "--images", images, *options, *more)
    assert reduced.code in (0, 6), reduced.err
    for name in ("evaluate.json", "reduce.json", "report/report.json"):
        document = json.loads(written(tmp_path / name))
        assert sorted(Path(path).name for path in document["skipped"]) == [SHOWN, f"{SHOWN}.png"]
        assert "\\ud" not in written(tmp_path / name)
    assert SHOWN in written(tmp_path / "report" / "report.html")
