"""The only import of ncnn, and the one place where its options are pinned.

ncnn computes 3×3 convolutions by Winograd's method on ARM, where onnxruntime does not.
"""

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when OpenMP loads: threads that spin between frames keep a Pi hot (as in onnxruntime issue 19968).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import ncnn
import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.base.native_noise import native_silence
from edge_runtime.model.image import Tensor
from edge_runtime.model.ncnn_form import METADATA_KEY, NcnnForm
from edge_runtime.model.network import Network, default_threads
from edge_runtime.model.one_file import require_model_file, require_one_file
from edge_runtime.model.onnx_file import OnnxFile, opened
from edge_runtime.model.trial import Trial

# ncnn's headers promise no more of Winograd's method; what was seen on six networks is below 2e-5.
CLOSENESS = 1e-3
HALF_CLOSENESS = 0.1  # of float16: sums round, too; a small network was off by 0.08 on noise


@dataclass(frozen=True)
class NcnnNetwork(Network):
    """A network run by ncnn.

    Attributes:
        net: ncnn's network.
        form: What it was loaded from.
    """

    engine = "ncnn"

    net: Any
    form: NcnnForm

    @property
    def closeness(self) -> float:
        """How far its answers may lie from another engine's: see ``Network.closeness``."""
        return HALF_CLOSENESS if self.form.precision == "float16" else CLOSENESS

    @property
    def engine_version(self) -> str:
        """Version of the ncnn in use."""
        return ncnn_version()

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        """All outputs for one input tensor: see ``Network.run``.

        Raises:
            ModelRefusedError: ncnn cannot run it on a tensor of this shape.
        """
        if self.input.shape != tensor.shape:
            raise ModelRefusedError(
                f"{self.path} runs under ncnn on inputs of {self.input.shape} only, not {tensor.shape}; "
                "'pi-export convert' makes it for another size"
            )
        extractor = self.net.create_extractor()
        # A copy of its own: layers that work in place would crash on, or write into, memory of numpy's.
        extractor.input(self.form.input_blob, ncnn.Mat(tensor[0]).clone())
        return [
            self._extract(extractor, blob, output.shape)
            for blob, output in zip(self.form.output_blobs, self.outputs, strict=True)
        ]

    def _extract(self, extractor: Any, blob: str, shape: tuple[Any, ...]) -> NDArray[np.float32]:
        code, found = extractor.extract(blob)
        if code != 0:
            raise ModelRefusedError(f"{self.path}: ncnn cannot run it (code {code})")
        values: NDArray[np.float32] = np.array(found, np.float32)
        if values.size != np.prod(shape):
            raise ModelRefusedError(f"{self.path}: ncnn gives {values.shape} where {shape} is due")
        return values.reshape(shape)


def open_network(path: Path, threads: int | None = None) -> NcnnNetwork:
    """Load a network that carries its form for ncnn.

    Args:
        path: An ONNX file written by ``pi-export convert``.
        threads: Threads within one inference; all processors if None.

    Raises:
        InputError: The file is missing, a folder, empty, no ONNX file, or carries no form for ncnn.
        ModelRefusedError: ncnn refuses it, it keeps weights in another file, or the form was made of other
            weights or another graph.
    """
    require_model_file(path)
    require_one_file(path)
    with opened(path) as file:
        form = _form(file, path)
        with native_silence():  # what it complains of follows in a line of ours
            net = _load(form, file, path, threads or default_threads())
        return NcnnNetwork(path, form.input, form.outputs, file.metadata, net, form)


def trial_network(trial: Trial, threads: int) -> NcnnNetwork:
    """A network of a single convolution, to be timed.

    Raises:
        ModelRefusedError: ncnn refuses it.
    """
    net = ncnn.Net()
    _set_options(net.opt, threads, half=trial.precision == "float16")
    if net.load_param_mem(trial.ncnn_param()) != 0 or _load_weights(net, [trial.ncnn_weights()]) != 0:
        raise ModelRefusedError(f"ncnn refuses {trial}")
    form = NcnnForm(trial.ncnn_param(), (), trial.input, "in0", (trial.output,), ("out0",), "", "")
    return NcnnNetwork(Path("trial"), form.input, form.outputs, {}, net, form)


def unknown_layers(param: str) -> set[str]:
    """The kinds of layers in the text of a ``.param`` file that ncnn does not have."""
    kinds = {line.split(maxsplit=1)[0] for line in param.splitlines()[2:] if line.strip()}
    return {kind for kind in kinds if ncnn.layer_to_index(kind) < 0}


def ncnn_version() -> str:
    """Version of the ncnn in use."""
    return str(ncnn.__version__)


def _form(file: OnnxFile, path: Path) -> NcnnForm:
    remedy = "write it with 'pi-export convert'"
    text = file.metadata.get(METADATA_KEY)
    if text is None:
        raise InputError(f"{path} carries no form for ncnn; {remedy}, or use --engine onnxruntime")
    try:
        form = NcnnForm.from_json(text)
    except ValueError as error:
        raise InputError(f"the form for ncnn in {path} cannot be read: {error}; {remedy}") from error
    if form.graph_sha256 != file.graph_sha256:
        raise ModelRefusedError(f"{path} was changed after its form for ncnn was made; {remedy} anew")
    return form


def _load(form: NcnnForm, file: OnnxFile, path: Path, threads: int) -> Any:
    net = ncnn.Net()
    _set_options(net.opt, threads, half=form.precision == "float16")
    if net.load_param_mem(form.param) != 0:
        raise ModelRefusedError(f"{path}: ncnn refuses its layers: is it older here than where it was made?")
    try:
        loaded = _load_weights(net, form.row_of_weights(file))
    except ValueError as error:
        raise ModelRefusedError(f"the form for ncnn in {path} cannot be used: {error}") from error
    if loaded != 0:
        raise ModelRefusedError(f"{path}: ncnn refuses its weights")
    if form.input_blob not in net.input_names() or not {*form.output_blobs} <= {*net.output_names()}:
        raise ModelRefusedError(
            f"the form for ncnn in {path} cannot be used: it names other tensors than it has"
        )
    return net


def _set_options(options: Any, threads: int, *, half: bool) -> None:
    options.num_threads = threads
    options.use_vulkan_compute = False
    # Digits are lost where nobody asked for it: ncnn takes half precision by itself where the processor can.
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic"):
        setattr(options, f"use_{name}", half)
    for name in ("bf16_storage", "bf16_packed"):
        setattr(options, f"use_{name}", False)


def _load_weights(net: Any, pieces: Iterable[bytes]) -> int:
    """Hand over the weights through a file in memory: what ncnn reads from memory, it goes on reading."""
    with closing(os.fdopen(os.memfd_create("ncnn"), "wb")) as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        return int(net.load_model(f"/proc/self/fd/{file.fileno()}"))
