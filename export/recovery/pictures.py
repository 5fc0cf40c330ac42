"""Images as batches for training: each time another part of the picture, mirrored, in other light."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.model.card import InputSpec
from export.calibrate.inputs import KeptInputs

SMALLEST_AREA = 0.5  # of the picture that a crop may show
ASPECT = 4 / 3  # how far a crop may be stretched, either way
MOSAICS = 0.3  # of the images of a detector: four on one, so that there are more and smaller objects
LIGHT = 0.3  # how far brightness, contrast and saturation may go from 1


class Pictures:
    """The images to train on; they stay on disk, and only a batch of them is in memory."""

    def __init__(
        self, inputs: KeptInputs, places: list[int], spec: InputSpec, *, seed: int, mosaics: bool = False
    ) -> None:
        """Find them.

        Args:
            inputs: Images as their network takes them.
            places: Which of them to train on, counted from 0.
            spec: How they were prepared.
            seed: Decides what each batch shows.
            mosaics: Whether to show some images as quarters of one.
        """
        shape = (len(inputs), *inputs.shape[1:])
        self._values = np.memmap(inputs.path, inputs.element, "r", shape=shape)
        self._places = np.array(places)
        self._spec = spec
        self._mosaics = MOSAICS if mosaics else 0.0
        self._random = torch.Generator().manual_seed(seed)
        ends = [
            (np.array([0.0, 255.0]) * spec.scale - mean) / std
            for mean, std in zip(spec.mean, spec.std, strict=True)
        ]
        self._low, self._high = (
            torch.tensor([end[index] for end in ends], dtype=torch.float32).reshape(1, -1, 1, 1)
            for index in (0, 1)
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    def plain(self, places: list[int], size: int) -> Iterator[Tensor]:
        """Images as they are, in batches.

        Args:
            places: Which, counted from 0 among all inputs.
            size: Of a batch.
        """
        for start in range(0, len(places), size):
            yield torch.from_numpy(np.array(self._values[places[start : start + size]]))

    def epoch(self, size: int) -> Iterator[tuple[Tensor, float]]:
        """Every image once, changed at random, in batches of one size; the few that are over are left out.

        Args:
            size: Of a batch; of fewer images than that all are one batch.

        Yields:
            A batch, and the share of the epoch that is done with it.
        """
        size = min(size, len(self))
        last = len(self) // size * size
        order = self._places[torch.randperm(len(self), generator=self._random).numpy()]
        for start in range(0, last, size):
            yield self._changed(np.array(self._values[order[start : start + size]])), (start + size) / last

    def _changed(self, batch: np.ndarray) -> Tensor:
        last = self._spec.layout == "NHWC"
        images = torch.from_numpy(batch).float()
        images = images.permute(0, 3, 1, 2) if last else images
        images = self._relit(self._mosaic(self._cropped(images)))
        images = images.permute(0, 2, 3, 1) if last else images
        kind = torch.from_numpy(batch[:0]).dtype
        return (images.round() if kind == torch.uint8 else images).to(kind).contiguous()

    def _cropped(self, images: Tensor) -> Tensor:
        """A part of each picture, at the size of the whole, half of them mirrored."""
        count = len(images)
        area, aspect, left, top, mirror = self._draws(5, count)
        area = SMALLEST_AREA + (1 - SMALLEST_AREA) * area
        stretch = ASPECT ** (aspect - 0.5)
        width, height = (area**0.5 * stretch).clamp(max=1), (area**0.5 / stretch).clamp(max=1)
        placing = torch.zeros(count, 2, 3)
        placing[:, 0, 0] = width * torch.where(mirror < 0.5, -1.0, 1.0)
        placing[:, 0, 2] = (2 * left - 1) * (1 - width)
        placing[:, 1, 1] = height
        placing[:, 1, 2] = (2 * top - 1) * (1 - height)
        grid = functional.affine_grid(placing, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def _mosaic(self, images: Tensor) -> Tensor:
        """Some images replaced by four of the batch, each at half its size."""
        count, height, width = len(images), images.shape[2], images.shape[3]
        chosen = self._draws(1, count)[0] < self._mosaics
        if not bool(chosen.any()):
            return images
        sides = ((height // 2, width // 2), (height - height // 2, width - width // 2))
        quarters = []
        for row in (0, 1):
            for column in (0, 1):
                order = torch.randperm(count, generator=self._random)
                size = (sides[row][0], sides[column][1])
                quarters.append(functional.interpolate(images[order][chosen], size, mode="area"))
        halves = [torch.cat(quarters[start : start + 2], 3) for start in (0, 2)]
        images = images.clone()
        images[chosen] = torch.cat(halves, 2)
        return images

    def _relit(self, images: Tensor) -> Tensor:
        """Other brightness, contrast and saturation, within what pixels can be."""
        factors = 1 + LIGHT * (2 * self._draws(3, len(images)) - 1)
        brightness, contrast, saturation = factors.reshape(3, -1, 1, 1, 1)
        shares = (images - self._low) / (self._high - self._low) * brightness
        middle = shares.mean((1, 2, 3), keepdim=True)
        shares = middle + contrast * (shares - middle)
        grey = shares.mean(1, keepdim=True)
        shares = (grey + saturation * (shares - grey)).clamp(0, 1)
        return self._low + shares * (self._high - self._low)

    def _draws(self, kinds: int, count: int) -> Tensor:
        return torch.rand(kinds, count, generator=self._random)
