"""What the settings in force say about what to run on what."""

from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from edge_runtime.settings.config import Config

if TYPE_CHECKING:
    from edge_runtime.pipeline import RunSettings


def run_settings(config: Config) -> "RunSettings":
    """What a command shall run on what. Raises ``InputError`` where no source was named."""
    if config.source.camera is None and config.source.location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
    from edge_runtime.pipeline import RunSettings  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

    return RunSettings(
        model=config.model.path,
        source=config.source,
        picamera=config.picamera,
        card=config.model.input,
        threads=config.model.threads,
    )
