"""What a network takes as its picture, as its file declares it: type, layout, and what of it is fixed.

The Pi asks onnxruntime for it and the workstation the file itself, so that both refuse the same networks, in
the same words, before anything is run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.card import LAYOUTS, InputSpec

#: What the values of a picture may be: onnxruntime's word for the type to numpy's.
ELEMENTS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
CHANNELS = (1, 3)

_AXES = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}  # of channels, height, width


@dataclass(frozen=True)
class InputForm:
    """One input of a network, as its file declares it; layouts matter only where it is for an image.

    Attributes:
        name: Its name.
        type: As onnxruntime writes it: ``tensor(float)``.
        shape: Length of each axis; None where the file leaves it free.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]

    @property
    def element(self) -> str:
        """The type of its values as numpy calls it: ``float32``, ``float16`` or ``uint8``.

        Raises:
            KeyError: They are of another type, which no image is given in: see ``require_image``.
        """
        return ELEMENTS[self.type]

    @property
    def batch(self) -> int | None:
        """How many pictures it takes at once; None where that is free."""
        return self.shape[0]

    @property
    def own_layout(self) -> str | None:
        """``NCHW`` or ``NHWC`` where the shape shows it: where one of two axes alone has 1 or 3 channels."""
        first, last = (self.shape[axis] in CHANNELS for axis in (1, 3))
        return None if first == last else "NCHW" if first else "NHWC"

    @property
    def layout_hint(self) -> str:
        """What to add to a message that pictures do not suit the network; empty where the layout is plain."""
        hint = "; whether it takes its channels first or last, input.layout of its card can say"
        return "" if len(self.shape) != 4 or self.own_layout else hint

    def channels(self, layout: str) -> int | None:
        """Channels of a picture in a layout; None where they are free."""
        return self.shape[_AXES[layout][0]]

    def size(self, layout: str) -> tuple[int | None, int | None]:
        """Height and width in a layout; None where one is free."""
        _, height, width = _AXES[layout]
        return self.shape[height], self.shape[width]

    def takes(self, size: tuple[int, int], layout: str) -> bool:
        """Whether nothing in the file forbids pictures of this height and width."""
        return all(own in (None, asked) for own, asked in zip(self.size(layout), size, strict=True))

    def lengths(self, size: tuple[int, int], layout: str) -> tuple[int | None, ...]:
        """The shape of one image of this height and width; channels that are free are None."""
        channels = self.channels(layout)
        return (1, channels, *size) if layout == "NCHW" else (1, *size, channels)

    def words(self) -> str:
        """The input for messages, as in ``'image' (?, 3, 224, 224)``."""
        lengths = ", ".join("?" if length is None else str(length) for length in self.shape)
        return f"{self.name!r} ({lengths})"


def only_input(inputs: Sequence[InputForm], where: Path | str) -> InputForm:
    """The one input of a network.

    Args:
        inputs: All that it has, without those that have a default.
        where: What to call the network in messages.

    Raises:
        ModelRefusedError: There are several or none.
    """
    if len(inputs) == 1:
        return inputs[0]
    if not inputs:
        raise ModelRefusedError(f"{where} has no input; a network with one image input is needed")
    raise ModelRefusedError(
        f"{where} has {len(inputs)} inputs: {', '.join(each.words() for each in inputs)}; a network with one "
        "image input is needed: export it with constants in place of the others"
    )


def require_image(form: InputForm, where: Path | str) -> None:
    """Refuse an input that no image can be given to.

    Raises:
        ModelRefusedError: It has not the axes of one, or its values are neither float, float16 nor uint8.
    """
    require_axes(form, where)
    if form.type not in ELEMENTS:
        raise ModelRefusedError(
            f"{where}: input {form.words()} is a {form.type}; a float image is needed, or float16, or uint8"
        )


def require_axes(form: InputForm, where: Path | str) -> None:
    """Refuse an input without the axes of an image. Raises ``ModelRefusedError`` if they are not four."""
    if len(form.shape) != 4:
        raise ModelRefusedError(
            f"{where}: input {form.words()} has {len(form.shape)} dimensions; an image input, "
            "(N, C, H, W) or (N, H, W, C), is needed"
        )


def require_single(form: InputForm, where: Path | str) -> None:
    """Refuse a network that takes several images at once. Raises ``ModelRefusedError`` if it does."""
    if form.batch not in (None, 1):
        raise ModelRefusedError(
            f"{where} takes batches of {form.batch} images, and one at a time is needed: "
            f"'pi-export card {where} -o OUT.onnx' makes it so where nothing in it depends on the batch"
        )


def layout_of(form: InputForm, asked: str | None, where: Path | str) -> str:
    """How an input takes its axes: as its shape shows, else as asked, else ``NCHW``.

    Args:
        form: The input, of four axes.
        asked: What a card says; None where it says nothing.
        where: What to call the network in messages.

    Raises:
        InputError: The card says otherwise than the shape shows.
    """
    if None not in (asked, form.own_layout) and asked != form.own_layout:
        raise InputError(
            f"the model card does not fit {where}: its input {form.words()} is {form.own_layout}; correct "
            "input.layout in the card"
        )
    return form.own_layout or asked or "NCHW"


def fitted(spec: InputSpec, form: InputForm, where: Path | str) -> InputSpec:
    """What a card says of the input, completed by the layout, once it is known to suit the network.

    Raises:
        ModelRefusedError: The network takes no image, or several at once.
        InputError: Layout, channels, size or normalisation are not those that the network needs.
    """
    require_image(form, where)
    require_single(form, where)
    layout = layout_of(form, spec.layout, where)
    unfit = _unfit(spec, form, layout)
    if unfit is not None:
        raise InputError(f"the model card does not fit {where}: {unfit}")
    return replace(spec, layout=layout)


def _unfit(spec: InputSpec, form: InputForm, layout: str) -> str | None:
    """What is wrong with a card for a network, and which of its keys to correct; None if nothing is."""
    other = LAYOUTS[1 - LAYOUTS.index(layout)]
    mismatch = _mismatch(spec, form, layout)
    if mismatch is not None and _mismatch(spec, form, other) is None:
        return f"its input {form.words()} must be {other}; correct input.layout in the card"
    if mismatch is None and form.element == "uint8" and not spec.leaves_pixels:
        return (
            "it takes pixels as they are (uint8); let the card say input.scale 1, input.mean 0, input.std 1"
        )
    return mismatch


def _mismatch(spec: InputSpec, form: InputForm, layout: str) -> str | None:
    """How the pictures of a card differ from what a network takes in a layout."""
    channels = form.channels(layout)
    if channels not in (None, *CHANNELS):
        return f"its input {form.words()} has neither 1 nor 3 channels, as pictures have"
    if channels not in (None, spec.channels):
        return (
            f"it takes {channels} channels, the card gives {spec.channels}; correct input.colour in the card"
        )
    if not form.takes(spec.size, layout):
        own, given = (
            "x".join("?" if side is None else str(side) for side in size)
            for size in (form.size(layout), spec.size)
        )
        return (
            f"it takes {own} images, the card gives {given}; correct input.size in the card, if this is the "
            "network that it is for"
        )
    return None
