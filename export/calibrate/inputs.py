"""A network's inputs on disk, image after image: too many for memory, and read once for every stretch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.model.image import Tensor

Activation = NDArray[np.float32]


@dataclass(frozen=True)
class KeptInputs:
    """Inputs of some images, all of one shape, in one file.

    Attributes:
        path: The file.
        shape: Of one input: (1, channels, height, width), or as its network wants it.
        indices: The global index of each image, rising: see ``CalibrationSet``.
        element: The type of the values, as numpy calls it.
        step: Of so many inputs in the file, each time the first is one of these.
    """

    path: Path
    shape: tuple[int, ...]
    indices: tuple[int, ...]
    element: str = "float32"
    step: int = 1

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def __iter__(self) -> Iterator[Tensor]:
        """The inputs, in the order of the indices."""
        count = int(np.prod(self.shape))
        size = count * np.dtype(self.element).itemsize
        with self.path.open("rb") as file:
            for place in range(len(self)):
                file.seek(place * self.step * size)
                yield np.fromfile(file, self.element, count).reshape(self.shape)

    def some(self, most: int) -> Self:
        """At most so many of the inputs, evenly spaced."""
        step = -(-len(self) // most)
        return self if step <= 1 else replace(self, indices=self.indices[::step], step=self.step * step)


class InputWriter:
    """Collects inputs in a file; a context manager that closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._shape: tuple[int, ...] = ()
        self._element = "float32"
        self._indices: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, index: int, tensor: Tensor) -> None:
        """Add the input of the image of a global index. Raises ``InputError`` if its shape is another."""
        if self._indices and tensor.shape != self._shape:
            raise InputError(f"calibration inputs of shapes {self._shape} and {tensor.shape}; give one shape")
        tensor.tofile(self._file)
        self._shape = tensor.shape
        self._element = str(tensor.dtype)
        self._indices.append(index)

    def kept(self) -> KeptInputs:
        """The inputs added so far, ready to be read."""
        self._file.flush()
        return KeptInputs(self._path, self._shape, tuple(self._indices), self._element)
