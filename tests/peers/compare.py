"""pi-export and its peers side by side: run it by ``tests/peers/run``, which installs them.

The same weights, the same calibration images, the same multiply-adds; accuracy on the same test images, and
onnxruntime's time on one thread. Networks once made stay in build/peers and are used again; delete it to make
them anew.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from task import IMAGES, Task
from torch_network import save_onnx

from export.calibrate.images import find_images
from export.judge.classification import Evaluation, evaluate
from export.network.card import with_card
from export.network.layers import read_network
from export.network.source import read_source

BUILD = Path(__file__).resolve().parents[2] / "build" / "peers"
SPEEDUPS = {"resnet18_imagenette": "2", "vgg19_caltech101": "2,4"}


@dataclass(frozen=True)
class Peer:
    """A row of the table: a tool and a way to use it.

    Attributes:
        name: The tool and the method.
        module: The file beside this one.
        function: In it: a task to a PyTorch network.
        given: What it was given of the calibration images.
    """

    name: str
    module: str
    function: str
    given: str = "nothing"


PEERS = (
    Peer("AIMET spatial SVD, greedy ranks", "peer_aimet", "spatial_svd", "50 with labels"),
    Peer("AIMET spatial SVD, same share", "peer_aimet", "spatial_svd_share"),
    Peer("AIMET weight SVD, greedy ranks", "peer_aimet", "weight_svd", "50 with labels"),
    Peer("AIMET weight SVD, same share", "peer_aimet", "weight_svd_share"),
    Peer("AIMET channel pruning, same share", "peer_aimet", "channel_pruning", "all"),
    Peer("fasterai Tucker-2, same share", "peer_fasterai", "tucker_share"),
    Peer("fasterai Tucker-2, same energy", "peer_fasterai", "tucker_energy"),
    Peer("torch-pruning magnitude, same share", "peer_torch_pruning", "magnitude"),
    Peer("torch-pruning magnitude, global", "peer_torch_pruning", "magnitude_global"),
    Peer("torch-pruning Taylor, same share", "peer_torch_pruning", "taylor", "all with labels"),
    Peer("torch-pruning Taylor, global", "peer_torch_pruning", "taylor_global", "all with labels"),
    Peer("pi-export auto", "peer_pi_export", "auto", "all"),
)


@dataclass(frozen=True)
class Attempt:
    """What a peer made of a task.

    Attributes:
        peer: Which.
        path: The ONNX file; None if it failed.
        seconds: How long that took.
        failure: Why it failed.
    """

    peer: Peer
    path: Path | None
    seconds: float | None = None
    failure: str = ""


def attempt(peer: Peer, task: Task) -> Attempt:
    """Let a peer try, in so far as there is nothing of it yet."""
    path = task.folder / f"{task.speedup:g}x-{peer.module}-{peer.function}.onnx"
    note = path.with_suffix(".json")
    if path.is_file() and note.is_file():
        return Attempt(peer, path, json.loads(note.read_text())["seconds"])
    start = time.monotonic()
    try:
        produce = getattr(importlib.import_module(peer.module), peer.function)
        write(produce, task, path)
    except Exception as error:  # noqa: BLE001  whatever goes wrong in a peer is a row of the table
        traceback.print_exc()
        return Attempt(peer, None, failure=f"{type(error).__name__}: {error}".replace("\n", " "))
    seconds = time.monotonic() - start
    note.write_text(json.dumps({"seconds": seconds}))
    return Attempt(peer, path, seconds)


def write(produce: Callable[..., object], task: Task, path: Path) -> None:
    """The peer's network as an ONNX file with the original's model card."""
    if produce.__code__.co_argcount == 2:  # it writes ONNX itself
        produce(task, path)
        return
    save_onnx(produce(task), task.card.input.size, path)
    onnx.save(with_card(onnx.load(path), task.card), path)


def times_faster(path: Path, baseline: Path) -> str:
    """Measured by ``pi-infer bench``: a fresh process for each network and round, the order alternated."""
    command = [
        sys.executable, "-m", "edge_runtime.cli", "bench", str(path), "--baseline", str(baseline),
        "--threads", "1", "--seconds", "2", "--json", "-",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    report = json.loads(done.stdout)
    return f"{report['speedup']:.2f} ({report['speedup_min']:.2f} to {report['speedup_max']:.2f})"


def table(task: Task, peers: Sequence[Peer], test: Path) -> Iterator[str]:
    """The rows of one network and speed-up, in Markdown."""
    task.folder.mkdir(parents=True, exist_ok=True)
    attempts = []
    for peer in peers:
        print(f"{task.name} {task.speedup:g}x: {peer.name}", file=sys.stderr, flush=True)
        attempts.append(attempt(peer, task))
    made = [entry.path for entry in attempts if entry.path is not None]
    evaluation = evaluate([task.model, *made], test, threads=1)
    assert isinstance(evaluation, Evaluation)
    scores = {score.model: score for score in evaluation.scores}
    first = evaluation.scores[0]
    yield f"\n**{task.name}, {task.speedup:g}×**: {task.images} calibration images, {evaluation.images} test"
    yield f"images ({first.top1_percent:.2f} / {first.top5_percent:.2f} % before)\n"
    yield "| | images it used | multiply-adds | top-1 lost | top-5 lost | times faster | minutes |"
    yield "|---|---|---|---|---|---|---|"
    for entry in attempts:
        if entry.path is None:
            yield f"| {entry.peer.name} | {entry.peer.given} | {entry.failure} | | | | |"
            continue
        score = scores[entry.path]
        macs = task.macs / read_network(read_source(entry.path), task.card.input.size).macs
        yield (
            f"| {entry.peer.name} | {entry.peer.given} | {macs:.2f}× less | {evaluation.top1_drop(score):.2f}"
            f" | {evaluation.top5_drop(score):.2f} | {times_faster(entry.path, task.model)}"
            f" | {(entry.seconds or 0) / 60:.1f} |"
        )


def part_of(folder: Path, count: int, place: Path) -> Path:
    """A folder that links to ``count`` of the test images, evenly over the classes."""
    for file in find_images(folder).choose(count, 0).files:
        link = place / file.path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.path)
    return place


def main() -> int:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(IMAGES))
    parser.add_argument("--speedups", help="default: 2, and 4 for vgg19_caltech101")
    parser.add_argument("--images", type=int, default=300, help="calibration images (default: 300)")
    parser.add_argument("--test-images", type=int, help="default: all")
    parser.add_argument("--peers", default="", help="only those whose name contains this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in arguments.networks or IMAGES:
        for speedup in (arguments.speedups or SPEEDUPS[name]).split(","):
            task = Task(name, float(speedup), arguments.images, BUILD / name)
            with tempfile.TemporaryDirectory() as place:
                test = (
                    part_of(task.test, arguments.test_images, Path(place))
                    if arguments.test_images
                    else task.test
                )
                chosen = [peer for peer in PEERS if arguments.peers in peer.name]
                for row in table(task, chosen, test):
                    print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
