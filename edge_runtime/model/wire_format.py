"""The fields of a protobuf message, read from its bytes where they lie: there is no onnx on the Pi.

Nothing is copied and nothing recurses, for files come from anywhere and may nest as deep as they like
[Protocol Buffers, Encoding].
"""

import mmap
from collections.abc import Iterator

_VARINT, _LENGTH = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_LONGEST_SHIFT = 63  # of a number of 64 bits; without a bound, a file could have us count for ever


def fields(data: mmap.mmap | bytes, at: int, end: int) -> Iterator[tuple[int, int, int | None, int]]:
    """The fields of a message.

    Groups, an old form that ONNX does not use, are taken as fields of the message around them.

    Args:
        data: What the message is part of.
        at: Where it begins.
        end: Where it ends.

    Yields:
        Number of the field, where its value begins, its length if it has one, else its number.

    Raises:
        IndexError: The message is cut short, or is none.
    """
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, at, None, value
        elif wire == _LENGTH:
            length, at = _varint(data, at)
            yield number, at, length, 0
            at += length
        else:
            at += _FIXED_BYTES.get(wire, 0)


def packed_varints(data: mmap.mmap | bytes, at: int, end: int) -> Iterator[int]:
    """The numbers of a packed field of theirs. Raises ``IndexError`` where it is cut short."""
    while at < end:
        value, at = _varint(data, at)
        yield value


def _varint(data: mmap.mmap | bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends. Raises ``IndexError`` where there is none."""
    value = 0
    for shift in range(0, _LONGEST_SHIFT + 1, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
