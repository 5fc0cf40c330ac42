"""Promises of time: what was asked for is what is held against the clock, on the table's terms."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export.choose.latency import LatencyTable, Point
from export.choose.places import ThisMachine
from export.layer import ConvolutionShape
from export.network.layers import network_of
from export.network.source import read_source
from export.reduction.file import reduce
from export.reduction.timing import Promise, Timed, Timing, TimingTask
from tests.attacks.images import labelled_images
from tests.attacks.networks import CLASSES, write_network

MS = 1e6  # nanoseconds
CHANNELS = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("reduced_ms", "budget_ms", "holds"), [(5.0, 5.0, True), (5.5, 5.0, True), (7.5, 5.0, False)]
)
def test_a_budget_is_held_against_the_time_itself(
    reduced_ms: float, budget_ms: float, *, holds: bool
) -> None:
    """On a machine that is slower today than when it was profiled, a ratio would say nothing of it."""
    timed = Timed(15 * MS, reduced_ms * MS, "onnxruntime", 1, "here", 2.0, 2.0, budget_ms * MS)
    assert timed.holds == holds


def test_a_budget_that_is_kept_holds_whatever_the_ratio() -> None:
    assert Timed(6 * MS, 5 * MS, "onnxruntime", 1, "here", 2.0, 2.0, 5 * MS).holds


class Recorder(ThisMachine):
    """A place that takes down with how many threads it was asked to time."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def networks(self, paths: Sequence[Path], engine: str, threads: int) -> list[float]:
        del engine
        self.threads.append(threads)
        return [2.0] * len(paths)

    def machine(self) -> dict[str, Any]:
        return {}


def table_of(path: Path) -> LatencyTable:
    """A cost table of the network of ``write_network``, in whose time only its 3x3 convolutions count."""
    points = tuple(
        Point(ConvolutionShape(inputs, outputs, (3, 3), (16, 16), bias=True), 1000.0 * inputs * outputs, 0.0)
        for inputs in CHANNELS
        for outputs in CHANNELS
    )
    return LatencyTable("onnxruntime", 1, {}, read_source(path).sha256, 2e5, points)


def test_the_result_is_timed_with_the_threads_of_the_table(tmp_path: Path) -> None:
    """However many the reduction itself may use: what is printed beside the time is what it took."""
    write_network(tmp_path / "model.onnx")
    source, place = read_source(tmp_path / "model.onnx"), Recorder()
    network = network_of(source.proto, (16, 16), "a network")
    task = TimingTask(source, network, source.require_card(None), threads=2)
    timing = Timing("onnxruntime", place=lambda: nullcontext(place))
    pair = (source.proto, "float32")
    timed = timing.check(task, pair, table_of(tmp_path / "model.onnx"), Promise(1.0, None))
    assert timed is not None
    assert (timed.threads, place.threads) == (1, [1])


def test_what_goes_back_to_float_promises_nothing_of_int8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Int8 was foreseen to be four times faster, and is not: its table tells nothing of float."""
    write_network(tmp_path / "model.onnx")
    labelled_images(tmp_path / "images", CLASSES, 12)
    exact = table_of(tmp_path / "model.onnx")
    tables = [replace(exact, precision="int8", whole_ns=exact.network_ns / 4), exact]
    monkeypatch.setattr(Timing, "tables", lambda *_: tables)
    monkeypatch.setattr(Timing, "rounding_pays", lambda *_: False)
    monkeypatch.setattr(Timing, "check", lambda *_: None)
    delivery = reduce(
        tmp_path / "model.onnx",
        tmp_path / "images",
        cost="local",
        precision="auto",
        speedup=3,
        max_drop_percent=100,
        methods=("channel",),
    )
    assert delivery.options.precision == "float32"
    assert delivery.reduction.ratio(delivery.reduction.cost) < 3
    assert not delivery.reduction.reached
