"""From file to file: what goes on while the files are not what they were."""

import hashlib
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from export.progress import Progress, silent
from export.reduction.file import Delivery, reduce
from tests.attacks.images import good_images
from tests.attacks.networks import write_network

pytestmark = pytest.mark.usefixtures("scratch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    good_images(tmp_path / "images", count=12)
    return tmp_path


def reduced(folder: Path, progress: Progress = silent) -> Delivery:
    return reduce(folder / "model.onnx", folder / "images", speedup=1.5, threads=1, progress=progress)


def spoil(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "images" / name).write_text("bad")


def test_provenance_names_the_bytes_that_were_reduced(folder: Path) -> None:
    """The file is replaced as soon as the first image is read."""
    sha256 = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    expected = reduced(folder)
    delivery = reduced(folder, lambda *_: write_network(folder / "model.onnx", seed=1))
    assert hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest() != sha256
    assert (delivery.card.provenance or {})["source_sha256"] == sha256
    assert delivery.card == expected.card
    assert delivery.reduction.model == expected.reduction.model


def test_images_apart_are_not_fitted_on(folder: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(step: str, done: int, total: int) -> None:
        if step == "reading images":
            told.append((done, total))

    assert reduced(folder, tell).reduction.images == 10
    assert told == [(done, 12) for done in range(1, 13)]


def test_unreadable_images_are_named_in_order(folder: Path) -> None:
    spoil(folder, "001.png", "004.png", "007.png")  # the second is one of those apart
    delivery = reduced(folder)
    assert [path.name for path in delivery.skipped] == ["001.png", "004.png", "007.png"]
    assert delivery.reduction.images == 8


def test_no_image_apart_can_be_read(folder: Path) -> None:
    spoil(folder, "004.png", "009.png")
    with pytest.raises(InputError, match="too few images can be read to judge"):
        reduced(folder)


def test_paths_may_be_texts(folder: Path) -> None:
    delivery = reduce(
        str(folder / "model.onnx"), str(folder / "images"), str(folder / "out.onnx"), speedup=1.5
    )
    assert delivery.path == folder / "out.onnx"
    assert delivery.path.is_file()
