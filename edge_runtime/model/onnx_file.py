"""What an ONNX file says, read without onnxruntime: its metadata, its weights, and which graph it holds.

For engines that take their networks from ONNX files in a form of their own. The numbers are those of
[onnx.proto].
"""

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.model.one_file import require_model_file
from edge_runtime.model.wire_format import fields

_GRAPH, _METADATA = 7, 14  # of a model
_NODE, _INITIALISER = 1, 5  # of a graph
_KEY, _VALUE = 1, 2  # of an entry of the metadata
_NAME, _RAW_DATA = 8, 9  # of a tensor

Span = tuple[int, int]  # where something begins and ends in the file


class OnnxFile:
    """An ONNX file whose parts are found, and read only when asked for.

    Attributes:
        metadata: The file's ``metadata_props``.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        """Find the parts of a file.

        Args:
            data: The bytes of the file.

        Raises:
            ValueError: They are no ONNX file, or one that is cut short.
        """
        self._data = data
        self.metadata: dict[str, str] = {}
        self._weights: dict[str, Span] = {}
        self._nodes: list[Span] = []
        try:
            for number, span in _spans(data, (0, len(data))):
                if number == _GRAPH:
                    self._find_parts(span)
                elif number == _METADATA:
                    entry = {key: self._text(value) for key, value in _spans(data, span)}
                    self.metadata[entry.get(_KEY, "")] = entry.get(_VALUE, "")
        except IndexError as error:
            raise ValueError("is not an ONNX file, or is cut short") from error

    def weight(self, name: str) -> bytes:
        """The values of an initialiser as they lie in the file, row by row.

        Raises:
            KeyError: There is none of this name whose values lie there so.
        """
        start, end = self._weights[name]
        return bytes(self._data[start:end])

    @property
    def graph_sha256(self) -> str:
        """Of the nodes of its graph, in hexadecimal: whatever was made of one graph serves no other."""
        digest = hashlib.sha256()
        for start, end in self._nodes:
            digest.update(self._data[start:end])
        return digest.hexdigest()

    def _find_parts(self, graph: Span) -> None:
        for number, span in _spans(self._data, graph):
            if number == _NODE:
                self._nodes.append(span)
            elif number == _INITIALISER:
                parts = dict(_spans(self._data, span))
                if _NAME in parts and _RAW_DATA in parts:
                    self._weights[self._text(parts[_NAME])] = parts[_RAW_DATA]

    def _text(self, span: Span) -> str:
        return bytes(self._data[span[0] : span[1]]).decode("utf-8", "replace")


@contextmanager
def opened(path: Path) -> Iterator[OnnxFile]:
    """Open an ONNX file; what it says can be asked for while this context is entered.

    Raises:
        InputError: It is no ONNX file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            parts = OnnxFile(data)
        except ValueError as error:
            raise InputError(f"{path} {error}") from error
        yield parts


def metadata_of(path: Path) -> dict[str, str]:
    """The ``metadata_props`` of an ONNX file.

    Raises:
        InputError: It is missing, a folder, empty, or no ONNX file.
    """
    require_model_file(path)
    with opened(path) as file:
        return file.metadata


def _spans(data: mmap.mmap | bytes, within: Span) -> Iterator[tuple[int, Span]]:
    """The fields of a message that have a length: their numbers, and where their values lie."""
    start, end = within
    for number, begin, length, _ in fields(data, start, end):
        if length is not None:
            if begin + length > end:
                raise IndexError
            yield number, (begin, begin + length)
