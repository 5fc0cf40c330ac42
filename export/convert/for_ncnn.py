"""A network made ready for ncnn, too: one file that either engine runs."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.base.files import write_bytes
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines import ncnn
from edge_runtime.model.engines.onnxruntime import network_from_bytes
from edge_runtime.model.golden import fitted_card, golden_frame
from edge_runtime.model.image import Tensor
from edge_runtime.model.ncnn_form import NcnnForm
from edge_runtime.model.network import Network, OutputForm
from edge_runtime.model.onnx_file import OnnxFile
from export.convert.pnnx import Converted, convert
from export.convert.weight_pieces import pieces_of
from export.network.batch import with_batch_of_one
from export.network.card import completed, with_card
from export.network.engine_form import with_form
from export.network.load import load_model
from export.network.source import SourceModel, serialised

FRAMES = 3  # of noise, on which both engines must agree
INPUT_BLOB = "in0"  # as pnnx names them


def convert_for_ncnn(
    source: SourceModel,
    output: Path,
    override: ModelCard | Path | None = None,
    *,
    precision: str = "float32",
) -> float:
    """Write a network with its card and its form for ncnn, once ncnn was seen to run it right.

    Args:
        source: The network; functions, constants and batch norm in it are folded.
        output: The ONNX file to write; may be the network's own.
        override: A card, or one in JSON, that takes the place of the network's own.
        precision: What ncnn may compute in: ``float32``, or ``float16`` where the processor can, which this
            machine need not do.

    Returns:
        The largest difference between both engines' outputs, relative to the output's largest value.

    Raises:
        InputError: It has no card, or one that does not fit, or the converter or ncnn is not installed.
        ModelRefusedError: It cannot be converted, or ncnn answers otherwise than onnxruntime.
    """
    card = override if isinstance(override, ModelCard) else source.require_card(override)
    source = with_batch_of_one(source, card.input.size, card.input.layout)
    model = with_raw_weights(load_model(source))
    network = network_from_bytes(serialised(model, output), source.path, threads=1)
    card = fitted_card(network, card)
    if network.input.element != "float32":
        raise ModelRefusedError(f"{source.path} takes {network.input.element}, and ncnn float32 only")
    form = replace(_form(model, network, card, source.path), precision=precision)
    model = with_form(model, form)
    return _write_checked(with_card(model, completed(card, network)), network, card, output)


def with_raw_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model, all weights of which are raw data: one way to find them in a file."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if not tensor.HasField("raw_data") and tensor.data_type != onnx.TensorProto.STRING:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    return copy


def _form(model: onnx.ModelProto, network: Network, card: ModelCard, where: Path) -> NcnnForm:
    tensor = next(_tensors(Model(network, card), 1))
    outputs = tuple(
        OutputForm(form.name, form.type, tuple(array.shape))
        for form, array in zip(network.outputs, network.run(tensor), strict=True)
    )
    content = serialised(model, where)
    made = convert(content, tensor.shape, where)
    _require_known_layers(made, where)
    return NcnnForm(
        param=made.param,
        weights=pieces_of(made.weights, model),
        input=type(network.input)(network.input.name, network.input.type, tuple(tensor.shape)),
        input_blob=INPUT_BLOB,
        outputs=outputs,
        output_blobs=tuple(f"out{index}" for index in range(len(outputs))),
        graph_sha256=OnnxFile(content).graph_sha256,
        made_with=made.made_with,
    )


def _require_known_layers(made: Converted, where: Path) -> None:
    unknown = ncnn.unknown_layers(made.param)
    if unknown:
        raise ModelRefusedError(f"{where} cannot run under ncnn, which has no {', '.join(sorted(unknown))}")


def _write_checked(model: onnx.ModelProto, network: Network, card: ModelCard, output: Path) -> float:
    content = serialised(model, output)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as name:
        trial = Path(name) / output.name
        trial.write_bytes(content)
        try:
            converted = ncnn.open_network(trial, threads=1)
        except ModelRefusedError as error:
            raise ModelRefusedError(
                f"{network.path}: ncnn refuses what pnnx made of it: run it under onnxruntime"
            ) from error
        difference = _difference(network, converted, card)
    if not difference <= converted.closeness:
        raise ModelRefusedError(
            f"{network.path}: ncnn answers otherwise than onnxruntime, off by {difference:.1e} of an "
            "output's largest value: nothing is written"
        )
    write_bytes(output, content)
    return difference


def _difference(first: Network, second: Network, card: ModelCard) -> float:
    """The largest difference of the outputs of two networks for some frames of noise."""
    worst = 0.0
    for tensor in _tensors(Model(first, card), FRAMES):
        for own, other in zip(first.run(tensor), second.run(tensor), strict=True):
            largest = float(np.abs(own).max(initial=0.0)) or 1.0
            difference = float(np.abs(own - other).max(initial=0.0)) / largest
            worst = max(worst, difference if np.isfinite(difference) else np.inf)
    return worst


def _tensors(model: Model, count: int) -> Iterator[Tensor]:
    for seed in range(count):
        yield model.preprocess(golden_frame(seed, model.card.input.size))
