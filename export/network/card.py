"""Writing a model card, with a known answer to check other machines against, into an ONNX file."""

from dataclasses import replace
from pathlib import Path

import onnx

from edge_runtime.base.files import write_bytes
from edge_runtime.model.card import METADATA_KEY, ModelCard
from edge_runtime.model.engines.onnxruntime import network_from_bytes
from edge_runtime.model.golden import fitted_card, golden_of
from export.network.batch import with_batch_of_one
from export.network.source import SourceModel, serialised


def write_card(source: SourceModel, output: Path, override: Path | None = None) -> ModelCard:
    """Write a network's card, completed by its golden output, into an ONNX file.

    Everything else in the file stays as it is, but for weights that lay in other files, which come into it,
    and a batch of several images that nothing depends on, which becomes one of a single image.

    Args:
        source: The network.
        output: The file to write; may be the network's own.
        override: A JSON file with the card; if None, the network's own, or ``NAME.json`` beside it.

    Returns:
        The card as written.

    Raises:
        InputError: A file is missing or malformed, cannot be written, or the card does not fit the network.
        ModelRefusedError: The network cannot run.
    """
    card = source.require_card(override)
    source = with_batch_of_one(source, card.input.size, card.input.layout)
    return write_with_card(source.proto, card, output)


def write_with_card(proto: onnx.ModelProto, card: ModelCard, output: Path) -> ModelCard:
    """Write an ONNX file, whole or not at all, with this card and the golden output of the network in it.

    Returns:
        The card as written.

    Raises:
        InputError: It cannot be written there, or the card does not fit the network.
        ModelRefusedError: The network cannot run, or is larger than one file can be.
    """
    # One thread: with more, the sums of a known answer would depend on the processors of this machine.
    network = network_from_bytes(serialised(proto, output), output, threads=1)
    complete = replace(fitted_card(network, card), golden=golden_of(network, card))
    write_bytes(output, serialised(with_card(proto, complete), output))
    return complete


def with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """A copy of the model that carries this card in place of any it had."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    copy.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    return copy
