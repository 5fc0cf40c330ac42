"""From file to table: what the layers of a network take on a machine, and what they may become."""

from collections.abc import Sequence

from edge_runtime.model.network import default_threads
from edge_runtime.settings.arguments import ENGINES
from export.choose.latency import LatencyTable
from export.choose.places import Place, ThisMachine
from export.choose.profile import profile as time_layers
from export.methods import AUTO, methods_named
from export.network.source import read_source
from export.paths import AnyPath, as_path
from export.progress import Progress, silent
from export.reduction.defaults import PRECISIONS, RULE
from export.reduction.preparation import readied
from export.reduction.run import require_reducible
from export.reduction.sense import require_choices, require_count, require_precision


def profile(
    model: AnyPath,
    *,
    engine: str = ENGINES[0],
    precision: str = PRECISIONS[0],
    methods: Sequence[str] = AUTO,
    threads: int | None = None,
    card: AnyPath | None = None,
    place: Place | None = None,
    progress: Progress = silent,
) -> LatencyTable:
    """Time the layers of a network, and what they may become, on this machine or another.

    Args:
        model: An ONNX file.
        engine: What runs it: ``onnxruntime`` or ``ncnn``.
        precision: What it is to compute in: ``float32``, ``int8`` under onnxruntime, ``float16`` under ncnn.
        methods: Names of the ways a layer may be reduced.
        threads: Threads within one inference; all processors if None.
        card: A JSON file with a model card that takes the place of the network's own.
        place: Where to time it; here if None.
        progress: Told how many convolutions are timed.

    Raises:
        InputError: A file or the card is bad, or the engine or its converter is not installed.
        RemoteError: The place is another machine, which does not answer.
        ModelRefusedError: The network cannot be reduced, or the engine refuses it.
    """
    require_choices(methods, RULE)
    require_precision(precision, engine)
    require_count("threads", threads, 1)
    source = read_source(as_path(model))
    own_card = source.require_card(as_path(card))
    source, own_card, network = readied(source, own_card)
    require_reducible(network)
    return time_layers(
        source,
        network,
        own_card,
        methods_named(methods),
        engine=engine,
        precision=precision,
        threads=threads or default_threads(),
        place=place or ThisMachine(),
        progress=progress,
    )
