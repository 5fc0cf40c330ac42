"""Writing a model card, with a known answer to check other machines against, into an ONNX file."""

from dataclasses import replace
from pathlib import Path

import onnx

from edge_runtime.base.files import write_bytes
from edge_runtime.inference import Model
from edge_runtime.model.card import METADATA_KEY, TOLERANCE, ModelCard
from edge_runtime.model.engines.onnxruntime import network_from_bytes
from edge_runtime.model.golden import fitted_card, golden_of
from edge_runtime.model.network import Network
from export.network.attributes import operator
from export.network.batch import with_batch_of_one
from export.network.messages import messages_in
from export.network.source import SourceModel, serialised
from export.network.topology import all_nodes

# Of a known answer of float16, which has three digits: a Pi 5 adds up in it, other processors in float32.
HALF_TOLERANCE = 0.05
# Of one of int8: kernels of other processors round some values to the next of 256 levels.
INT8_TOLERANCE = 0.05
ONE_THREAD = 1  # with more, the sums of a known answer would depend on the processors of this machine


def write_card(source: SourceModel, output: Path, override: ModelCard | Path | None = None) -> ModelCard:
    """Write a network's card, completed by its golden output, into an ONNX file.

    Everything else in the file stays as it is, but for weights that lay in other files, which come into it,
    and a batch of several images that nothing depends on, which becomes one of a single image.

    Args:
        source: The network.
        output: The file to write; may be the network's own.
        override: The card, or a JSON file with it; if None, the network's own, or ``NAME.json`` beside it.

    Returns:
        The card as written.

    Raises:
        InputError: A file is missing or malformed, cannot be written, or the card does not fit the network.
        ModelRefusedError: The network cannot run.
    """
    card = override if isinstance(override, ModelCard) else source.require_card(override)
    source = with_batch_of_one(source, card.input.size, card.input.layout)
    return _write(source.proto, card, source.network(threads=ONE_THREAD), output)


def write_with_card(proto: onnx.ModelProto, card: ModelCard, output: Path) -> ModelCard:
    """Write an ONNX file, whole or not at all, with this card and the golden output of the network in it.

    Returns:
        The card as written.

    Raises:
        InputError: It cannot be written there, or the card does not fit the network.
        ModelRefusedError: The network cannot run, is larger than one file can be, or does not give what the
            card's decoder reads.
    """
    network = network_from_bytes(serialised(proto, output), output, ONE_THREAD)
    return _write(proto, card, network, output)


def completed(card: ModelCard, network: Network, tolerance: float = TOLERANCE) -> ModelCard:
    """The card with the golden output of a network, once it is known to fit that network.

    Args:
        card: The card.
        network: The network.
        tolerance: How far another machine's answer may lie from the golden output.

    Raises:
        InputError: The card does not fit the network, its labels or its outputs.
        ModelRefusedError: The network cannot run, gives NaN or infinite values, or its outputs are not those
            of the card's decoder.
    """
    golden = replace(golden_of(network, card), tolerance=tolerance)
    complete = replace(fitted_card(network, card), golden=golden)
    Model(network, complete).try_out()
    return complete


def _write(proto: onnx.ModelProto, card: ModelCard, network: Network, output: Path) -> ModelCard:
    complete = completed(card, network, _tolerance(proto))
    write_bytes(output, serialised(with_card(proto, complete), output))
    return complete


def _tolerance(proto: onnx.ModelProto) -> float:
    """How far other machines' answers may lie from the known one."""
    if any(operator(node) == "QuantizeLinear" for node in all_nodes(proto.graph)):
        return INT8_TOLERANCE
    return HALF_TOLERANCE if _is_half(proto) else TOLERANCE


def _is_half(proto: onnx.ModelProto) -> bool:
    """Whether a network holds weights of float16, or converts to it: some processors then compute in it."""
    for part in messages_in(proto):
        if isinstance(part, onnx.TensorProto) and part.data_type == onnx.TensorProto.FLOAT16:
            return True
        if isinstance(part, onnx.AttributeProto) and part.name == "to" and part.i == onnx.TensorProto.FLOAT16:
            return True
    return False


def with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """A copy of the model that carries this card in place of any it had."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    copy.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    return copy
