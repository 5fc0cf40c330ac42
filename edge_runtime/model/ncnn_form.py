"""What ncnn needs to run a network, kept in the metadata of its ONNX file.

ncnn reads a text of layers, and their weights as one row of bytes. Nearly all of these are weights of the
ONNX network, byte for byte or transposed; the form names them instead of holding them again, so a file that
both engines run is hardly larger than one for onnxruntime alone.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from edge_runtime.model.input_form import InputForm
from edge_runtime.model.network import OutputForm
from edge_runtime.model.onnx_file import OnnxFile

METADATA_KEY = "pi_infer.ncnn"
FORMAT = 1

PRECISIONS = ("float32", "float16")
SAME, TRANSPOSED, BYTES = "same", "transposed", "bytes"


@dataclass(frozen=True)
class WeightPiece:
    """A piece of the row of weights.

    Attributes:
        kind: ``same``: a weight of the ONNX network as it is; ``transposed``: one of float32, its rows and
            columns exchanged; ``bytes``: bytes that are in no weight.
        value: The weight's name, or the bytes in base64.
        columns: Of the weight in the ONNX network; only where it is transposed.
    """

    kind: str
    value: str
    columns: int = 0

    def read(self, file: OnnxFile) -> bytes:
        """The bytes of this piece.

        Raises:
            KeyError: The file has no such weight.
            ValueError: The weight is of another size, or the piece is malformed.
        """
        if self.kind == BYTES:
            return base64.b64decode(self.value, validate=True)
        weight = file.weight(self.value)
        if self.kind == SAME:
            return weight
        return np.frombuffer(weight, np.float32).reshape(-1, self.columns).T.tobytes()


@dataclass(frozen=True)
class NcnnForm:
    """A network as ncnn takes it.

    Attributes:
        param: The layers, in the text format of ncnn's ``.param`` files.
        weights: The pieces of its ``.bin`` file, in order.
        input: The form of the network's input.
        input_blob: The name that the layers have for it.
        outputs: The forms of the network's outputs, all lengths fixed.
        output_blobs: The names that the layers have for them.
        graph_sha256: Of the graph that it was made of: see ``OnnxFile.graph_sha256``.
        made_with: The converter and its version.
        precision: What ncnn may compute in: ``float32``, or ``float16`` where the processor can.
    """

    param: str
    weights: tuple[WeightPiece, ...]
    input: InputForm
    input_blob: str
    outputs: tuple[OutputForm, ...]
    output_blobs: tuple[str, ...]
    graph_sha256: str
    made_with: str
    precision: str = "float32"

    def to_json(self) -> str:
        """The form as ``from_json`` reads it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: It is no such form, or one of a later release.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise ValueError("it is of a later release of this program")
            form = cls(**{**document, **_typed(document)})
            form.require_sound()
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is malformed ({type(error).__name__})") from error
        return form

    def require_sound(self) -> None:
        """Raise ``TypeError`` where a part of it is not what it should be."""
        texts = (self.param, self.input_blob, self.graph_sha256, self.made_with, *self.output_blobs)
        lengths = [length for output in self.outputs for length in output.shape]
        whole = all(type(length) is int and length > 0 for length in lengths)
        if not all(isinstance(text, str) for text in texts) or not whole:
            raise TypeError
        if self.precision not in PRECISIONS:
            raise TypeError
        if not self.outputs or len(self.outputs) != len(self.output_blobs):
            raise TypeError

    def row_of_weights(self, file: OnnxFile) -> Iterator[bytes]:
        """The weights piece by piece, from the ONNX file that holds this form.

        Raises:
            ValueError: The file's weights are not those that it was made of.
        """
        try:
            for piece in self.weights:
                yield piece.read(file)
        except (KeyError, ValueError, binascii.Error) as error:
            raise ValueError("its weights are not those that it was made of") from error


def _typed(document: dict[str, Any]) -> dict[str, Any]:
    """The parts of a form's JSON that are more than numbers and text."""
    own = document["input"]
    return {
        "weights": tuple(WeightPiece(**piece) for piece in document["weights"]),
        "input": InputForm(own["name"], own["type"], tuple(own["shape"])),
        "outputs": tuple(
            OutputForm(each["name"], each["type"], tuple(each["shape"])) for each in document["outputs"]
        ),
        "output_blobs": tuple(document["output_blobs"]),
    }
