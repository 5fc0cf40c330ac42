"""From file to file: a network and a folder of images in, the reduced network with its card out."""

import hashlib
import logging
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from edge_runtime import __version__
from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_writable
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.engines.onnxruntime import default_threads, onnxruntime_version, open_network
from edge_runtime.model.golden import golden_of
from edge_runtime.model.preprocess import Tensor
from export.calibrate.images import ImageFile, ImageFolder, ImageReader, find_images, prepare
from export.judge.agreement import Judge
from export.methods import AUTO, methods_named
from export.methods.base import thin
from export.network.card import require_card, write_with_card
from export.network.layers import read_network
from export.progress import Progress
from export.reduction.run import ReduceOptions, Reduction, reduce_network

log = logging.getLogger(__name__)

JUDGED_EVERY = 5
JUDGED_IMAGES = 200


@dataclass(frozen=True)
class ReduceRequest:
    """What the command line asks for.

    Attributes:
        model: The network to reduce.
        images: A folder of calibration images.
        output: The file to write.
        target: The network's cost before over after; None for as much as may be.
        cost: What is to become less: ``macs`` or ``storage``.
        max_drop_percent: Agreement with the original that may be lost.
        max_images: At most so many images are fitted on, evenly over the classes; a quarter as many again
            only judge.
        methods: Names of the methods on offer.
        rule: How ranks are chosen: ``energy`` or ``error``.
        card: A model card that takes the place of the network's own.
        threads: Threads to use; all processors if None.
        seed: Chooses images and sampled positions.
    """

    model: Path
    images: Path
    output: Path
    target: float | None
    max_drop_percent: float
    max_images: int
    cost: str = "macs"
    methods: tuple[str, ...] = AUTO
    rule: str = "error"
    card: Path | None = None
    threads: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Delivery:
    """What came of a request.

    Attributes:
        path: The file written: beside the asked one where the target was not reached.
        card: The card in it.
        reduction: What was done.
        skipped: Images that could not be read.
    """

    path: Path
    card: ModelCard
    reduction: Reduction
    skipped: tuple[Path, ...]


def reduce_file(request: ReduceRequest, progress: Progress) -> Delivery:
    """Reduce a network on a folder of images and write it with its card.

    Raises:
        InputError: A file, the folder, an image set or the card is bad, or they do not fit each other.
        ModelRefusedError: The network cannot be reduced.
    """
    require_writable(request.output)
    card = require_card(request.model, request.card)
    network = read_network(request.model, card.input.size)
    _require_sense(request, card)
    reader = ImageReader(_choose(find_images(request.images), request))
    threads = request.threads or default_threads()
    judged: list[Tensor] = []  # filled while the images are read
    options = ReduceOptions(
        target=request.target,
        cost=request.cost,
        max_drop_percent=request.max_drop_percent,
        judge=Judge(card, network.model, judged, threads),
        methods=methods_named(request.methods),
        rule=request.rule,
        seed=request.seed,
        threads=threads,
    )
    tensors = _tensors(reader, card.input, judged, progress)
    reduction = reduce_network(network, tensors, options, progress)
    path = request.output if reduction.reached else best_found_path(request.output)
    complete = replace(card, provenance=_provenance(request, card, reduction))
    return Delivery(
        path=path,
        card=write_with_card(reduction.model, complete, path),
        reduction=reduction,
        skipped=tuple(reader.skipped),
    )


def best_found_path(output: Path) -> Path:
    """Where the best network found is written if the target cannot be met: ``OUT.best.onnx``."""
    return output.with_suffix(f".best{output.suffix}")


def versions() -> dict[str, str]:
    """Versions of everything whose change may change a result."""
    return {
        "pi-infer": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime_version(),
    }


def _choose(folder: ImageFolder, request: ReduceRequest) -> Sequence[ImageFile]:
    """The images to fit on, and a quarter as many that are set apart to judge."""
    return folder.choose(request.max_images * JUDGED_EVERY // (JUDGED_EVERY - 1), request.seed).files


def _set_apart(files: Sequence[ImageFile]) -> set[Path]:
    """The images that judge the result: no fit and no choice of ranks sees them."""
    return {file.path for file in thin(list(files[JUDGED_EVERY - 1 :: JUDGED_EVERY]), JUDGED_IMAGES)}


def _require_sense(request: ReduceRequest, card: ModelCard) -> None:
    if request.output.exists() and request.output.samefile(request.model):
        raise InputError(f"{request.output} is the network itself; give another output path")
    golden_of(open_network(request.model, request.threads), card)  # it runs, on the card's terms
    if "source_sha256" in (card.provenance or {}):
        log.warning("%s is already reduced; its losses add up", request.model)


def _tensors(
    reader: ImageReader, spec: InputSpec, judged: list[Tensor], progress: Progress
) -> Iterator[Tensor]:
    """The network's inputs to fit on; those to judge by go to ``judged``.

    Raises:
        InputError: At their end, if all were the same.
    """
    apart = _set_apart(reader.files)
    first: Tensor | None = None
    alike = False
    for done, image in enumerate(prepare(reader, spec), start=1):
        progress("reading images", done + len(reader.skipped), len(reader.files))
        if first is None:
            first = image.tensor.copy()
        else:
            alike = (alike or done == 2) and np.array_equal(first, image.tensor)
        if image.file.path in apart:
            judged.append(image.tensor.copy())
        else:
            yield image.tensor
    if alike:
        raise InputError("all calibration images are the same to the network; give different ones")


def _provenance(request: ReduceRequest, card: ModelCard, reduction: Reduction) -> dict[str, Any]:
    """What the card keeps of how the network came about: nothing that differs from run to run."""
    earlier = {} if card.provenance is None else {"source_provenance": card.provenance}
    return {
        **earlier,
        "source": request.model.name,
        "source_sha256": hashlib.sha256(request.model.read_bytes()).hexdigest(),
        "speedup": request.target if request.cost == "macs" else None,
        "storage": request.target if request.cost == "storage" else None,
        "max_drop_percent": request.max_drop_percent,
        "agreement_percent": reduction.agreement_percent,
        "methods": list(request.methods),
        "ranks": request.rule,
        "seed": request.seed,
        "images": reduction.images,
        "versions": versions(),
    }
