"""What the commands that run frames ask of the settings before anything heavy is loaded."""

from edge_runtime.base.errors import InputError
from edge_runtime.settings.config import Config


def require_source(config: Config) -> None:
    """Raise ``InputError`` where no source of frames was named."""
    if config.source.camera is None and config.source.location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
