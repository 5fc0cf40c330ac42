"""Fixtures shared by all tests: the trained networks and images, and folders that take long to build."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import edge_runtime  # noqa: F401  before any test imports cv2: it sets OpenCV up

PROJECT = Path(__file__).resolve().parents[1]
TESTS = ("test", "conf")  # how the names of tests and their fixtures begin
ASSETS = PROJECT.parent / "shared" / "assets"

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("pi-infer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pi-infer")


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of trained networks and real images, or a skip."""
    if not ASSETS.is_dir():
        pytest.skip("the trained networks and images (../shared/assets) are not on this machine")
    return ASSETS


@pytest.fixture(scope="session")
def converted_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network, which both engines can run."""
    from edge_runtime.model import demo
    from export.convert.for_ncnn import convert_for_ncnn
    from export.network.source import read_source

    path = tmp_path_factory.mktemp("converted") / "demo.onnx"
    convert_for_ncnn(read_source(demo.path()), path)
    return path


@pytest.fixture
def asset_model(assets: Path, tmp_path: Path) -> "AssetModel":
    """Copies one asset network and its card to a writable folder: ``asset_model("gtsrb_cnn")``."""
    return AssetModel(assets, tmp_path)


class AssetModel:
    def __init__(self, assets: Path, folder: Path) -> None:
        self._assets = assets
        self._folder = folder

    def __call__(self, name: str) -> Path:
        for suffix in (".json", ".onnx"):
            shutil.copy(self._assets / "models" / f"{name}{suffix}", self._folder)
            (self._folder / f"{name}{suffix}").chmod(0o644)
        return self._folder / f"{name}.onnx"


@pytest.fixture(scope="session")
def built_once() -> Callable[[Path], Path]:
    """``built_once(script)``: the folder that ``script FOLDER`` fills, kept for the next run of the tests.

    It is built anew when the script, a file beside it, or the pinned versions change. Raises
    ``RuntimeError`` if the script fails. The cache is ``$PI_INFER_CACHE`` or ``~/.cache/pi-infer-tests``.
    """
    return _built_once


def _built_once(script: Path) -> Path:
    cache = Path(os.environ.get("PI_INFER_CACHE") or Path.home() / ".cache" / "pi-infer-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{script.parent.name}-{_version(script)}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(script, folder)
    return folder


def _version(script: Path) -> str:
    beside = (path for path in script.parent.iterdir() if path.is_file() and path.name[:4] not in TESTS)
    sources = [*sorted(beside), *sorted((PROJECT / "deploy").glob("constraints-*.txt"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def _build(script: Path, folder: Path) -> None:
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [script, unfinished],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    unfinished.rename(folder)
