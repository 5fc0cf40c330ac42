"""The demo camera: endless labelled scenes of one large printed character on a cluttered background.

The same scenes, from other seeds, are the demo's calibration images, its test images and what its network was
trained on, so that a live stand-in with a known truth exists on every machine without a download.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.frames.characters import LABELS, draw_character
from edge_runtime.model.image import Image, as_image

_SIDES_PX = (16, 4096)  # no character can be read on less; a scene of the most takes 48 MiB


@dataclass(frozen=True)
class Scene:
    """A drawn picture and the truth about it.

    Attributes:
        image: (H, W, 3) uint8, blue, green, red.
        label: The character in it, one of ``LABELS``.
    """

    image: Image
    label: str


def draw_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Draw one scene: any class, place, size, slant, blur, light and contrast.

    Args:
        rng: The only source of chance: the same state draws the same scene.
        size: Height and width in pixels, each from 16 to 4096.

    Raises:
        InputError: ``size`` is out of that range.
    """
    _require_size(size)
    label = LABELS[int(rng.integers(len(LABELS)))]
    paper = float(rng.uniform(20, 235))
    image = _background(rng, size, paper)
    mask = _character_mask(rng, label, size)
    image = _print(image, mask, _ink(rng, paper))
    return Scene(_photograph(rng, image), label)


class DemoSource:
    """A live source of drawn scenes, at a steady rate, for machines without a camera.

    Frame ``n`` is due ``n / rate_hz`` seconds after the first, and depends on ``seed`` and ``n`` only. Frames
    that nobody fetched in time are gone and their numbers with them, as with a real camera.
    """

    live = True
    limit_s = FRAME_LIMIT_S

    def __init__(self, size: tuple[int, int] = (240, 320), rate_hz: float = 30.0, seed: int = 0) -> None:
        """Describe the camera.

        Args:
            size: Height and width in pixels.
            rate_hz: Frames per second.
            seed: Which endless series of scenes to draw; not negative.

        Raises:
            InputError: A value is out of range.
        """
        _require_size(size)
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise InputError(f"the demo's frame rate is {rate_hz}; give a number above 0")
        if seed < 0:
            raise InputError(f"the demo's seed is {seed}; give a number from 0")
        self._size = size
        self._period_s = 1 / rate_hz
        self._seed = seed
        self._start_s: float | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """Frames, each at its time, until the source is closed."""
        if self._start_s is None:
            self._start_s = time.monotonic()
        sequence = -1
        while not self._closed.is_set():
            # As a camera that nobody reads from goes on: what is overdue is skipped, its number too.
            elapsed_s = time.monotonic() - self._start_s
            sequence = max(sequence + 1, math.ceil(elapsed_s / self._period_s) if sequence >= 0 else 0)
            scene = draw_scene(np.random.default_rng((self._seed, sequence)), self._size)
            due_s = self._start_s + sequence * self._period_s
            if self._closed.wait(max(0.0, due_s - time.monotonic())):
                return
            yield Frame(scene.image, sequence, time.monotonic_ns(), scene.label)

    def close(self) -> None:
        """End the frames, also for a thread that waits for the next one."""
        self._closed.set()


def _require_size(size: tuple[int, int]) -> None:
    least, most = _SIDES_PX
    if not (least <= min(size) and max(size) <= most):
        raise InputError(f"a demo scene of {size[0]}x{size[1]} pixels: sides must be {least} to {most}")


def _background(rng: np.random.Generator, size: tuple[int, int], paper: float) -> Image:
    """Draw soft colours around the grey value ``paper``, a texture at times, and lines and shapes."""
    height, width = size
    corners = np.clip(paper + rng.uniform(-30, 30, (2, 2, 3)), 0, 255).astype(np.uint8)
    image = as_image(cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR))
    if rng.random() < 0.5:
        image = _textured(rng, image)
    for _ in range(int(rng.integers(2, 9))):
        draw = _CLUTTER[int(rng.integers(len(_CLUTTER)))]
        colour = np.clip(paper + rng.uniform(-45, 45) + rng.uniform(-30, 30, 3), 0, 255)
        draw(rng, image, tuple(float(value) for value in colour))
    return image


def _textured(rng: np.random.Generator, image: Image) -> Image:
    """Lay patches, checks or clouds over the image: a small random picture, enlarged."""
    height, width = image.shape[:2]
    cells = rng.integers(0, 256, (int(rng.integers(3, 20)), int(rng.integers(3, 20)), 3), np.uint8)
    enlarge = (cv2.INTER_NEAREST, cv2.INTER_LINEAR)[int(rng.integers(2))]
    texture = cv2.resize(cells, (width, height), interpolation=enlarge)
    strength = float(rng.uniform(0.05, 0.25))
    # The cells have a mean of 127.5: taking it away again keeps the grey value of the paper.
    return as_image(cv2.addWeighted(image, 1.0, texture, strength, -127.5 * strength))


Colour = tuple[float, ...]


def _point(rng: np.random.Generator, image: Image) -> tuple[int, int]:
    return int(rng.integers(image.shape[1])), int(rng.integers(image.shape[0]))


def _thickness(rng: np.random.Generator, image: Image) -> int:
    return max(1, int(rng.uniform(0.01, 0.07) * min(image.shape[:2])))


def _line(rng: np.random.Generator, image: Image, colour: Colour) -> None:
    cv2.line(image, _point(rng, image), _point(rng, image), colour, _thickness(rng, image), cv2.LINE_AA)


def _rectangle(rng: np.random.Generator, image: Image, colour: Colour) -> None:
    thickness = _thickness(rng, image) if rng.random() < 0.5 else cv2.FILLED
    cv2.rectangle(image, _point(rng, image), _point(rng, image), colour, thickness)


def _ellipse(rng: np.random.Generator, image: Image, colour: Colour) -> None:
    axes = tuple(int(side * rng.uniform(0.05, 0.4)) for side in image.shape[1::-1])
    thickness = _thickness(rng, image) if rng.random() < 0.5 else cv2.FILLED
    angle = float(rng.uniform(0, 180))
    cv2.ellipse(image, _point(rng, image), axes, angle, 0, 360, colour, thickness, cv2.LINE_AA)


def _polygon(rng: np.random.Generator, image: Image, colour: Colour) -> None:
    corners = np.array([_point(rng, image) for _ in range(int(rng.integers(3, 6)))], np.int32)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)


# Lines twice: of all clutter they are most like the strokes of a character.
_CLUTTER: tuple[Callable[[np.random.Generator, Image, Colour], None], ...] = (
    _line,
    _line,
    _rectangle,
    _ellipse,
    _polygon,
)


def _print(image: Image, mask: Image, ink: Colour) -> Image:
    """Lay ``ink`` over the image where ``mask`` says so."""
    paper_part = cv2.multiply(image, cv2.merge([255 - mask] * 3), scale=1 / 255)
    ink_part = cv2.multiply(np.full_like(image, ink), cv2.merge([mask] * 3), scale=1 / 255)
    return as_image(cv2.add(paper_part, ink_part))


def _ink(rng: np.random.Generator, paper: float) -> Colour:
    """A colour whose grey value differs clearly from the background's."""
    # 95 grey values apart people read it at a glance; darker or lighter, where there is room for that.
    sides = [side for side in (-1, 1) if 0 <= paper + side * 95 <= 255]
    side = sides[int(rng.integers(len(sides)))]
    room = 255 - paper if side > 0 else paper
    grey = paper + side * rng.uniform(95, max(96, room))
    return tuple(float(value) for value in np.clip(grey + rng.uniform(-25, 25, 3), 0, 255))


def _character_mask(rng: np.random.Generator, label: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8: how much of each pixel the character covers, wholly inside the picture."""
    glyph = draw_character(rng, label)
    turn, slant = math.radians(float(rng.uniform(-14, 14))), float(rng.uniform(-0.3, 0.3))
    stretch = float(rng.uniform(0.7, 1.3))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    # A slanted and stretched glyph, then turned; its extent is that of the turned box around it.
    shape = rotation @ np.array([[stretch, slant], [0.0, 1.0]])
    extent = np.abs(shape) @ np.array([glyph.shape[1], glyph.shape[0]])
    height, width = size
    scale = float(rng.uniform(0.42, 0.92)) * min(width / extent[0], height / extent[1])
    free = np.array([width, height]) - scale * extent
    centre = scale * extent / 2 + free * rng.random(2)
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * shape
    matrix[:, 2] = centre - matrix[:, :2] @ np.array([glyph.shape[1] / 2, glyph.shape[0] / 2])
    return as_image(cv2.warpAffine(glyph, matrix, (width, height), flags=cv2.INTER_LINEAR))


def _photograph(rng: np.random.Generator, image: Image) -> Image:
    """The image as a bad camera sees it: uneven light, a lens out of focus, and a noisy sensor."""
    height, width = image.shape[:2]
    light = rng.uniform(0.55, 1.0, (2, 2)).astype(np.float32) * 255
    shade = cv2.resize(light, (width, height)).astype(np.uint8)
    image = as_image(cv2.multiply(image, cv2.merge([shade] * 3), scale=1 / 255))
    blur_px = float(rng.uniform(0.0, 0.022)) * min(height, width)
    if blur_px > 0.3:  # less hardly reaches the next pixel
        image = as_image(cv2.GaussianBlur(image, (0, 0), blur_px))
    noise = rng.integers(0, 256, image.shape, np.uint8)
    strength = float(rng.uniform(0.02, 0.22))
    return as_image(cv2.addWeighted(image, 1.0, noise, strength, -127.5 * strength))
