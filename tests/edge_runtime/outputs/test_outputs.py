"""The outputs as users meet them: chosen by flags, in a live run and in the service."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.edge_runtime.finished_frames import free_port

MakeNetwork = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
LIMIT_S = 60


@contextmanager
def running(*arguments: object, cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """``pi-infer`` until the block ends."""
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
    environment = {**os.environ, "NOTIFY_SOCKET": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]", pattern: str) -> "re.Match[str]":
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found
    assert process.stderr is not None
    raise AssertionError(f"it ended without {pattern}: {process.stderr.read()}")


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("command", [(), ("service",)])
def test_the_live_page_of_a_run(make_network: MakeNetwork, tmp_path: Path, command: tuple[str, ...]) -> None:
    port = free_port()
    arguments = (*command, "--source", "demo", "--model", make_network(), "--web", f"127.0.0.1:{port}")
    with running(*arguments, cwd=tmp_path) as process:
        assert line_of(process, r"live page: (\S+)")[1] == f"http://127.0.0.1:{port}/"
        status, body = get(port, "/status.json")
        assert status == 200
        assert json.loads(body)["model"] == "tiny.onnx"
        assert get(port, "/frame.jpg")[1].startswith(b"\xff\xd8")


def test_beyond_loopback_the_page_prints_and_asks_for_a_token(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    port = free_port()
    arguments = ("--source", "demo", "--model", make_network(), "--web", f"0.0.0.0:{port}")
    with running(*arguments, cwd=tmp_path) as process:
        token = line_of(process, r"live page: http://\S+:\d+/\?token=(\S{32})$")[1]
        assert get(port, "/status.json")[0] == 401
        assert get(port, f"/status.json?token={token}")[0] == 200


def test_a_live_run_ends_where_the_page_cannot_be_served(pi_infer: Run, make_network: MakeNetwork) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = pi_infer("--source", "demo", "--model", make_network(), "--web", address)
    assert done.returncode == 2
    assert done.stderr == (
        f"pi-infer: error: cannot serve the live page on {address}: Address already in use; "
        "choose another with --web ADDRESS:PORT\n"
    )


def test_the_service_goes_on_whatever_its_outputs_do(make_network: MakeNetwork, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = (
            "service", "--source", "demo", "--model", make_network(), "--log-seconds", 1,
            "--web", f"127.0.0.1:{taken.getsockname()[1]}", "--jsonl", "/dev/full",
            "--mqtt", f"127.0.0.1:{free_port()}", "--prometheus-textfile", "missing/x.prom",
        )  # fmt: skip
        with running(*arguments, cwd=tmp_path) as process:
            line_of(process, r" fps, latency p50 ")
            line_of(process, r" fps, latency p50 ")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    lines = sorted(line.removeprefix("pi-infer: warning: ") for line in err.splitlines())
    assert [line.split(":")[0] for line in lines] == ["jsonl", "mqtt", "prometheus", "web"]
    assert all(line.endswith("; trying again until it works") for line in lines)


def test_the_outputs_of_the_service_are_there_before_the_first_frame(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        source = f"http://127.0.0.1:{silent.getsockname()[1]}/x.mjpg"
        arguments = (
            "service", "--source", source, "--model", make_network(),
            "--web", f"127.0.0.1:{port}", "--jsonl", "missing/x.jsonl",
        )  # fmt: skip
        with running(*arguments, cwd=tmp_path) as process:
            line_of(process, "live page: ")
            status, body = get(port, "/status.json")
            assert process.stderr is not None
            assert process.stderr.readline() == (
                "pi-infer: warning: jsonl: cannot write missing/x.jsonl: No such file or directory; "
                "trying again until it works\n"
            )
    assert (status, json.loads(body)["frames"], json.loads(body)["summary"]) == (200, 0, "no frame yet")


def test_a_service_without_its_camera_does_not_announce_itself(
    pi_infer: Run, make_network: MakeNetwork
) -> None:
    pytest.importorskip("paho.mqtt")
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = f"127.0.0.1:{broker.getsockname()[1]}"
        done = pi_infer("service", "--source", "/dev/video99", "--model", make_network(), "--mqtt", address)
        broker.setblocking(False)
        with pytest.raises(BlockingIOError):
            broker.accept()
    assert done.returncode == 4


def test_a_live_run_goes_on_without_its_broker(pi_infer: Run, make_network: MakeNetwork) -> None:
    pytest.importorskip("paho.mqtt")
    model = make_network()
    done = pi_infer("--source", "demo", "--model", model, "--frames", 9, "--mqtt", f"127.0.0.1:{free_port()}")
    assert done.returncode == 0
    assert "9 frames, " in done.stdout
    assert done.stderr.count("\n") == 1
    assert "mqtt: cannot reach the broker" in done.stderr


def test_a_live_source_keeps_running_when_the_disk_is_full(pi_infer: Run, make_network: MakeNetwork) -> None:
    done = pi_infer("--source", "demo", "--model", make_network(), "--frames", 9, "--jsonl", "/dev/full")
    assert done.returncode == 0
    assert "9 frames, " in done.stdout
    assert done.stderr == (
        "pi-infer: warning: jsonl: cannot write /dev/full: No space left on device; "
        "trying again until it works\n"
    )


def test_the_service_appends_and_rotates(make_network: MakeNetwork, video: Path, pi_infer: Run) -> None:
    arguments = ("--source", video, "--every-frame", "--model", make_network(), "--jsonl", "out.jsonl")
    for runs in (1, 2):
        done = pi_infer("service", *arguments)
        assert done.returncode == 0, done.stderr
        assert len((video.parent / "out.jsonl").read_text().splitlines()) == 12 * runs
    assert pi_infer(*arguments).returncode == 0
    assert len((video.parent / "out.jsonl").read_text().splitlines()) == 12


def test_the_textfile_is_kept_while_the_run_lasts(make_network: MakeNetwork, tmp_path: Path) -> None:
    arguments = ("--source", "demo", "--model", make_network(), "--prometheus-textfile", "x.prom")
    with running(*arguments, cwd=tmp_path) as process:
        line_of(process, "frame 1[0-9]: ")
        assert "pi_infer_frames_total " in (tmp_path / "x.prom").read_text()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
    assert not (tmp_path / "x.prom").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--web", "nonsense"), "--web must be HOST:PORT"),
        (
            ("--web", "--web-bench", "missing.json"),
            "cannot read the benchmark missing.json: there is no such file",
        ),
        (("--web", "--web-bench", "tiny.json"), "tiny.json is not what 'pi-infer bench --json' writes"),
        (("--web", "--web-token-file", "missing"), "cannot read the token in missing"),
        (
            ("--mqtt", "x", "--mqtt-user", "u", "--mqtt-password-file", "missing"),
            "cannot read the password in missing",
        ),
        (("--prometheus-textfile", "missing/x.prom"), "cannot write missing/x.prom"),
        (("--prometheus-textfile", "x.txt"), "node-exporter reads only files named *.prom"),
    ],
)
def test_outputs_that_cannot_work_are_one_line(
    pi_infer: Run, make_network: MakeNetwork, flags: tuple[str, ...], words: str
) -> None:
    done = pi_infer("--source", "demo", "--model", make_network(), "--frames", 1, *flags)
    assert done.returncode == 2
    assert done.stderr.startswith("pi-infer: error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_flags_are_taken_in_full_only(pi_infer: Run, make_network: MakeNetwork) -> None:
    done = pi_infer("--source", "demo", "--model", make_network(), "--frame=1")
    assert done.returncode == 2
    assert "unknown option --frame; did you mean --frames?" in done.stderr


def test_a_benchmark_is_shown_on_the_page(make_network: MakeNetwork, tmp_path: Path, pi_infer: Run) -> None:
    model, port = make_network(), free_port()
    bench = pi_infer(
        "bench", model, "--baseline", model, "--seconds", 0.05, "--rounds", 1, "--json", "bench.json"
    )
    assert bench.returncode == 0, bench.stderr
    flags = ("--web", f"127.0.0.1:{port}", "--web-bench", "bench.json")
    with running("--source", "demo", "--model", model, *flags, cwd=tmp_path) as process:
        line_of(process, "live page: ")
        baseline = json.loads(get(port, "/status.json")[1])["baseline"]
    assert re.search(r"is \d+\.\d\dx .* (faster|slower) than ", baseline["sentence"])
    assert len(baseline["models"]) == 2
    assert baseline["models"][0]["p50_ms"] > 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--jsonl", "out.jsonl"), "cannot write out.jsonl: another run writes it"),
        (("--prometheus-textfile", "x.prom"), "cannot write x.prom: another run keeps its figures there"),
        (
            ("--mqtt", "127.0.0.1:9", "--mqtt-name", "cellar"),
            "another run publishes as pi-infer/cellar to 127.0.0.1:9",
        ),
        (("--web", "127.0.0.1:{port}"), "127.0.0.1:{port}"),
    ],
    ids=["file", "textfile", "name", "port"],
)
def test_a_second_run_that_would_write_or_serve_the_same_says_so_and_ends(
    make_network: MakeNetwork, tmp_path: Path, pi_infer: Run, flags: tuple[str, ...], words: str
) -> None:
    if "--mqtt" in flags:
        pytest.importorskip("paho.mqtt")
    port = free_port()
    arguments = ("--source", "demo", "--model", make_network(), *(flag.format(port=port) for flag in flags))
    with running(*arguments, cwd=tmp_path) as first:
        line_of(first, "frame 1[0-9]: ")
        written = (tmp_path / "out.jsonl").stat().st_size if "--jsonl" in flags else 0
        for command, code in (((), 2), (("service",), 1)):
            done = pi_infer(*command, *arguments)
            error = done.stderr.splitlines()[-1]
            assert done.returncode == code
            assert error.startswith("pi-infer: error: ")
            assert words.format(port=port) in error
        assert first.poll() is None
        assert not written or (tmp_path / "out.jsonl").stat().st_size > written
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert pi_infer(*arguments, "--frames", 1).returncode == 0  # nothing is left behind, however it ended


def test_runs_under_other_names_go_beside_each_other(
    make_network: MakeNetwork, tmp_path: Path, pi_infer: Run
) -> None:
    pytest.importorskip("paho.mqtt")
    model = make_network()

    def flags(number: int) -> tuple[object, ...]:
        return (
            "--source", "demo", "--model", model, "--jsonl", f"{number}.jsonl",
            "--web", f"127.0.0.1:{free_port()}", "--mqtt", "127.0.0.1:9", "--mqtt-name", f"n{number}",
            "--prometheus-textfile", f"{number}.prom",
        )  # fmt: skip

    with running(*flags(0), cwd=tmp_path) as first:
        line_of(first, "frame 1[0-9]: ")
        assert pi_infer(*flags(1), "--frames", 2).returncode == 0
