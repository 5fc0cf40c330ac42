"""How well a cost table predicts: ``python tests/benchmarks/predicted_time.py [NETWORK ...] --engine E``.

Profiles each network, reduces it by random ratios and methods on a few images, and sets the speed-up that the
table promised beside the one that was then measured. What the reductions lose does not matter here.
"""

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from edge_runtime.model.network import default_threads
from edge_runtime.settings.arguments import ENGINES, positive
from export import reduce
from export.methods import AUTO
from export.reduction.profile_file import profile

ASSETS = Path(__file__).resolve().parents[2].parent / "shared" / "assets"
IMAGES = {
    "gtsrb_cnn": "gtsrb",
    "resnet18_imagenette": "imagenette",
    "squeezenet_imagenet": "imagenette",
    "facemask_ssd": "facemask",
    "vgg19_caltech101": "caltech101",
    "yolov5n_coco": "coco-val128",
}
FEW_IMAGES = 16
SEED = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(IMAGES)[:4], metavar="NETWORK")
    parser.add_argument("--engine", choices=ENGINES, default="ncnn")
    parser.add_argument("--threads", type=positive, default=default_threads())
    parser.add_argument("--each", type=positive, default=5, help="reductions of each network")
    arguments = parser.parse_args()
    errors = []
    for name in arguments.networks:
        for predicted, measured in speedups(name, arguments.engine, arguments.threads, arguments.each):
            errors.append(abs(measured / predicted - 1))
            print(f"{name}: predicted {predicted:.2f}x, measured {measured:.2f}x", flush=True)
    print(f"off by {statistics.median(errors):.1%} in the median of {len(errors)}, {max(errors):.1%} at most")
    return 0


def speedups(name: str, engine: str, threads: int, count: int) -> list[tuple[float, float]]:
    """What was predicted and what was measured, for random reductions of a network."""
    model, card = (ASSETS / "models" / f"{name}{suffix}" for suffix in (".onnx", ".json"))
    images = ASSETS / "images" / IMAGES[name] / "calibration"
    chance = random.Random(SEED)  # noqa: S311  to be the same every time
    found = []
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        table.write_text(profile(model, engine=engine, threads=threads, card=card).to_json())
        for _ in range(count):
            methods = [method for method in AUTO if chance.random() < 0.7] or ["channel"]
            delivery = reduce(
                model,
                images,
                speedup=chance.uniform(1.2, 3.0),
                cost=table,
                max_drop_percent=100,
                methods=methods,
                max_images=FEW_IMAGES,
                card=card,
                threads=threads,
            )
            assert delivery.timed is not None
            found.append((delivery.timed.predicted, delivery.timed.speedup))
    return found


if __name__ == "__main__":
    sys.exit(main())
