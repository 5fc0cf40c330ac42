"""The Raspberry Pi's camera through picamera2, which comes with the system and never from here.

One video configuration whose main stream the ISP scales to the network's input, so that no processor time
goes into large frames. "RGB888" of picamera2 is blue, green, red in memory: what all of this package expects.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from edge_runtime.errors import CameraError
from edge_runtime.frames.base import Frame
from edge_runtime.preprocess import Image

BUFFERS = 4
CAPTURE_LIMIT_S = 5.0
OPEN_DELAYS_S = (0.5, 1.0, 2.0)
SMALLEST_SIDE = 64  # the ISP scales no further down; the preprocessor does the rest


class PicameraSource:
    """Frames of one camera at, or just above, the size of the network's input.

    The ISP keeps the aspect of the asked size by cutting the field of view, centred.
    """

    live = True

    def __init__(
        self,
        number: int = 0,
        *,
        size: tuple[int, int],
        limit_s: float = CAPTURE_LIMIT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open, configure and start the camera.

        Args:
            number: Which camera, as listed by ``rpicam-hello --list-cameras``.
            size: Height and width of the network's input.
            limit_s: How long one capture may take.
            sleep: Waits between the attempts to open a busy camera.

        Raises:
            CameraError: picamera2 is missing, there is no such camera, or it stays busy.
        """
        self._number = number
        self._limit_s = limit_s
        self._camera = _open(_library(), number, sleep)
        try:
            self._start(size)
        except Exception as error:
            self.close()
            raise CameraError(f"camera {number} cannot be started: {error}") from error

    def __iter__(self) -> Iterator[Frame]:
        """Frames without end. Raises ``CameraError`` when one does not come within the time limit."""
        sequence = 0
        while (camera := self._camera) is not None:
            image, captured_ns = self._capture(camera)
            yield Frame(image, sequence, captured_ns)
            sequence += 1

    def close(self) -> None:
        """Stop and give back the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.cancel_all_and_flush()
            camera.close()

    def _start(self, size: tuple[int, int]) -> None:
        height, width = (max(SMALLEST_SIDE, side + side % 2) for side in size)
        main = {"size": (width, height), "format": "RGB888"}
        self._camera.configure(self._camera.create_video_configuration(main, buffer_count=BUFFERS))
        self._camera.start()

    def _capture(self, camera: Any) -> tuple[Image, int]:
        job = camera.capture_request(wait=False)
        try:
            request = camera.wait(job, timeout=self._limit_s)
        except TimeoutError as error:
            camera.cancel_all_and_flush()
            raise CameraError(
                f"camera {self._number} delivered no frame for {self._limit_s:g} s: check its cable and power"
            ) from error
        try:
            image = request.make_array("main")  # copies, so the buffer goes back at once; honours the stride
            return image, _captured_ns(request.get_metadata())
        finally:
            request.release()


def _library() -> Any:
    """The Picamera2 class. Raises ``CameraError`` with the remedy if it does not import."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # else several lines at each start
    try:
        from picamera2 import Picamera2  # noqa: PLC0415  only a Pi has it
    except ImportError as error:
        raise CameraError(
            f"--camera needs picamera2 ({error}): 'sudo apt install -y python3-picamera2', "
            "and a virtual environment made by 'python3 -m venv --system-site-packages'"
        ) from error
    except Exception as error:  # a NumPy of another ABI raises ValueError, a broken libcamera anything
        raise CameraError(
            f"picamera2 is installed but does not load ({error}): see 'pi-infer doctor'"
        ) from error
    return Picamera2


def _open(library: Any, number: int, sleep: Callable[[float], None]) -> Any:
    found = len(library.global_camera_info())
    if number not in range(found):
        raise CameraError(
            f"there is no camera {number} ({found} found): check its cable, and 'rpicam-hello --list-cameras'"
        )
    for delay_s in OPEN_DELAYS_S:
        try:
            return library(number)
        except RuntimeError:
            sleep(delay_s)
    try:
        return library(number)
    except RuntimeError as error:
        raise CameraError(
            f"camera {number} cannot be opened ({error.__cause__ or error}): another program may hold it"
        ) from error


def _captured_ns(metadata: dict[str, Any]) -> int:
    """When the sensor took the frame, on the monotonic clock; libcamera stamps it on the boot clock."""
    now_ns = time.monotonic_ns()
    stamp_ns = metadata.get("SensorTimestamp")
    if stamp_ns is None:
        return now_ns
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(stamp_ns)
    return now_ns - max(0, age_ns)
