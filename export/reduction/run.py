"""Reduce a network: collect its responses, choose ranks, fit and replace layer by layer, judge."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from threadpoolctl import threadpool_limits

from edge_runtime.base.errors import InputError, ModelRefusedError, TargetUnmetError
from export.calibrate.calibration_set import CalibrationSet
from export.calibrate.passes import Passes
from export.calibrate.plan import SamplingPlan
from export.calibrate.sampler import Sampler
from export.choose.offers import collect_offers
from export.choose.search import Attempt, furthest
from export.choose.selection import Decision
from export.fit.parallel import workers
from export.judge.agreement import Agreement
from export.network.layers import ReducibleNetwork
from export.network.load import check
from export.network.reasons import HALF_WEIGHT
from export.precision.rounding import Rounded, Rounding
from export.progress import Progress
from export.reduction.fitting import THE_RESULT, Fitter
from export.reduction.options import ReduceOptions
from export.reduction.result import ReducedNetwork, Reduction, Tried

#: Tells how far a network agrees with the original.
Judge = Callable[[onnx.ModelProto], Agreement]


@dataclass(frozen=True)
class _Judged:
    """A reduced network with its judgement."""

    reduced: ReducedNetwork
    rounded: Rounded
    agreement: Agreement | None


def reduce_network(
    network: ReducibleNetwork,
    calibration: CalibrationSet,
    options: ReduceOptions,
    progress: Progress,
    *,
    judge: Judge | None = None,
    decision: Decision | None = None,
) -> Reduction:
    """Reduce a network on calibration images.

    Args:
        network: As read by ``network.read_network``, at the size of the images.
        calibration: The images, prepared as the network wants them.
        options: What is wanted.
        progress: Told what is under way, how many images are done, and how many there are.
        judge: Judges each attempt; None if none is to be judged.
        decision: What layers become, instead of a choice; layers not in it stay.

    Returns:
        The cheapest network that loses no more than may be lost, and how it came about.

    Raises:
        InputError: Too few images, or images that do not differ.
        ModelRefusedError: No layer can be reduced or written as asked, or the network computes NaN or
            infinite values.
        TargetUnmetError: Every reduction loses more than ``options.max_drop_percent``.
    """
    started = time.monotonic()
    rounding = Rounding(options.precision, calibration.fit, threads=options.threads, progress=progress)
    tried: list[tuple[float, Agreement | None]] = []
    with open_fitter(network, calibration, options, progress) as fitter:

        def attempt(target: float) -> Attempt[_Judged]:
            reduced = fitter.reduce(decision or fitter.decide(target))
            rounded = rounding(reduced.network)
            agreement = judge(rounded.judged).with_notes(rounded.doubts) if judge else None
            loss = _loss_percent(agreement, options)
            made = Attempt(_Judged(reduced, rounded, agreement), reduced.ratio(options.cost), loss)
            tried.append((made.ratio, agreement))
            return made

        best = furthest(attempt, options.target, options.max_drop_percent)
        image_passes, promised, energy = fitter.image_passes, fitter.promised(), fitter.energy
    if best is None:
        raise TargetUnmetError(
            f"no reduction keeps {100 - options.max_drop_percent:g} % agreement with the original on "
            "images apart; allow more with --max-drop"
        )
    reduced = best.result.reduced
    check(reduced.model, THE_RESULT)  # as the original was, when it was read
    return Reduction(
        network=reduced.network,
        layers=reduced.layers,
        images=len(calibration.fit),
        image_passes=image_passes,
        seconds=time.monotonic() - started,
        agreement=best.result.agreement,
        cost=options.cost,
        reached=options.target is None or best.ratio >= options.target,
        rounded=best.result.rounded,
        attempts=tuple(
            Tried(ratio, own, chosen=ratio == best.ratio and own is best.result.agreement)
            for ratio, own in tried
        ),
        promised=promised,
        energy=energy,
    )


def require_reducible(network: ReducibleNetwork) -> None:
    """Raise ``ModelRefusedError`` if no layer can be reduced, with the remedy where there is one for all."""
    if network.reducible:
        return
    if any(layer.reason == HALF_WEIGHT for layer in network.layers):
        raise ModelRefusedError(
            "the weights of this network are float16: save it in float32 first, and reduce that"
        )
    why = network.obstacle or "no layer of this network can be reduced; see 'pi-export inspect'"
    raise ModelRefusedError(why)


@contextmanager
def open_fitter(
    network: ReducibleNetwork, calibration: CalibrationSet, options: ReduceOptions, progress: Progress
) -> Iterator[Fitter]:
    """Collect what all reductions of a network share; on leaving, its temporary files are deleted.

    Args:
        network: As read by ``network.read_network``, at the size of the images.
        calibration: The images, prepared as the network wants them.
        options: What is wanted.
        progress: Told what is under way, how many images are done, and how many there are.

    Yields:
        What reduces the network to a target, as often as is asked.

    Raises:
        InputError: Too few images for any layer.
        ModelRefusedError: No layer can be reduced, or the network computes NaN or infinite values.
    """
    require_reducible(network)
    temporary = tempfile.TemporaryDirectory(prefix="pi-export-")
    with temporary as name, _algebra_on_one_thread(), workers(options.threads):
        folder, inputs = Path(name), calibration.fit
        sampler = Sampler(network, inputs, options.seed, folder)
        network = _where_images_suffice(network, sampler.plan)
        passes = Passes(network, inputs, sampler, folder, threads=options.threads, progress=progress)
        offers = collect_offers(network, options.methods, passes)
        if not any(offer.candidates for offer in offers):
            raise ModelRefusedError("no layer of this network gets cheaper by the methods asked for")
        yield Fitter(network, offers, options, passes)


def _loss_percent(agreement: Agreement | None, options: ReduceOptions) -> float:
    return agreement.loss_percent(options.max_drop_percent, surely=options.surely) if agreement else 0.0


def _algebra_on_one_thread() -> AbstractContextManager[Any]:
    """Have linear algebra use one thread, whatever the number of processors.

    Its sums are then the same on every machine of a kind, so the same seed gives the same bytes; and where
    other programs run, threads that wait for each other make it several times slower, not faster.
    """
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def _where_images_suffice(network: ReducibleNetwork, plan: SamplingPlan) -> ReducibleNetwork:
    """The network, in which layers that need more images to be fitted cannot be reduced, and say so.

    Raises:
        InputError: That would leave none.
    """
    needed = {layer.output: plan.images_needed(layer) for layer in network.reducible}
    if all(needed.values()):
        raise InputError(
            f"{plan.images} images are too few to fit any layer; give at least {min(needed.values())}"
        )
    layers = tuple(
        replace(layer, reason=f"needs at least {needed[layer.output]} calibration images")
        if needed.get(layer.output)
        else layer
        for layer in network.layers
    )
    return replace(network, layers=layers)
