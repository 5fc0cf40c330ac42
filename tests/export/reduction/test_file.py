"""From file to file: what goes on while the file is not what it was."""

import hashlib
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from export.progress import silent
from export.reduction.file import ReduceRequest, reduce_file
from tests.attacks.images import good_images
from tests.attacks.networks import write_network

pytestmark = pytest.mark.usefixtures("scratch")


@pytest.fixture
def wanted(tmp_path: Path) -> ReduceRequest:
    write_network(tmp_path / "model.onnx")
    good_images(tmp_path / "images")
    return ReduceRequest(
        model=tmp_path / "model.onnx",
        images=tmp_path / "images",
        output=tmp_path / "out.onnx",
        target=1.5,
        max_drop_percent=100.0,
        max_images=100,
    )


def test_provenance_names_the_bytes_that_were_reduced(wanted: ReduceRequest) -> None:
    """The file is replaced as soon as the first image is read."""
    sha256 = hashlib.sha256(wanted.model.read_bytes()).hexdigest()
    expected = reduce_file(wanted, silent)
    delivery = reduce_file(wanted, lambda *_: write_network(wanted.model, seed=1))
    assert hashlib.sha256(wanted.model.read_bytes()).hexdigest() != sha256
    assert (delivery.card.provenance or {})["source_sha256"] == sha256
    assert delivery.card == expected.card


def test_images_apart_are_not_fitted_on(wanted: ReduceRequest) -> None:
    told: list[tuple[int, int]] = []

    def tell(step: str, done: int, total: int) -> None:
        if step == "reading images":
            told.append((done, total))

    delivery = reduce_file(wanted, tell)
    assert told == [(done, 12) for done in range(1, 13)]
    assert delivery.reduction.images == 10


def test_unreadable_images_are_named_in_order(wanted: ReduceRequest) -> None:
    names = ["001.png", "004.png", "007.png"]  # the second is one of those apart
    for name in names:
        (wanted.images / name).write_text("bad")
    delivery = reduce_file(wanted, silent)
    assert [path.name for path in delivery.skipped] == names
    assert delivery.reduction.images == 8


def test_no_image_apart_can_be_read(wanted: ReduceRequest) -> None:
    for name in ("004.png", "009.png"):
        (wanted.images / name).write_text("bad")
    with pytest.raises(InputError, match="too few images can be read to judge"):
        reduce_file(wanted, silent)
