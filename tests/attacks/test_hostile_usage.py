"""Bad options and output paths end with one line and exit code 2, before any work is done."""

from pathlib import Path

import pytest

from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import good_images
from tests.attacks.networks import write_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    good_images(tmp_path / "images")
    return tmp_path


def reduce(folder: Path, *options: str | Path, output: str | Path = "out.onnx") -> list[str | Path]:
    model, images = folder / "model.onnx", folder / "images"
    return ["reduce", model, "--images", images, "-o", folder / output, *options]


@pytest.mark.parametrize("speedup", ["0.5", "0", "-2", "nan", "inf", "1e999", "two", "", "2x"])
def test_speedup_that_makes_no_sense(speedup: str, folder: Path) -> None:
    assert_one_line(run_here(*reduce(folder, "--speedup", speedup)), 2, "--speedup")
    assert not (folder / "out.onnx").exists()


@pytest.mark.parametrize("speedup", ["1e300", "100000", "60"])
def test_speedup_beyond_rank_one(speedup: str, folder: Path) -> None:
    # Of such a network nearly everything is lost at once; here only the end of what is possible counts.
    outcome = run_here(*reduce(folder, "--speedup", speedup, "--max-drop", "100"))
    assert_one_line(outcome, 6, "out of reach")
    assert not (folder / "out.onnx").exists()
    assert (folder / "out.best.onnx").exists()
    assert "out.best.onnx" in outcome.err


@pytest.mark.parametrize("option", ["--threads", "--max-images"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "9" * 30])
def test_counts_that_make_no_sense(option: str, value: str, folder: Path) -> None:
    assert_one_line(run_here(*reduce(folder, "--speedup", "1.5", option, value)), 2, option)


@pytest.mark.parametrize(
    "value", ["0x0", "16", "16x", "16x-1", "99999x16", "axb", "\u0661\u0666x\u0661\u0666"]
)
def test_input_sizes_that_make_no_sense(value: str, folder: Path) -> None:
    assert_one_line(run_here("inspect", folder / "model.onnx", "--input-size", value), 2, "--input-size")


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["reduce"], ["evaluate", "model.onnx"], ["inspect", "a", "b"], ["card", "m", "--what"]],
    ids=" ".join,
)
def test_wrong_commands(arguments: list[str]) -> None:
    assert_one_line(run_here(*arguments), 2, "--help")


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    assert_one_line(
        run_here("reduce", "m", "--imags", "d"), 2, "unknown option --imags; did you mean --images?"
    )


@pytest.mark.parametrize(
    "output", ["missing/out.onnx", "model.onnx/out.onnx", "images", "model.onnx", "x" * 300]
)
def test_output_that_cannot_be_written(output: str, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert_one_line(run_here(*reduce(folder, "--speedup", "1.5", output=output)), 2)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_other_outputs_that_cannot_be_written(option: str, folder: Path) -> None:
    nowhere = folder / "model.onnx" / "nothing"
    assert_one_line(run_here(*reduce(folder, "--speedup", "1.5", option, nowhere)), 2, "cannot write")
    assert not (folder / "out.onnx").exists()


def test_card_that_is_missing(folder: Path) -> None:
    outcome = run_here("card", folder / "model.onnx", "--input", folder / "card.json")
    assert_one_line(outcome, 2, "cannot read the model card")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"input": 3}', '{"input": {}}', '{"input": {"size": [0, 0]}}',
        '{"input": {"size": [16, 16], "colour": "CMYK"}}', '{"input": {"size": [16, 16], "std": 0}}',
        '{"input": {"size": [16, 16], "mean": [1, 2]}}', '{"input": {"size": [16]}}',
        '{"input": {"size": [16, 16], "sise": 1}}', '{"input": {"size": [16, 16], "scale": NaN}}',
        '{"input": {"size": [16, 16], "mean": 1e400}}', '{"input": {"size": [16, 16]}, "task": "win"}',
        '{"input": {"size": [16, 16]}, "labels": -5}', '{"input": {"size": [16, 16]}, "labels": 1e3}',
        '{"input": {"size": [16, 16]}, "labels": 999999999999}',
        '{"input": {"size": [16, 16]}, "labels": [{}]}',
        '{"input": {"size": [16, 16], "pad": 999}}', '{"input": {"size": [32, 32]}}',
        '{"input": {"size": [16, 16], "colour": "GRAY"}}',
    ],
)  # fmt: skip
def test_card_that_makes_no_sense(text: str, folder: Path) -> None:
    card = folder / "card.json"
    card.write_text(text)
    before = (folder / "model.onnx").read_bytes()
    assert_one_line(run_here("card", folder / "model.onnx", "--input", card), 2)
    assert (folder / "model.onnx").read_bytes() == before
