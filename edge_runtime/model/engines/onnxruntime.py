"""The only import of onnxruntime, and the one place where its options are pinned."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at import: releases from 1.29 report home without it

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.base.files import name_in_utf8
from edge_runtime.model.image import Tensor
from edge_runtime.model.input_form import InputForm, only_input
from edge_runtime.model.network import Network, OutputForm, default_threads
from edge_runtime.model.one_file import require_model_file, require_one_file
from edge_runtime.model.trial import Trial

onnxruntime.set_default_logger_severity(4)
onnxruntime.disable_telemetry_events()


@dataclass(frozen=True)
class OnnxruntimeNetwork(Network):
    """A network run by onnxruntime.

    Attributes:
        session: The onnxruntime session.
    """

    engine = "onnxruntime"

    session: onnxruntime.InferenceSession

    @property
    def engine_version(self) -> str:
        """Version of the onnxruntime in use."""
        return onnxruntime_version()

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        """All outputs for one input tensor: see ``Network.run``.

        Raises:
            ModelRefusedError: onnxruntime cannot run it on a tensor of this shape.
        """
        try:
            outputs = self.session.run(None, {self.input.name: tensor})
        except Exception as error:  # onnxruntime's exceptions share no public base class
            reason = f"{_first_line(error)}{self.input.layout_hint}"
            raise ModelRefusedError(f"{self.path} cannot run on input {tensor.shape}: {reason}") from error
        return [_widened(output) for output in outputs]


def _widened(output: Any) -> Any:
    """An output of float16 as float32, any other as it is; a sequence or a map is no array."""
    return output.astype(np.float32) if getattr(output, "dtype", None) == np.float16 else output


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options for every session we open: a fixed thread count and no spinning between frames.

    Spinning threads keep a Pi hot while it waits for the camera (onnxruntime issue 19968).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it would say is in its exceptions: users see one line, ours
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_network(path: Path, threads: int | None = None) -> OnnxruntimeNetwork:
    """Load a network with one input.

    Args:
        path: An ONNX file.
        threads: Threads within one inference; all processors if None.

    Raises:
        InputError: The file is missing, a folder, empty, or not an ONNX file.
        ModelRefusedError: onnxruntime refuses it, it keeps weights in another file, or it does not have
            exactly one input.
    """
    require_model_file(path)
    require_one_file(path)
    options = session_options(threads or default_threads())
    try:
        with name_in_utf8(path) as name:
            session = onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        if "INVALID_PROTOBUF" in str(error):  # the one sign of a damaged file, where others are refused
            raise InputError(f"{path} is not an ONNX file, or is cut short") from error
        reason = _first_line(error)
        if "same node name" in reason:
            reason += f" 'pi-export card {path} -o OUT.onnx' gives each a name of its own"
        raise ModelRefusedError(f"{path}: onnxruntime refuses it: {reason}") from error
    return _network(session, path)


def trial_network(trial: Trial, threads: int) -> OnnxruntimeNetwork:
    """A network of a single convolution, to be timed.

    Raises:
        ModelRefusedError: onnxruntime refuses it.
    """
    return network_from_bytes(trial.onnx(), Path("trial"), threads)


def network_from_bytes(model: bytes, path: Path, threads: int) -> OnnxruntimeNetwork:
    """A network that is not in its file yet.

    Args:
        model: A serialised ONNX network.
        path: What to call it in messages.
        threads: Threads within one inference.

    Raises:
        ModelRefusedError: onnxruntime refuses it, or it does not have exactly one input.
    """
    return _network(_session(model, session_options(threads), str(path)), path)


def _network(session: onnxruntime.InferenceSession, path: Path) -> OnnxruntimeNetwork:
    return OnnxruntimeNetwork(
        path=path,
        session=session,
        input=only_input([_form(value) for value in session.get_inputs()], path),
        outputs=tuple(
            OutputForm(value.name, value.type, tuple(value.shape)) for value in session.get_outputs()
        ),
        metadata=dict(session.get_modelmeta().custom_metadata_map),
    )


def _form(value: onnxruntime.NodeArg) -> InputForm:
    # A length that is free has a name, or none; some exporters write it as -1.
    lengths = (length if isinstance(length, int) and length > 0 else None for length in value.shape)
    return InputForm(value.name, value.type, tuple(lengths))


def optimise_offline(model: bytes, target: Path, *, dequantise: bool = False) -> None:
    """Write the network as onnxruntime's basic optimiser leaves it: batch norm folded, constants folded.

    Args:
        model: A serialised ONNX network.
        target: Where to write the optimised one.
        dequantise: Whether to fold quantised constants to floats, too.

    Raises:
        ModelRefusedError: onnxruntime refuses the network.
    """
    options = session_options(1)
    if dequantise:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    _session(model, options)


def profile_run(model: bytes, feeds: Mapping[str, NDArray[np.generic]], folder: Path, limit_s: float) -> Path:
    """Run a network once, as it stands, and have onnxruntime write down what it ran.

    Args:
        model: A serialised ONNX network.
        feeds: Its inputs.
        folder: Where to write to.
        limit_s: It is ended after this time: a loop of a network may have no end.

    Returns:
        The profile: JSON with one event a line.

    Raises:
        ModelRefusedError: onnxruntime refuses the network, cannot run it on these inputs, or not in time.
    """
    options = session_options(default_threads())
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "run")
    session = _session(model, options)
    run = onnxruntime.RunOptions()
    timer = threading.Timer(limit_s, setattr, (run, "terminate", True))
    timer.start()
    try:
        session.run(None, dict(feeds), run)
    except Exception as error:  # onnxruntime's exceptions share no public base class
        shapes = ", ".join(str(feed.shape) for feed in feeds.values())
        reason = f"not within {limit_s:g} s" if run.terminate else _first_line(error)
        raise ModelRefusedError(f"onnxruntime cannot run it on input {shapes}: {reason}") from error
    finally:
        timer.cancel()
    return Path(session.end_profiling())


def open_bytes(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on a serialised network, for passes over part of one.

    Args:
        model: The serialised ONNX network.
        threads: Threads within one inference.

    Raises:
        ModelRefusedError: onnxruntime refuses the network.
    """
    return _session(model, session_options(threads))


def _session(
    model: bytes, options: onnxruntime.SessionOptions, where: str = "this network"
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelRefusedError(f"onnxruntime refuses {where}: {_first_line(error)}") from error


def onnxruntime_version() -> str:
    """Version of the onnxruntime in use."""
    return str(onnxruntime.__version__)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
