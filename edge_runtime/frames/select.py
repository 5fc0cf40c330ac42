"""From what the user asked for to the source of frames that reads it.

A source is imported when it is chosen: a run has one, and every import costs memory on the Pi.
"""

from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_no_pipe
from edge_runtime.base.locations import Location, location_of
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
        from edge_runtime.frames.picamera import PicameraSource  # noqa: PLC0415

        return PicameraSource(config.camera, spec=spec, config=picamera)
    if config.location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
    return _open_location(config.location, config, spec)


def _open_location(text: str, config: SourceConfig, spec: InputSpec) -> FrameSource:
    match location_of(text):
        case Location.DEMO:
            from edge_runtime.frames.demo import DemoSource  # noqa: PLC0415

            return DemoSource(spec.size)
        case Location.STANDARD_INPUT:
            from edge_runtime.frames.standard_input import open_standard_input  # noqa: PLC0415

            return open_standard_input(every_frame=config.every_frame)
        case Location.CAMERA:
            from edge_runtime.frames.device import DeviceSource, open_device  # noqa: PLC0415

            return DeviceSource(open_device(text), reconnects=config.reconnects)
        case Location.ADDRESS:
            return _open_address(text, config)
        case Location.FOLDER | Location.FILE:
            return _open_path(text, config)


def _open_address(url: str, config: SourceConfig) -> FrameSource:
    """A stream, or a film on a web server: what is behind an address shows when it is open."""
    from edge_runtime.frames.stream import StreamSource, open_address  # noqa: PLC0415
    from edge_runtime.frames.video_file import VideoFileSource  # noqa: PLC0415

    video = open_address(url)
    if video.announced_frames > 0:
        return VideoFileSource(video, every_frame=config.every_frame)
    return StreamSource(video, reconnects=config.reconnects)


def _open_path(location: str, config: SourceConfig) -> FrameSource:
    from edge_runtime.frames.image_file import cannot_be_decoded, has_picture, is_animation  # noqa: PLC0415

    path = Path(location)
    _require_readable(path)
    if cannot_be_decoded(path):
        raise InputError(f"{path} is in a format that OpenCV cannot decode; make a JPEG or PNG of it")
    if path.is_dir() or (has_picture(path) and not is_animation(path)):
        from edge_runtime.frames.folder import FolderSource  # noqa: PLC0415

        return FolderSource(path)
    from edge_runtime.frames.video_file import VideoFileSource, open_file  # noqa: PLC0415

    return VideoFileSource(open_file(location), every_frame=config.every_frame)


def _require_readable(path: Path) -> None:
    require_no_pipe(path, "; to read a pipe, give it to standard input: --source - < PIPE")
    try:
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
