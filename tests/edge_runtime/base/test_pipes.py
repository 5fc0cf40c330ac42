"""Pipes and devices where a file is expected: opening one may wait for ever, and reading it may never end."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text, require_no_pipe
from edge_runtime.cli import main
from edge_runtime.outputs.jsonl import JsonLines
from tests.edge_runtime.finished_frames import finished

MakeNetwork = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

LIVE = ("--source", "demo", "--model", "tiny.onnx")
BENCH = ("bench", "--seconds", "0.01", "--rounds", "1")


@pytest.fixture
def pipe(tmp_path: Path, make_network: MakeNetwork) -> Path:
    """A pipe without another end, beside a network."""
    make_network()
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "tiny.onnx", "--source"), ("--source", "demo", "--model"), (*LIVE, "--input"),
        (*LIVE, "--web", "--web-token-file"), (*LIVE, "--web", "--web-bench"), (*LIVE, "--config"),
        (*LIVE, "--mqtt", "x", "--mqtt-user", "u", "--mqtt-password-file"),
        (*LIVE, "--mqtt", "x", "--mqtt-ca-file"),
        BENCH, (*BENCH, "tiny.onnx", "--baseline"), (*BENCH, "tiny.onnx", "--input"),
        (*BENCH, "tiny.onnx", "--source"),
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-1:]),
)  # fmt: skip
def test_a_pipe_is_refused_at_once(pi_infer: Run, pipe: Path, arguments: tuple[str, ...]) -> None:
    if "--mqtt" in arguments:
        pytest.importorskip("paho.mqtt")
    done = pi_infer(*arguments, pipe)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last.startswith("pi-infer: error: ")) == (2, True), done.stderr
    assert "is not a file" in last


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="is not a file"):
        require_no_pipe(Path(device))
    with pytest.raises(InputError, match=r"cannot read the card /dev/.*: it is not a file"):
        read_text(Path(device), "the card")


def test_a_pipe_that_nobody_reads_takes_no_json_lines(pipe: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*pipe: nobody reads this pipe"):
        JsonLines(str(pipe))


def test_a_pipe_that_somebody_reads_does(pipe: Path) -> None:
    with subprocess.Popen(["head", "-n", "300", pipe], stdout=subprocess.PIPE) as reader:
        while True:
            try:
                output = JsonLines(str(pipe))
            except InputError:
                continue  # it has not opened its end yet
            break
        for number in range(300):  # more than fits into the pipe: it waits for the reader
            output.publish(finished(number))
        output.close()
        assert reader.stdout is not None
        assert len(reader.stdout.read().splitlines()) == 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff", "not a text in UTF-8"), (b"x" * 11, "too large"), (None, "no such file")],
)
def test_a_text_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"cannot read the card .*text: .*{reason}"):
        read_text(path, "the card", largest_bytes=10)


def test_a_text_may_begin_with_a_mark_and_be_as_large_as_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbf" + b"x" * 7)
    assert read_text(tmp_path / "text", "the card", largest_bytes=10) == "x" * 7


@pytest.mark.parametrize("option", ["--model", "--source", "--input"])
def test_a_name_that_is_too_long_is_one_line(
    capsys: pytest.CaptureFixture[str], pipe: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(pipe.parent)
    given = {"--model": "tiny.onnx", "--source": "demo"} | {option: "x" * 300}
    assert main([text for pair in given.items() for text in pair]) == 2
    assert "File name too long" in capsys.readouterr().err


def test_certificates_that_are_none_are_refused(pi_infer: Run, pipe: Path) -> None:
    pytest.importorskip("paho.mqtt")
    done = pi_infer(*LIVE, "--mqtt", "x", "--mqtt-ca-file", pipe.with_name("tiny.json"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "tiny.json holds no certificates in PEM format" in done.stderr
