"""The Raspberry Pi's camera through picamera2, which comes with the system and never from here.

One video configuration whose stream the ISP scales to the network's input, so that no processor time goes
into large frames; each frame is copied once out of its buffer, which then goes back to the camera at once.
"RGB888" of picamera2 is blue, green, red in memory: what all of this package expects.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import CameraError, PiInferError
from edge_runtime.frames.base import Frame
from edge_runtime.frames.picamera_setup import (
    FRAMERATE,
    controls,
    crops_field_of_view,
    sensor_size,
    stream_size,
)
from edge_runtime.frames.pixels import FORMATS, BufferLayout, bgr_picture
from edge_runtime.frames.sensor_clock import SensorClock
from edge_runtime.machine.board import ROOT
from edge_runtime.machine.cameras import camera_holders
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.picamera_section import PicameraConfig

BUFFERS = 4  # one is exposed, one read out, one copied, one to spare: with fewer, frames get lost
CAPTURE_LIMIT_S = 5.0  # the first frame comes within a second or two; later none is that late
OPEN_DELAYS_S = (0.5, 1.0, 2.0)  # a program that has just ended takes a moment to let go of its camera

log = logging.getLogger(__name__)


class PicameraSource:
    """Frames of one camera at, or just above, the size of the network's input.

    Their numbers count the sensor's frames: those that picamera2 or libcamera lost leave a gap.
    """

    live = True

    def __init__(
        self,
        number: int = 0,
        *,
        spec: InputSpec,
        config: PicameraConfig | None = None,
        capture_limit_s: float = CAPTURE_LIMIT_S,
        sleep: Callable[[float], None] = time.sleep,
        root: Path = ROOT,
    ) -> None:
        """Open, configure and start the camera.

        Args:
            number: Which camera, as listed by ``rpicam-hello --list-cameras``.
            spec: How the network takes its frames.
            config: What the user asked for; the defaults if None.
            capture_limit_s: How long a frame may be late.
            sleep: Waits between the attempts to open a busy camera.
            root: Where the file system begins that tells who holds the camera.

        Raises:
            CameraError: picamera2 is missing, there is no such camera, it stays busy, or it cannot do what
                is asked.
            InputError: What is asked contradicts itself.
        """
        config = config or PicameraConfig()
        self._number = number
        # A frame is handed out some frames after its exposure, which counts for one of ten seconds.
        self._capture_limit_s = capture_limit_s + 4 / (config.framerate or FRAMERATE)
        # We notice by ourselves, and say more about it: whoever watches us must wait longer than we do.
        self.limit_s = 2 * self._capture_limit_s
        self._closed = False
        self._capturing = threading.Lock()
        self._clock = SensorClock()
        self._library = _library()
        self._camera = _open(self._library.Picamera2, number, sleep, root)
        try:
            self._layout = self._start(spec, config)
        except PiInferError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise CameraError(f"camera {number} cannot be started: {error}") from error

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the source is closed. Raises ``CameraError`` when one does not come in time."""
        while (frame := self._capture()) is not None:
            yield frame

    def close(self) -> None:
        """Stop and give back the camera, waking up a capture that waits."""
        self._closed = True
        # Taken away first: a second call finds nothing to close.
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            camera.cancel_all_and_flush()
            with self._capturing:
                camera.close()
        except Exception as error:  # noqa: BLE001  a camera that was torn out; it is given up in any case
            log.debug("camera %d did not close cleanly: %s", self._number, error)

    def _start(self, spec: InputSpec, config: PicameraConfig) -> BufferLayout:
        camera = self._camera
        width, height = camera.sensor_resolution
        main = stream_size(spec, (height, width), config.size)
        wanted = camera.create_video_configuration(
            main={"size": main, "format": config.format},
            raw=None,  # or picamera2 allocates full-size raw buffers that nobody reads
            sensor={"output_size": sensor_size(main, (width, height))},
            buffer_count=BUFFERS,
            transform=_transform(config),
            controls=controls(config, camera.camera_controls),
        )
        camera.configure(wanted)
        # What libcamera cannot do it changes without a word: only what it gave counts.
        given = camera.camera_configuration()
        _require_given(given, wanted["transform"])
        if not crops_field_of_view(spec, config.size):
            _see_everything(camera)
        camera.start()
        stream = given["main"]
        width, height = stream["size"]
        return BufferLayout(stream["format"], width, height, stream["stride"])

    def _capture(self) -> Frame | None:
        """The next frame; None once the source is closed."""
        with self._capturing:
            camera = self._camera
            if self._closed:
                return None
            try:
                # Not capture_request() alone, which waits for ever when the camera stops.
                request = camera.wait(camera.capture_request(wait=False), timeout=self._capture_limit_s)
            except CancelledError:
                return None
            except TimeoutError as error:
                raise self._stopped() from error
            try:
                return self._frame(request)
            finally:
                request.release()

    def _frame(self, request: Any) -> Frame:
        exposure = self._clock.read(request.get_metadata())
        with self._library.MappedArray(request, "main", reshape=False) as mapped:
            image = bgr_picture(mapped.array, self._layout)
        return Frame(image, exposure.sequence, exposure.captured_ns)

    def _stopped(self) -> CameraError:
        return CameraError(
            f"camera {self._number} delivered no frame for {self._capture_limit_s:.3g} s: "
            "check its cable and power"
        )


def _library() -> Any:
    """The module picamera2. Raises ``CameraError`` with the remedy if it does not import."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")  # else several lines at each start
    logging.getLogger("picamera2").setLevel(logging.CRITICAL)  # it raises what it logs
    try:
        import picamera2  # noqa: PLC0415  only a Pi has it
    except ImportError as error:
        raise CameraError(
            f"--camera needs picamera2 ({error}): 'sudo apt install -y python3-picamera2', "
            "and a virtual environment made by 'python3 -m venv --system-site-packages'"
        ) from error
    except Exception as error:  # a NumPy of another ABI raises ValueError, a broken libcamera anything
        raise CameraError(
            f"picamera2 is installed but does not load ({error}): see 'pi-infer doctor'"
        ) from error
    return picamera2


def _open(library: Any, number: int, sleep: Callable[[float], None], root: Path) -> Any:
    count = len(library.global_camera_info())
    if number not in range(count):
        raise CameraError(
            f"there is no camera {number} ({count} found): check its cable, and 'rpicam-hello --list-cameras'"
        )
    # picamera2 raises the same for a camera that is busy and for one that is broken: try, then complain.
    for delay_s in OPEN_DELAYS_S:
        try:
            return library(number)
        except RuntimeError:
            sleep(delay_s)
    try:
        return library(number)
    except RuntimeError as error:
        raise CameraError(
            f"camera {number} cannot be opened ({error.__cause__ or error}): {_culprit(root)}"
        ) from error


def _culprit(root: Path) -> str:
    holders = camera_holders(root)
    return holders[0].complaint() if holders else "another program may hold it"


def _transform(config: PicameraConfig) -> Any:
    """What is asked for as flips, to which turning by 180 degrees comes: the sensor does both by itself."""
    from libcamera import Transform  # noqa: PLC0415  comes with picamera2

    turned = config.rotation == 180
    return Transform(hflip=config.hflip != turned, vflip=config.vflip != turned)


def _require_given(given: dict[str, Any], transform: Any) -> None:
    """Raise ``CameraError`` where libcamera quietly gave something else that we cannot make up for."""
    if given["transform"] != transform:
        raise CameraError("this camera cannot flip or turn its picture (--hflip, --vflip, --rotation)")
    if given["main"]["format"] not in FORMATS:
        raise CameraError(
            f"its frames come as {given['main']['format']}, which is not supported here; "
            "give a USB camera as '--source /dev/video0'"
        )


def _see_everything(camera: Any) -> None:
    """Have the ISP squeeze the whole field of view into the stream, as the preprocessor would."""
    available = camera.camera_controls
    if "ScalerCrop" not in available:
        return
    whole = available["ScalerCrop"][1]
    if "ScalerCrops" in available:  # newer libcamera: one for each stream, and it outranks the other
        camera.set_controls({"ScalerCrops": [whole]})
    else:
        camera.set_controls({"ScalerCrop": whole})
