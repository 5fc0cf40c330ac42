"""What every source of frames looks like to the pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_runtime.model.image import Image

FRAME_LIMIT_S = 10.0  # a camera that wakes up takes seconds; one that takes longer will never come


@dataclass(frozen=True)
class Frame:
    """One picture and when it was taken.

    Attributes:
        image: (H, W, 3) uint8, blue, green, red.
        sequence: Number of the frame at its source, from 0, without gaps there: gaps seen later are drops.
        captured_ns: When it was taken, on the clock of ``time.monotonic_ns``.
        label: The truth, where the source knows it (the demo, labelled folders).
        name: Where it came from, for messages: a file name, or empty.
    """

    image: Image
    sequence: int
    captured_ns: int
    label: str | None = None
    name: str = ""


class FrameSource(Protocol):
    """Somewhere frames come from.

    A ``live`` source goes on whether or not anybody looks: the pipeline reads it on a thread of its own and
    keeps the newest frame only. Any other source waits, and each of its frames is processed.

    Attributes:
        live: Whether frames come by themselves; else the source waits until it is asked for one.
        limit_s: How long a live source may go without a frame before it counts as hung; sources that notice
            by themselves do so earlier.
    """

    live: bool
    limit_s: float

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the source ends.

        Raises:
            InputError: The source cannot be read.
            CameraError: The camera is missing, busy, or stopped.
        """
        ...

    def close(self) -> None:
        """End the frames and give back whatever is held; safe to call twice, and from another thread."""
        ...


@runtime_checkable
class SparingSource(Protocol):
    """A live source that need not convert or decompress the frames that nobody will use.

    Attributes:
        wanted: Asked once for each frame; where it says no, the frame is numbered but not handed out.
    """

    wanted: Callable[[], bool]


@runtime_checkable
class ReopeningSource(Protocol):
    """A live source that is opened again when it stops."""

    @property
    def reopening_s(self) -> float:
        """For how many seconds it has been trying to be open again; 0 while it is open."""
        ...
