"""A stream of JPEGs is cut into exactly the pictures that were put together, wherever its bytes are torn."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.base.errors import InputError
from edge_runtime.frames import jpeg_stream
from edge_runtime.frames.jpeg_stream import JpegCutter


def jpeg(seed: int, *options: int, thumbnail: bool = False) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    data = cv2.imencode(".jpg", image, options)[1].tobytes()
    if not thumbnail:
        return data
    preview = cv2.imencode(".jpg", image[::4, ::4])[1].tobytes()
    return data[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + data[2:]


PICTURES = [
    jpeg(0),
    jpeg(1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    jpeg(2, thumbnail=True),
    jpeg(3, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    jpeg(4, cv2.IMWRITE_JPEG_QUALITY, 5),
]


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    cutter, pictures = JpegCutter(), []
    for size in sizes:
        pictures += cutter.feed(stream[:size])
        stream = stream[size:]
    pictures += cutter.feed(stream)
    assert not cutter.unfinished
    return pictures


@given(
    st.lists(st.sampled_from(PICTURES), max_size=6),
    st.sampled_from(
        [b"", b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 99\r\n\r\n", b"\xff\xff\x00"]
    ),
    st.lists(st.integers(1, 4000), max_size=12),
)
@settings(max_examples=200)
def test_the_pictures_come_back_whole_wherever_the_stream_is_torn(
    pictures: list[bytes], between: bytes, sizes: list[int]
) -> None:
    assert cut(b"".join(between + picture for picture in pictures) + between, sizes) == pictures


def test_byte_by_byte() -> None:
    stream = b"x" + PICTURES[1] + b"\n" + PICTURES[2]
    assert cut(stream, [1] * len(stream)) == [PICTURES[1], PICTURES[2]]


def test_after_a_picture_cut_short_the_next_is_whole() -> None:
    cutter = JpegCutter()
    assert cutter.feed(PICTURES[0][:900] + PICTURES[3]) == [PICTURES[3]]
    assert cutter.feed(PICTURES[0][:900]) == []
    assert cutter.unfinished


@given(st.binary(max_size=3000), st.lists(st.integers(1, 300), max_size=9))
def test_any_bytes_are_survived(data: bytes, sizes: list[int]) -> None:
    cutter = JpegCutter()
    for size in sizes:
        cutter.feed(b"\xff\xd8\xff" + data[:size])
        data = data[size:]


def test_a_picture_that_never_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_stream, "MOST_BYTES", 10_000)
    cutter = JpegCutter()
    cutter.feed(PICTURES[0][:700])
    cutter.feed(bytes(9000))
    with pytest.raises(InputError, match="the stream is damaged"):
        cutter.feed(bytes(9000))


def test_what_is_no_picture_is_not_kept() -> None:
    cutter = JpegCutter()
    for _ in range(1000):
        assert cutter.feed(bytes(1 << 16)) == []
    assert cutter.feed(PICTURES[0]) == [PICTURES[0]]
