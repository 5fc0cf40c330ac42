"""Flags that would do nothing end the command in one line; in a file they may stand."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_runtime.cli import main
from edge_runtime.settings.config import SETTINGS

if TYPE_CHECKING:
    import subprocess

MakeNetwork = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

DEMO = ("--source", "demo")
CAMERA_ONLY = [
    ("--camera-size", "640x480"), ("--camera-format", "YUV420"), ("--framerate", "10"), ("--rotation", "180"),
    ("--hflip",), ("--vflip",), ("--autofocus", "off"), ("--exposure-us", "10"), ("--gain", "2"),
]  # fmt: skip


@pytest.mark.parametrize("command", [(), ("service",)])
@pytest.mark.parametrize(
    ("flags", "lacks"),
    [
        *(((*DEMO, *flags), "--camera") for flags in CAMERA_ONLY),
        ((*DEMO, "--every-frame"), "a video as --source"),
        (("--camera", "--no-every-frame"), "a video as --source"),
        (("--source", "/", "--every-frame"), "a video as --source"),
        ((*DEMO, "--reconnects", "3"), "a stream or a USB camera as --source"),
        (("--source", "film.mp4", "--reconnects", "3"), "a stream or a USB camera as --source"),
        ((*DEMO, "--jsonl-rotate-mib", "3"), "a file as --jsonl"),
        ((*DEMO, "--jsonl", "-", "--jsonl-rotate-mib", "3"), "a file as --jsonl"),
        ((*DEMO, "--jsonl", "-", "--jsonl-keep", "3"), "a file as --jsonl"),
        ((*DEMO, "--web-fps", "5"), "--web"),
        ((*DEMO, "--web-token-file", "t"), "--web"),
        ((*DEMO, "--web-bench", "b.json"), "--web"),
        ((*DEMO, "--mqtt-qos", "1"), "--mqtt"),
        ((*DEMO, "--no-mqtt-home-assistant"), "--mqtt"),
        ((*DEMO, "--mqtt", "broker", "--mqtt-password-file", "p"), "--mqtt-user"),
        ((*DEMO, "--prometheus-seconds", "5"), "--prometheus-textfile"),
    ],
)
def test_a_flag_without_what_it_needs_is_one_line(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], flags: tuple[str, ...], lacks: str
) -> None:
    assert main([*command, *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("pi-infer: error: --")
    assert err.endswith(f" does nothing without {lacks}\n")
    assert err.count("\n") == 1


def test_every_setting_of_a_section_needs_what_opens_it() -> None:
    tried = {flags[0] for flags in CAMERA_ONLY}
    assert tried == {setting.option.flag for setting in SETTINGS["picamera"].values()}


def test_only_the_service_rotates_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    flags = (*DEMO, "--model", "missing.onnx", "--jsonl", "x.jsonl", "--jsonl-keep", "3")
    assert main([*flags]) == 2
    assert "--jsonl-keep does nothing without --jsonl-rotate-mib" in capsys.readouterr().err
    assert main(["service", *flags]) == 2
    assert "missing.onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--frames", "3", "service"), ("--threads", "2", "bench", "m.onnx"), ("--jsonl", "-", "doctor"),
        ("--config", "missing.toml", "doctor"),
    ],
)  # fmt: skip
def test_a_flag_of_another_command_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main([*arguments]) == 2
    assert capsys.readouterr().err == f"pi-infer: error: {arguments[0]} does nothing in this command\n"


@pytest.mark.parametrize("flag", ["--ssh-config", "--remote-command"])
def test_bench_wants_a_host_for_what_is_meant_for_it(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["bench", "m.onnx", flag, "x"]) == 2
    assert "do nothing without --host" in capsys.readouterr().err


def test_in_a_file_they_may_stand_and_a_flag_may_find_there_what_it_needs(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path
) -> None:
    (tmp_path / "shared.toml").write_text(
        "[picamera]\nframerate = 10\n[web]\nfps = 5\n[mqtt]\nqos = 1\n[source]\nlocation = 'demo'\n"
        "[jsonl]\npath = 'out.jsonl'\nkeep = 2\n"
    )
    done = pi_infer(
        "--config", "shared.toml", "--jsonl-rotate-mib", 1, "--frames", 1, "--model", make_network()
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.jsonl").exists()


def test_config_takes_them_for_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--show", "--web-fps", "5"]) == 0
    assert "\nfps = 5 " in capsys.readouterr().out
