"""The calibration images as a value that its caller owns: some to fit on, some apart to judge by."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Tensor
from edge_runtime.model.preprocess import Preprocessor
from export.calibrate.images import ImageFile, ImageReader
from export.calibrate.inputs import Activation, InputWriter, KeptInputs
from export.calibrate.padding import SquarePadding
from export.methods.base import thin
from export.progress import Progress, silent

HELD_OUT_EVERY = 5  # what is chosen on those is fitted again on all
JUDGED_EVERY = 5
JUDGED_IMAGES = 200  # more would cost more than they tell: one in 200 is half a point


@dataclass(frozen=True)
class CalibrationSet:
    """Prepared calibration images in two parts, in files of a folder that whoever made it owns.

    Every image to fit on has a global index: its place among all that were chosen to fit on, readable or not.
    The index alone decides at which positions the image is sampled and whether it is held out
    (``is_held_out``), so any part of the images can be sampled anywhere and the moments merged.

    Attributes:
        fit: The images to fit on.
        apart: Those that no fit and no choice of ranks sees, to judge the result by.
        skipped: Files that could not be read.
    """

    fit: KeptInputs
    apart: KeptInputs
    skipped: tuple[Path, ...] = ()


def is_held_out(index: int) -> bool:
    """Whether the image of a global index serves to choose among fits, and not to fit."""
    return index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def calibration_set(
    files: Sequence[ImageFile],
    spec: InputSpec,
    folder: Path,
    *,
    element: str = "float32",
    padding: SquarePadding | None = None,
    progress: Progress = silent,
    judged: bool = True,
) -> CalibrationSet:
    """Read and prepare calibration images, by the very code that prepares frames on the Pi.

    Args:
        files: The images; ``files_apart`` of them are set apart.
        spec: How the network wants them.
        folder: Where the inputs are kept.
        element: The type of the network's input, as numpy calls it.
        padding: Pads every image first.
        progress: Told after each image.
        judged: Whether to set images apart; without, all are to fit on.

    Raises:
        InputError: None can be read, or all are the same to the network.
    """
    reader = ImageReader(files, padding)
    apart = files_apart(files) if judged else set()
    fit = [file.path for file in files if file.path not in apart]
    # Unreadable files count too: which images are held out shall not depend on what is damaged before them.
    index_of = {path: index for index, path in enumerate(fit)}
    preprocessor = Preprocessor(spec, element)
    with InputWriter(folder / "fit.f32") as fitted, InputWriter(folder / "apart.f32") as judging:
        alike = _Alike()
        for done, image in enumerate(reader, start=1):
            progress("reading images", done + len(reader.skipped), len(files))
            tensor = preprocessor(image.pixels)
            alike.add(tensor)
            if image.file.path in apart:
                # Never sampled and never held out: any rising index will do.
                judging.add(len(judging.kept()), tensor)
            else:
                fitted.add(index_of[image.file.path], tensor)
        # Of equal images those held out would tell nothing that a fit has not seen.
        if alike.all:
            raise InputError("all calibration images are the same to the network; give different ones")
        return CalibrationSet(fitted.kept(), judging.kept(), tuple(reader.skipped))


def calibration_of(
    tensors: Iterable[Activation], folder: Path, apart: Iterable[Activation] = ()
) -> CalibrationSet:
    """A calibration set of inputs that are ready.

    Args:
        tensors: Inputs to fit on, (1, C, H, W) float32 each, all of one shape.
        folder: Where they are kept.
        apart: Inputs to judge by.

    Raises:
        InputError: Their shapes differ.
    """
    parts = []
    for name, inputs in (("fit", tensors), ("apart", apart)):
        with InputWriter(folder / f"{name}.f32") as writer:
            for index, tensor in enumerate(inputs):
                writer.add(index, tensor)
            parts.append(writer.kept())
    return CalibrationSet(fit=parts[0], apart=parts[1])


def files_apart(files: Sequence[ImageFile]) -> Collection[Path]:
    """The images that only judge: every fifth, 200 at most."""
    return {file.path for file in thin(list(files[JUDGED_EVERY - 1 :: JUDGED_EVERY]), JUDGED_IMAGES)}


class _Alike:
    """Whether all of several tensors are the same."""

    def __init__(self) -> None:
        self._first: Tensor | None = None
        self._count = 0
        self._same = True

    def add(self, tensor: Tensor) -> None:
        self._count += 1
        if self._first is None:
            self._first = tensor.copy()
        elif self._same:
            self._same = np.array_equal(self._first, tensor)

    @property
    def all(self) -> bool:
        """Whether there are several tensors and all are the same; a single one is too few, another error."""
        return self._same and self._count > 1
