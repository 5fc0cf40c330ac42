"""``pi-export``: read the command line, call, print, and end with the exit code of ``errors``.

The only module of this package that prints. Each subcommand is one ``_add_NAME`` function and one ``_NAME``
handler that imports what it needs when it runs, so that ``pi-export --help`` starts at once.
"""

import argparse
import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import __version__
from edge_runtime.command_line import CommandParser, positive
from edge_runtime.errors import InputError, PiInferError, TargetUnmetError
from edge_runtime.files import require_writable
from edge_runtime.standard_streams import discard_stdout, survive_any_terminal
from export.arguments import method_names, percent, ratio, size, whole

if TYPE_CHECKING:
    from rich.console import RenderableType

    Subparsers = argparse._SubParsersAction[CommandParser]  # noqa: SLF001  argparse gives it no public name

    from export.padding import SquarePadding

INTERRUPTED = 130
BROKEN_PIPE = 141
WIDTH_WITHOUT_TERMINAL = 160
SHOWN_SKIPPED = 5
SANE_DROP_PERCENT = 10.0  # a network that has lost more is a wreck, whatever its speed

Handler = Callable[[argparse.Namespace], None]


def main(argv: list[str] | None = None) -> int:
    """Run ``pi-export``.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: see ``errors``; 130 after Ctrl-C, 141 when the reader of our output went away.
    """
    survive_any_terminal("pi-export")
    _limit_memory()
    arguments = _parser().parse_args(argv)
    handler: Handler = arguments.handler
    try:
        handler(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return BROKEN_PIPE
    except Exception as error:
        if arguments.debug:
            raise
        return _report(error)
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="pi-export", description="Make a trained ONNX network faster and smaller, without training."
    )
    parser.add_argument("--version", action="version", version=f"pi-export {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_inspect(commands)
    _add_reduce(commands)
    _add_evaluate(commands)
    _add_card(commands)
    return parser


def _add_inspect(commands: "Subparsers") -> None:
    parser = commands.add_parser("inspect", help="list the layers of a network and what they cost")
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument(
        "--input-size", type=size, metavar="HxW", help="height and width of the input, where it is free"
    )
    _add_card_option(parser)
    _add_json_option(parser)
    parser.set_defaults(handler=_inspect)


def _inspect(arguments: argparse.Namespace) -> None:
    from export.card import find_card  # noqa: PLC0415  onnx loads here
    from export.network import read_network  # noqa: PLC0415
    from export.report import inspection_document, write_json  # noqa: PLC0415
    from export.tables import layer_table  # noqa: PLC0415

    card = find_card(arguments.model, arguments.input)
    network = read_network(arguments.model, arguments.input_size or (card.input.size if card else None))
    if arguments.json:
        write_json(arguments.json, inspection_document(network, arguments.model))
    _show(layer_table(network, arguments.model.name))


def _add_reduce(commands: "Subparsers") -> None:
    parser = commands.add_parser("reduce", help="make a network faster and smaller")
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="calibration images")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="OUT.onnx")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--speedup",
        type=ratio,
        metavar="X",
        help="multiply-adds before over after (default: as much as --max-drop allows)",
    )
    goal.add_argument(
        "--storage", type=ratio, metavar="X", help="instead: size of the weights on disk before over after"
    )
    parser.add_argument(
        "--max-drop",
        type=percent,
        metavar="PCT",
        help="lose at most PCT points of agreement with the original on images kept apart to judge "
        f"(default: 1 without --speedup or --storage, {SANE_DROP_PERCENT:g} with one)",
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
        default="error",
        help="choose ranks by least summed held-out error, or by response energy (default: error)",
    )
    parser.add_argument(
        "--max-images",
        type=positive,
        default=500,
        metavar="N",
        help="fit on at most N images, evenly over the class folders, and judge on a quarter as many "
        "others (default: 500)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all)")
    parser.add_argument(
        "--seed", type=whole, default=0, metavar="N", help="chooses images and positions (default: 0)"
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.html and report.json there")
    _add_card_option(parser)
    _add_json_option(parser)
    parser.set_defaults(handler=_reduce)


def _reduce(arguments: argparse.Namespace) -> None:
    from export.progress import progress_bars  # noqa: PLC0415  numpy, onnx and onnxruntime load here
    from export.reduce_file import ReduceRequest, reduce_file  # noqa: PLC0415
    from export.report import reduction_document, require_folder, write_json, write_report  # noqa: PLC0415
    from export.tables import reduction_table  # noqa: PLC0415

    request = ReduceRequest(
        model=arguments.model,
        images=arguments.images,
        output=arguments.output,
        target=arguments.speedup or arguments.storage,
        cost="storage" if arguments.storage else "macs",
        max_drop_percent=_max_drop(arguments),
        max_images=arguments.max_images,
        methods=arguments.methods,
        rule=arguments.ranks,
        card=arguments.input,
        threads=arguments.threads,
        seed=arguments.seed,
    )
    if arguments.json:
        require_writable(arguments.json)
    if arguments.report:
        require_folder(arguments.report)
    with progress_bars() as progress:
        delivery = reduce_file(request, progress)
    document = reduction_document(delivery.reduction, delivery.card.provenance or {})
    if arguments.json:
        write_json(arguments.json, document)
    if arguments.report:
        write_report(arguments.report, delivery.reduction, document)
    _warn_of_skipped(delivery.skipped)
    _show(reduction_table(delivery.reduction, str(delivery.path)))
    if not delivery.reduction.reached:
        goal = "a speed-up" if request.cost == "macs" else "weights smaller by a factor"
        raise TargetUnmetError(
            f"{goal} of {request.target:g} is out of reach with at most {request.max_drop_percent:g} % of "
            f"agreement lost; the best found, {delivery.reduction.ratio(request.cost):.2f}, is in "
            f"{delivery.path}"
        )


def _max_drop(arguments: argparse.Namespace) -> float:
    """What may be lost: little where that alone sets the end, no wreck where a speed-up is asked for."""
    if arguments.max_drop is not None:
        return float(arguments.max_drop)
    return SANE_DROP_PERCENT if arguments.speedup or arguments.storage else 1.0


def _add_evaluate(commands: "Subparsers") -> None:
    parser = commands.add_parser(
        "evaluate", help="compare networks on a folder of images: accuracy and agreement with the first"
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="ONNX files")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="a subfolder for each class"
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads of one inference (default: all)"
    )
    parser.add_argument(
        "--pad-square",
        type=padding,
        metavar="FACTOR[:GREY]",
        help="first put each image in a grey square of FACTOR times its longer side (default grey: 127)",
    )
    _add_card_option(parser)
    _add_json_option(parser)
    parser.set_defaults(handler=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    from export.evaluate import evaluate  # noqa: PLC0415  onnxruntime and OpenCV load here
    from export.progress import progress_bars  # noqa: PLC0415
    from export.report import write_json  # noqa: PLC0415
    from export.tables import evaluation_table  # noqa: PLC0415

    with progress_bars() as progress:
        result = evaluate(
            arguments.models,
            arguments.images,
            arguments.threads,
            arguments.input,
            progress=progress,
            padding=arguments.pad_square,
        )
    if arguments.json:
        write_json(arguments.json, result.to_document())
    _warn_of_skipped(result.skipped)
    _show(evaluation_table(result))


def _add_card(commands: "Subparsers") -> None:
    parser = commands.add_parser("card", help="write or show what a network needs to be run right")
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--show", action="store_true", help="show the card instead of writing one")
    _add_card_option(choice)
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="OUT.onnx", help="the file to write (default: MODEL itself)"
    )
    parser.set_defaults(handler=_card)


def _card(arguments: argparse.Namespace) -> None:
    from export.card import require_card, write_card  # noqa: PLC0415  onnx and onnxruntime load here
    from export.tables import card_table  # noqa: PLC0415

    if arguments.show:
        if arguments.output:
            raise InputError("--show writes nothing; leave out -o")
        _show(card_table(require_card(arguments.model), str(arguments.model)))
        return
    output = arguments.output or arguments.model
    _show(card_table(write_card(arguments.model, output, arguments.input), str(output)))


def padding(text: str) -> "SquarePadding":
    """An argument type: ``FACTOR`` or ``FACTOR:GREY``."""
    from export.padding import parse_padding  # noqa: PLC0415  OpenCV loads here

    try:
        return parse_padding(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a padding such as 1.4:127") from error


def _add_card_option(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument(
        "--input", type=Path, metavar="CARD.json", help="a model card to use instead of the network's"
    )


def _add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")


def _show(table: "RenderableType") -> None:
    from rich.console import Console  # noqa: PLC0415

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    print(captured.get(), end="")  # rich would hide from us that the reader of our output went away


def _warn_of_skipped(skipped: Sequence[Path]) -> None:
    if skipped:
        named = ", ".join(str(path) for path in skipped[:SHOWN_SKIPPED])
        more = f" and {len(skipped) - SHOWN_SKIPPED} more" if len(skipped) > SHOWN_SKIPPED else ""
        _print_line("warning", f"skipped {len(skipped)} unreadable images: {named}{more}")


def _report(error: Exception) -> int:
    if isinstance(error, OSError):
        error = InputError(f"{error.filename or 'reading or writing'}: {error.strerror or error}")
    missing = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in ("onnx", "rich"):
        error = InputError(f"pi-export needs {missing}: pip install 'pi-infer[export]'")
    if isinstance(error, MemoryError):
        error = PiInferError("there is not enough memory; use fewer images or a smaller input")
    known = isinstance(error, PiInferError)
    _print_line("error", str(error) if known else f"{type(error).__name__}: {error} (--debug shows where)")
    return error.exit_code if isinstance(error, PiInferError) else 1


def _print_line(kind: str, message: str) -> None:
    """One line on standard error; names from files may hold anything, so control characters are left out."""
    line = " ".join(message.split())
    print(f"pi-export: {kind}: {''.join(c if c.isprintable() else '?' for c in line)}", file=sys.stderr)


def _limit_memory() -> None:
    """Ask for no more memory than the machine has: a few bytes of ONNX can claim any amount of it.

    Beyond the limit an allocation fails and is reported; without it the kernel would kill us, or others.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or soft > machine:
        resource.setrlimit(resource.RLIMIT_DATA, (machine, hard))


if __name__ == "__main__":
    sys.exit(main())
