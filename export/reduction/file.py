"""From file to file: a network and a folder of images in, the reduced network with its card out."""

import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError, TargetUnmetError
from edge_runtime.base.names import readable
from edge_runtime.model.card import ModelCard
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import JUDGED_EVERY, CalibrationSet, calibration_set, files_apart
from export.calibrate.images import ImageFile, find_images
from export.choose.cost import MULTIPLY_ADDS, STORAGE, time_measure
from export.choose.latency import LatencyTable
from export.choose.profile import write_for
from export.judge.judge import Judge
from export.methods import AUTO, methods_named
from export.network.layers import ReducibleNetwork
from export.network.source import SourceModel, read_source
from export.paths import AnyPath, as_path
from export.precision.eight_bits import require_float
from export.precision.rounding import Rounded
from export.progress import Progress, silent
from export.reduction.defaults import (
    DROP_WITHOUT_TARGET_PERCENT,
    FASTEST,
    MAX_IMAGES,
    PRECISIONS,
    RULE,
    SANE_DROP_PERCENT,
    SEED,
)
from export.reduction.options import ReduceOptions
from export.reduction.preparation import card_of, readied, require_sound, versions
from export.reduction.result import Reduction
from export.reduction.run import reduce_network, require_reducible
from export.reduction.sense import (
    require_choices,
    require_count,
    require_percent,
    require_precision,
    require_ratio,
)
from export.reduction.timing import Promise, Timed, Timing, TimingTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """What ``reduce`` hands back: what was done, and where the network was written.

    Attributes:
        path: The file written: beside the asked one where the target was not reached; None if none was asked.
        card: The card in it.
        reduction: What was done.
        skipped: Images that could not be read.
        options: What was asked for.
        timed: How long both networks take here; None where the cost is no time, or that of another machine.
        apart: The images that only judged it.
    """

    path: Path | None
    card: ModelCard
    reduction: Reduction
    skipped: tuple[Path, ...]
    options: ReduceOptions
    timed: Timed | None = None
    apart: tuple[ImageFile, ...] = ()


def reduce(
    model: AnyPath,
    images: AnyPath,
    output: AnyPath | None = None,
    *,
    speedup: float | None = None,
    budget_ms: float | None = None,
    cost: AnyPath = "macs",
    engine: str | None = None,
    storage: float | None = None,
    max_drop_percent: float | None = None,
    methods: Sequence[str] = AUTO,
    ranks: str = RULE,
    precision: str = PRECISIONS[0],
    max_images: int = MAX_IMAGES,
    card: AnyPath | None = None,
    threads: int | None = None,
    seed: int = SEED,
    progress: Progress = silent,
) -> Delivery:
    """Reduce a network on a folder of images, and write it with its card.

    The same seed, images and versions give the same network.

    Args:
        model: The network to reduce, an ONNX file.
        images: A folder of calibration images.
        output: The file to write; None to write none. Where the target is not reached, the best found goes
            to ``OUT.best.onnx`` beside it.
        speedup: Cost of the whole network before over after, at least 1.
        budget_ms: Instead: milliseconds that one inference may take, by the table that ``cost`` names.
        cost: What ``speedup`` is of: ``macs``, multiply-adds; ``local``, time on this machine, or
            ``ssh:HOST``, on another, which is measured first; or a table that ``profile`` wrote, of time
            where that was measured.
        engine: What is to run the network: ``onnxruntime``, or ``ncnn``, for which it is converted. A table's
            own engine where one is given, else ``onnxruntime``.
        storage: Instead: size of the weights on disk before over after.
        max_drop_percent: Agreement with the original that may be lost on images apart, judged by the lower
            end of its 95 % confidence interval where there are images enough for that. If None, 1 without a
            target: then it alone sets the end; and with a target 10, judged by the agreement itself.
        methods: Names of the ways a layer may be reduced: keys of ``methods.METHODS``.
        ranks: How ranks are chosen: ``error`` (least summed held-out error) or ``energy``.
        precision: What the network is delivered in: ``float32``; ``int8``, for onnxruntime only;
            ``float16``, for ncnn only; or ``auto``, what is faster where ``cost`` measures. What it loses is
            judged in that. A table must be of the same precision.
        max_images: At most so many images are fitted on, evenly over the class folders; a quarter as many
            others only judge.
        card: A JSON file with a model card that takes the place of the network's own.
        threads: Threads to use; all processors if None.
        seed: Chooses images and sampled positions.
        progress: Told what is under way.

    Returns:
        What was done, and where the network was written; ``reduction.reached`` says whether the target was
        met.

    Raises:
        InputError: A file, the folder, an image set or the card is bad, or they do not fit each other.
        ModelRefusedError: The network cannot be reduced.
        TargetUnmetError: Every reduction loses more than may be lost.
    """
    if speedup is not None and storage is not None:
        raise InputError("give a speed-up or a storage ratio, not both")
    if storage is not None and cost != "macs":
        raise InputError("cost says what a speed-up is of; a storage ratio has no use for it")
    if budget_ms is not None and (cost == "macs" or speedup is not None or not 0 < budget_ms < math.inf):
        raise InputError("a budget of milliseconds is above 0, needs a cost in time, and no speed-up with it")
    require_ratio("speedup", speedup)
    require_ratio("storage", storage)
    require_percent("max_drop_percent", max_drop_percent)
    require_choices(methods, ranks)
    for name, number, least in (("max_images", max_images, 1), ("threads", threads, 1), ("seed", seed, 0)):
        require_count(name, number, least)
    target = speedup if storage is None else storage
    # A drop that is asked for is a promise; that none is delivered that lost ten points guards from wrecks.
    without_target = target is None and budget_ms is None
    surely = max_drop_percent is not None or without_target
    if max_drop_percent is None:
        max_drop_percent = DROP_WITHOUT_TARGET_PERCENT if without_target else SANE_DROP_PERCENT
    options = ReduceOptions(
        target=target,
        cost=MULTIPLY_ADDS if storage is None else STORAGE,
        max_drop_percent=max_drop_percent,
        surely=surely,
        methods=methods_named(methods),
        rule=ranks,
        precision=precision,
        seed=seed,
        threads=threads or default_threads(),
    )
    source, written = read_source(as_path(model)), as_path(output)
    own_card = card_of(source, as_path(card), written)
    if "source_sha256" in (own_card.provenance or {}):
        log.warning("%s is already reduced; its losses add up", source.path)
    timing = Timing.of(cost, engine, precision)
    require_precision(precision, timing.engine)
    if precision != PRECISIONS[0]:
        require_float(source.proto, str(source.path))
    return _deliver(
        source,
        own_card,
        as_path(images),
        written,
        options,
        timing=timing,
        budget_ms=budget_ms,
        max_images=max_images,
        progress=progress,
    )


def best_found_path(output: Path) -> Path:
    """Where the best network found is written if the target cannot be met: ``OUT.best.onnx`` beside OUT."""
    return output.with_suffix(f".best{output.suffix}")


def _deliver(
    source: SourceModel,
    card: ModelCard,
    images: Path,
    output: Path | None,
    options: ReduceOptions,
    *,
    timing: Timing,
    budget_ms: float | None,
    max_images: int,
    progress: Progress,
) -> Delivery:
    source, card, network = readied(source, card)
    require_reducible(network)
    task = TimingTask(source, network, card, options.threads)
    tables = timing.tables(task, options.methods, progress)
    require_sound(source, card, options.threads)
    chosen = find_images(images).choose(max_images * JUDGED_EVERY // (JUDGED_EVERY - 1), options.seed)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        calibration = calibration_set(
            chosen.files, card.input, Path(folder), element=source.input.element, progress=progress
        )
        judge = Judge(card, network.model, calibration.apart, options.threads)
        judge.require_something()
        attempt = partial(
            _by_table,
            network=network,
            calibration=calibration,
            options=options,
            budget_ms=budget_ms,
            judge=judge,
            progress=progress,
        )
        table, options, reduction = _first_that_holds(tables, attempt)
        if (
            timing.precision == FASTEST
            and options.precision != PRECISIONS[0]
            and not timing.rounding_pays(task, (reduction.delivered, options.precision), reduction.model)
        ):
            table = next(each for each in tables if each.precision == PRECISIONS[0])
            options = _costed(options, table, network, budget_ms)
            reduction = _unrounded(reduction, options, judge)
    timed = None
    if table is not None:
        budget_ns = None if budget_ms is None else budget_ms * 1e6
        promise = Promise(reduction.ratio(options.cost), options.target, budget_ns)
        timed = timing.check(task, (reduction.delivered, options.precision), table, promise)
    if timed is not None:
        reduction = replace(reduction, reached=reduction.reached and timed.holds)
    provenance = _provenance(source, card, options, reduction)
    card = replace(card, provenance={**provenance, "max_images": max_images})
    path = None
    if output is not None:
        path = output if reduction.reached else best_found_path(output)
        card = write_for(timing.engine, reduction.delivered, card, path, options.precision)
    judging = files_apart(chosen.files)
    skipped = (*chosen.skipped, *calibration.skipped)
    apart = tuple(file for file in chosen.files if file.path in judging)
    return Delivery(path, card, reduction, skipped, options, timed, apart)


_Reduced = tuple[LatencyTable | None, ReduceOptions, Reduction]


def _first_that_holds(
    tables: Sequence[LatencyTable], attempt: Callable[[LatencyTable | None], _Reduced]
) -> _Reduced:
    """The reduction by the first cost table that loses no more than may be lost.

    Raises:
        TargetUnmetError: None does.
    """
    for table in tables[:-1]:
        try:
            return attempt(table)
        except TargetUnmetError as error:
            log.warning("not in %s: %s", table.precision, error)
    return attempt(tables[-1] if tables else None)


def _by_table(
    table: LatencyTable | None,
    *,
    network: ReducibleNetwork,
    calibration: CalibrationSet,
    options: ReduceOptions,
    budget_ms: float | None,
    judge: Judge,
    progress: Progress,
) -> _Reduced:
    """The reduction with the cost, the precision and the target that follow from a cost table."""
    if table is not None:
        options = _costed(options, table, network, budget_ms)
    return table, options, reduce_network(network, calibration, options, progress, judge=judge)


def _costed(
    options: ReduceOptions, table: LatencyTable, network: ReducibleNetwork, budget_ms: float | None
) -> ReduceOptions:
    """The options with the cost, the precision and the target that follow from a cost table."""
    cost = time_measure(table, [layer.shape for layer in network.layers])
    target = options.target if budget_ms is None else max(1.0, table.network_ns / 1e6 / budget_ms)
    return replace(options, cost=cost, target=target, precision=table.precision)


def _unrounded(reduction: Reduction, options: ReduceOptions, judge: Judge) -> Reduction:
    """A reduction in float32 after all: what it reaches is foreseen by what was measured in that.

    Args:
        reduction: The same in another precision.
        options: With the cost in float32.
        judge: Judges it.
    """
    model = reduction.model
    reached = options.target is None or reduction.ratio(options.cost) >= options.target
    rounded, agreement = Rounded(model, model), judge(model)
    return replace(reduction, rounded=rounded, agreement=agreement, cost=options.cost, reached=reached)


def _provenance(
    source: SourceModel, card: ModelCard, options: ReduceOptions, reduction: Reduction
) -> dict[str, Any]:
    """What the card keeps of how the network came about: nothing that differs from run to run."""
    earlier = {} if card.provenance is None else {"source_provenance": card.provenance}
    return {
        **earlier,
        "source": readable(source.path.name),
        "source_sha256": source.sha256,
        "speedup": options.target if options.cost is not STORAGE else None,
        "storage": options.target if options.cost is STORAGE else None,
        "max_drop_percent": options.max_drop_percent,
        "agreement_percent": reduction.agreement_percent,
        "methods": [method.name for method in options.methods],
        "ranks": options.rule,
        "precision": options.precision,
        "int8": reduction.rounded.int8.to_document() if reduction.rounded.int8 else None,
        "cost": options.cost.name,
        "seed": options.seed,
        "images": reduction.images,
        "versions": versions(),
    }
