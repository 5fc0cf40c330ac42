"""Writing a model card, with a known answer to check other machines against, into an ONNX file."""

from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError

from edge_runtime.errors import ModelRefusedError
from edge_runtime.files import require_writable, write_bytes
from edge_runtime.golden import golden_of
from edge_runtime.model_card import METADATA_KEY, ModelCard, load_card
from edge_runtime.session import open_network
from export.load import read_proto


def write_card(model: Path, output: Path, override: Path | None = None) -> ModelCard:
    """Write a network's card, completed by its golden output, into an ONNX file.

    Everything else in the file stays as it is.

    Args:
        model: The network.
        output: The file to write; may be ``model`` itself.
        override: A JSON file with the card; if None, the network's own, or ``NAME.json`` beside it.

    Returns:
        The card as written.

    Raises:
        InputError: A file is missing or malformed, cannot be written, or the card does not fit the network.
        ModelRefusedError: The network cannot run.
    """
    proto = read_proto(model)
    require_writable(output)
    card = load_card(metadata(proto), model, override)
    card = with_golden(model, card)
    write_proto(with_card(proto, card), output)
    return card


def read_card(model: Path, override: Path | None = None) -> ModelCard:
    """The card of a network that need not be able to run: see ``model_card.load_card`` for where it is."""
    return load_card(metadata(read_proto(model)), model, override)


def with_golden(model: Path, card: ModelCard) -> ModelCard:
    """The card with the golden output of the network in ``model``: computed on one thread, as is."""
    return replace(card, golden=golden_of(open_network(model, threads=1), card))


def with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """A copy of the model that carries this card in place of any it had."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    copy.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    return copy


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The model's ``metadata_props``."""
    return {entry.key: entry.value for entry in model.metadata_props}


def write_proto(model: onnx.ModelProto, output: Path) -> None:
    """Write an ONNX file, whole or not at all.

    Raises:
        InputError: It cannot be written there.
        ModelRefusedError: It is larger than one file can be (2 GiB).
    """
    try:
        data = model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise ModelRefusedError(f"cannot write {output}: the network is larger than 2 GiB") from error
    write_bytes(output, data)
