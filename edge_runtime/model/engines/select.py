"""Which engine runs a network: each is imported only when it does."""

import importlib
import importlib.util
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.model.network import Network
from edge_runtime.model.trial import Trial
from edge_runtime.settings.arguments import ENGINES


def open_network(path: Path, threads: int | None = None, engine: str = ENGINES[0]) -> Network:
    """Load a network with one input.

    Args:
        path: An ONNX file.
        threads: Threads within one inference; all processors if None.
        engine: Which library shall run it: one of ``ENGINES``.

    Raises:
        InputError: The file is missing, a folder, empty, not an ONNX file, or not made for this engine; or
            the engine is not installed.
        ModelRefusedError: The engine refuses it, it keeps weights in another file, or it does not have
            exactly one input.
    """
    load_engine(engine)
    if engine == "ncnn":
        from edge_runtime.model.engines import ncnn  # noqa: PLC0415  each engine costs 20 MiB or more

        return ncnn.open_network(path, threads)
    from edge_runtime.model.engines import onnxruntime  # noqa: PLC0415

    return onnxruntime.open_network(path, threads)


def trial_network(trial: Trial, threads: int, engine: str) -> Network:
    """A network of a single convolution, to be timed under an engine.

    Raises:
        InputError: There is no such engine, or it is not installed.
        ModelRefusedError: It refuses the network.
    """
    load_engine(engine)
    if engine == "ncnn":
        from edge_runtime.model.engines import ncnn  # noqa: PLC0415

        return ncnn.trial_network(trial, threads)
    from edge_runtime.model.engines import onnxruntime  # noqa: PLC0415

    return onnxruntime.trial_network(trial, threads)


def load_engine(engine: str) -> None:
    """Import an engine, which ``open_network`` does otherwise.

    Raises:
        InputError: There is no such engine, or it is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"no engine {engine!r}: give one of {', '.join(ENGINES)}")
    if importlib.util.find_spec(engine) is None:
        raise InputError(f"engine {engine} is not installed: pip install 'pi-infer[{engine}]'")
    importlib.import_module(f"edge_runtime.model.engines.{engine}")
