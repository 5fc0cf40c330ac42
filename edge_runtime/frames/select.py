"""From what the user asked for to the source of frames that reads it."""

from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_no_pipe
from edge_runtime.frames.base import FrameSource
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.config import SourceConfig
from edge_runtime.settings.picamera_section import PicameraConfig


def open_source(config: SourceConfig, spec: InputSpec, picamera: PicameraConfig | None = None) -> FrameSource:
    """Open the one source that is asked for.

    Args:
        config: Which camera or location.
        spec: The network's input, for sources that can deliver any size.
        picamera: How to set up the Pi's camera.

    Raises:
        InputError: It is missing or cannot be read.
        CameraError: The camera cannot be opened.
    """
    if config.camera is not None:
        from edge_runtime.frames.picamera import PicameraSource  # noqa: PLC0415  one source per run: load that one

        return PicameraSource(config.camera, spec=spec, config=picamera)
    if config.location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
    if config.location == "demo":
        from edge_runtime.frames.demo import DemoSource  # noqa: PLC0415

        return DemoSource(spec.size)
    return _open_location(config.location, config)


def _open_location(location: str, config: SourceConfig) -> FrameSource:
    from edge_runtime.frames.folder import FolderSource  # noqa: PLC0415
    from edge_runtime.frames.image_file import is_image_name  # noqa: PLC0415
    from edge_runtime.frames.opencv import OpenCVSource  # noqa: PLC0415

    path = Path(location)
    if "://" not in location and not location.startswith("/dev/"):
        _require_readable(path)
        if path.is_dir() or is_image_name(path):
            return FolderSource(path)
    return OpenCVSource(location, every_frame=config.every_frame, reconnects=config.reconnects)


def _require_readable(path: Path) -> None:
    require_no_pipe(path)
    try:
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
