"""Folders that look like machines: the files of /proc, /sys, /dev, /boot and dpkg that the doctor reads.

Programs of such a machine (its python, its vcgencmd) are small shell scripts, so that real child processes
crash, hang and complain as the real ones do.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from edge_runtime.doctor.checks.children import ask
from edge_runtime.doctor.checks.machine import Machine
from edge_runtime.doctor.diagnose import examine, questions

LIMIT_S = 2.0
BOARDS = {
    "pi4": ("Raspberry Pi 4 Model B Rev 1.5", 3_884_264, 524_288),
    "pi5": ("Raspberry Pi 5 Model B Rev 1.0", 8_245_248, 65_536),
    "zero2w": ("Raspberry Pi Zero 2 W Rev 1.0", 425_984, 65_536),
    "pc": ("", 16_000_000, 0),
}
RELEASES = {
    "bookworm": {
        "python": "3.11.2-1+b1",
        "numpy": "1:1.24.2-1+deb12u1",
        "libcamera": "0.5.2+rpt20250903-1~bpo12+1",
    },
    "trixie": {"python": "3.13.5-1", "numpy": "1:2.2.4+ds-1", "libcamera": "0.6.0+rpt20251202-1"},
}
NETWORK_FACTS = {
    "network": "/opt/pi-infer/models/current.onnx",
    "input_shape": [1, 3, 64, 64],
    "static": True,
    "golden_error": 2e-6,
    "padding_exact": True,
    "colour_exact": True,
    "frame_age_ms": 12.5,
    "idle_cpu": 0.01,
}
UNIT = "etc/systemd/system/pi-infer.service"
UNIT_TEXT = (Path(__file__).parents[3] / "systemd/pi-infer.service").read_text()
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: arm64\nVersion: {}\nDescription: x\n"


@dataclass
class FakeMachine:
    """A machine under construction: change its files and programs, then examine what ``machine`` returns."""

    root: Path
    packages: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    facts: Machine = field(default_factory=Machine)

    def put(self, name: str, text: str | bytes) -> Self:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self

    def remove(self, name: str) -> Self:
        (self.root / name).unlink()
        return self

    def wheel(self, name: str, version: str) -> Self:
        """Have pip installed ``name``, instead of what stood there of that name."""
        site = self.root / "opt/pi-infer/venv/site-packages"
        for old in site.glob(f"{name}-*.dist-info"):
            old.rmdir()
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        return self

    def set(self, **facts: object) -> Self:
        self.facts = replace(self.facts, **facts)  # type: ignore[arg-type]
        return self

    def network(self, **facts: object) -> Self:
        """What the network does on this machine; a fact that is None here is not known."""
        known = {key: value for key, value in {**NETWORK_FACTS, **facts}.items() if value is not ...}
        self.scripts["network"] = f"echo '{json.dumps(known)}'"
        return self

    def connect(self, sensor: str) -> Self:
        """Plug a camera into the camera connector."""
        pi5 = "Pi 5" in (self.root / "proc/device-tree/model").read_text()
        receiver, scaler = (
            ("rp1-cfe-csi2_ch0", "pispbe-input") if pi5 else ("unicam-image", "bcm2835-isp0-output0")
        )
        for node, name in (("video0", receiver), ("video13", scaler), ("v4l-subdev0", f"{sensor} 10-001a")):
            self.put(f"sys/class/video4linux/{node}/name", f"{name}\n")
        return self.put("dev/media0", "").put("dev/media1", "")

    def connect_usb(self) -> Self:
        self.put("sys/class/video4linux/video8/name", "HD Webcam: HD Webcam\n")
        target = self.root / "sys/devices/platform/scb/fd500000.pcie/usb1/1-1/1-1.2/1-1.2:1.0"
        target.mkdir(parents=True)
        (self.root / "sys/class/video4linux/video8/device").symlink_to(target)
        return self

    def process(self, pid: int, name: str, opens: str = "/dev/null") -> Self:
        self.put(f"proc/{pid}/comm", f"{name}\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        (self.root / f"proc/{pid}/fd/3").symlink_to(opens)
        return self

    def lock(self, pid: int, device: str) -> Self:
        status = (self.root / device).stat()
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        return self.put(
            "proc/locks",
            f"1: FLOCK  ADVISORY  WRITE 77 00:19:5 0 EOF\n2: POSIX  ADVISORY  WRITE {pid} {place} 0 EOF\n",
        )

    def machine(self) -> Machine:
        """The facts, with the answers of the machine's own programs."""
        self.put("var/lib/dpkg/status", "\n".join(STATUS.format(*pair) for pair in self.packages.items()))
        asked = questions(str(self._python()), str(self._program("vcgencmd", self.scripts.get("vcgencmd"))))
        return replace(self.facts, answers=ask(asked, LIMIT_S))

    def _python(self) -> Path:
        signs = {
            "network": "network_probe",
            "picamera2": "picamera2",
            "opencv": "cv2",
            "onnxruntime": "onnxruntime",
        }
        cases = "".join(f"*{sign}*) {self.scripts[name]};;\n" for name, sign in signs.items())
        return self._program("python3", f'case "$*" in\n{cases}esac')

    def _program(self, name: str, script: str | None) -> Path:
        path = self.root / "usr/bin" / name
        if script is not None:
            self.put(f"usr/bin/{name}", f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return path


def build(root: Path, board: str = "pi5", release: str = "bookworm") -> FakeMachine:
    """A healthy machine with our service installed; a Pi has a camera."""
    model, memory_kib, cma_kib = BOARDS[board]
    versions = RELEASES[release]
    venv = root / "opt/pi-infer/venv"
    fake = FakeMachine(root)
    fake.set(root=root, prefix=venv, site=(venv / "site-packages",), home=root / "home/pi", free_mib=9000.0)
    fake.put(
        "proc/meminfo", f"MemTotal: {memory_kib} kB\nCmaTotal: {cma_kib} kB\nCmaFree: {cma_kib - 9000} kB\n"
    )
    fake.put("etc/os-release", f'PRETTY_NAME="Debian GNU/Linux ({release})"\nVERSION_CODENAME={release}\n')
    fake.put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    fake.put("sys/class/thermal/thermal_zone0/temp", "48199\n")
    fake.put("proc/locks", "").put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
    fake.put("proc/mounts", "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n")
    fake.put(UNIT, UNIT_TEXT)
    fake.packages["python3"] = versions["python"]
    own_python = ".".join(versions["python"].split(".")[:2])
    fake.put(
        "opt/pi-infer/venv/pyvenv.cfg", f"include-system-site-packages = true\nversion = {own_python}.9\n"
    )
    fake.wheel("onnxruntime", "1.32.0").wheel(
        "numpy", versions["numpy"].partition(":")[2].split("-")[0].split("+")[0]
    )
    fake.wheel("opencv_python_headless", "4.11.0.86")
    fake.scripts |= {"onnxruntime": "echo 1.32.0", "opencv": "echo 4.11.0", "picamera2": "exit 1"}
    fake.network()
    return _pi(fake, model, versions) if model else fake


def _pi(fake: FakeMachine, model: str, versions: dict[str, str]) -> FakeMachine:
    fake.put("proc/device-tree/model", f"{model}\0")
    fake.put(
        "proc/mounts", "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/mmcblk0p1 /boot/firmware vfat rw 0 0\n"
    )
    fake.put("proc/cmdline", "console=tty1 root=PARTUUID=4d8097e2-02 rootwait\n")
    fake.put("boot/firmware/config.txt", "# settings\ncamera_auto_detect=1\n[all]\ndtoverlay=vc4-kms-v3d\n")
    fake.packages |= {
        "python3-numpy": versions["numpy"],
        "python3-picamera2": "0.3.31-1",
        "python3-libcamera": versions["libcamera"],
        "libcamera-ipa": versions["libcamera"],
        f"libcamera{versions['libcamera'][:3]}": versions["libcamera"],
    }
    fake.scripts |= {"picamera2": "echo cancels", "vcgencmd": "echo throttled=0x0"}
    return fake.connect("imx708")


Change = Callable[[FakeMachine], object]


class Pain:
    """Something wrong, the check that must see it, its verdict, and words of its detail or remedy."""

    def __init__(self, name: str, change: Change, check: str, verdict: str, *words: str) -> None:
        self.name = name
        self.change = change
        self.check = check
        self.verdict = verdict
        self.words = words

    def __str__(self) -> str:
        return self.name

    def assert_found(self, root: Path) -> None:
        fake = build(root, "pi4", "bookworm")
        self.change(fake)
        finding = examine(fake.machine())[self.check]
        assert finding.verdict == self.verdict, finding
        for word in self.words:
            assert word in f"{finding.detail} {finding.remedy}"
        assert bool(finding.remedy) == (self.verdict in ("warning", "problem"))


def put(name: str, text: str) -> Change:
    """A file of other contents."""
    return lambda fake: fake.put(name, text)


def remove(*names: str) -> Change:
    """Files that are missing."""
    return lambda fake: [fake.remove(name) for name in names]


def runs(program: str, script: str) -> Change:
    """A program, or an import in a child, that does something else."""
    return lambda fake: fake.scripts.update({program: script})


def fails(program: str, complaint: str) -> Change:
    """An import that ends with this complaint."""
    return runs(program, f'echo "{complaint}" >&2; exit 1')


def package(name: str, version: str) -> Change:
    """A package of the distribution in this version."""
    return lambda fake: fake.packages.update({name: version})


def wheel(name: str, version: str) -> Change:
    """A package of pip's in this version."""
    return lambda fake: fake.wheel(name, version)


def network(**facts: object) -> Change:
    """A network that does something else."""
    return lambda fake: fake.network(**facts)


def unit(text: str) -> Change:
    """A drop-in for our service."""
    return put(f"{UNIT}.d/override.conf", f"[Service]\n{text}\n")


def both(*changes: Change) -> Change:
    """One after the other."""
    return lambda fake: [change(fake) for change in changes]
