"""``make demo``: its images, its commands, its table, and the Makefile that prepares everything."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from edge_runtime.frames.characters import LABELS
from export.demo import __main__ as demo

ROOT = Path(__file__).resolve().parents[3]
BASE = demo.Row("baseline", 99.0, 2.0, 4.0, 250.0, 60.0, 8.0)
REDUCED = demo.Row("reduced", 98.5, 0.5, 2.0, 500.0, 56.0, 4.0)


def test_labelled_folder_holds_its_scenes_by_class(tmp_path: Path) -> None:
    demo.draw_folder(tmp_path / "test", seed=1, count=100, labelled=True)
    demo.draw_folder(tmp_path / "plain", seed=1, count=100, labelled=False)
    by_class = {path.name: path for path in (tmp_path / "test").rglob("*.png")}
    plain = {path.name: path for path in (tmp_path / "plain").glob("*.png")}

    assert set(by_class) == set(plain)
    assert len(plain) == 100
    assert {path.parent.name for path in by_class.values()} <= set(LABELS)
    for name, path in plain.items():
        assert path.read_bytes() == by_class[name].read_bytes()
        assert cv2.imread(str(path)).shape == (*demo.SIZE, 3)


def test_table_ends_with_the_ratio() -> None:
    header, *rows = demo.table((BASE, REDUCED)).splitlines()

    assert len(rows) == 3
    assert header.split()[:5] == ["top-1", "size", "p50", "FPS", "RAM"]
    assert " ".join(rows[0].split()) == "baseline 99.00 % 2.00 MiB 4.00 ms 250.0 60.0 MiB 8.0 MiB"
    assert (
        " ".join(rows[2].split()) == "ratio -0.50 pt 4.00x less 2.00x less 2.00x more 1.07x less 2.00x less"
    )
    assert len({len(row) for row in (header, *rows)}) == 1


def test_table_survives_a_model_that_adds_no_memory() -> None:
    assert "n/a" in demo.table((BASE, replace(REDUCED, model_rss_mib=0.0))).splitlines()[-1]


def test_demo_runs_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "CALIBRATION_SCENES", 24)
    monkeypatch.setattr(demo, "TEST_SCENES", 100)
    monkeypatch.setattr(demo, "BENCH_SECONDS", 1)
    monkeypatch.setattr(demo, "LIVE_FRAMES", 5)

    code = demo.main()
    output, errors = capfd.readouterr()

    assert code == 0
    assert "already reduced" not in errors
    names = [
        line.split()[0]
        for line in output.splitlines()
        if line.startswith(("baseline ", "reduced ", "ratio "))
    ]
    assert names == ["baseline", "reduced", "ratio"]
    live = (tmp_path / "build" / "demo" / "live.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(live) == 5
    assert json.loads(live[0])
    reduced = tmp_path / "build" / "demo" / "reduced.onnx"
    assert reduced.stat().st_size < demo.demo_model.path().stat().st_size


def test_demo_ends_with_the_code_of_the_command_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "CALIBRATION_SCENES", 1)
    monkeypatch.setattr(demo, "TEST_SCENES", 1)
    monkeypatch.setattr(demo, "SPEEDUP", 0.5)

    assert demo.main() == 2
    assert "\nratio" not in capfd.readouterr().out


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what the Makefile needs before anything is installed."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=clone, capture_output=True, text=True, check=False, env=environment
    )


def fake_python(clone: Path, condition: str) -> Path:
    """An interpreter that fails on programs that contain ``condition``, and else is this one."""
    fake = clone / "fake-python"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *"{condition}"*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    return fake


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [("version_info", "needs Python 3.11"), ("ensurepip", "apt install python3-venv")],
)
def test_make_says_what_the_python_lacks(clone: Path, condition: str, remedy: str) -> None:
    result = make(clone, "demo", f"PYTHON={fake_python(clone, condition)}")

    assert result.returncode != 0
    assert remedy in result.stderr
    assert not (clone / ".venv").exists()


def test_make_installs_nothing_into_a_complete_environment(clone: Path) -> None:
    """There is no index to ask here: had it wanted to install, make would fail."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (clone / ".venv" / "bin" / "python").chmod(0o755)

    result = make(clone, ".venv/.export", "PIP_NO_INDEX=1")

    assert result.returncode == 0, result.stderr
    assert "Installing" not in result.stdout
    assert (clone / ".venv" / ".export").exists()
    assert "up to date" in make(clone, ".venv/.export").stdout
