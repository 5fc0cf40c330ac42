"""Images as batches for training: what may change of them, and what may not."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch

from edge_runtime.model.card import InputSpec
from export.calibrate.inputs import KeptInputs
from export.recovery.pictures import Pictures

SPEC = InputSpec((12, 10), mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0))


def kept(folder: Path, images: np.ndarray) -> KeptInputs:
    images.tofile(folder / "images")
    shape = (1, *images.shape[1:])
    return KeptInputs(folder / "images", shape, tuple(range(len(images))), str(images.dtype))


def prepared(count: int, spec: InputSpec = SPEC) -> np.ndarray:
    """Pictures of one grey each, which tell them apart, as the network takes them."""
    greys = np.linspace(20, 230, count)[:, None, None, None]
    pixels = np.broadcast_to(greys, (count, 3, *spec.size))
    mean, std = (np.array(values)[:, None, None] for values in (spec.mean, spec.std))
    return ((pixels - mean) / std).astype(np.float32)


def pixels(batch: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (SPEC.mean, SPEC.std))
    return batch * std + mean


def epoch(pictures: Pictures, size: int) -> list[torch.Tensor]:
    return [batch for batch, _ in pictures.epoch(size)]


def test_an_epoch_shows_whole_batches_of_different_images(tmp_path: Path) -> None:
    pictures = Pictures(kept(tmp_path, prepared(10)), [0, 2, 3, 5, 6, 8, 9], SPEC, seed=0)
    shares = [share for _, share in pictures.epoch(3)]
    assert shares == [0.5, 1.0]
    assert [len(batch) for batch in epoch(pictures, 3)] == [3, 3]
    assert [len(batch) for batch in epoch(pictures, 100)] == [7]


def test_only_the_images_named_are_shown(tmp_path: Path) -> None:
    """Colours change by less than the greys of the two kinds differ."""
    images = prepared(10)
    images[:5] = prepared(2)[0]
    images[5:] = prepared(2)[1]
    pictures = Pictures(kept(tmp_path, images), [0, 1, 2, 3, 4], SPEC, seed=0)
    assert all(pixels(batch).max() < 60 for _ in range(5) for batch in epoch(pictures, 2))


def test_pixels_stay_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 3, *SPEC.size)).astype(np.float32)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (SPEC.mean, SPEC.std))
    pictures = Pictures(kept(tmp_path, (noise - mean) / std), list(range(8)), SPEC, seed=0)
    shown = pixels(torch.cat([batch for _ in range(5) for batch in epoch(pictures, 4)]))
    assert shown.shape == (40, 3, *SPEC.size)
    assert shown.min() >= -1e-3
    assert shown.max() <= 255 + 1e-3
    assert len({image.numpy().tobytes() for image in shown}) == 40


def test_the_seed_decides_what_is_shown(tmp_path: Path) -> None:
    inputs = kept(tmp_path, prepared(6))
    shown = [torch.cat(epoch(Pictures(inputs, list(range(6)), SPEC, seed=seed), 2)) for seed in (4, 4, 5)]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])


def test_mosaics_show_four_images_as_one(tmp_path: Path) -> None:
    images = prepared(32)
    inputs = kept(tmp_path, images)
    plain, mosaics = (
        torch.cat([epoch(Pictures(inputs, list(range(32)), SPEC, seed=seed, mosaics=mosaics), 32)[0]
                   for seed in range(5)])
        for mosaics in (False, True)
    )  # fmt: skip
    # A picture of one grey stays so, in whatever light; one of four pictures does not.
    even = [float((image.amax((1, 2)) - image.amin((1, 2))).max()) < 1e-3 for image in plain]
    assert all(even)
    even = [float((image.amax((1, 2)) - image.amin((1, 2))).max()) < 1e-3 for image in mosaics]
    assert 0.15 < 1 - np.mean(even) < 0.45


def test_bytes_stay_bytes_and_channels_stay_where_they_are(tmp_path: Path) -> None:
    spec = InputSpec((12, 10), layout="NHWC")
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3), np.uint8)
    pictures = Pictures(kept(tmp_path, images), list(range(6)), spec, seed=0)
    batch = epoch(pictures, 6)[0]
    assert batch.dtype == torch.uint8
    assert batch.shape == (6, 12, 10, 3)
    assert torch.equal(next(pictures.plain([2, 4], 9)), torch.from_numpy(images[[2, 4]]))
