"""An ONNX file, read once: what it says, and which bytes it was."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.card import METADATA_KEY, ModelCard, load_card
from edge_runtime.model.engines.onnxruntime import network_from_bytes
from edge_runtime.model.input_form import InputForm, only_input, require_image
from edge_runtime.model.network import Network
from edge_runtime.model.one_file import require_model_file
from export.network.external_data import LARGEST_BYTES, take_in_external_data
from export.network.inputs import input_forms
from export.network.node_names import make_names_differ


@dataclass(frozen=True)
class SourceModel:
    """An ONNX file as it was when it was read; what becomes of the file since then does not matter.

    Attributes:
        path: Where it was.
        sha256: Of its bytes, followed by those of its data files in the order of their names; in hexadecimal.
        proto: The model in it, all weights inside, no two nodes of one name, nothing checked but its input.
            It is shared: change copies of it only.
        input: The form of its one input, which is for an image.
    """

    path: Path
    sha256: str
    proto: onnx.ModelProto
    input: InputForm

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
        return network_from_bytes(serialised(self.proto, self.path), self.path, threads)


def read_source(path: Path) -> SourceModel:
    """Read and parse an ONNX file, and see that an image is what it takes; its weights may lie beside it.

    Raises:
        InputError: The file is missing, a folder, empty, or not ONNX, or a data file of it is missing.
        ModelRefusedError: It has several inputs, or one that is for no image; or its data files are not what
            may be read (see ``take_in_external_data``).
    """
    require_model_file(path)
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path} is not an ONNX file: it is larger than 2 GiB, the most that one can be")
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data, "protobuf")
    except DecodeError as error:
        raise InputError(f"{path} is not an ONNX file, or is cut short") from error
    if not model.graph.node:
        raise InputError(f"{path} is not an ONNX file: it holds no network")
    form = only_input(input_forms(model), path)
    require_image(form, path)
    digest = hashlib.sha256(data)
    for content in take_in_external_data(model, path):
        digest.update(content)
    make_names_differ(model)
    return SourceModel(path, digest.hexdigest(), model, form)


def serialised(model: onnx.ModelProto, where: Path) -> bytes:
    """The bytes of an ONNX file, the same for the same model.

    Raises:
        ModelRefusedError: It is larger than one file can be.
    """
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except (EncodeError, ValueError) as error:
        raise ModelRefusedError(f"{where}: the network is larger than 2 GiB, the most of one file") from error
