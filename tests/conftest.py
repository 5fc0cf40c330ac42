"""Fixtures shared by all tests: where the trained networks and images are, and networks with their cards inside."""

import shutil
from pathlib import Path

import pytest

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of trained networks and real images, or a skip."""
    if not ASSETS.is_dir():
        pytest.skip("the trained networks and images (../shared/assets) are not on this machine")
    return ASSETS


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
