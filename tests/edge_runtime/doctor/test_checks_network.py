import json
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.doctor.checks import network_probe
from edge_runtime.frames.base import Frame
from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Image, Tensor
from edge_runtime.model.preprocess import Preprocessor
from tests.edge_runtime.doctor.machines import Pain, network, runs

REFUSED = runs("network", f"echo '{json.dumps({'refused': 'x.onnx is empty'})}'")
OPEN = network(static=False, input_shape=[1, 3, "H", "W"])

PAINS = [
    Pain("refused", REFUSED, "network", "problem", "x.onnx is empty"),
    Pain("crash", runs("network", "kill -SEGV $$"), "network", "problem", "SIGSEGV"),
    Pain("slow", runs("network", "sleep 60"), "network", "warning", "smaller"),
    Pain("wrong answer", network(golden_error=0.4), "golden-output", "problem", "0.4"),
    Pain("infinite answer", network(golden_error=float("inf")), "golden-output", "problem", "inf"),
    Pain("NaN answer", network(golden_error=float("nan")), "golden-output", "problem", "nan"),
    Pain("no known answer", network(golden_error=None), "golden-output", "warning", "pi-export card"),
    Pain("open sizes", OPEN, "static-shapes", "warning", "1 × 3 × H × W"),
    Pain("spinning", network(idle_cpu=0.97), "idle-threads", "warning", "97%"),
    Pain("padding", network(padding_exact=False), "row-padding", "problem", "part of the picture"),
    Pain("colours", network(colour_exact=False), "colour-order", "problem", "wrong channels"),
    Pain("stale frames", network(frame_age_ms=400.0), "frame-age", "warning", "400 ms"),
    Pain("no answer at all", runs("network", "exit 1"), "frame-age", "not applicable"),
]


@pytest.mark.parametrize("pain", PAINS, ids=str)
def test_what_is_wrong_with_the_network_is_found(tmp_path: Path, pain: Pain) -> None:
    pain.assert_found(tmp_path)


SPECS = [
    InputSpec(size=(9, 21)),
    InputSpec(size=(8, 64), colour="BGR", mean=(104.0, 117.0, 123.0)),
    InputSpec(size=(5, 7), colour="GRAY", mean=(0.5,), std=(0.5,), scale=1 / 255),
    InputSpec(size=(33, 30), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=1 / 255),
]


@pytest.mark.parametrize("spec", SPECS)
def test_our_own_frame_path_passes_its_tests(spec: InputSpec) -> None:
    assert network_probe.padding_exact(spec)
    assert network_probe.colour_exact(spec)


@pytest.mark.parametrize("spec", [SPECS[0], SPECS[3]])
def test_swapped_colours_and_padding_taken_for_picture_are_seen(
    monkeypatch: pytest.MonkeyPatch, spec: InputSpec
) -> None:
    class Wrong(Preprocessor):
        def __call__(self, image: Image) -> Tensor:
            tensor = super().__call__(image)[:, ::-1].copy()
            tensor += image.strides[0]
            return tensor

    monkeypatch.setattr(network_probe, "Preprocessor", Wrong)
    assert not network_probe.padding_exact(spec)
    assert not network_probe.colour_exact(spec)


def test_a_queue_instead_of_the_newest_frame_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Queue:
        def __init__(self, source: Any) -> None:
            self._frames = [next(iter(source))] * 20

        def __iter__(self) -> Any:
            return iter(self._frames)

        def close(self) -> None: ...

    assert isinstance(next(iter(network_probe._FastSource())), Frame)  # noqa: SLF001
    monkeypatch.setattr(network_probe, "Newest", Queue)
    assert network_probe.oldest_frame_ms() > 100
