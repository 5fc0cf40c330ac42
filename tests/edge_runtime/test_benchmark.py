"""``pi-infer bench``: its statistics on given samples, its verdicts, what it writes; never how fast."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, strategies as st

from edge_runtime.benchmark import order
from edge_runtime.benchmark_statistics import (
    Round,
    compare,
    disturbances,
    frames_per_second,
    heat_and_power,
    latency,
    spread,
    summarise,
)
from edge_runtime.benchmark_worker import time_frames
from edge_runtime.board import Condition
from edge_runtime.report import from_json

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]

SHORT = ("--seconds", "0.05", "--rounds", "2", "--threads", "1")
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
    found = summarise(Path("models/x.onnx"), "ab", rounds)
    assert found.name == "x.onnx"
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


def test_both_networks_are_reported(
    pi_infer: Run, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    path = asset_model("gtsrb_cnn")
    copy = path.rename(tmp_path / "reduced.onnx")
    base = tmp_path / "base.onnx"
    base.write_bytes(copy.read_bytes())
    done = pi_infer(
        "bench", copy, "--baseline", base, "--input", path.with_suffix(".json"), *SHORT, "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    report = from_json(done.stdout)
    assert [model.name for model in report.models] == ["base.onnx", "reduced.onnx"]
    assert report.speedup == pytest.approx(report.models[0].latency_ms.p50 / report.models[1].latency_ms.p50)
    assert report.speedup_min is not None
    assert report.speedup_max is not None
    assert report.speedup_min <= report.speedup_max
    for model in report.models:
        assert len(model.round_p50_ms) == report.rounds == 2
        assert 0 < model.model_rss_mib < model.peak_rss_mib
        assert model.load_ms > 0
    assert report.machine.threads == 1
    assert set(report.machine.versions) == {"python", "onnxruntime", "numpy", "opencv"}
    assert report.valid == (not report.reasons)
    rounds = re.findall(r"^round . of 2: (\w+)", done.stderr, re.MULTILINE)
    assert rounds == ["base", "reduced", "reduced", "base"]


def test_table_json_and_markdown(pi_infer: Run, make_network: MakeNetwork, tmp_path: Path) -> None:
    done = pi_infer("bench", make_network(), *SHORT, "--json", "out.json", "--markdown", "out.md")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Network")
    report = from_json((tmp_path / "out.json").read_text())
    assert report.speedup is None
    assert report.timed == "session.run alone"
    assert "| tiny.onnx |" in (tmp_path / "out.md").read_text()


def test_the_whole_frame_path_of_real_pictures(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path
) -> None:
    done = pi_infer("bench", make_network(), "--source", pictures, *SHORT, "--json", "-")
    assert done.returncode == 0, done.stderr
    report = from_json(done.stdout)
    assert report.timed == "preprocess, session.run and postprocess"
    assert report.source == str(pictures)
    assert "broken.png" in done.stderr


def test_a_network_without_a_card_is_timed_at_its_fixed_input_size(
    pi_infer: Run, make_network: MakeNetwork
) -> None:
    path = make_network()
    path.with_suffix(".json").unlink()
    done = pi_infer("bench", path, *SHORT)
    assert done.returncode == 0, done.stderr


def test_an_open_input_size_needs_a_card(pi_infer: Run, make_network: MakeNetwork, tmp_path: Path) -> None:
    path = make_network()
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "open.onnx")
    done = pi_infer("bench", "open.onnx", *SHORT)
    assert done.returncode == 3
    assert "--input CARD.json" in done.stderr
    done = pi_infer("bench", "open.onnx", "--input", path.with_suffix(".json"), *SHORT)
    assert done.returncode == 0, done.stderr


def _absent(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _other(path: Path) -> None:
    path.write_text("#!/bin/sh\necho hello\n")


@pytest.mark.parametrize(
    ("spoil", "role"),
    [
        (_absent, "model"),
        (_folder, "model"),
        (_empty, "model"),
        (_truncated, "model"),
        (_other, "model"),
        (_absent, "baseline"),
        (_other, "baseline"),
    ],
)
def test_a_bad_network_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path, spoil: Callable[[Path], None], role: str
) -> None:
    good = make_network()
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(good.read_bytes())
    spoil(bad)
    both = (bad, "--baseline", good) if role == "model" else (good, "--baseline", bad)
    done = pi_infer("bench", *both, *SHORT, "--json", "out.json")
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if not line.startswith("round ")]
    assert len(errors) == 1
    assert errors[0].startswith("pi-infer: error: ")
    assert "bad.onnx" in errors[0]
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--seconds", "inf"],
        ["--rounds", "0"],
        ["--threads", "-1"],
        ["--input", "absent.json"],
        ["--source", "absent.mp4"],
        ["--json", "absent/out.json"],
        ["--markdown", "/dev"],
        ["--host", "-oProxyCommand=touch hacked"],
        ["--host=-oProxyCommand=touch hacked"],
        ["--host", ""],
        ["--host", "pi", "--ssh-config", "absent"],
    ],
)
def test_bad_usage_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path, options: list[str]
) -> None:
    done = pi_infer("bench", make_network(), *SHORT, *options)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("pi-infer: error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "hacked").exists()


def test_a_pipe_is_not_replaced_by_a_file(pi_infer: Run, make_network: MakeNetwork, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = pi_infer("bench", make_network(), *SHORT, "--json", "pipe")
    assert done.returncode == 2
    assert (tmp_path / "pipe").is_fifo()


def _worker(path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    job = {"model": str(path), "card": None, "frames": None, "threads": 1, "seconds": 0.01}
    command = [sys.executable, *options, "-m", "edge_runtime.benchmark_worker"]
    return subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=True)


def test_the_timed_process_imports_nothing_of_the_workstation(make_network: MakeNetwork) -> None:
    done = _worker(make_network(), "-X", "importtime")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"onnxruntime", "numpy", "cv2", "edge_runtime"} <= imported
    forbidden = {"export", "onnx", "torch", "matplotlib", "scipy", "rich", "google"}
    assert not imported & forbidden


def test_a_round_says_what_a_round_must_say(make_network: MakeNetwork) -> None:
    answer: dict[str, Any] = json.loads(_worker(make_network()).stdout)
    latency_ms = answer["latency_ms"]
    assert len(latency_ms) >= 5
    # N - 1 intervals, from the end of the first frame: never less than the frames in them took.
    assert answer["seconds"] * 1000 >= sum(latency_ms[1:]) * 0.999
    assert 0 < answer["runtime_rss_mib"] <= answer["peak_rss_mib"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    make_network: MakeNetwork, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PI_INFER_TEST": str(tmp_path)}
    command = [sys.executable, "-m", "edge_runtime.cli", "bench", str(make_network())]
    command += ["--seconds", "60", "--json", str(tmp_path / "out.json")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    with process:
        wait_for(lambda: len(marked(tmp_path)) == 2)
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    wait_for(lambda: not marked(tmp_path))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "out.json").exists()
    assert list(tmp_path.glob(".*.part")) == []


def marked(mark: Path) -> list[int]:
    """Processes that inherited our mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"PI_INFER_TEST={mark}\0".encode() in environment:
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
