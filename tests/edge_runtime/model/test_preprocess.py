"""Every layout and type of an input holds what plain arithmetic on the pixels gives."""

import cv2
import numpy as np
import pytest

from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Image
from edge_runtime.model.preprocess import Preprocessor

SIZE = (20, 30)
COLOURS = ("RGB", "BGR", "GRAY")


def picture(height: int = 20, width: int = 30, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def spec_of(colour: str, layout: str | None, *, plain: bool = False, resize: str = "warp") -> InputSpec:
    channels = 1 if colour == "GRAY" else 3
    if plain:
        mean, std, scale = (0.0,) * channels, (1.0,) * channels, 1.0
    else:
        mean, std, scale = (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.4)[:channels], 1 / 255
    return InputSpec(SIZE, resize=resize, colour=colour, mean=mean, std=std, scale=scale, layout=layout)


def by_arithmetic(image: Image, spec: InputSpec) -> np.ndarray:
    """(H, W, C) float64."""
    if spec.colour == "GRAY":
        pixels = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None]
    else:
        pixels = image[:, :, ::-1] if spec.colour == "RGB" else image
    return np.asarray((pixels.astype(np.float64) * spec.scale - spec.mean) / spec.std)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("layout", [None, "NCHW", "NHWC"])
@pytest.mark.parametrize(("element", "digits"), [("float32", 6), ("float16", 2), ("uint8", 0)])
def test_against_plain_arithmetic(colour: str, layout: str | None, element: str, digits: int) -> None:
    spec = spec_of(colour, layout, plain=element == "uint8")
    tensor = Preprocessor(spec, element)(picture())
    wanted = by_arithmetic(picture(), spec)
    if layout != "NHWC":
        wanted = wanted.transpose(2, 0, 1)
    assert tensor.dtype == element
    assert tensor.flags.c_contiguous
    assert tensor.shape == (1, *wanted.shape)
    np.testing.assert_allclose(tensor[0].astype(np.float64), wanted, atol=10.0**-digits / 2)


@pytest.mark.parametrize("element", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("resize", ["warp", "letterbox", "crop"])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", [(20, 30), (37, 41), (8, 90)])
def test_layouts_hold_the_same_values(colour: str, resize: str, element: str, shape: tuple[int, int]) -> None:
    plain = element == "uint8"
    first, last = (
        Preprocessor(spec_of(colour, layout, plain=plain, resize=resize), element)(picture(*shape))
        for layout in ("NCHW", "NHWC")
    )
    np.testing.assert_array_equal(first, np.moveaxis(last, -1, 1))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("element", ["float32", "float16", "uint8"])
def test_the_next_frame_goes_into_the_same_memory(layout: str, element: str) -> None:
    prepare = Preprocessor(spec_of("BGR", layout, plain=True), element)
    first = prepare(picture(seed=1))
    values = first.copy()
    second = prepare(picture(seed=2))
    assert second is first
    assert not np.array_equal(values, second)


def test_a_frame_is_never_changed() -> None:
    image = picture()
    for layout in ("NCHW", "NHWC"):
        for colour in COLOURS:
            Preprocessor(spec_of(colour, layout, plain=True), "uint8")(image)
    np.testing.assert_array_equal(image, picture())


def test_what_float16_cannot_hold_is_infinite() -> None:
    spec = InputSpec((2, 2), std=(1e-3, 1e-3, 1e-3))
    assert np.isinf(Preprocessor(spec, "float16")(np.full((2, 2, 3), 255, np.uint8))).all()
