"""What a file declares of its input decides how images are fed, and what is refused before any is."""

import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.input_form import InputForm, fitted, layout_of, only_input, require_image

FLOAT = "tensor(float)"
Shape = tuple[int | None, ...]


def form(*shape: int | None, kind: str = FLOAT) -> InputForm:
    return InputForm("image", kind, shape)


def spec(height: int = 48, width: int = 64, *, colour: str = "RGB", layout: str | None = None) -> InputSpec:
    channels = 1 if colour == "GRAY" else 3
    return InputSpec(
        (height, width), colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels, layout=layout
    )


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((None, 3, 48, 64), "NCHW"),
        ((1, 1, 48, 64), "NCHW"),
        ((None, 3, None, None), "NCHW"),
        ((None, 48, 64, 3), "NHWC"),
        ((1, 48, 64, 1), "NHWC"),
        ((None, None, None, 3), "NHWC"),
        ((None, 3, 3, 3), None),
        ((None, 1, 64, 3), None),
        ((None, None, None, None), None),
        ((None, 48, 64, 4), None),
    ],
)
def test_the_layout_that_a_shape_shows(shape: Shape, layout: str | None) -> None:
    assert form(*shape).own_layout == layout
    assert layout_of(form(*shape), None, "it") == (layout or "NCHW")


def test_a_card_decides_where_the_shape_does_not() -> None:
    assert layout_of(form(None, 3, 3, 3), "NHWC", "it") == "NHWC"
    with pytest.raises(InputError, match=r"'image' \(\?, 48, 64, 3\) is NHWC; correct input.layout"):
        layout_of(form(None, 48, 64, 3), "NCHW", "it")


@pytest.mark.parametrize("shape", [(None, 3, 48, 64), (1, 3, None, None), (None, None, None, None)])
def test_a_card_is_completed_by_the_layout(shape: Shape) -> None:
    assert fitted(spec(), form(*shape), "it") == spec(layout="NCHW")


def test_a_network_of_channels_last_is_fitted_by_them() -> None:
    assert fitted(spec(), form(None, 48, 64, 3), "it") == spec(layout="NHWC")
    assert fitted(spec(colour="GRAY"), form(1, 48, 64, 1), "it") == spec(colour="GRAY", layout="NHWC")
    assert fitted(spec(3, 40, layout="NHWC"), form(None, 3, 40, 3), "it").layout == "NHWC"


@pytest.mark.parametrize(
    ("own", "card", "says"),
    [
        (
            form(None, 3, 32, 64),
            spec(),
            "32x64 images, the card gives 48x64; correct input.size in the card, if this is the network",
        ),
        (form(None, 32, 64, 3), spec(), "32x64 images, the card gives 48x64; correct input.size"),
        (form(None, 48, 64, 3), spec(colour="GRAY"), "3 channels, the card gives 1; correct input.colour"),
        (form(None, 3, 40, 3), spec(3, 40), "must be NHWC; correct input.layout"),
        (form(None, 48, 64, 4), spec(), "neither 1 nor 3 channels"),
        (form(None, 5, 48, 64), spec(), "neither 1 nor 3 channels"),
    ],
)
def test_a_card_that_does_not_fit_is_told_which_key_is_wrong(
    own: InputForm, card: InputSpec, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        fitted(card, own, "it")


def test_whole_numbers_take_pixels_as_they_are() -> None:
    own = form(None, 3, 48, 64, kind="tensor(uint8)")
    assert fitted(spec(), own, "it").layout == "NCHW"
    for changed in (
        InputSpec((48, 64), scale=1 / 255),
        InputSpec((48, 64), mean=(0, 0, 1)),
        InputSpec((48, 64), std=(2, 1, 1)),
    ):
        with pytest.raises(InputError, match=r"input\.scale 1, input\.mean 0, input\.std 1"):
            fitted(changed, own, "it")


@pytest.mark.parametrize("kind", ["tensor(int32)", "tensor(double)", "tensor(string)", "sequence_type"])
def test_types_that_no_image_has(kind: str) -> None:
    with pytest.raises(ModelRefusedError, match="a float image is needed"):
        require_image(form(None, 3, 48, 64, kind=kind), "it")


def test_a_batch_of_several_images_is_refused_with_the_remedy() -> None:
    with pytest.raises(ModelRefusedError, match=r"batches of 8 images.*pi-export card it -o OUT.onnx"):
        fitted(spec(), form(8, 3, 48, 64), "it")


def test_further_inputs_are_named() -> None:
    with pytest.raises(ModelRefusedError, match=r"2 inputs: 'image' \(1, 3, 9, 9\), 'im_shape' \(\?, 2\);"):
        only_input([form(1, 3, 9, 9), InputForm("im_shape", FLOAT, (None, 2))], "it")
    with pytest.raises(ModelRefusedError, match="it has no input"):
        only_input([], "it")
