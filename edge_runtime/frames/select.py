"""From what the user typed to the source of frames that reads it."""

from pathlib import Path

from edge_runtime.errors import InputError
from edge_runtime.frames.base import FrameSource


def open_source(
    location: str | None,
    *,
    camera: int | None = None,
    size: tuple[int, int],
    every_frame: bool = False,
) -> FrameSource:
    """Open the one source that is asked for.

    Args:
        location: ``demo``, a picture, a folder, a video, a URL or a device; not used with ``camera``.
        camera: Number of the Pi's camera.
        size: Height and width of the network's input, for sources that can deliver any size.
        every_frame: Play a video file frame by frame.

    Raises:
        InputError: It is missing or cannot be read.
        CameraError: The camera cannot be opened.
    """
    if camera is not None:
        from edge_runtime.frames.picamera import PicameraSource  # noqa: PLC0415  one source per run: load that one

        return PicameraSource(camera, size=size)
    if location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
    if location == "demo":
        from edge_runtime.frames.demo import DemoSource  # noqa: PLC0415

        return DemoSource(size)
    return _open_location(location, every_frame=every_frame)


def _open_location(location: str, *, every_frame: bool) -> FrameSource:
    from edge_runtime.frames.folder import FolderSource  # noqa: PLC0415
    from edge_runtime.frames.opencv import OpenCVSource  # noqa: PLC0415
    from edge_runtime.image_file import is_image_name  # noqa: PLC0415

    path = Path(location)
    if "://" not in location and not location.startswith("/dev/"):
        _require_readable(path)
        if path.is_dir() or is_image_name(path):
            return FolderSource(path)
    return OpenCVSource(location, every_frame=every_frame)


def _require_readable(path: Path) -> None:
    try:
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
