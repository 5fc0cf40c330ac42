"""Measuring what each candidate for a layer would cost on a machine: the cost table of a network."""

import dataclasses
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.select import load_engine
from edge_runtime.model.trial import Trial
from export.choose.latency import PACK, Family, LatencyTable, Point, family_of, is_depthwise
from export.choose.places import Place, Run
from export.layer import ConvolutionShape, Layer
from export.methods.base import Method
from export.network.card import write_with_card
from export.network.layers import ReducibleNetwork
from export.network.source import SourceModel, read_source
from export.precision.eight_bits import EightBitNetwork
from export.progress import Progress

# What stands around a convolution in a trial is fitted to these: channels and side of pictures.
AROUND = ((8, 8), (64, 16), (64, 64), (64, 96), (64, 160))
WINOGRAD = 4  # kernels that were transformed for it take so many times the memory
STEP = 8  # kernels are made for multiples of it
TASK = "timing convolutions"


def profile(
    source: SourceModel,
    network: ReducibleNetwork,
    card: ModelCard,
    methods: Sequence[Method],
    *,
    engine: str,
    precision: str,
    threads: int,
    place: Place,
    progress: Progress,
) -> LatencyTable:
    """Time what the layers of a network are, and what they may become.

    Args:
        source: The network.
        network: The same, as read.
        card: Its card.
        methods: The ways a layer may be replaced.
        engine: What runs it.
        precision: What the layers shall compute in: ``float32``, ``int8`` or ``float16``.
        threads: Threads within one inference.
        place: Where to time it.
        progress: Told how many convolutions are done, and how many there are.

    Raises:
        InputError: The engine, or the converter for it, is not installed.
        ModelRefusedError: The engine refuses the network.
        RemoteError: The place is another machine, which does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="pi-export-") as name:
        whole = [Path(name) / "network.onnx"]
        write_for(engine, source.proto, card, whole[0])
        if precision == "int8":
            whole.append(Path(name) / "int8.onnx")
            write_for(engine, _in_int8(network.model), card, whole[1])
        if precision == "float16":
            whole.append(Path(name) / "float16.onnx")
            write_for(engine, source.proto, card, whole[1], precision)
        network_ms, *in_precision_ms = place.networks(whole, engine, threads)
    wanted = list(shapes_to_time(network.reducible, methods))
    between = list(_between(wanted))
    around = [Trial(count, count, (0, 0), (side, side), precision=precision) for count, side in AROUND]
    trials = [*around, *(_trial(shape, precision) for shape in (*wanted, *between))]
    weights = sum(layer.shape.stored_bytes for layer in network.layers)
    run = Run(engine, threads, footprint=int(WINOGRAD * weights))
    rounds = place.convolutions(trials, run, partial(progress, TASK))
    line = _line_around(around, [statistics.median(each) for each in rounds[: len(around)]])
    own = zip((*wanted, *between), trials[len(around) :], rounds[len(around) :], strict=True)
    points = tuple(_point(shape, trial, each, line) for shape, trial, each in own)
    return LatencyTable(
        engine,
        threads,
        place.machine(),
        source.sha256,
        network_ms * 1e6,
        points[: len(wanted)],
        points[len(wanted) :],
        precision,
        sum(in_precision_ms) * 1e6,
    )


def _in_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network in int8, of which only the time matters: its values lie between any ends."""
    network = EightBitNetwork(model)
    return network.written(dict.fromkeys(network.tensors, (0.0, 1.0)))


def write_for(
    engine: str, model: onnx.ModelProto, card: ModelCard, path: Path, precision: str = "float32"
) -> ModelCard:
    """Write a network with its card as an engine takes it, whole or not at all.

    Args:
        engine: The engine.
        model: The network, in this precision if that is int8.
        card: Its card.
        path: The file to write.
        precision: What ncnn may compute in.

    Returns:
        The card as written.

    Raises:
        InputError: The converter for the engine is not installed, or the card does not fit.
        ModelRefusedError: The network cannot be converted or run.
    """
    if engine != "ncnn":
        return write_with_card(model, card, path)
    load_engine(engine)
    from export.convert.for_ncnn import convert_for_ncnn  # noqa: PLC0415  ncnn loads here

    with tempfile.TemporaryDirectory(prefix="pi-export-") as name:
        plain = Path(name) / path.name
        complete = write_with_card(model, card, plain)
        convert_for_ncnn(read_source(plain), path, precision=precision)
    return complete


def shapes_to_time(layers: Iterable[Layer], methods: Sequence[Method]) -> Iterable[ConvolutionShape]:
    """A grid over the channels of every family of convolutions that layers are or may become."""
    corners: dict[Family, list[ConvolutionShape]] = {}
    for layer in layers:
        widest = max(layer.in_channels, layer.out_channels)
        for shape in (layer.shape, *_candidates(layer, methods, (1, layer.out_channels, widest))):
            corners.setdefault(family_of(shape), []).append(shape)
    for shapes in corners.values():
        group = shapes[0].group
        if is_depthwise(shapes[0]):
            for count in _lines([shape.out_channels for shape in shapes], 1):
                yield dataclasses.replace(
                    shapes[0], in_channels=count, out_channels=count, group=count, bias=True
                )
            continue
        for inputs in _lines([shape.in_channels for shape in shapes], group):
            for outputs in _lines([shape.out_channels for shape in shapes], group):
                yield dataclasses.replace(
                    shapes[0], in_channels=inputs, out_channels=outputs, bias=True, connections=None
                )


def _between(grid: Sequence[ConvolutionShape]) -> Iterable[ConvolutionShape]:
    """For each family and either number of channels, a shape between two lines that fills no pack."""
    families: dict[Family, list[ConvolutionShape]] = {}
    for shape in grid:
        families.setdefault(family_of(shape), []).append(shape)
    for shapes in families.values():
        widest = max(shapes, key=lambda shape: (shape.in_channels, shape.out_channels))
        for name in ("in_channels", "out_channels"):
            half = getattr(widest, name) // 2
            lines = {getattr(shape, name) for shape in shapes}
            if widest.group == 1 and half >= PACK and len(lines) > 1:
                yield dataclasses.replace(widest, **{name: half // PACK * PACK + PACK // 2})


def _candidates(layer: Layer, methods: Sequence[Method], ranks: Iterable[int]) -> Iterable[ConvolutionShape]:
    for method in methods:
        for rank in ranks:
            yield from method.candidate(layer, (rank,) * method.rank_count, 0.0).convolutions


def _lines(numbers: Sequence[int], group: int) -> list[int]:
    """The numbers of channels of a grid's lines: doubling from few to the most, and three quarters of it."""
    least, most = min(numbers), max(numbers)
    step = STEP * group
    doubled = [step << power for power in range(16)]
    later = 3 * most // 4 // (PACK * group) * (PACK * group)
    inner = [number for number in (*doubled, later) if least < number < most]
    # What lies below the first line is cheap, and the plane goes on there.
    first = {least} if least >= step or not inner else set()
    return sorted({*first, *inner, most})


def _trial(shape: ConvolutionShape, precision: str) -> Trial:
    return Trial(
        shape.in_channels,
        shape.out_channels,
        shape.kernel,
        shape.output_size,
        shape.stride,
        shape.dilation,
        shape.group,
        precision,
    )


def _line_around(trials: Sequence[Trial], times_ms: Sequence[float]) -> tuple[float, float]:
    """Milliseconds for passing a tensor in, and for each of its values: least squares of relative errors."""
    sizes = np.array([_values(trial) for trial in trials], np.float64)
    weights = 1 / np.array(times_ms)
    rows = np.column_stack([np.ones(len(sizes)), sizes]) * weights[:, None]
    start, slope = np.linalg.lstsq(rows, np.ones(len(sizes)), rcond=None)[0]
    return float(start), float(slope)


def _point(
    shape: ConvolutionShape, trial: Trial, rounds_ms: Sequence[float], line: tuple[float, float]
) -> Point:
    middle = statistics.median(rounds_ms)
    own = max(middle - line[0] - line[1] * _values(trial), middle / 20)
    return Point(shape, own * 1e6, (max(rounds_ms) - min(rounds_ms)) / middle)


def _values(trial: Trial) -> int:
    return int(np.prod([int(length or 1) for length in trial.input.shape]))
