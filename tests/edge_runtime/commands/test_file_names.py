"""File names that are not UTF-8: networks, folders, pictures and films bear them; all JSON stays valid."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]

LATIN_1 = os.fsdecode("café".encode("latin-1"))
SHOWN = r"caf\xe9"


@pytest.fixture
def network(make_network: MakeNetwork, tmp_path: Path) -> Path:
    made = make_network()
    for suffix in (".onnx", ".json"):
        made.with_suffix(suffix).rename(tmp_path / f"{LATIN_1}{suffix}")
    return tmp_path / f"{LATIN_1}.onnx"


def test_pictures_and_their_folders(pi_infer: Run, network: Path, tmp_path: Path) -> None:
    folder = tmp_path / LATIN_1 / LATIN_1
    folder.mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9, 3), np.uint8))
    shutil.copy(tmp_path / "a.png", folder / f"{LATIN_1}.png")
    (folder / f"{LATIN_1}.jpg").write_bytes(b"broken")
    target = tmp_path / f"{LATIN_1}.jsonl"
    done = pi_infer("--source", tmp_path / LATIN_1, "--model", network, "--jsonl", target)
    assert done.returncode == 0, done.stderr
    document = json.loads(target.read_text(encoding="ascii"))
    assert (document["name"], document["truth"]) == (f"{SHOWN}/{SHOWN}.png", SHOWN)
    assert done.stdout.startswith(f"{SHOWN}/{SHOWN}.png: ")
    assert f"{SHOWN}.jpg cannot be decoded" in done.stderr


def test_one_picture_and_a_film(pi_infer: Run, network: Path, video: Path, pictures: Path) -> None:
    film = video.rename(video.with_name(f"{LATIN_1}.avi"))
    picture = (pictures / "circle" / "1.png").rename(pictures / LATIN_1)
    for source, frames in ((film, 12), (picture, 1)):
        done = pi_infer("--source", source, "--model", network, *["--every-frame"] * (frames > 1))
        assert done.returncode == 0, done.stderr
        assert f"{frames} frame" in done.stdout.splitlines()[-1]


def test_reports_of_benchmark_and_doctor(pi_infer: Run, network: Path, tmp_path: Path) -> None:
    short = ("--seconds", 0.01, "--rounds", 1)
    assert pi_infer("bench", network, *short, "--json", "bench.json").returncode == 0
    assert pi_infer("doctor", "--model", network, "--json", "doctor.json").returncode in (0, 1)
    for name in ("bench.json", "doctor.json"):
        text = (tmp_path / name).read_bytes().decode("utf-8", "strict")
        assert SHOWN in json.dumps(json.loads(text)).replace("\\\\", "\\")
        assert "\\ud" not in text


def test_a_missing_file_is_named_readably(pi_infer: Run, network: Path) -> None:
    done = pi_infer("--source", network.with_name(f"{LATIN_1}.mp4"), "--model", network)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{SHOWN}.mp4: No such file or directory\n")
