"""``watch.py CASE``: do something with the camera and tell, as JSON, what was seen."""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from virtual_camera import sensor  # before picamera2

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.base import Frame
from edge_runtime.frames.picamera import PicameraSource
from edge_runtime.model.card import InputSpec
from edge_runtime.results.metrics import rss_mib

SPEC = InputSpec((240, 320))
WARM_UP = 60
HOLD_CAMERA = """
import fcntl, time
file = open("/dev/media0", "wb")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


# Counts how often the machine leaves a process without processor time for long enough to lose a frame.
COUNT_STALLS = """
import select, time
stalls, before = 0, time.monotonic()
while not select.select([0], [], [], 0.002)[0]:
    now = time.monotonic()
    stalls += now - before > 0.015
    before = now
print(stalls)
"""


def long_run() -> dict[str, Any]:
    """300 frames: none may be lost, and nothing may grow."""
    with subprocess.Popen(
        [sys.executable, "-c", COUNT_STALLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as counter:
        run = watch_300_frames()
        stalls, _ = counter.communicate()
    return {**run, "stalls": int(stalls)}


def watch_300_frames() -> dict[str, Any]:
    source = PicameraSource(spec=SPEC)
    sequences, ages_ms, memory_mib, files = [], [], [], set()
    for frame in islice(source, 300):
        ages_ms.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
        sequences.append(frame.sequence)
        if len(sequences) >= WARM_UP:
            memory_mib.append(rss_mib())
            files.add(open_files())
    source.close()
    return {
        "sequences": sequences,
        "age_ms": sorted(ages_ms)[len(ages_ms) // 2],
        "growth_mib": memory_mib[-1] - memory_mib[0],
        "files": sorted(files),
    }


def slow_reader() -> dict[str, Any]:
    """A reader that sleeps for half a second: what the sensor took meanwhile is counted."""
    source = PicameraSource(spec=SPEC)
    frames = iter(source)
    before = list(islice(frames, 30))[-1]
    time.sleep(0.5)
    after = list(islice(frames, 10))[-1]  # past what waited in picamera2's queue
    source.close()
    return {
        "steps": after.sequence - before.sequence,
        "seconds": (after.captured_ns - before.captured_ns) / 1e9,
    }


def hang() -> dict[str, Any]:
    """No frame comes any more; then the camera is back, and opens as if nothing had been."""
    source = PicameraSource(spec=SPEC, capture_limit_s=1.0)
    frames = iter(source)
    next(frames)
    sensor.stalled.set()
    error = failure(frames)
    start = time.monotonic()
    source.close()
    closing_s = time.monotonic() - start
    sensor.stalled.clear()
    return {"error": error, "closing_s": closing_s, "works_again": works()}


def unplug() -> dict[str, Any]:
    """The device goes: libcamera hands back all requests as cancelled, and gives no new ones."""
    source = PicameraSource(spec=SPEC, capture_limit_s=1.0)
    frames = iter(source)
    next(frames)
    source._camera.camera.stop()
    error = failure(frames)
    source.close()
    return {"error": error, "works_again": works()}


def busy() -> dict[str, Any]:
    """A second opening of the same camera, while a process holds it as libcamera does on a Pi."""
    with subprocess.Popen([sys.executable, "-c", HOLD_CAMERA], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        source = PicameraSource(spec=SPEC)
        try:
            PicameraSource(spec=SPEC, sleep=lambda _: None)
            error = ""
        except CameraError as found:
            error = str(found)
        holder.kill()
    works_still = next(iter(source)).image.shape == (250, 330, 3)
    source.close()
    return {"error": error, "holder": holder.pid, "works_still": works_still}


def reopen() -> dict[str, Any]:
    """Opened and closed again and again: nothing is left behind."""
    files = []
    for _ in range(4):
        works()
        gc.collect()  # picamera2's threads leave their selectors in circles of references
        files.append(open_files())
    return {"files": files}


def works() -> bool:
    source = PicameraSource(spec=SPEC)
    shape = next(iter(source)).image.shape
    source.close()
    return shape == (250, 330, 3)


def failure(frames: Iterator[Frame]) -> str:
    try:
        for _ in frames:
            pass
    except CameraError as error:
        return str(error)
    return ""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


json.dump(
    {case.__name__: case for case in (long_run, slow_reader, hang, unplug, busy, reopen)}[sys.argv[1]](),
    sys.stdout,
)
