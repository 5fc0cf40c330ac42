"""``pi-export reduce``: make a network faster and smaller."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.base.errors import InputError, TargetUnmetError
from edge_runtime.base.files import require_writable
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.arguments import (
    ENGINES,
    percent,
    positive,
    positive_minutes,
    positive_ms,
    ratio,
    whole,
)
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, add_json_option, add_report_option, method_names
from export.commands.printing import show, warn_of_skipped
from export.reduction import defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.settings.command_line import Subparsers
    from export.progress import Progress
    from export.recovery.chain import Aim
    from export.recovery.result import Recovery
    from export.reduction.file import Delivery


USUAL = 0.0  # --recover without a time


def add(commands: "Subparsers") -> None:
    """Add ``pi-export reduce`` to the commands of the parser."""
    parser = commands.add_parser(
        "reduce",
        help="make a network faster and smaller",
        epilog=example("pi-export reduce net.onnx --images photos -o small.onnx --speedup 2"),
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="calibration images")
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="OUT.onnx", help="the file to write"
    )
    _add_goal(parser)
    _add_means(parser)
    parser.add_argument(
        "--recover",
        type=positive_minutes,
        nargs="?",
        const=USUAL,
        metavar="MINUTES",
        help="then train it without labels, for so long (default: as 'pi-export recover' does)",
    )
    add_report_option(parser)
    add_card_option(parser)
    add_json_option(parser)
    parser.set_defaults(handler=_run)


def _add_goal(parser: argparse.ArgumentParser) -> None:
    """How far to reduce, and what may be lost for it."""
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--speedup",
        type=ratio,
        metavar="X",
        help="cost before over after, see --cost (default: as much as --max-drop allows)",
    )
    goal.add_argument(
        "--budget-ms",
        type=positive_ms,
        metavar="T",
        help="instead: milliseconds of an inference; see --cost",
    )
    goal.add_argument(
        "--storage", type=ratio, metavar="X", help="instead: size of the weights on disk before over after"
    )
    parser.add_argument(
        "--max-drop",
        type=percent,
        metavar="PCT",
        help="lose at most PCT points of agreement with the original on images kept apart to judge "
        f"(default: {defaults.DROP_WITHOUT_TARGET_PERCENT:g} without --speedup or --storage, "
        f"{defaults.SANE_DROP_PERCENT:g} with one)",
    )


def _add_means(parser: argparse.ArgumentParser) -> None:
    """How to get there: what may be lost does not depend on it."""
    parser.add_argument(
        "--cost",
        default="macs",
        metavar="macs|local|ssh:HOST|TABLE.json",
        help="what --speedup is of: multiply-adds, or time as measured now, here (local) or over SSH, or "
        "before by 'pi-export profile' (default: %(default)s)",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, help="what is to run the network (default: onnxruntime, or TABLE's)"
    )
    parser.add_argument(
        "--methods",
        type=method_names,
        default="auto",
        metavar="auto|NAME,...",
        help="ways a layer may be reduced, by name (default: auto, the ones that make it faster)",
    )
    parser.add_argument(
        "--ranks",
        choices=("error", "energy"),
        default=defaults.RULE,
        help="choose ranks by least summed held-out error, or by response energy (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=(*defaults.PRECISIONS, defaults.FASTEST),
        default=defaults.PRECISIONS[0],
        help="what to deliver the network in: int8 for onnxruntime, float16 for ncnn; auto takes what is "
        "faster where --cost measures (default: %(default)s)",
    )
    parser.add_argument(
        "--max-images",
        type=positive,
        default=defaults.MAX_IMAGES,
        metavar="N",
        help="fit on at most N images, evenly over the class folders, and judge on a quarter as many "
        "others (default: %(default)d)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all)")
    parser.add_argument(
        "--seed",
        type=whole,
        default=defaults.SEED,
        metavar="N",
        help="chooses images and positions (default: %(default)d)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415  numpy and onnx load here
    from export.commands.tables import reduction_table  # noqa: PLC0415
    from export.report.documents import reduction_document  # noqa: PLC0415
    from export.report.write import require_folder, write_json  # noqa: PLC0415

    if arguments.json:
        require_writable(arguments.json)
    if arguments.report:
        require_folder(arguments.report)
    aim = _aim(arguments) if arguments.recover is not None else None
    reduce_now = _reduction(arguments, aim)
    with progress_bars() as progress:
        delivery = reduce_now(progress)
        recovery = _recovered(arguments, delivery, progress)
    document = reduction_document(
        delivery.reduction, delivery.card.provenance or {}, delivery.options.max_drop_percent
    )
    document["timed"] = None if delivery.timed is None else asdict(delivery.timed)
    document["recovery"] = recovery.to_document() if recovery else None
    document["skipped"] = [str(path) for path in delivery.skipped]
    if arguments.json:
        write_json(arguments.json, document)
    if arguments.report:
        _report(arguments, delivery, document)
    warn_of_skipped(delivery.skipped)
    show(reduction_table(delivery.reduction, str(delivery.path), delivery.options.max_drop_percent))
    if delivery.timed is not None:
        print_to_stdout(delivery.timed.words())
    if recovery is not None:
        print_to_stdout(recovery.words())
    if not delivery.reduction.reached:
        raise TargetUnmetError(_unmet(delivery))
    if aim is not None and recovery is not None and delivery.path is not None:
        aim.require_met(recovery, delivery.path)
    return 0


def _reduction(arguments: argparse.Namespace, aim: "Aim | None") -> "Callable[[Progress], Delivery]":
    """What reduces the network as it was asked for."""
    from export.reduction.file import reduce  # noqa: PLC0415

    return lambda progress: reduce(
        arguments.model,
        arguments.images,
        arguments.output,
        speedup=arguments.speedup,
        budget_ms=arguments.budget_ms,
        cost=arguments.cost,
        engine=arguments.engine,
        storage=arguments.storage,
        max_drop_percent=aim.before_recovery_percent if aim else arguments.max_drop,
        methods=arguments.methods,
        ranks=arguments.ranks,
        precision=arguments.precision,
        max_images=arguments.max_images,
        card=arguments.input,
        threads=arguments.threads,
        seed=arguments.seed,
        progress=progress,
    )


def _report(arguments: argparse.Namespace, delivery: "Delivery", document: dict[str, Any]) -> None:
    """Look closer at the reduction, and write what was seen."""
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415
    from export.reduction.examine import examine  # noqa: PLC0415
    from export.report.documents import command_line, examined  # noqa: PLC0415
    from export.report.write import write_report  # noqa: PLC0415

    with progress_bars() as progress:
        examination = examine(arguments.model, delivery, arguments.input, progress=progress)
    whole = document if examination is None else examined(document, examination)
    write_report(arguments.report, {**whole, "command": command_line("pi-export", arguments.given)})


def _aim(arguments: argparse.Namespace) -> "Aim":
    """What may be lost in the end; that torch is there shows before hours of work."""
    from export.recovery.chain import Aim  # noqa: PLC0415  torch loads here

    if arguments.precision != "float32":
        raise InputError("--recover is for float32: recover first, then 'pi-export quantise'")
    target = any(value is not None for value in (arguments.speedup, arguments.storage, arguments.budget_ms))
    return Aim(arguments.max_drop, target)


def _recovered(
    arguments: argparse.Namespace, delivery: "Delivery", progress: "Progress"
) -> "Recovery | None":
    """Recover what was delivered, in its place, if that was asked for."""
    if arguments.recover is None:
        return None
    from export.recovery.chain import recover_delivery  # noqa: PLC0415

    return recover_delivery(
        delivery,
        arguments.model,
        arguments.images,
        minutes=None if arguments.recover == USUAL else arguments.recover,
        threads=arguments.threads,
        seed=arguments.seed,
        progress=progress,
    )


def _unmet(delivery: "Delivery") -> str:
    """Why the command ends with exit code 6, though it has written a network."""
    options, reduction = delivery.options, delivery.reduction
    timed = delivery.timed
    if timed is not None and not timed.holds:
        goal = (
            f"a speed-up of {options.target:g}"
            if timed.budget_ns is None
            else f"{timed.budget_ns / 1e6:g} ms"
        )
        fate = "was predicted and not reached"
        if timed.target is not None and timed.predicted < timed.target:
            fate = f"is out of reach with at most {options.max_drop_percent:g} % of agreement lost"
        return f"{goal} {fate}: {timed.words()}; what was reached is in {delivery.path}"
    goal = "weights smaller by a factor" if options.cost.name == "storage" else "a speed-up"
    return (
        f"{goal} of {options.target:g} is out of reach with at most {options.max_drop_percent:g} % of "
        f"agreement lost; the best found, {reduction.ratio(options.cost):.2f}, is in {delivery.path}"
    )
