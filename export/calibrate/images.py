"""Calibration and evaluation images: found, chosen and decoded alike on every machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.base.names import readable
from edge_runtime.frames.image_file import read_image
from edge_runtime.frames.picture_files import find_pictures
from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Image, Tensor
from edge_runtime.model.preprocess import Preprocessor
from export.calibrate.padding import SquarePadding


@dataclass(frozen=True)
class ImageFile:
    """A picture that may be read.

    Attributes:
        path: Where it is.
        class_name: Name of the class folder it lies in; None in an unlabelled folder.
    """

    path: Path
    class_name: str | None = None


@dataclass(frozen=True)
class ImageFolder:
    """The pictures under a folder, in an order that does not depend on the file system.

    Attributes:
        root: The folder.
        files: Its pictures, sorted by path.
        skipped: Links to nothing, and pictures in formats that cannot be decoded.
    """

    root: Path
    files: tuple[ImageFile, ...]
    skipped: tuple[Path, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether every picture lies in a class folder."""
        return self.files[0].class_name is not None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders, sorted; empty in an unlabelled folder."""
        return tuple(sorted({file.class_name for file in self.files if file.class_name is not None}))

    def choose(self, count: int, seed: int) -> "ImageFolder":
        """At most ``count`` pictures drawn at random, evenly over the classes.

        The same seed draws the same pictures, and a smaller count draws a part of a larger one's.
        """
        generator = np.random.default_rng(seed)
        turns: list[tuple[int, int, ImageFile]] = []
        for position, name in enumerate(self.class_names or (None,)):
            members = [file for file in self.files if file.class_name == name]
            order = generator.permutation(len(members))
            turns += [(turn, position, members[index]) for turn, index in enumerate(order)]
        # The first of each class, then the second of each: evenly, and a larger count only adds.
        turns.sort(key=lambda item: item[:2])
        chosen = {file.path for _, _, file in turns[:count]}
        return replace(self, files=tuple(file for file in self.files if file.path in chosen))


@dataclass(frozen=True)
class DecodedImage:
    """A picture in memory.

    Attributes:
        file: Where it came from.
        pixels: (H, W, 3) uint8, blue, green, red.
    """

    file: ImageFile
    pixels: Image


@dataclass(frozen=True)
class PreparedImage:
    """A picture as a network's input.

    Attributes:
        file: Where it came from.
        tensor: (1, channels, height, width) float32: overwritten when the next picture is prepared.
    """

    file: ImageFile
    tensor: Tensor


class ImageReader:
    """Decodes pictures one after the other; may be iterated again.

    Attributes:
        files: The pictures, readable or not.
        skipped: The unreadable ones met by the last iteration.
    """

    def __init__(self, files: Sequence[ImageFile], padding: SquarePadding | None = None) -> None:
        self.files = tuple(files)
        self._padding = padding
        self.skipped: list[Path] = []

    def __iter__(self) -> Iterator[DecodedImage]:
        """Decoded pictures, unreadable ones left out.

        Raises:
            InputError: Not one of them can be read.
        """
        self.skipped = []
        readable = False
        for file in self.files:
            try:
                pixels = read_image(file.path)
            except InputError:
                self.skipped.append(file.path)
                continue
            if self._padding is not None:
                pixels = self._padding(pixels)
            readable = True
            yield DecodedImage(file, pixels)
        if not readable:
            raise InputError(f"none of the {len(self.files)} images can be read, {self._example()}")

    def _example(self) -> str:
        return f"for example {self.skipped[0]}" if self.skipped else "there are none"


def find_images(folder: Path) -> ImageFolder:
    """Find the pictures under a folder, by the rule of ``edge_runtime.frames.picture_files``.

    The folder is labelled if every picture lies in a subfolder: the first folder on the way is its class.

    Raises:
        InputError: The folder is missing, not a folder, unreadable, or holds no pictures.
    """
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {state}; give a folder of images")
    found = find_pictures(folder, unlisted=_refuse)
    found.require_pictures(f"{folder} holds no images")
    parts = [path.relative_to(folder).parts for path in found.paths]
    labelled = all(len(names) > 1 for names in parts)
    files = (
        ImageFile(path, readable(names[0]) if labelled else None)
        for path, names in zip(found.paths, parts, strict=True)
    )
    return ImageFolder(folder, tuple(files), found.skipped)


def prepare(reader: ImageReader, spec: InputSpec) -> Iterator[PreparedImage]:
    """Decode and preprocess pictures, by the very code that prepares frames on the Pi.

    Raises:
        InputError: Not one of them can be read.
    """
    preprocessor = Preprocessor(spec)
    for image in reader:
        yield PreparedImage(image.file, preprocessor(image.pixels))


def _refuse(complaint: InputError) -> None:
    """A class that is missing would change what is measured."""
    raise complaint
