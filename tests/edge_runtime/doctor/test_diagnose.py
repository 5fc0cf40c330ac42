import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.doctor import diagnose
from edge_runtime.doctor.checks.base import Finding, Verdict
from edge_runtime.doctor.checks.children import Answer, Outcome
from edge_runtime.doctor.checks.machine import Machine
from edge_runtime.machine.board import read_board
from tests.edge_runtime.doctor import (
    test_checks_camera,
    test_checks_network,
    test_checks_software,
    test_checks_system,
)
from tests.edge_runtime.doctor.machines import NETWORK_FACTS, build

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def verdicts(found: dict[str, Finding], *wanted: Verdict) -> dict[str, str]:
    return {name: finding.detail for name, finding in found.items() if finding.verdict in wanted}


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("board", ["pi4", "pi5", "zero2w"])
def test_a_healthy_pi_has_nothing_to_complain_of(tmp_path: Path, board: str, release: str) -> None:
    found = diagnose.examine(build(tmp_path, board, release).machine())
    assert verdicts(found, Verdict.WARNING, Verdict.PROBLEM, Verdict.NOT_APPLICABLE) == {}
    assert found["camera"].detail == "imx708 on the camera connector"


def test_a_healthy_pc_is_spared_what_only_a_pi_has(tmp_path: Path) -> None:
    found = diagnose.examine(build(tmp_path, "pc", "trixie").machine())
    assert verdicts(found, Verdict.WARNING, Verdict.PROBLEM) == {}
    assert set(verdicts(found, Verdict.NOT_APPLICABLE)) == {
        "environment",
        "picamera2",
        "libcamera",
        "camera",
        "camera-free",
        "camera-scaler",
        "camera-memory",
        "sd-card",
    }


def test_a_file_that_may_not_be_read_or_would_block_counts_as_absent(tmp_path: Path) -> None:
    fake = build(tmp_path, "pi4")
    fake.remove("proc/meminfo").remove("proc/swaps")
    os.mkfifo(tmp_path / "proc/meminfo")
    (tmp_path / "proc/swaps").mkdir()
    found = diagnose.examine(fake.machine())
    assert found["camera-memory"].verdict is Verdict.NOT_APPLICABLE
    assert found["sd-card"].verdict is Verdict.OK


FILES = (
    "proc/meminfo",
    "proc/mounts",
    "proc/swaps",
    "proc/locks",
    "proc/cmdline",
    "proc/device-tree/model",
    "proc/cpuinfo",
    "sys/devices/system/cpu/online",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/fs/cgroup/cgroup.controllers",
    "sys/class/video4linux/video0/name",
    "sys/class/video4linux/v4l-subdev0/name",
    "boot/firmware/config.txt",
    "opt/pi-infer/venv/pyvenv.cfg",
    "etc/os-release",
    "etc/systemd/system/pi-infer.service",
    "var/lib/dpkg/status",
)
FRAGMENTS = st.sampled_from(
    [
        b"MemTotal: ",
        b"CmaTotal: 65536 kB\nCmaFree: ",
        b" kB\n",
        b"9" * 30,
        b"-1",
        b"0x",
        b"throttled=0x",
        b"\0",
        b"/dev/mmcblk0p2 / ext4 ",
        b" ro,",
        b"/var/swap file 1 ",
        b"1: POSIX  ADVISORY  WRITE ",
        b"00:05:3 0 EOF",
        b"Raspberry Pi 4",
        b"memory",
        b"unicam",
        b"imx219 10-001",
        b"\nStatus: install ok installed\n",
        b"Package: python3-libcamera\n",
        b"Version: ",
        b"[Service]\nWatchdogSec=",
        b"Restart=",
        b"0-",
        b",",
        b"\n\n",
        b"include-system-site-packages = ",
        b"version = 3.",
        b"PRETTY_NAME=",
        b"model name : ",
        b"\xff\xfe",
        b" ",
    ]
)
CONTENTS = st.one_of(st.binary(max_size=60), st.lists(FRAGMENTS, max_size=8).map(b"".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NETWORK_LINES = st.dictionaries(st.sampled_from([*NETWORK_FACTS, "refused"]), JSON).map(json.dumps)
ANSWERS = st.dictionaries(
    st.sampled_from(list(diagnose.questions("python3", "vcgencmd"))),
    st.builds(
        Answer,
        outcome=st.sampled_from(Outcome),
        output=st.text(max_size=60) | NETWORK_LINES | st.from_regex(r"throttled=0x[0-9a-f]{0,12}\n"),
        errors=st.text(max_size=60),
        signal=st.text(max_size=8),
    ),
)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine: Machine = build(tmp_path_factory.mktemp("healthy"), "pi4").machine()
    return machine


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_garbage_breaks_a_check(healthy: Machine, data: st.DataObject) -> None:
    chosen = data.draw(st.dictionaries(st.sampled_from(FILES), CONTENTS, min_size=1, max_size=4))
    before = {name: (healthy.root / name).read_bytes() for name in chosen if (healthy.root / name).exists()}
    try:
        for name, content in chosen.items():
            (healthy.root / name).parent.mkdir(parents=True, exist_ok=True)
            (healthy.root / name).write_bytes(content)
        answers = data.draw(ANSWERS)
        found = diagnose.examine(replace(healthy, answers=answers))
        text = diagnose.to_text(diagnose.Diagnosis(read_board(healthy.root), found, 0.1))
    finally:
        for name in chosen:
            (healthy.root / name).unlink()
        for name, content in before.items():
            (healthy.root / name).write_bytes(content)
    assert "failed itself" not in text
    assert all(f"{finding.detail}{finding.remedy}".isprintable() for finding in found.values())
    assert all(bool(f.remedy) == (f.verdict in (Verdict.WARNING, Verdict.PROBLEM)) for f in found.values())


def test_every_check_is_seen_to_find_its_pain() -> None:
    areas = (test_checks_camera, test_checks_network, test_checks_software, test_checks_system)
    complaining = {p.check for area in areas for p in area.PAINS if p.verdict in ("warning", "problem")}
    assert complaining | {"camera-free"} == {check.name for check in diagnose.CHECKS}


def test_an_empty_folder_is_a_machine_too(tmp_path: Path) -> None:
    found = diagnose.examine(Machine(root=tmp_path, prefix=tmp_path, home=tmp_path))
    assert verdicts(found, Verdict.PROBLEM, Verdict.WARNING) == {}


def test_a_check_that_fails_itself_is_a_problem_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_machine: Machine) -> Finding:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(diagnose, "CHECKS", (diagnose.Check("broken", broken),))
    finding = diagnose.examine(Machine(root=tmp_path))["broken"]
    assert finding.verdict is Verdict.PROBLEM
    assert "two" in finding.detail


def test_the_text_is_aligned_with_remedies_beneath_and_colours_only_when_asked(tmp_path: Path) -> None:
    fake = build(tmp_path).set(pointer_bits=32)
    found = diagnose.examine(fake.machine())
    diagnosis = diagnose.Diagnosis(read_board(tmp_path), found, 1.0)
    lines = diagnose.to_text(diagnosis).splitlines()
    assert lines[0].startswith("Raspberry Pi 5 Model B Rev 1.0, ")
    assert lines[2].split() == ["problem", "64-bit", "the", "system", "is", "32-bit,", *lines[2].split()[6:]]
    assert lines[3].lstrip().startswith("-> write the 64-bit")
    assert lines[2].index("the system is") == lines[3].index("-> ") == lines[4].index("onnxruntime 1.32.0")
    assert lines[-1] == "1 problem, 0 warnings, 23 ok (1.0 s)"
    assert "\033[" not in "".join(lines)
    assert "\033[1;31mproblem" in diagnose.to_text(diagnosis, colour=True)


def test_the_doctor_loads_nothing_that_could_crash_it() -> None:
    heavy = "{'numpy', 'cv2', 'onnxruntime'}"
    code = f"import sys, edge_runtime.doctor.diagnose, edge_runtime.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def broken_package(folder: Path, name: str, code: str) -> dict[str, str]:
    (folder / f"{name}.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


def test_a_real_crash_of_onnxruntime_is_reported(pi_infer: Run, tmp_path: Path) -> None:
    environment = broken_package(
        tmp_path, "onnxruntime", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    )
    done = pi_infer("doctor", "--json", "out.json", env=environment)
    report = json.loads((tmp_path / "out.json").read_text())
    checks = {check["name"]: check for check in report["checks"]}
    assert done.returncode == 1
    assert done.stderr == ""
    assert "killed by SIGILL" in checks["onnxruntime"]["detail"]
    assert "killed by SIGILL" in checks["network"]["detail"]
    assert checks["opencv"]["verdict"] == "ok"
    assert list(report) == ["machine", "checks", "problems", "warnings", "seconds"]
    assert report["problems"] == sum(check["verdict"] == "problem" for check in report["checks"])


def test_a_real_hang_costs_only_the_time_limit(pi_infer: Run, tmp_path: Path) -> None:
    environment = broken_package(tmp_path, "numpy", "import time; time.sleep(600)")
    done = pi_infer("doctor", env=environment)
    assert "importing OpenCV takes too long" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_real_network_is_tried(pi_infer: Run, make_network: Callable[..., Path]) -> None:
    model = make_network()
    report = json.loads(pi_infer("doctor", "--json", "-", "--model", model).stdout)
    found = {check["name"]: check["verdict"] for check in report["checks"]}
    assert [
        found[name] for name in ("network", "static-shapes", "idle-threads", "row-padding", "colour-order")
    ] == ["ok"] * 5
    assert found["golden-output"] == "warning"
    assert found["frame-age"] in ("ok", "warning")


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_bad_network_is_a_problem(pi_infer: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    done = pi_infer("doctor", "--model", "bad.onnx")
    assert done.returncode == 1
    assert "bad.onnx is " in done.stdout
    assert done.stderr == ""


def test_a_report_that_cannot_be_written_is_one_line(
    pi_infer: Run,
) -> None:
    done = pi_infer("doctor", "--json", "/missing/report.json")
    assert done.returncode == 2
    assert done.stderr.startswith("pi-infer: error: cannot write /missing/report.json")
    assert done.stderr.count("\n") == 1
