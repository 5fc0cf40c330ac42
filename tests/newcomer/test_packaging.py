"""What an installation holds: setuptools takes packages and the data named in ``pyproject.toml``, no more."""

import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge_runtime", "export")


def files(package: str) -> list[Path]:
    return [path for path in (PROJECT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_modules_is_a_package(package: str) -> None:
    folders = {path.parent for path in files(package) if path.suffix == ".py"}
    assert len(folders) > 5
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_all_data_is_installed(package: str) -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"][package]
    installed = {path for pattern in patterns for path in (PROJECT / package).glob(pattern)}
    data = {path for path in files(package) if path.suffix != ".py"}
    assert data == installed
    assert PROJECT / package / "py.typed" in data  # without it, type checkers take all names for Any
