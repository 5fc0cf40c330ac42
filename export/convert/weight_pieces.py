"""Says a row of bytes in terms of a network's weights, so that a file need not hold them twice."""

import base64
from collections.abc import Iterator

import numpy as np
import onnx

from edge_runtime.model.ncnn_form import BYTES, SAME, TRANSPOSED, WeightPiece

_STEP = 4  # ncnn begins every weight, and every tag before one, at a multiple of it
_KEY_BYTES = 32  # enough to tell weights apart, nearly always
_SMALLEST = 64  # a name is no shorter than fewer bytes

Piece = tuple[bytes, WeightPiece]


def pieces_of(row: bytes, model: onnx.ModelProto) -> tuple[WeightPiece, ...]:
    """The pieces that make up a row of weights: of the network's own wherever they occur in it.

    Args:
        row: The weights, one after another, with what else stands between them.
        model: The network, its initialisers as raw data.
    """
    known = _by_beginning(model)
    pieces: list[WeightPiece] = []
    at = begun = 0
    while at < len(row):
        match = next(
            (each for each in known.get(row[at : at + _KEY_BYTES], ()) if row.startswith(each[0], at)), None
        )
        if match is None:
            at += _STEP
            continue
        pieces += _bytes(row[begun:at])
        pieces.append(match[1])
        at = begun = at + len(match[0])
    return (*pieces, *_bytes(row[begun:]))


def _by_beginning(model: onnx.ModelProto) -> dict[bytes, list[Piece]]:
    """The weights that may occur, by their first bytes, the longest first."""
    known: dict[bytes, list[Piece]] = {}
    for content, piece in sorted(_candidates(model), key=lambda each: len(each[0]), reverse=True):
        known.setdefault(content[:_KEY_BYTES], []).append((content, piece))
    return known


def _candidates(model: onnx.ModelProto) -> Iterator[Piece]:
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) < _SMALLEST:
            continue
        yield tensor.raw_data, WeightPiece(SAME, tensor.name)
        if len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT:
            rows, columns = tensor.dims
            values = np.frombuffer(tensor.raw_data, np.float32).reshape(rows, columns)
            yield values.T.tobytes(), WeightPiece(TRANSPOSED, tensor.name, columns)


def _bytes(content: bytes) -> list[WeightPiece]:
    return [WeightPiece(BYTES, base64.b64encode(content).decode())] if content else []
