from pathlib import Path

import pytest

from edge_runtime.doctor import diagnose
from tests.edge_runtime.doctor.machines import UNIT, Pain, build, fails, package, put, remove, runs, wheel

VENV = "opt/pi-infer/venv/pyvenv.cfg"
TELEMETRY = "home/pi/.cache/Microsoft/DeveloperTools/.onnxruntime/onnxruntime.db"
LOCAL = "usr/local/lib/aarch64-linux-gnu"
ABI = "ValueError: numpy.dtype size changed, may indicate binary incompatibility"

PAINS = [
    Pain("32-bit", lambda m: m.set(pointer_bits=32), "64-bit", "problem", "32-bit", "64-bit Raspberry Pi OS"),
    Pain("1.21.0", wheel("onnxruntime", "1.21.0"), "onnxruntime", "problem", "SIGILL", "!=1.21.0"),
    Pain("crash", runs("onnxruntime", "kill -ILL $$"), "onnxruntime", "problem", "killed by SIGILL"),
    Pain(
        "import error", fails("onnxruntime", "ImportError: no"), "onnxruntime", "problem", "ImportError: no"
    ),
    Pain("import hangs", runs("onnxruntime", "sleep 60"), "onnxruntime", "warning", "too long"),
    Pain("before telemetry", wheel("onnxruntime", "1.28.1"), "telemetry", "ok", "sends none"),
    Pain(
        "telemetry left", put(TELEMETRY, "x"), "telemetry", "warning", "ORT_DISABLE_TELEMETRY=1", ".profile"
    ),
    Pain("unit allows telemetry", put(UNIT, "[Service]\n"), "telemetry", "warning", "systemctl edit"),
    Pain("numpy ABI", fails("picamera2", ABI), "numpy", "problem", "picamera2", "numpy==1.24.2"),
    Pain("cv2 ABI", fails("opencv", "AttributeError: _ARRAY_API not found"), "numpy", "problem", "opencv"),
    Pain("numpy 2 on bookworm", wheel("numpy", "2.3.0"), "numpy", "problem", "2.3.0", "1.24.2"),
    Pain(
        "lonely venv", put(VENV, "include-system-site-packages = false"), "environment", "problem", "--system"
    ),
    Pain("other Python", put(VENV, "version = 3.12.1"), "environment", "problem", "3.12", "3.11"),
    Pain("no venv", remove(VENV), "environment", "ok", "no virtual"),
    Pain(
        "none",
        lambda m: m.packages.pop("python3-picamera2"),
        "picamera2",
        "warning",
        "install -y python3-picam",
    ),
    Pain(
        "broken",
        fails("picamera2", "ImportError: undefined symbol"),
        "picamera2",
        "problem",
        "undefined symbol",
    ),
    Pain("old", runs("picamera2", "echo imports"), "picamera2", "problem", "cannot cancel", "full-upgrade"),
    Pain("slow", runs("picamera2", "sleep 60"), "picamera2", "warning", "too long"),
    Pain("mixed", package("libcamera-ipa", "0.4.0-1"), "libcamera", "problem", "0.4.0-1", "full-upgrade"),
    Pain("mixed library", package("libcamera0.5", "0.5.1-1"), "libcamera", "problem", "0.5.1-1"),
    Pain("an old library stays", package("libcamera0.3", "0.3.0-1"), "libcamera", "ok", "0.5.2"),
    Pain("own build", put(f"{LOCAL}/libcamera.so.0.2", ""), "libcamera", "problem", f"/{LOCAL}", "ldconfig"),
    Pain("both OpenCV", wheel("opencv_python", "4.11.0"), "opencv", "problem", "overwrite", "headless"),
    Pain(
        "no libGL", fails("opencv", "ImportError: libGL.so.1: cannot open"), "opencv", "problem", "libGL.so.1"
    ),
    Pain("OpenCV slow", runs("opencv", "sleep 60"), "opencv", "warning", "too long"),
]


@pytest.mark.parametrize("pain", PAINS, ids=str)
def test_what_is_wrong_with_the_software_is_found(tmp_path: Path, pain: Pain) -> None:
    pain.assert_found(tmp_path)


def test_the_remedy_names_the_version_as_pip_writes_it(tmp_path: Path) -> None:
    fake = build(tmp_path, "pi5", "trixie").wheel("numpy", "1.26.4")
    assert "pip install 'numpy==2.2.4'" in diagnose.examine(fake.machine())["numpy"].remedy


def test_the_windowed_opencv_alone_is_a_warning_on_a_pi(tmp_path: Path) -> None:
    def swap(fake: object) -> None:
        wheel("opencv_python", "4.11.0")(fake)  # type: ignore[arg-type]
        (tmp_path / "opt/pi-infer/venv/site-packages/opencv_python_headless-4.11.0.86.dist-info").rmdir()

    Pain("windowed", swap, "opencv", "warning", "X libraries", "opencv-python-headless").assert_found(
        tmp_path
    )
