"""A network whose batch is fixed at several images, made one that takes one image at a time.

Most such networks were exported so by chance: nothing in them depends on the batch. Whether that is so is not
reasoned out but tried: an image alone must give what it gives within a full batch.
"""

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.input_form import layout_of
from edge_runtime.model.network import default_threads
from export.network.inputs import image_size
from export.network.shapes import MAX_TENSOR_VALUES
from export.network.source import SourceModel

if TYPE_CHECKING:
    from edge_runtime.model.image import Tensor

log = logging.getLogger(__name__)

LARGEST_DIFFERENCE = 1e-3  # of an output's largest value: a full batch may be added up in another order
_SEED = 0
_CHANNELS = 3  # where the file leaves them free


def with_batch_of_one(
    source: SourceModel, size: tuple[int, int] | None = None, layout: str | None = None
) -> SourceModel:
    """The source itself, or where its batch is fixed at several images one that takes a single image.

    Args:
        source: A network.
        size: Height and width of its images, where it leaves them free.
        layout: Where its channels are, as its card says.

    Raises:
        ModelRefusedError: What it computes depends on the batch, or it cannot run.
        InputError: It leaves the size of its images free and none is given, or does not take the given one.
    """
    form = source.input
    if form.batch in (None, 1):
        return source
    layout = layout_of(form, layout, source.path)
    lengths = form.lengths(image_size(form, size, layout, str(source.path)), layout)
    shape = (form.batch, *(length or _CHANNELS for length in lengths[1:]))
    freed = replace(source, proto=_freed(source), input=replace(form, shape=(1, *form.shape[1:])))
    if math.prod(shape) > MAX_TENSOR_VALUES or not _answers_alike(source, freed, shape):
        raise ModelRefusedError(
            f"{source.path} takes batches of {form.batch} images, and what it computes depends on that: "
            "export it again with a batch of 1, or with one left free"
        )
    log.warning(
        "%s takes batches of %d images; it says the same of one alone, and is used and written so",
        source.path,
        form.batch,
    )
    return freed


def _freed(source: SourceModel) -> onnx.ModelProto:
    """The model with a batch of one declared, and nothing else changed."""
    model = onnx.ModelProto()
    model.CopyFrom(source.proto)
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value == source.input.batch:
            dims[0].dim_value = 1
    del model.graph.value_info[:]  # what was inferred for the full batch is not so any more
    return model


def _answers_alike(source: SourceModel, freed: SourceModel, shape: tuple[int, ...]) -> bool:
    """Whether the freed network says of an image what the source says of it among others."""
    random = np.random.default_rng(_SEED)
    images: Tensor
    if source.input.element == "uint8":
        images = random.integers(0, 256, shape, np.uint8)
    else:
        images = random.standard_normal(shape, np.float32).astype(source.input.element)
    together = source.network(default_threads()).run(images)
    try:
        alone = freed.network(default_threads()).run(images[:1])
    except ModelRefusedError:
        return False
    return all(_alike(among, own) for among, own in zip(together, alone, strict=True))


def _alike(among: NDArray[np.float32], own: NDArray[np.float32]) -> bool:
    """Whether the first of several answers is the only one of another output, but for rounding."""
    if among.ndim == 0 or own.shape != (1, *among.shape[1:]):
        return False
    tolerance = LARGEST_DIFFERENCE * float(np.max(np.abs(own), initial=0.0))
    return bool(np.allclose(among[:1], own, rtol=0, atol=tolerance, equal_nan=True))
