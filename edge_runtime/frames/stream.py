"""A network camera, or whatever else streams video behind an address."""

import re

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.capture import OPEN_LIMIT_S, READ_LIMIT_S, Capture, as_pictures, ffmpeg_video
from edge_runtime.frames.live_video import LiveVideo


def open_address(
    url: str, *, open_limit_s: float = OPEN_LIMIT_S, read_limit_s: float = READ_LIMIT_S
) -> Capture:
    """Connect to whatever is behind an address: a stream, or a film on a web server.

    Args:
        url: Such as ``rtsp://user:password@camera/stream``.
        open_limit_s: How long to wait for the answer.
        read_limit_s: How long to wait for each frame.

    Raises:
        CameraError: Nothing there answers with a video.
    """
    name = re.sub(r"(://[^/@:]*):[^/]*@", r"\1:...@", url)  # no password in messages and logs
    video = Capture(lambda: as_pictures(ffmpeg_video(url, open_limit_s, read_limit_s)), name)
    if not video.is_open():
        raise CameraError(f"cannot open the stream {name}: check the address and the network")
    return video


class StreamSource(LiveVideo):
    """The frames of a stream from the network, as they come; one that stops is connected to again."""

    suspects = "the camera and the network"
