"""``pi-infer bench``: what it writes, refuses and leaves behind; never how fast."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

import edge_runtime
from edge_runtime.base.errors import InputError
from edge_runtime.bench.report import from_json
from edge_runtime.bench.run import BenchSettings, bench

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]

SHORT = ("--seconds", "0.05", "--rounds", "2", "--threads", "1")


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
    command = [sys.executable, *options, "-m", "edge_runtime.bench.worker"]
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


def test_python_compares_two_networks_in_a_line(make_network: MakeNetwork, tmp_path: Path) -> None:
    path = make_network()
    baseline = tmp_path / "base.onnx"
    baseline.write_bytes(path.read_bytes())
    said: list[str] = []
    report = bench(BenchSettings(path, baseline, seconds=0.02, rounds=3, threads=1), said.append)
    assert [model.name for model in report.models] == ["base.onnx", "tiny.onnx"]
    assert report.speedup is not None
    assert (report.rounds, report.seconds, report.machine.threads) == (3, 0.02, 1)
    assert said[:2] == ["round 1 of 3: base.onnx", "round 1 of 3: tiny.onnx"]
    assert len(said) == 6


def test_python_is_told_by_exceptions(make_network: MakeNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*absent\.onnx"):
        bench(BenchSettings(tmp_path / "absent.onnx"))
    with pytest.raises(InputError, match=r"absent\.mp4"):
        bench(BenchSettings(make_network(), source=str(tmp_path / "absent.mp4"), seconds=0.01, rounds=1))


@pytest.mark.parametrize("nothing", [{"rounds": 0}, {"rounds": -1}, {"seconds": 0.0}, {"seconds": math.nan}])
def test_a_benchmark_of_nothing_is_refused(nothing: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="measure nothing"):
        BenchSettings(Path("m.onnx"), **nothing)


def test_it_runs_from_a_folder_of_sources_that_nobody_installed(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    packages = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    # An interpreter of no environment finds the libraries by this path, and there no link to our sources.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
    sources = Path(edge_runtime.__file__).parents[1]
    code = (
        f"import sys; sys.path.append({str(sources)!r}); from edge_runtime.cli import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys._base_executable, "-P", "-c", code, "bench", str(make_network()), *SHORT]  # type: ignore[attr-defined]  # noqa: SLF001
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:7]) == (0, "Network"), done.stderr


def test_the_help_of_bench_loads_no_numpy() -> None:
    code = "import sys, edge_runtime.commands.bench; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


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
