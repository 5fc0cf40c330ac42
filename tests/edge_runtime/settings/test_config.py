import argparse
import os
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings, strategies as st

from edge_runtime.base.errors import InputError
from edge_runtime.settings.config import (
    SETTINGS,
    Config,
    LiveConfig,
    ModelConfig,
    ServiceConfig,
    SourceConfig,
)
from edge_runtime.settings.flags import add_flags, borrow_flag, effective
from edge_runtime.settings.option import Setting
from edge_runtime.settings.output_sections import JsonlConfig, MqttConfig, PrometheusConfig, WebConfig
from edge_runtime.settings.picamera_section import AUTOFOCUS, FORMATS, PicameraConfig
from edge_runtime.settings.toml import read_config, to_toml

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]


def parsed(*arguments: str) -> Config:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return effective(parser.parse_args(arguments))


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "pi-infer.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_an_empty_file_and_no_flags_are_the_defaults(file: Callable[[str], Path]) -> None:
    assert read_config(file("")) == parsed() == Config()


def test_flags_override_the_file_and_the_file_the_defaults(file: Callable[[str], Path]) -> None:
    path = file("[model]\nthreads = 3\n[live]\nframes = 7\n[service]\nlog_seconds = 5\n")
    config = parsed("--config", str(path), "--threads", "2", "--no-every-frame")
    assert config.model.threads == 2
    assert config.live.frames == 7
    assert config.service.log_seconds == 5
    assert config.source == SourceConfig()


def test_a_flag_turns_off_what_the_file_turns_on(file: Callable[[str], Path]) -> None:
    path = file("[source]\nevery_frame = true\n")
    assert read_config(path).source.every_frame is True
    assert parsed("--config", str(path), "--no-every-frame").source.every_frame is False


def test_a_camera_flag_replaces_the_location_of_the_file_and_the_other_way_round(
    file: Callable[[str], Path],
) -> None:
    path = file('[source]\nlocation = "demo"\n')
    assert parsed("--config", str(path), "--camera").source == SourceConfig(camera=0)
    path = file("[source]\ncamera = 1\n")
    assert parsed("--config", str(path), "--source", "demo").source == SourceConfig(location="demo")


def test_file_names_are_meant_from_the_folder_of_the_file(
    file: Callable[[str], Path], tmp_path: Path
) -> None:
    config = read_config(
        file('[model]\npath = "a/m.onnx"\ninput = "/etc/card.json"\n[source]\nlocation = "v.mp4"\n')
    )
    assert config.model == ModelConfig(path=tmp_path / "a/m.onnx", input=Path("/etc/card.json"))
    assert config.source.location == str(tmp_path / "v.mp4")
    assert parsed("--model", "m.onnx").model.path == Path("m.onnx")


@pytest.mark.parametrize("location", ["demo", "rtsp://camera/1", "/dev/video0"])
def test_locations_that_are_no_file_names_stay_as_they_are(
    file: Callable[[str], Path], location: str
) -> None:
    assert read_config(file(f'[source]\nlocation = "{location}"\n')).source.location == location
    assert read_config(file('[jsonl]\npath = "-"\n')).jsonl.path == "-"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[model]\n\ntreads = 3", 3, ("unknown key 'treads' in [model]", "did you mean 'threads'?")),
        ("[model]\nxyzzy = 3", 2, ("unknown key 'xyzzy'", "known are path, input, engine, threads")),
        ("[modle]\nthreads = 3", 1, ("unknown section 'modle'", "did you mean 'model'?")),
        ("[zzz]", 1, ("unknown section 'zzz'", "known are source, ", "jsonl, web, mqtt, prometheus")),
        ("[live]\nthreads = 3", 2, ("threads does not belong in [live]", "[model]")),
        ("# x\nthreads = 3", 2, ("threads must stand below [model]",)),
        ("model = 3", 1, ("model is a section", "[model]")),
        ("[[model]]\nthreads = 1", 1, ("model is a section",)),
        ("[model]\nthreads = '3'", 2, ("threads in [model] must be a whole number from 1 to 256", "'3'")),
        ("[model]\nthreads = 3.0", 2, ("whole number", "3.0")),
        ("[model]\nthreads = true", 2, ("whole number", "not true")),
        ("[model]\nthreads = 0", 2, ("from 1 to 256", "not 0")),
        ("[model]\nthreads = 1_000_000", 2, ("from 1 to 256",)),
        (f"[model]\nthreads = {'9' * 999}", 2, ("so large a number",)),
        ("[model]\nthreads = []", 2, ("whole number", "[]")),
        ("[model]\n'threads' = -1", 2, ("from 1 to 256", "-1")),
        ("model.threads = -1", 1, ("from 1 to 256",)),
        ("model = {threads = -1}", 1, ("from 1 to 256",)),
        ("[source]\n[model]\nthreads = -1", 3, ("from 1 to 256",)),
        ("[live]\nframes = nan", 2, ("whole number", "nan")),
        ("[model]\npath = 3", 2, ("path in [model] must be a text", "not 3")),
        ("[model]\npath = ''", 2, ("not empty",)),
        ('[model]\npath = "a\\nb"', 2, ("printable",)),
        ("[source]\nevery_frame = 1", 2, ("must be true or false", "not 1")),
        ("[source]\nlocation = 'demo'\ncamera = 0", 2, ("camera and location", "exclude each other")),
        ("[source]\ncamera = 1979-05-27", 2, ("whole number",)),
        ("[model]\nthreads.x = 1", 2, ("whole number",)),
        (f"[model]\nthreads = '{'x' * 500}'", 2, ("...",)),
        ("[picamera]\nformat = 'MJPEG'", 2, ("format in [picamera] must be RGB888 or YUV420", "'MJPEG'")),
        ("[picamera]\nautofocus = 'on'", 2, ("must be continuous, once or off, not 'on'",)),
        ("[picamera]\nrotation = 90", 2, ("must be 0 or 180, not 90",)),
        ("[picamera]\nsize = '640'", 2, ("must be WIDTHxHEIGHT",)),
        ("[web]\naddress = '8080'", 2, ("address in [web] must be HOST:PORT", "[::1]:8080", "not '8080'")),
        ("[web]\naddress = 'a b:1'", 2, ("must be HOST:PORT",)),
        ("[web]\naddress = '0.0.0.0:99999'", 2, ("from 1 to 65535",)),
        ("[web]\naddress = '[fe80::1'", 2, ("must be HOST:PORT",)),
        ("[web]\nfps = 0", 2, ("from 1 to 60",)),
        ("[mqtt]\nbroker = 'mqtt://x'", 2, ("must be HOST or HOST:PORT",)),
        ("[mqtt]\ntopic = 'a/#'", 2, ("must be a topic",)),
        ("[mqtt]\ntopic = '/a'", 2, ("must be a topic",)),
        ("[mqtt]\nname = 'living room'", 2, ("letters, digits, - and _",)),
        ("[mqtt]\nqos = 3", 2, ("from 0 to 2",)),
        ("[mqtt]\nseconds = nan", 2, ("a number from 0.05",)),
        ("[mqtt]\nbrocker = 'x'", 2, ("did you mean 'broker'?",)),
        ("[prometheus]\nseconds = 0.5", 2, ("a number from 1",)),
        ("[jsonl]\nrotate_mib = 0", 2, ("from 1 to",)),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_what_would_be_right(
    file: Callable[[str], Path], text: str, line: int, words: tuple[str, ...]
) -> None:
    path = file(text)
    with pytest.raises(InputError) as caught:
        read_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 220
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[model\n", "line 1"),
        (b"[model]\nthreads = \n", "line 2"),
        (b"[model]\n[model]\n", "not valid TOML"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"x = " + b"[" * 5000, ""),
        (b"\0", "not valid TOML"),
        (b"#" * (1 << 20) + b"\n", "too large"),
    ],
)
def test_a_file_that_is_no_toml_is_one_line(
    file: Callable[[bytes], Path], content: bytes, words: str
) -> None:
    with pytest.raises(InputError, match=r"pi-infer\.toml") as caught:
        read_config(file(content))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_are_read(file: Callable[[bytes], Path]) -> None:
    assert read_config(file(b"\xef\xbb\xbf[model]\r\nthreads = 2\r\n")).model.threads == 2


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "under a file"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pi-infer.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "under a file":
        path.write_text("")
        path /= "x"
    with pytest.raises(InputError, match="cannot read the settings"):
        read_config(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--threads", "x"), ("--threads", "whole number", "'x'")),
        (("--threads", "0"), ("--threads", "'0'")),
        (("--threads", "1e3"), ("--threads", "'1e3'")),
        (("--frames", "-3"), ("--frames", "from 1, not '-3'")),
        (("--model", ""), ("--model", "not empty")),
        (("--score", "1.1"), ("--score", "from 0 to 1, not '1.1'")),
        (("--score", "nan"), ("--score",)),
        (("--classes", "cat,,dog"), ("--classes", "names or numbers", "'cat,,dog'")),
        (("--camera", "--source", "demo"), ("--camera", "--source")),
        (("--camera", "64"), ("--camera", "0 to 63")),
        (("--log-seconds", "nan"), ("--log-seconds",)),
        (("--web", "localhost"), ("--web must be HOST:PORT", "'localhost'")),
        (("--mqtt-seconds", "inf"), ("--mqtt-seconds",)),
    ],
)
def test_a_wrong_flag_is_one_line(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parsed(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_only_flags_with_a_value_of_their_own_may_stand_alone(capsys: pytest.CaptureFixture[str]) -> None:
    alone = {
        setting.option.flag
        for section in SETTINGS.values()
        for setting in section.values()
        if setting.option.bare is not None
    }
    assert alone == {"--camera", "--web"}
    assert parsed("--camera", "--web") == Config(SourceConfig(camera=0), web=WebConfig("127.0.0.1:8080"))
    with pytest.raises(SystemExit):
        parsed("--threads")
    assert "--threads: expected one argument" in capsys.readouterr().err


def test_every_field_of_every_section_is_a_setting_with_a_flag_of_its_own() -> None:
    every = [setting for section in SETTINGS.values() for setting in section.values()]
    assert list(SETTINGS) == [declared.name for declared in fields(Config)]
    assert len({setting.option.flag for setting in every}) == len(every)
    for section, known in SETTINGS.items():
        assert list(known) == [declared.name for declared in fields(getattr(Config(), section))]


def test_help_tells_the_default_that_is_in_force() -> None:
    helps = {
        setting.option.flag: setting.help for section in SETTINGS.values() for setting in section.values()
    }
    config = Config()
    assert helps["--web-fps"].endswith(f"at most (default: {config.web.fps})")
    assert helps["--mqtt-qos"] == f"quality of service (default: {config.mqtt.qos})"
    assert helps["--prometheus-seconds"].endswith("(default: 15)")
    assert helps["--mqtt-home-assistant"].endswith("(default: yes)")
    assert helps["--hflip"] == "mirror the picture left to right"
    assert helps["--framerate"] == "frames a second from the camera (default: 30)"
    assert all(text.count("(default: ") <= 1 for text in helps.values())


def borrowed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    borrow_flag(parser, "model", "threads")
    borrow_flag(parser, "model", "input", "for this command")
    assert "--input CARD.json  for this command" in parser.format_help()
    return parser.parse_args(arguments)


def test_a_command_without_settings_may_take_a_flag_as_a_setting_declares_it() -> None:
    assert vars(borrowed()) == {"threads": None, "input": None}
    assert vars(borrowed("--threads", "3", "--input", "c.json")) == {"threads": 3, "input": Path("c.json")}
    for wrong, words in (("0", "from 1 to 256, not '0'"), ("x", "not 'x'")):
        with pytest.raises(argparse.ArgumentError, match=f"--threads: must be a whole number.*{words}"):
            borrowed("--threads", wrong)
    with pytest.raises(argparse.ArgumentError, match="--input: must be a text that is not empty"):
        borrowed("--input", "")


TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
FILES = TEXT.map(lambda text: Path("/") / text)


ADDRESSES = st.sampled_from(["127.0.0.1:8080", "[::1]:80", "pi.local:65535", "0.0.0.0:1"])
OPTIONAL_FILES = st.none() | FILES
OUTPUTS = {
    "jsonl": st.builds(
        JsonlConfig,
        path=st.none() | st.just("-") | FILES.map(str),
        rotate_mib=st.none() | st.integers(1, 1_000_000),
        keep=st.integers(1, 999),
    ),
    "web": st.builds(
        WebConfig,
        address=st.none() | ADDRESSES,
        token_file=OPTIONAL_FILES,
        fps=st.integers(1, 60),
        bench=OPTIONAL_FILES,
    ),
    "mqtt": st.builds(
        MqttConfig,
        broker=st.none() | ADDRESSES | st.just("broker"),
        user=st.none() | TEXT,
        password_file=OPTIONAL_FILES,
        tls=st.booleans(),
        ca_file=OPTIONAL_FILES,
        topic=st.sampled_from(["pi-infer", "home/cellar"]),
        name=st.none() | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        qos=st.integers(0, 2),
        seconds=st.floats(0.05, 86_400),
        home_assistant=st.booleans(),
    ),
    "prometheus": st.builds(PrometheusConfig, textfile=OPTIONAL_FILES, seconds=st.floats(1, 86_400)),
}


SIDES = st.integers(64, 8192)
PICAMERA = st.builds(
    PicameraConfig,
    size=st.none() | st.builds("{}x{}".format, SIDES, SIDES),
    format=st.sampled_from(FORMATS),
    framerate=st.none() | st.floats(0.1, 1000),
    rotation=st.sampled_from([0, 180]),
    hflip=st.booleans(),
    vflip=st.booleans(),
    autofocus=st.none() | st.sampled_from(AUTOFOCUS),
    exposure_us=st.none() | st.integers(1, 600_000_000),
    gain=st.none() | st.floats(1, 64),
)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    place = draw(
        st.just({})
        | st.fixed_dictionaries({"camera": st.integers(0, 63)})
        | st.fixed_dictionaries({"location": FILES.map(str) | st.just("demo")})
    )
    source = draw(
        st.builds(
            partial(SourceConfig, **place), every_frame=st.booleans(), reconnects=st.integers(0, 1_000_000)
        )
    )
    chosen = {
        "score": st.none() | st.floats(0, 1),
        "classes": st.none() | st.lists(TEXT.filter(lambda text: "," not in text), min_size=1).map(",".join),
    }
    threads = st.none() | st.integers(1, 256)
    return Config(
        source=source,
        picamera=draw(PICAMERA),
        model=draw(
            st.builds(ModelConfig, path=st.none() | FILES, input=st.none() | FILES, threads=threads, **chosen)
        ),
        live=draw(st.builds(LiveConfig, frames=st.none() | st.integers(1), plain=st.booleans())),
        service=draw(st.builds(ServiceConfig, log_seconds=st.integers(1, 86_400))),
        **draw(st.fixed_dictionaries(OUTPUTS)),
    )


@settings(deadline=None)
@given(config=configs())
def test_what_is_shown_can_be_read_again(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    path = tmp_path_factory.getbasetemp() / "shown.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert read_config(path) == config


def flags_of(config: Config) -> list[str]:
    def flag(setting: Setting) -> list[str]:
        value = getattr(getattr(config, setting.section), setting.key)
        if isinstance(value, bool):
            return [setting.option.flag] if value else [f"--no-{setting.option.flag[2:]}"]
        return [] if value is None else [f"{setting.option.flag}={value}"]

    return [text for section in SETTINGS.values() for setting in section.values() for text in flag(setting)]


@settings(deadline=None)
@given(config=configs())
def test_every_setting_can_be_given_by_flags_alone(config: Config) -> None:
    assume("--" not in (config.mqtt.name, config.mqtt.user))  # argparse takes this value for a separator
    assert parsed(*flags_of(config)) == config


@settings(deadline=None, max_examples=300)
@given(
    content=st.binary(max_size=80)
    | st.text("[]model.threads='\"=#\n 0x{},source", max_size=80).map(str.encode)
)
def test_no_content_ends_in_anything_but_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_bytes(content)
    try:
        problem = "" if read_config(path) else "nothing"
    except InputError as error:
        problem = str(error)
    assert problem.isprintable()


def test_config_shows_what_is_in_force(pi_infer: Run, file: Callable[[str], Path], tmp_path: Path) -> None:
    path = file('[model]\npath = "m.onnx"\nthreads = 3\n')
    done = pi_infer("config", "--show", "--config", path, "--threads", "2", "--source", "demo")
    assert done.returncode == 0
    assert "\nthreads = 2  # --threads: " in done.stdout
    assert f'\npath = "{tmp_path / "m.onnx"}"' in done.stdout
    assert "\n# camera is not set" in done.stdout
    (tmp_path / "again.toml").write_text(done.stdout)
    again = read_config(tmp_path / "again.toml")
    assert (again.model.threads, again.source.location) == (2, "demo")


def test_config_checks_a_file(pi_infer: Run, file: Callable[[str], Path]) -> None:
    good = pi_infer("config", "--config", file("[live]\nframes = 3\n"))
    assert (good.returncode, good.stdout) == (0, "the settings are valid\n")
    bad = pi_infer("config", "--config", file("[live]\nframe = 3\n"))
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 1
    assert "did you mean 'frames'?" in bad.stderr


@pytest.mark.parametrize(
    "flags", [("--config", "pi-infer.toml", "--frames", 3), ("--frames", 3, "--config", "pi-infer.toml")]
)
def test_live_runs_on_the_settings_of_a_file(
    pi_infer: Run,
    file: Callable[[str], Path],
    make_network: MakeNetwork,
    tmp_path: Path,
    flags: tuple[object, ...],
) -> None:
    model = make_network()
    file(
        f'[source]\nlocation = "demo"\n[model]\npath = "{model}"\n[live]\nframes = 2\n'
        '[jsonl]\npath = "out.jsonl"\n'
    )
    done = pi_infer(*flags)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("arguments", [("service",), ()])
def test_a_bad_settings_file_stops_the_run(
    pi_infer: Run, file: Callable[[str], Path], arguments: tuple[str, ...]
) -> None:
    done = pi_infer(*arguments, "--config", file("[source]\nlocation = 'demo'\nrate = 3\n"))
    assert done.returncode == 2
    assert "pi-infer.toml:3: unknown key 'rate' in [source]" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_config_flag_before_the_command_counts_too(pi_infer: Run, file: Callable[[str], Path]) -> None:
    done = pi_infer("--config", file("[service]\nlog_seconds = 9\n"), "config", "--show")
    assert "\nlog_seconds = 9" in done.stdout
