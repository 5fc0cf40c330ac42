import json
from pathlib import Path

import pytest

from edge_runtime.errors import InputError
from edge_runtime.outputs.jsonl import JsonLines


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old\n")
    with JsonLines(str(target)) as lines:
        for number in range(3):
            lines.write({"frame": number, "label": "\N{SNOWMAN}"})
            written = [json.loads(line) for line in target.read_text(encoding="ascii").splitlines()]
            assert written == [{"frame": n, "label": "\N{SNOWMAN}"} for n in range(number + 1)]


def test_dash_is_standard_output_and_leaves_it_open(capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        with JsonLines("-") as lines:
            lines.write({"frame": number})
    assert capfd.readouterr().out == '{"frame":0}\n{"frame":1}\n'


def test_a_full_disk_is_one_line() -> None:
    with JsonLines("/dev/full") as lines, pytest.raises(InputError, match="No space left on device"):
        lines.write({"frame": 0})


@pytest.mark.parametrize("name", ["", "missing/out.jsonl"])
def test_a_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot write"):
        JsonLines(str(tmp_path / name))
