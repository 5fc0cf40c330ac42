"""What ``pi-infer bench`` makes of given samples: figures, and whether they can be trusted."""

import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from edge_runtime.bench.messages import Round
from edge_runtime.bench.run import order
from edge_runtime.bench.statistics import (
    compare,
    disturbances,
    frames_per_second,
    heat_and_power,
    latency,
    spread,
    summarise,
)
from edge_runtime.bench.worker import time_frames
from edge_runtime.machine.board import Condition

MS = st.floats(min_value=0.01, max_value=1e4)
QUIET = Round(
    latency_ms=(10.0,) * 30,
    seconds=0.29,
    load_ms=20.0,
    peak_rss_mib=100.0,
    runtime_rss_mib=60.0,
    others_processors=0.01,
    steal_processors=0.0,
    involuntary_switches=1,
    threads=1,
    versions={"onnxruntime": "1.30.0"},
)
COOL = Condition(temperature_c=50.0, governor="ondemand", frequency_mhz=1500.0, throttled_bits=0)


def taking(*milliseconds: float) -> Round:
    return replace(QUIET, latency_ms=milliseconds, seconds=sum(milliseconds[1:]) / 1000)


@given(st.lists(MS, min_size=2, max_size=50))
def test_latency_agrees_with_the_standard_library(samples: list[float]) -> None:
    found = latency(samples)
    assert found.p50 == pytest.approx(statistics.median(samples))
    assert found.mean == pytest.approx(statistics.fmean(samples))
    assert found.stdev == pytest.approx(statistics.stdev(samples), abs=1e-6)
    assert (found.min, found.max) == (min(samples), max(samples))
    assert found.min <= found.p50 <= found.p90 <= found.p99 <= found.max


def test_one_sample_has_no_deviation() -> None:
    assert latency([3.0]).stdev == 0


def test_n_frames_span_n_minus_1_intervals() -> None:
    assert frames_per_second([replace(QUIET, latency_ms=(1.0,) * 11, seconds=1.0)]) == pytest.approx(10)
    two_rounds = [replace(QUIET, latency_ms=(1.0,) * 11, seconds=1.0)] * 2
    assert frames_per_second(two_rounds) == pytest.approx(10)
    assert frames_per_second([replace(QUIET, latency_ms=(1.0,), seconds=0.0)]) == 0


def test_a_network_is_summarised_over_all_its_rounds() -> None:
    rounds = [taking(1.0, 2.0, 3.0), replace(taking(3.0, 4.0, 5.0), peak_rss_mib=102.0, load_ms=24.0)]
    found = summarise(Path("models/x.onnx"), "ncnn", "ab", rounds)
    assert (found.name, found.engine, found.against_first) == ("x.onnx", "ncnn", None)
    again = summarise(Path("models/x.onnx"), "ncnn", "ab", rounds, first=rounds)
    assert again.against_first == compare(rounds, rounds)
    assert found.frames == 6
    assert found.latency_ms.p50 == 3.0
    assert found.round_p50_ms == (2.0, 4.0)
    assert (found.peak_rss_mib, found.model_rss_mib, found.load_ms) == (101.0, 41.0, 22.0)


def test_speedup_is_the_ratio_of_medians_and_its_range_that_of_the_rounds() -> None:
    baseline = [taking(30.0, 30.0, 90.0), taking(32.0, 32.0, 32.0)]
    model = [replace(taking(10.0, 10.0, 10.0), peak_rss_mib=62.0)] * 2
    found = compare(model, baseline)
    assert found.speedup == pytest.approx(3.2)
    assert (found.speedup_min, found.speedup_max) == (pytest.approx(3.0), pytest.approx(3.2))
    assert found.rss_ratio == pytest.approx(0.62)


@given(st.lists(st.lists(MS, min_size=1, max_size=9), min_size=1, max_size=5), st.floats(0.1, 10))
def test_a_network_k_times_slower_in_every_frame_has_speedup_k(rounds: list[list[float]], k: float) -> None:
    model = [taking(*samples) for samples in rounds]
    baseline = [taking(*(k * sample for sample in samples)) for samples in rounds]
    found = compare(model, baseline)
    assert found.speedup == pytest.approx(k)
    assert (found.speedup_min, found.speedup_max) == (pytest.approx(k), pytest.approx(k))


def test_the_order_alternates() -> None:
    assert [tuple(order(2, number)) for number in range(4)] == [(0, 1), (1, 0), (0, 1), (1, 0)]
    assert tuple(order(1, 3)) == (0,)


def test_a_quiet_run_has_no_disturbances() -> None:
    assert disturbances("x", [QUIET, QUIET]) == []
    unknown = replace(QUIET, others_processors=None, steal_processors=None)
    assert disturbances("x", [unknown]) == []


@pytest.mark.parametrize(
    ("rounds", "reason"),
    [
        ([QUIET, replace(QUIET, latency_ms=(11.6,) * 30)], "medians of the rounds differ by 15%"),
        ([replace(QUIET, others_processors=0.5)], "other programs kept 0.50 processors busy"),
        ([replace(QUIET, steal_processors=0.1)], "the hypervisor took 0.100 processors"),
        ([replace(QUIET, involuntary_switches=290)], "interrupted 1000 times a second"),
        ([replace(QUIET, latency_ms=(10.0,) * 5)], "only 5 frames"),
    ],
)
def test_a_disturbed_run_says_by_what(rounds: list[Round], reason: str) -> None:
    [found] = disturbances("x.onnx", rounds)
    assert found.startswith(f"x.onnx: {reason}")


def test_each_limit_is_one_that_may_be_reached_or_not() -> None:
    assert disturbances("x", [replace(QUIET, latency_ms=(10.0,) * 20)]) == []
    assert len(disturbances("x", [replace(QUIET, latency_ms=(10.0,) * 19)])) == 1
    # Of others, the mean over the rounds counts.
    for busier, reasons in ((0.16, 0), (0.20, 1)):
        rounds = [replace(QUIET, others_processors=0.02), replace(QUIET, others_processors=busier)]
        assert len(disturbances("x", rounds)) == reasons
    assert len(heat_and_power([replace(COOL, temperature_c=80.0)])) == 1
    assert heat_and_power([replace(COOL, temperature_c=79.9)]) == []


def test_the_spread_is_relative_to_the_middle_round() -> None:
    assert spread([taking(9.0), taking(10.0), taking(11.0)]) == pytest.approx(0.2)


def test_heat_and_a_weak_supply_spoil_a_run() -> None:
    assert heat_and_power([COOL, COOL]) == []
    assert heat_and_power([COOL, replace(COOL, temperature_c=85.2), COOL]) == [
        "the processor reached 85 °C, 80 or more: cool it"
    ]
    assert heat_and_power([COOL, replace(COOL, throttled_bits=0x50005)]) == [
        "the board reports: under-voltage",
        "the board reports: throttled",
    ]
    between_two_readings = replace(COOL, throttled_bits=0x10000)
    assert heat_and_power([COOL, between_two_readings]) == ["the board reports: under-voltage"]


def test_what_happened_before_the_run_does_not_spoil_it() -> None:
    since_boot = replace(COOL, throttled_bits=0x50000)
    assert heat_and_power([since_boot, since_boot]) == []


def test_a_machine_without_sensors_is_not_suspected() -> None:
    assert heat_and_power([Condition(None, None, None, None)] * 2) == []


def test_frames_are_timed_one_by_one_for_at_least_so_long() -> None:
    begins, ends = time_frames(lambda: time.sleep(0.002), seconds=0.02, fewest=3)
    assert all(end - begin >= 2e6 for begin, end in zip(begins, ends, strict=True))
    assert ends[-1] - begins[0] >= 20e6
    begins, _ends = time_frames(lambda: time.sleep(0.002), seconds=0.0, fewest=3)
    assert len(begins) == 3
