"""Do viewers of the page slow the network? ``python tests/benchmarks/page_viewers.py MODEL --video FILE``.

Runs ``pi-infer`` on FILE with the page on, watched by none, one and several viewers in turn, and prints for
each the frames a second, the median time of an inference, and the processor time that a frame takes in
``pi-infer`` itself. The viewers are a process of their own and read the picture stream as a browser does.
Medians over the rounds, with the least and the greatest.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WATCHED_BY = (0, 1, 4)
PORT = 8765
VIEWERS = """
import sys, threading, urllib.request
def watch():
    with urllib.request.urlopen(sys.argv[1]) as stream:
        while stream.read(65536): pass
for _ in range(int(sys.argv[2])): threading.Thread(target=watch).start()
"""


@dataclass(frozen=True)
class Run:
    """One run of pi-infer.

    Attributes:
        fps: Frames finished a second.
        inference_ms: Median over the frames.
        processor_ms: Processor time of the whole process for each frame.
    """

    fps: float
    inference_ms: float
    processor_ms: float


@contextmanager
def watched(address: str, viewers: int) -> Iterator[None]:
    """That many viewers of the page, from when it answers."""
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{address}/status.json").close()  # noqa: S310  always our own page
            break
        except OSError:
            time.sleep(0.1)
    process = subprocess.Popen([sys.executable, "-c", VIEWERS, f"{address}/stream.mjpg", str(viewers)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(model: Path, video: Path, viewers: int, seconds: float, threads: int) -> Run:
    """``pi-infer`` for some seconds under the eyes of that many viewers."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "frames.jsonl"
        command = [sys.executable, "-m", "edge_runtime.cli", "--plain", "--source", video, "--model", model]
        command += ["--threads", str(threads), "--web", f"127.0.0.1:{PORT}", "--jsonl", lines]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        with watched(f"http://127.0.0.1:{PORT}", viewers):
            time.sleep(1.0)  # the network's first runs are slower
            first, started = _processor_s(process.pid), time.monotonic()
            time.sleep(seconds)
            used, took = _processor_s(process.pid) - first, time.monotonic() - started
        process.terminate()
        process.wait()
        frames = [json.loads(line) for line in lines.read_text().splitlines()]
    end = frames[-1]["time"]
    frames = [frame for frame in frames if frame["time"] > end - took]
    return Run(
        len(frames) / took,
        statistics.median(frame["inference_ms"] for frame in frames),
        1000 * used / len(frames),
    )


def _processor_s(process: int) -> float:
    fields = re.sub(r"\(.*\)", "", Path(f"/proc/{process}/stat").read_text()).split()
    return (int(fields[12]) + int(fields[13])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--threads", type=int, default=1, help="of the network (default: 1)")
    arguments = parser.parse_args()
    runs: dict[int, list[Run]] = {count: [] for count in WATCHED_BY}
    for _ in range(arguments.rounds):
        for count, found in runs.items():
            found.append(
                measure(arguments.model, arguments.video, count, arguments.seconds, arguments.threads)
            )
    print(f"{arguments.threads} threads, load {os.getloadavg()[0]:.1f}")
    print("viewers          frames a second            inference, ms       processor, ms a frame")
    for count, found in runs.items():
        columns = [
            [run.fps for run in found],
            [run.inference_ms for run in found],
            [run.processor_ms for run in found],
        ]
        cells = [f"{statistics.median(c):8.2f} ({min(c):.2f} to {max(c):.2f})" for c in columns]
        print(f"{count:7d}  {'  '.join(cells)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
