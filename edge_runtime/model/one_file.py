"""Whether a network is one file, or keeps weights in others: told from the bytes of the file alone.

onnxruntime opens what a network names beside itself. Networks come from anywhere and are pushed, checked and
installed as one file, so those that name others are refused before onnxruntime sees them. There is no onnx on
the Pi: what follows knows of the format [onnx.proto] as much as leads to a weight.
"""

import mmap
from pathlib import Path

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.base.files import require_no_pipe
from edge_runtime.model.wire_format import fields

#: By message, the numbers of its fields that may lead to a weight, and which message each of them is.
_WAYS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DATA_LOCATION = 14  # of a tensor; anything but 0 says that its values are elsewhere


def require_model_file(path: Path) -> None:
    """Raise ``InputError`` unless ``path`` is a non-empty file we may read."""
    require_no_pipe(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the .onnx file in it")
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if empty:
        raise InputError(f"{path} is empty")


def require_one_file(path: Path) -> None:
    """Refuse a network that keeps weights in another file.

    Args:
        path: A file that is not empty; one that is no ONNX passes.

    Raises:
        ModelRefusedError: It does.
        OSError: It cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _any_elsewhere(data):
            raise ModelRefusedError(
                f"{path} keeps weights in another file: 'pi-export card {path} -o OUT.onnx' makes it one file"
            )


def _any_elsewhere(data: mmap.mmap) -> bool:
    """Whether any tensor says so; walked without recursion, for files may nest as deep as they like."""
    waiting = [("model", 0, len(data))]
    try:
        while waiting:
            kind, start, end = waiting.pop()
            ways = _WAYS[kind]
            for number, begin, length, value in fields(data, start, end):
                if number in ways and length is not None:
                    waiting.append((ways[number], begin, begin + length))
                elif kind == "tensor" and number == _DATA_LOCATION and value:
                    return True
    except IndexError:
        return False  # cut short, or no ONNX: onnxruntime refuses it
    return False
