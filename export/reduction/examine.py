"""A closer look at a reduction, for its report: what it takes here, and where both networks differ."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.bench.report import BenchReport
from edge_runtime.bench.run import BenchSettings, bench
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Tensor
from edge_runtime.model.preprocess import Preprocessor
from export.calibrate.images import ImageReader
from export.judge.build_up import error_build_up
from export.judge.differences import Differences, differences
from export.methods.base import thin
from export.network.card import write_with_card
from export.network.layers import ReducibleNetwork
from export.network.source import SourceModel, read_source
from export.paths import AnyPath, as_path
from export.progress import Progress, silent
from export.reduction.file import Delivery
from export.reduction.preparation import readied

ROUNDS, SECONDS = 3, 0.5  # a first impression, for which nobody shall wait long
LOOKED_AT = 32  # images through both networks at every layer


@dataclass(frozen=True)
class Examination:
    """What a closer look at a reduction shows.

    Attributes:
        bytes_before: Size of the original as one ONNX file.
        bytes_after: Size of the reduced network's file.
        response_errors: Relative error of each layer's response behind all that is reduced before it, on
            images apart, by the layer's output; without layers of which fewer channels are computed.
        differences: Pictures apart on which the answers differ; None where there are no answers to compare.
        measured: Both networks timed in turn on this machine, under onnxruntime.
    """

    bytes_before: int
    bytes_after: int
    response_errors: Mapping[str, float]
    differences: Differences | None
    measured: BenchReport


def examine(
    model: AnyPath, delivery: Delivery, card: AnyPath | None = None, *, progress: Progress = silent
) -> Examination | None:
    """Look closer at a reduction.

    Args:
        model: The original network's file, as ``reduce`` was given it.
        delivery: What ``reduce`` gave back.
        card: The card, as ``reduce`` was given it.
        progress: Told what is under way.

    Returns:
        What was seen; None where no network was written.

    Raises:
        InputError: The original can no longer be read.
        ModelRefusedError: A network cannot run.
    """
    if delivery.path is None:
        return None
    source = read_source(as_path(model))
    source, own, network = readied(source, source.require_card(as_path(card)))
    threads = delivery.options.threads
    before = Model(source.network(threads), own)
    after = Model.open(delivery.path, threads=threads)
    found = differences(before, after, delivery.apart, progress)
    errors = _response_errors(network, before, delivery)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        original = _written(source, own, Path(folder) / source.path.name)
        return Examination(
            bytes_before=original.stat().st_size,
            bytes_after=delivery.path.stat().st_size,
            response_errors=errors,
            differences=found,
            measured=_measured(original, delivery.path, threads, progress),
        )


def _response_errors(network: ReducibleNetwork, before: Model, delivery: Delivery) -> Mapping[str, float]:
    files = thin(list(delivery.apart), LOOKED_AT)
    preprocessor = Preprocessor(before.card.input, before.network.input.element)

    def inputs() -> Iterator[Tensor]:
        for image in ImageReader(files):
            yield preprocessor(image.pixels)

    tensors = [layer.output for layer in network.layers]
    return error_build_up(
        network.model, delivery.reduction.model, tensors, inputs(), delivery.options.threads
    )


def _written(source: SourceModel, card: ModelCard, path: Path) -> Path:
    """The original as the runtime takes it: one file, for one image."""
    write_with_card(source.proto, card, path)
    return path


def _measured(original: Path, reduced: Path, threads: int, progress: Progress) -> BenchReport:
    settings = BenchSettings(reduced, baseline=original, seconds=SECONDS, rounds=ROUNDS, threads=threads)
    runs = iter(range(1, 2 * ROUNDS + 1))
    return bench(settings, lambda _: progress("timing both networks", next(runs, 2 * ROUNDS), 2 * ROUNDS))
