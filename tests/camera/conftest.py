"""The real picamera2 on a camera that libcamera makes up, in a Debian tree of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CAMERAS = """\
"Virtual0":
  supported_formats:
  - {{width: {width}, height: {height}, frame_rates: [30]}}
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual"
"""
# The interpreter of the tree; libcamera 0.4.0 takes the state of its frames from uninitialised memory.
PYTHON = (
    "/usr/bin/env", "-i", "PATH=/usr/bin", "HOME=/root", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONPATH=/project:/project/tests/camera/inside",
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.perturb=255",
)  # fmt: skip


@dataclass(frozen=True)
class CameraTree:
    """A Debian with picamera2 and a virtual camera.

    Attributes:
        root: Its files.
        scratch: A folder of this machine that it sees as /scratch.
    """

    root: Path
    scratch: Path

    def python(
        self, script: str, *arguments: str, size: tuple[int, int] = (330, 250), **virtual: int
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script of ``inside`` with a camera of this width and height."""
        self.scratch.joinpath("virtual.yaml").write_text(CAMERAS.format(width=size[0], height=size[1]))
        settings = [f"VIRTUAL_{name.upper()}={value}" for name, value in virtual.items()]
        return subprocess.run(
            [
                *(HERE / "enter.sh", self.root, self.scratch, *PYTHON, *settings),
                *("/opt/venv/bin/python", f"/project/tests/camera/inside/{script}", *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture(scope="session")
def camera_root(built_once: Callable[[Path], Path]) -> Path:
    """The tree, if the tests with a camera were asked for."""
    if os.environ.get("PI_INFER_TEST_CAMERA") != "1":
        pytest.skip("set PI_INFER_TEST_CAMERA=1 to run picamera2 on a virtual camera")
    if os.geteuid() != 0:
        pytest.skip("needs root, to enter a Debian tree")
    missing = [tool for tool in ("mmdebstrap", "unshare", "chroot") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (apt-get install mmdebstrap)")
    return built_once(HERE / "make_tree.sh") / "root"


@pytest.fixture
def camera_tree(camera_root: Path, tmp_path: Path) -> CameraTree:
    return CameraTree(camera_root, tmp_path)
