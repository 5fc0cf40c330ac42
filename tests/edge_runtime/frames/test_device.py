"""Cameras of the kernel's; a film takes the place of one, which no test machine has."""

from pathlib import Path

import cv2
import pytest

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.capture import Capture, ffmpeg_video
from edge_runtime.frames.device import DeviceSource, open_device


def test_a_missing_device_is_a_camera_error() -> None:
    with pytest.raises(CameraError, match="cannot open /dev/video99: is it plugged in"):
        open_device("/dev/video99")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ("/dev/video7", r"/dev/video7 is held by motion \(process 4711\); end it: 'kill 4711'"),
        ("/dev/video8", "is it plugged in"),
    ],
)
def test_whoever_holds_this_very_camera_is_named(tmp_path: Path, held: str, words: str) -> None:
    device = tmp_path / "sys/devices/usb1/1-1"
    descriptors = tmp_path / "proc/4711/fd"
    for folder in (device, descriptors):
        folder.mkdir(parents=True)
    for name in ("video7", "video8"):
        entry = tmp_path / "sys/class/video4linux" / name
        entry.mkdir(parents=True)
        (entry / "name").write_text("Webcam\n")
        (entry / "device").symlink_to(device)
    (tmp_path / "proc/4711/comm").write_text("motion\n")
    (descriptors / "5").symlink_to(held)
    with pytest.raises(CameraError, match=f"cannot open /dev/video7: {words}"):
        open_device("/dev/video7", tmp_path)


def test_a_camera_that_stops_is_opened_again_and_given_up_in_the_end(video: Path) -> None:
    opened: list[Path] = []

    def plug_in() -> cv2.VideoCapture:
        opened.append(video if len(opened) < 3 else video.with_name("unplugged"))
        return ffmpeg_video(str(opened[-1]))

    source = DeviceSource(Capture(plug_in, "/dev/video7"), reconnects=2, first_delay_s=0.01)
    frames = []
    with pytest.raises(CameraError, match=r"come back in 2 attempts: check its cable and power$"):
        frames += source  # keeps what came before the error
    source.close()
    assert source.live
    assert [frame.sequence for frame in frames] == list(range(3 * 12))
    assert len(opened) == 5
