"""This project, by its command line."""

import subprocess
import sys
from pathlib import Path

from task import PeerError, Task


def auto(task: Task, output: Path) -> None:
    """``pi-export reduce``, which delivers whatever the speed-up costs; labels are not used."""
    done = subprocess.run(
        [
            sys.executable, "-m", "export.cli", "reduce", str(task.model), "--images", str(task.calibration),
            "-o", str(output), "--speedup", str(task.speedup), "--max-images", str(task.images),
            "--max-drop", "100", "--threads", "1",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PeerError(done.stderr.strip().splitlines()[-1])
