import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.cli import main

MakeNetwork = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

ONE_LINE = "pi-infer: error: "


def assert_one_line(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(ONE_LINE)
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_a_folder_is_shown_frame_by_frame_with_a_summary(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path
) -> None:
    done = pi_infer("--source", pictures, "--model", make_network())
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("circle/1.png: square 70.0 % | p50 ")  # one frame has no rate
    assert re.match(r"square/2\.png: square 70\.0 % \| \d+\.\d fps, p50 ", lines[1])
    assert lines[2].startswith("2 frames, ")
    assert "50.0 % of 2 labelled frames right" in lines[2]
    assert lines[2].endswith("1 unreadable skipped")
    assert done.stderr.startswith("pi-infer: warning: skipped: ")
    assert "broken.png" in done.stderr


def test_a_single_frame_has_no_rate(pi_infer: Run, make_network: MakeNetwork, pictures: Path) -> None:
    done = pi_infer("--source", pictures / "circle" / "1.png", "--model", make_network())
    assert done.stdout.splitlines()[-1].startswith("1 frame, latency p50 ")
    assert "fps" not in done.stdout


def test_json_lines_to_standard_output_leave_the_words_to_standard_error(
    pi_infer: Run, make_network: MakeNetwork, video: Path
) -> None:
    done = pi_infer(
        "--source", video, "--every-frame", "--model", make_network(), "--frames", 4, "--jsonl", "-"
    )
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert [frame["frame"] for frame in frames] == [0, 1, 2, 3]
    assert frames[0]["labels"][0] == {"label": "square", "class": 1, "score": 0.7}
    assert "4 frames, " in done.stderr


def test_a_run_gives_only_the_classes_and_scores_asked_for(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path
) -> None:
    model = make_network()
    for asked, labels in {
        ("--classes", "circle,2"): ["Dreieck ä", "circle"],
        ("--score", "0.5"): ["square"],
        ("--classes", "circle", "--score", "0.5"): [],
    }.items():
        done = pi_infer("--source", pictures, "--model", model, "--frames", 1, "--jsonl", "-", *asked)
        (frame,) = map(json.loads, done.stdout.splitlines())
        assert ([label["label"] for label in frame["labels"]], frame["valid"]) == (labels, True)
    assert "nothing found" in done.stderr


def test_a_class_that_does_not_exist_is_one_line(pi_infer: Run, make_network: MakeNetwork) -> None:
    for command in ((), ("service",)):
        done = pi_infer(*command, "--source", "demo", "--model", make_network(), "--classes", "circel")
        assert_one_line(done, 2, "no class 'circel'", "did you mean 'circle'?")
    raw = pi_infer("--source", "demo", "--model", make_network(card={"task": "raw"}), "--score", 0.5)
    assert_one_line(raw, 2, "task is 'raw'")


def test_the_demo_runs_on_any_network_and_says_nothing_about_its_accuracy(
    pi_infer: Run, make_network: MakeNetwork
) -> None:
    done = pi_infer("--source", "demo", "--model", make_network(), "--frames", 3)
    assert done.returncode == 0
    assert "3 frames, " in done.stdout
    assert "labelled" not in done.stdout


def test_nan_outputs_are_said(pi_infer: Run, make_network: MakeNetwork, pictures: Path) -> None:
    done = pi_infer("--source", pictures, "--model", make_network((0.1, float("nan"), 0.1)))
    assert done.returncode == 0
    assert "INVALID" in done.stdout
    assert "2 frames with NaN or infinite outputs" in done.stdout


def test_a_terminal_without_unicode_gets_escapes(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path
) -> None:
    model = make_network((0.1, 0.1, 0.8))
    done = pi_infer("--source", pictures, "--model", model, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"Dreieck \xe4 80.0 %" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--camera", "--source")),
        (("--source", "demo", "--camera"), ("not allowed with",)),
        (("--source", "demo", "--frames", "0"), ("--frames", "'0'")),
        (("--source", "demo", "--threads", "x"), ("--threads", "'x'")),
        (("--source", "demo", "--nonsense"), ("--nonsense",)),
        (("nonsense",), ("nonsense",)),
        (("service",), ("--camera", "--source")),
    ],
)
def test_bad_usage_is_one_line(pi_infer: Run, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(pi_infer(*arguments), 2, *words)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--modle", "x"), "unknown option --modle; did you mean --model? (see pi-infer --help)"),
        (("--modle=x", "config"), "unknown option --modle; did you mean --model? (see pi-infer --help)"),
        (("bench", "--rouds"), "unknown option --rouds; did you mean --rounds? (see pi-infer bench --help)"),
        (("--card", "x"), "unknown option --card; did you mean --input? (see pi-infer --help)"),
        (("--xyzzy", "x"), "unknown option --xyzzy (see pi-infer --help)"),
        (("-m", "x"), "unknown option -m (see pi-infer --help)"),
    ],
)  # fmt: skip
def test_an_unknown_option_is_named_with_the_nearest_one(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(list(arguments))
    assert ending.value.code == 2
    assert capsys.readouterr().err == f"{ONE_LINE}{says}\n"


def test_a_value_may_look_like_an_option_or_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mqtt-user=--modle", "--mqtt", "bench", "--gain=-modle", "config", "--threads=-1"]) == 2
    assert "--gain must be" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "truncated", "text"])
def test_a_bad_network_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path, kind: str
) -> None:
    good = make_network()
    bad = tmp_path / "bad.onnx"
    content = {"empty": b"", "truncated": good.read_bytes()[:-40], "text": b"hello, world\n" * 9}
    if kind == "folder":
        bad.mkdir()
    elif kind in content:
        bad.write_bytes(content[kind])
    assert_one_line(pi_infer("--source", "demo", "--model", bad), 2, str(bad))


def test_a_network_without_a_card_names_the_remedy(pi_infer: Run, make_network: MakeNetwork) -> None:
    model = make_network()
    model.with_suffix(".json").unlink()
    assert_one_line(pi_infer("--source", "demo", "--model", model), 2, "pi-export card", "--input")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"input": {"size": [1, 2], "x": 3}}', '{"input": {"size": 7}}']
)
def test_a_bad_card_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path, content: str
) -> None:
    card = tmp_path / "card.json"
    card.write_text(content)
    done = pi_infer("--source", "demo", "--model", make_network(), "--input", card)
    assert_one_line(done, 2, str(card))


@pytest.mark.parametrize("kind", ["missing", "empty folder", "empty.mp4", "junk.mp4", "junk.png"])
def test_a_bad_source_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path, kind: str
) -> None:
    source = tmp_path / kind
    if kind == "empty folder":
        source.mkdir()
    elif kind != "missing":
        source.write_bytes(b"" if kind == "empty.mp4" else b"junk" * 100)
    done = pi_infer("--source", source, "--model", make_network())
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2
    assert last.startswith(ONE_LINE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["/dev/full", "/missing/out.jsonl", "/"])
def test_json_lines_that_cannot_be_written_are_one_line(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path, target: str
) -> None:
    done = pi_infer("--source", pictures / "circle", "--model", make_network(), "--jsonl", target)
    assert_one_line(done, 2, f"cannot write {target}: ")


def test_a_full_standard_output_is_one_line(pi_infer: Run, make_network: MakeNetwork, pictures: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = pi_infer(
            "--source", pictures / "circle", "--model", make_network(),
            stdout=full, stderr=subprocess.PIPE, capture_output=False,
        )  # fmt: skip
    assert_one_line(done, 2, "standard output")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_standard_streams_lead_nowhere(
    make_network: MakeNetwork, pictures: Path, tmp_path: Path, closed: str
) -> None:
    command = f'"{sys.executable}" -m edge_runtime.cli --source "$1" --model "$0" --jsonl out.jsonl'
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}", str(make_network()), str(pictures)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("skipped: " in done.stdout, "skipped: " in done.stderr) == (False, "2>" not in closed)
    frames = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [frame["frame"] for frame in frames] == [0, 1]


def test_a_full_standard_error_keeps_the_exit_code(pi_infer: Run) -> None:
    with Path("/dev/full").open("w") as full:
        done = pi_infer("--source", "/missing", stderr=full, stdout=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2


def test_names_from_files_do_not_drive_the_terminal(
    pi_infer: Run, make_network: MakeNetwork, pictures: Path
) -> None:
    names = ["\x1b[31mred\nSTOPPING=1", "b\x07\u202e", "c"]
    model = make_network((0.7, 0.2, 0.1), card={"task": "classify", "labels": names})
    (pictures / "circle" / "1.png").rename(pictures / "circle" / "\x1b[31m\n1.png")
    (pictures / "square" / "broken.png").rename(pictures / "square" / "\x1b[31m\nbroken.png")
    done = pi_infer("--source", pictures, "--model", model)
    assert done.returncode == 0
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
    assert done.stdout.splitlines()[0].startswith("circle/ [31m 1.png: [31mred STOPPING=1 70.0 % | ")
    assert len(done.stdout.splitlines()) == 3
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", ["0", "257", "9999999", "x"])
def test_bench_takes_as_many_threads_as_the_settings(capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["bench", "m.onnx", "--threads", number])
    assert ending.value.code == 2
    assert (
        f"argument --threads: must be a whole number from 1 to 256, not {number!r}" in capsys.readouterr().err
    )


def test_a_reader_that_goes_away_ends_the_run_silently(make_network: MakeNetwork, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_runtime.cli", "--source", "demo", "--model", str(make_network())]
    with subprocess.Popen(
        [*command, "--jsonl", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141
        assert b"rror" not in process.stderr.read()


def test_without_picamera2_the_camera_says_how_to_get_it(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path
) -> None:
    (tmp_path / "picamera2.py").write_text("raise ModuleNotFoundError(\"No module named 'picamera2'\")\n")
    done = pi_infer("--camera", "--model", make_network(), env={"PYTHONPATH": str(tmp_path)})
    assert_one_line(done, 4, "picamera2", "sudo apt install", "--system-site-packages")


def test_a_picamera2_of_another_numpy_abi_is_one_line(
    pi_infer: Run, make_network: MakeNetwork, tmp_path: Path
) -> None:
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed')\n")
    done = pi_infer("--camera", "--model", make_network(), env={"PYTHONPATH": str(tmp_path)})
    assert_one_line(done, 4, "numpy.dtype size changed", "pi-infer doctor")


def test_control_c_shows_the_summary_and_ends_with_130(make_network: MakeNetwork, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_runtime.cli", "--source", "demo", "--model", str(make_network())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert " dropped, memory " in out.splitlines()[-1]
    assert err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_taken_for_control_c(
    make_network: MakeNetwork, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "edge_runtime.cli", "--source", "demo", "--model", str(make_network())]
    with subprocess.Popen(
        [*command, "--prometheus-textfile", "x.prom"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert " dropped, memory " in out.splitlines()[-1]
    assert not (tmp_path / "x.prom").exists()


def test_what_nohup_ignores_stays_ignored(make_network: MakeNetwork, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_runtime.cli", "--source", "demo", "--model", str(make_network())]
    with subprocess.Popen(
        ["nohup", *command, "--frames", "40"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        stderr=subprocess.DEVNULL, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.splitlines()[-1].startswith("40 frames, ")


def test_debug_shows_the_traceback(pi_infer: Run) -> None:
    done = pi_infer("--debug", "--source", "/missing", "--model", "/missing")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "InputError" in done.stderr


def test_help_and_usage_load_neither_numpy_nor_onnxruntime() -> None:
    code = "import sys, edge_runtime.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('numpy' in sys.modules, 'onnxruntime' in sys.modules, 'cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False False"


@pytest.mark.parametrize("command", ["live", "service"])
def test_a_run_loads_nothing_of_the_workstation(
    make_network: MakeNetwork, video: Path, tmp_path: Path, command: str
) -> None:
    arguments = ["--source", str(video), "--model", str(make_network())]
    code = (
        "import json, sys; from edge_runtime.cli import main; assert main(sys.argv[2:]) == 0; "
        "open(sys.argv[1], 'w').write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    modules = tmp_path / "modules.json"
    before = ["service"] if command == "service" else []
    subprocess.run(
        [sys.executable, "-c", code, str(modules), *before, *arguments],
        check=True, capture_output=True, env={**os.environ, "NOTIFY_SOCKET": ""},
    )  # fmt: skip
    loaded = set(json.loads(modules.read_text()))
    assert {"numpy", "onnxruntime", "cv2"} <= loaded
    assert not loaded & {"onnx", "export", "torch", "matplotlib", "scipy", "rich", "paho", "socketserver"}
