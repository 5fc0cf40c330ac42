"""Which cameras the kernel knows, and which processes hold them; read from /proc, /sys and /dev.

libcamera marks the camera it streams from by a lock on its ``/dev/mediaN``, which ``/proc/locks`` shows to
every user; a USB camera is held by whoever has its ``/dev/videoN`` open, which only they and root can see.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.machine.board import ROOT

VIDEO_CLASS = "sys/class/video4linux"
# How the drivers of a Pi 4 and older, and of a Pi 5, call the video devices of their parts.
RECEIVERS = ("unicam", "rp1-cfe")
SCALERS = ("bcm2835-isp", "pispbe")


@dataclass(frozen=True)
class Cameras:
    """What video hardware there is.

    Attributes:
        sensors: Sensors on the camera connector, for example ``imx708``.
        usb: Devices of USB cameras, for example ``/dev/video0``.
        receives: Whether the processor's receiver of the camera connector is set up.
        scales: Whether the processor's image signal processor is set up.
    """

    sensors: tuple[str, ...]
    usb: tuple[str, ...]
    receives: bool
    scales: bool

    @property
    def on_connector(self) -> bool:
        """Whether there is a camera on the connector, which picamera2 can read."""
        return bool(self.sensors) or self.receives


@dataclass(frozen=True)
class Holder:
    """A process that uses a camera.

    Attributes:
        pid: Number of the process.
        name: Name of the process, for example ``rpicam-hello``.
        device: The device it holds, for example ``/dev/media0``.
    """

    pid: int
    name: str
    device: str

    def complaint(self) -> str:
        """What is wrong and what to do, for whoever wants the camera."""
        return f"{self.device} is held by {self.name} (process {self.pid}); end it: 'kill {self.pid}'"


def find_cameras(root: Path = ROOT) -> Cameras:
    """The cameras of the machine whose file system begins at ``root``."""
    names = {entry: _text(root / VIDEO_CLASS / entry / "name") for entry in _names(root / VIDEO_CLASS)}
    # A sensor's subdevice is called after its chip and its address on the bus, for example "imx219 10-0010".
    chips = (re.fullmatch(r"(\S+) \d+-[0-9a-f]{4}", names[e]) for e in names if e.startswith("v4l-subdev"))
    videos = {entry: name for entry, name in names.items() if entry.startswith("video")}
    return Cameras(
        # "dw9807" and its like move a lens: a subdevice beside the sensor, and no camera.
        sensors=tuple(chip.group(1) for chip in chips if chip and not chip.group(1).startswith("dw")),
        usb=tuple(f"/dev/{entry}" for entry in videos if _is_usb(root / VIDEO_CLASS / entry)),
        receives=any(name.startswith(RECEIVERS) for name in videos.values()),
        scales=any(name.startswith(SCALERS) for name in videos.values()),
    )


def camera_holders(root: Path = ROOT) -> list[Holder]:
    """The processes that stream from a camera, each once."""
    held = {pid: device for device in find_cameras(root).usb for pid in _openers(root, device)}
    held |= _lockers(root)
    return [Holder(pid, _text(root / f"proc/{pid}/comm") or "unknown", held[pid]) for pid in sorted(held)]


def _lockers(root: Path) -> dict[int, str]:
    """Processes with a lock on a media device, each with the device.

    To have one open means nothing: programs that list cameras, as the desktop's does, open all of them.
    """
    devices = [name for name in _names(root / "dev") if name.startswith("media")]
    media = {_lock_name(root / "dev" / name): f"/dev/{name}" for name in devices}
    lock = re.compile(r"^\d+: POSIX +ADVISORY +WRITE (\d{1,9}) ([0-9a-f]+:[0-9a-f]+:\d+) ", re.MULTILINE)
    return {int(pid): media[file] for pid, file in lock.findall(_text(root / "proc/locks")) if file in media}


def _openers(root: Path, device: str) -> list[int]:
    """Processes that have a device open, as far as we may see."""
    pids = []
    for pid in filter(str.isdecimal, _names(root / "proc")):
        folder = root / "proc" / pid / "fd"
        if any(_link(folder / descriptor) == device for descriptor in _names(folder)):
            pids.append(int(pid))
    return pids


def _is_usb(entry: Path) -> bool:
    return "/usb" in os.path.realpath(entry / "device")


def _lock_name(path: Path) -> str:
    """How ``/proc/locks`` names a file: the numbers of its file system and its inode."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  a name, not a path to go on with
    except OSError:
        return ""


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  names are all we need of /proc
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
