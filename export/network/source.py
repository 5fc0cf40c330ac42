"""An ONNX file, read once: what it says, and which bytes it was."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import METADATA_KEY, ModelCard, load_card
from edge_runtime.model.engines.onnxruntime import Network, network_from_bytes, require_model_file


@dataclass(frozen=True)
class SourceModel:
    """An ONNX file as it was when it was read; what becomes of the file since then does not matter.

    Attributes:
        path: Where it was.
        sha256: Of its bytes, in hexadecimal.
        proto: The model in it, nothing checked. It is shared: change copies of it only.
    """

    path: Path
    sha256: str
    proto: onnx.ModelProto

    @property
    def metadata(self) -> dict[str, str]:
        """The model's ``metadata_props``."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}

    def require_card(self, override: Path | None = None) -> ModelCard:
        """The model card: ``override`` if given, else the one inside, else ``NAME.json`` beside the file.

        Raises:
            InputError: There is none, or it is malformed.
        """
        return load_card(self.metadata, self.path, override)

    def find_card(self, override: Path | None = None) -> ModelCard | None:
        """The model card, as ``require_card`` finds it; None where there is none.

        Raises:
            InputError: It is malformed.
        """
        inside = METADATA_KEY in self.metadata
        if override is None and not inside and not self.path.with_suffix(".json").is_file():
            return None
        return self.require_card(override)

    def network(self, threads: int) -> Network:
        """The network as it stands in the file, ready to run.

        Args:
            threads: Threads within one inference.

        Raises:
            ModelRefusedError: onnxruntime refuses it, or it does not have exactly one input.
        """
        return network_from_bytes(self.proto.SerializeToString(), self.path, threads)


def read_source(path: Path) -> SourceModel:
    """Read and parse an ONNX file as it is, nothing checked or changed.

    Raises:
        InputError: The file is missing, a folder, empty, or not ONNX.
    """
    require_model_file(path)
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data, "protobuf")
    except DecodeError as error:
        raise InputError(f"{path} is not an ONNX file, or is cut short") from error
    if not model.graph.node:
        raise InputError(f"{path} is not an ONNX file: it holds no network")
    return SourceModel(path, hashlib.sha256(data).hexdigest(), model)
