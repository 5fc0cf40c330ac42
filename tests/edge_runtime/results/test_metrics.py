import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from edge_runtime.results.metrics import FrameRate, LatencyWindow, peak_rss_mib, rss_mib


@given(st.integers(2, 50), st.integers(1, 10**9))
def test_frames_a_second_counts_intervals_not_frames(frames: int, interval_ns: int) -> None:
    rate = FrameRate()
    for number in range(frames):
        rate.add(number * interval_ns)
    assert rate.recent_fps == pytest.approx(1e9 / interval_ns)
    assert rate.overall_fps == pytest.approx(1e9 / interval_ns)


def test_the_recent_rate_forgets_and_the_overall_rate_does_not() -> None:
    rate = FrameRate(size=3)
    for finished_s in (0, 10, 11, 12):
        rate.add(finished_s * 10**9)
    assert rate.recent_fps == pytest.approx(1.0)
    assert rate.overall_fps == pytest.approx(3 / 12)
    assert rate.frames == 4


def test_there_is_no_rate_before_the_second_frame() -> None:
    rate = FrameRate()
    for _ in range(2):
        assert math.isnan(rate.recent_fps)
        assert math.isnan(rate.overall_fps)
        if rate.frames == 0:
            rate.add(5)


def test_percentiles_of_the_last_few_latencies() -> None:
    window = LatencyWindow(size=101)
    for latency in [1e6, *range(101)]:
        window.add(latency)
    summary = window.summary()
    assert (summary.p50_ms, summary.p90_ms, summary.p99_ms) == (50, 90, 99)


def test_an_empty_window_says_nan() -> None:
    assert math.isnan(LatencyWindow().summary().p50_ms)


def test_memory_is_read_from_the_status_file(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmPeak:\t  9999 kB\nVmHWM:\t  3072 kB\nVmRSS:\t  2048 kB\n")
    assert (peak_rss_mib(status), rss_mib(status)) == (3.0, 2.0)


@pytest.mark.parametrize("content", [None, "", "Name:\tx\n"])
def test_memory_is_nan_where_the_system_does_not_say(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "status").write_text(content)
    assert math.isnan(rss_mib(tmp_path / "status"))


def test_this_process_uses_memory_and_never_more_than_its_peak() -> None:
    assert 1 < rss_mib() <= peak_rss_mib() + 1
