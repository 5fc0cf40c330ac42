"""Makes libcamera's virtual pipeline look to picamera2 as a Raspberry Pi's camera does.

To be imported before picamera2, in the tree only. What differs from a Pi, and is supplied here:

- pykms, for previews on a screen: an empty module;
- the raw stream role, which picamera2 asks about when it opens a camera;
- /dev/dma_heap, one plane a buffer: memory files with the two planes of the pipeline's NV12;
- rows padded to a multiple of ``PADDING`` bytes, as the Pi's ISP pads them;
- a sensor with a rate and a clock of its own: a frame finds a waiting buffer or is lost, and the metadata
  tell the rate and the time. While ``sensor.stalled`` is set no frame comes, as when a cable works loose;
  ``STOP_AFTER`` frames it sets itself.
"""

import contextlib
import itertools
import mmap
import os
import sys
import threading
import time
import types
from collections import deque
from typing import Any

import numpy as np

FPS = float(os.environ.get("VIRTUAL_FPS", "30"))
PADDING = int(os.environ.get("VIRTUAL_PADDING", "1"))
STOP_AFTER = int(os.environ.get("VIRTUAL_STOP_AFTER", "0"))

formats = ("RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12", "ABGR8888")
sys.modules["pykms"] = types.ModuleType("pykms")
sys.modules["pykms"].PixelFormat = types.SimpleNamespace(**dict.fromkeys(formats))  # type: ignore[attr-defined]

import libcamera  # noqa: E402
import picamera2  # noqa: E402
import picamera2.picamera2 as implementation  # noqa: E402
from picamera2.allocators.allocator import Allocator  # noqa: E402
from picamera2.request import CompletedRequest  # noqa: E402


class Sensor:
    """Gives the pipeline one waiting request at each tick; what finds none is lost."""

    def __init__(self, fps: float) -> None:
        self.stalled = threading.Event()
        self._interval_s = 1 / fps
        self._stamps_ns: dict[Any, int] = {}
        self.waiting: deque[tuple[Any, Any]] = deque()
        self._queue = libcamera.Camera.queue_request
        threading.Thread(target=self._tick, daemon=True).start()

    def metadata(self, request: Any) -> dict[str, int]:
        return {"SensorTimestamp": self._stamps_ns[request], "FrameDuration": round(1e6 * self._interval_s)}

    def stop(self) -> None:
        self.waiting.clear()
        self._stamps_ns.clear()

    def _tick(self) -> None:
        due_s = time.monotonic()
        for ticks in itertools.count(1):
            due_s += self._interval_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            if ticks == STOP_AFTER:
                self.stalled.set()
            if self.stalled.is_set():
                continue
            with contextlib.suppress(IndexError):  # no buffer waits: this frame is lost
                camera, request = self.waiting.popleft()
                self._stamps_ns[request] = round(due_s * 1e9)
                self._queue(camera, request)


class MemoryFiles(Allocator):
    """Stands for picamera2's DmaAllocator."""

    def __init__(self) -> None:
        super().__init__()
        self.sync = self.Sync
        self._buffers: dict[Any, list[Any]] = {}
        self.maps: dict[Any, tuple[mmap.mmap, int, int]] = {}
        self._files: list[int] = []

    def allocate(self, libcamera_config: Any, _use_case: str) -> None:
        self.close()
        for stream in libcamera_config:
            self._buffers[stream.stream] = [self._allocate(stream) for _ in range(stream.buffer_count)]

    def _allocate(self, stream: Any) -> Any:
        file = os.memfd_create("frame")
        self._files.append(file)
        os.ftruncate(file, stream.frame_size)
        luma = stream.size.width * stream.size.height
        planes = []
        for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = file, offset, length
            planes.append(plane)
        buffer = libcamera.FrameBuffer(planes)
        self.maps[buffer] = (
            mmap.mmap(file, stream.frame_size),
            stream.size.height * 3 // 2,
            stream.size.width,
        )
        return buffer

    def buffers(self, stream: Any) -> list[Any]:
        return self._buffers[stream]

    def acquire(self, buffers: Any) -> None: ...

    def release(self, buffers: Any) -> None: ...

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files, self._buffers, self.maps = [], {}, {}

    def __del__(self) -> None:
        self.close()

    class Sync:
        def __init__(self, allocator: "MemoryFiles", buffer: Any, _write: object) -> None:
            self._map, self._rows, self._width = allocator.maps[buffer]

        def __enter__(self) -> Any:
            if PADDING == 1:
                return self._map
            rows = np.frombuffer(self._map, np.uint8, self._rows * self._width).reshape(self._rows, -1)
            return np.pad(rows, ((0, 0), (0, -self._width % PADDING)), constant_values=201).reshape(-1).data

        def __exit__(self, *_: object) -> bool:
            return False


def _padded(update: Any) -> Any:
    def update_stream_config(self: Any, stream_config: dict[str, Any], given: Any) -> None:
        update(self, stream_config, given)
        stream_config["stride"] = -(-stream_config["size"][0] // PADDING) * PADDING

    return update_stream_config


def _as_of_the_sensor(get: Any) -> Any:
    def get_metadata(self: Any) -> dict[str, Any]:
        return get(self) | sensor.metadata(self.request)

    return get_metadata


def _stopping(stop: Any) -> Any:
    def stop_camera(camera: Any) -> Any:
        sensor.stop()
        return stop(camera)

    return stop_camera


sensor = Sensor(FPS)
libcamera.Camera.queue_request = lambda camera, request: sensor.waiting.append((camera, request))
libcamera.Camera.stop = _stopping(libcamera.Camera.stop)
implementation.DmaAllocator = MemoryFiles
picamera2.Picamera2._get_raw_modes = lambda _: [{"format": "SBGGR10", "size": (1920, 1080)}]
picamera2.Picamera2._update_stream_config = _padded(picamera2.Picamera2._update_stream_config)
CompletedRequest.get_metadata = _as_of_the_sensor(CompletedRequest.get_metadata)
