import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError, InUseError
from edge_runtime.base.hangup import Reopening
from edge_runtime.outputs.jsonl import JsonLines, Rotation
from tests.edge_runtime.finished_frames import classified, finished


def frames_of(path: Path) -> list[int]:
    return [json.loads(line)["frame"] for line in path.read_text(encoding="ascii").splitlines()]


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old\n")
    lines = JsonLines(str(target))
    for number in range(3):
        lines.publish(finished(number, classified("\N{SNOWMAN}")))
        documents = [json.loads(line) for line in target.read_text(encoding="ascii").splitlines()]
        assert [document["frame"] for document in documents] == list(range(number + 1))
        assert documents[-1]["labels"][0]["label"] == "\N{SNOWMAN}"
    lines.close()


def test_dash_is_standard_output_and_leaves_it_open(capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        lines = JsonLines("-")
        lines.publish(finished(number))
        lines.close()
    assert [json.loads(line)["frame"] for line in capfd.readouterr().out.splitlines()] == [0, 1]


def test_a_full_disk_is_one_line() -> None:
    lines = JsonLines("/dev/full")
    with pytest.raises(InputError, match="No space left on device"):
        lines.publish(finished())
    lines.close()


@pytest.mark.parametrize("name", ["", "missing/out.jsonl"])
def test_a_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot write"):
        JsonLines(str(tmp_path / name))


def test_appending_keeps_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    for number in range(3):
        lines = JsonLines(str(target), append=True)
        lines.publish(finished(number))
        lines.close()
    assert frames_of(target) == [0, 1, 2]


def test_full_files_are_numbered_and_the_oldest_vanish(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    lines = JsonLines(str(target), append=True, rotation=Rotation(limit_bytes=1000, keep=2))
    for number in range(20):
        lines.publish(finished(number))
    lines.close()
    files = [tmp_path / f"out.jsonl{suffix}" for suffix in (".2", ".1", "")]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(0 < file.stat().st_size <= 1000 for file in files)
    kept = [number for file in files for number in frames_of(file)]
    assert kept == list(range(kept[0], 20))
    assert kept[0] > 0


def test_a_line_longer_than_a_file_still_gets_written(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    lines = JsonLines(str(target), append=True, rotation=Rotation(limit_bytes=10, keep=1))
    for number in range(3):
        lines.publish(finished(number))
    lines.close()
    assert frames_of(target) == [2]
    assert frames_of(tmp_path / "out.jsonl.1") == [1]


def test_a_device_is_never_rotated() -> None:
    lines = JsonLines("/dev/null", append=True, rotation=Rotation(limit_bytes=1, keep=1))
    for number in range(3):
        lines.publish(finished(number))
    lines.close()
    assert Path("/dev/null").is_char_device()


def test_no_part_of_a_line_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    """A file size limit ends a write half-way, as a full disk does."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from edge_runtime.outputs.jsonl import JsonLines; from edge_runtime.base.errors import InputError;"
        "from tests.edge_runtime.finished_frames import finished\n"
        "lines = JsonLines(sys.argv[1]); lines.publish(finished(0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))\n"
        "try: lines.publish(finished(1))\n"
        "except InputError as error: print(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2); lines.publish(finished(2))"
    )
    target = tmp_path / "out.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert "cannot write" in done.stdout
    assert frames_of(target) == [0, 2]


def test_a_file_that_another_run_writes_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    first = JsonLines(str(target))
    first.publish(finished(0))
    for append in (False, True):
        with pytest.raises(InUseError, match="another run writes it; give each a file of its own"):
            JsonLines(str(target), append=append)
    first.publish(finished(1))
    first.close()
    assert frames_of(target) == [0, 1]
    JsonLines(str(target)).close()
    assert frames_of(target) == []


def test_a_rotated_or_reopened_file_is_locked_as_well(tmp_path: Path) -> None:
    target, reopening = str(tmp_path / "out.jsonl"), Reopening()
    lines = JsonLines(target, rotation=Rotation(limit_bytes=10, keep=1), reopening=reopening)
    for number in range(3):
        lines.publish(finished(number))
        with pytest.raises(InUseError):
            JsonLines(target)
        reopening.ask()
    lines.close()


def test_asked_to_reopen_it_begins_a_new_file_with_the_next_line(tmp_path: Path) -> None:
    target, reopening = tmp_path / "out.jsonl", Reopening()
    reopening.ask()  # before it was opened: nothing to do
    lines = JsonLines(str(target), reopening=reopening)
    lines.publish(finished(0))
    target.rename(tmp_path / "moved")
    lines.publish(finished(1))  # logrotate has moved it, and has not sent its signal yet
    reopening.ask()
    lines.publish(finished(2))
    target.unlink()
    reopening.ask()
    lines.publish(finished(3))
    lines.close()
    assert frames_of(tmp_path / "moved") == [0, 1]
    assert frames_of(target) == [3]


def test_reopening_where_nobody_moved_anything_loses_nothing(tmp_path: Path) -> None:
    target, reopening = tmp_path / "out.jsonl", Reopening()
    lines = JsonLines(str(target), reopening=reopening)
    for number in range(4):
        lines.publish(finished(number))
        reopening.ask()
    lines.close()
    assert frames_of(target) == [0, 1, 2, 3]


def test_after_a_power_cut_the_next_line_stands_by_itself(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text('{"frame":0}\n{"fra')
    lines = JsonLines(str(target), append=True)
    lines.publish(finished(1))
    lines.close()
    first, torn, last = target.read_text().splitlines()
    assert json.loads(first)["frame"] == 0
    assert torn == '{"fra'
    assert json.loads(last)["frame"] == 1
