"""Colours and places of pixels in every layout a camera may deliver, with and without padded rows."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.frames.pixels import FORMATS, BufferLayout, bgr_picture

# Each 2x2 block of one colour, so that halving the colour resolution loses nothing.
CHART = {  # blue, green, red
    "red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0), "white": (255, 255, 255),
    "black": (0, 0, 0), "yellow": (0, 255, 255), "magenta": (255, 0, 255), "skin": (120, 160, 220),
}  # fmt: skip
PACKED = {"RGB888": (0, 1, 2), "BGR888": (2, 1, 0), "XRGB8888": (0, 1, 2, None), "XBGR8888": (2, 1, 0, None)}
PAD = 201  # fills what is not picture, and must never be seen


def chart(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * width)
    blocks = rng.choice(np.array(list(CHART.values()), np.uint8), (height // 2, width // 2))
    return blocks.repeat(2, axis=0).repeat(2, axis=1)


def studio_yuv(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3): BT.601 in the studio range, which libcamera calls SMPTE 170M."""
    blue, green, red = np.moveaxis(picture.astype(float), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = (
        16 + luma * 219 / 255,
        128 + (blue - luma) / 1.772 * 224 / 255,
        128 + (red - luma) / 1.402 * 224 / 255,
    )
    return np.rint(np.stack(planes, axis=2)).astype(np.uint8)


def packed(picture: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """(H, bytes of a row)."""
    if name == "YUYV":
        yuv = studio_yuv(picture)
        pairs = [yuv[:, 0::2, 0], yuv[:, 0::2, 1], yuv[:, 1::2, 0], yuv[:, 0::2, 2]]
        return np.stack(pairs, axis=2).reshape(len(picture), -1)
    unused = np.full(picture.shape[:2], PAD, np.uint8)
    channels = [unused if index is None else picture[:, :, index] for index in PACKED[name]]
    return np.stack(channels, axis=2).reshape(len(picture), -1)


def buffer_of(picture: NDArray[np.uint8], name: str, padding: int) -> tuple[NDArray[np.uint8], int]:
    """The buffer and its stride."""
    if name in PACKED or name == "YUYV":
        planes = [packed(picture, name)]
    else:
        yuv = studio_yuv(picture)
        chroma = yuv[::2, ::2, 1:]
        u, v = chroma[:, :, 0], chroma[:, :, 1]
        colour = {"NV12": [chroma.reshape(len(chroma), -1)], "YUV420": [u, v], "YVU420": [v, u]}[name]
        planes = [yuv[:, :, 0], *colour]
    stride = planes[0].shape[1] + padding
    rows = []
    for number, plane in enumerate(planes):
        pitch = stride // 2 if number and name != "NV12" else stride
        padded = np.full((plane.shape[0], pitch), PAD, np.uint8)
        padded[:, : plane.shape[1]] = plane
        rows.append(padded.reshape(-1))
    return np.concatenate([*rows, np.full(100, PAD, np.uint8)]), stride


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("padding", [0, 2, 30])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (66, 50), (226, 228)])
def test_colours_and_places_in_every_layout(name: str, padding: int, height: int, width: int) -> None:
    picture = chart(height, width)
    buffer, stride = buffer_of(picture, name, padding)
    got = bgr_picture(buffer, BufferLayout(name, width, height, stride))
    tolerance = 0 if name in PACKED else 4  # two roundings of eight-bit values
    assert got.shape == picture.shape
    assert np.abs(got.astype(int) - picture).max() <= tolerance


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_picture_outlives_its_buffer(name: str) -> None:
    picture = chart(64, 64)
    buffer, stride = buffer_of(picture, name, padding=0)
    got = bgr_picture(buffer, BufferLayout(name, 64, 64, stride))
    before = got.copy()
    buffer.fill(0)
    np.testing.assert_array_equal(got, before)


def test_a_buffer_may_end_with_the_picture() -> None:
    assert bgr_picture(np.zeros(64 * 96, np.uint8), BufferLayout("NV12", 64, 64, 64)).shape == (64, 64, 3)


def test_a_buffer_that_is_too_short_is_no_picture() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        bgr_picture(np.zeros(64 * 96 - 1, np.uint8), BufferLayout("NV12", 64, 64, 64))
    with pytest.raises(ValueError, match="cannot hold"):
        bgr_picture(np.zeros(64 * 64, np.uint8), BufferLayout("NV12", 64, 64, 64))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="SRGGB10"):
        bgr_picture(np.zeros(10_000, np.uint8), BufferLayout("SRGGB10", 8, 8, 16))
