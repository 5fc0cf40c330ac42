"""A USB camera, or any other camera the kernel shows as ``/dev/videoN``."""

from functools import partial
from pathlib import Path

import cv2

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.capture import Capture
from edge_runtime.frames.live_video import LiveVideo
from edge_runtime.machine.board import ROOT
from edge_runtime.machine.cameras import camera_holders


def open_device(device: str, root: Path = ROOT) -> Capture:
    """Open a camera through Video4Linux.

    Args:
        device: Such as ``/dev/video0``.
        root: Where the file system begins that tells who holds a camera.

    Raises:
        CameraError: It is not there, or another program uses it.
    """
    # V4L2 by name: left to itself, OpenCV tries its readers of files first.
    video = Capture(partial(cv2.VideoCapture, device, cv2.CAP_V4L2), device)
    if video.is_open():
        return video
    holders = [holder for holder in camera_holders(root) if holder.device == device]
    reason = holders[0].complaint() if holders else "is it plugged in, free, and are you in group video?"
    raise CameraError(f"cannot open {device}: {reason}")


class DeviceSource(LiveVideo):
    """The frames of a camera behind ``/dev/videoN``, as they come; one that stops is opened again."""

    suspects = "its cable and power"
