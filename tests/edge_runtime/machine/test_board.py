"""Facts of machines, from fabricated /proc and /sys."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.machine.board import (
    Condition,
    ProcessorTimes,
    read_board,
    read_condition,
    read_processor_times,
    throttling,
)

PI_4 = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd08\nRevision\t: c03114\n",
    "proc/meminfo": "MemTotal:        3884356 kB\nMemFree:          100000 kB\n",
    "proc/sys/kernel/osrelease": "6.6.31+rpt-rpi-v8\n",
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/stat": "cpu  1000 20 300 90000 10 7 5 50 99 3\ncpu0 1 2 3 4 5 6 7 8 9 10\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian"\n',
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
    "sys/class/thermal/thermal_zone1/temp": "51000\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
}


@pytest.fixture
def pi_4(tmp_path: Path) -> Path:
    for name, text in PI_4.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def vcgencmd(folder: Path, script: str) -> str:
    program = folder / "vcgencmd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_a_pi_is_recognised(pi_4: Path) -> None:
    board = read_board(pi_4)
    assert board.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert board.cpu == "Cortex-A72"
    assert board.cores == 4
    assert board.arch == "aarch64"
    assert board.os == "Debian GNU/Linux 12 (bookworm)"
    assert board.kernel == "6.6.31+rpt-rpi-v8"
    assert board.memory_mib == pytest.approx(3793.3, abs=0.1)
    assert "memory" not in board.cgroup_controllers
    assert "cpu" in board.cgroup_controllers


def test_its_condition_is_read(pi_4: Path, tmp_path: Path) -> None:
    program = vcgencmd(tmp_path, 'test "$1" = get_throttled && echo throttled=0x50005')
    assert read_condition(pi_4, program) == Condition(
        temperature_c=51.0, governor="ondemand", frequency_mhz=1500.0, throttled_bits=0x50005
    )


def test_a_machine_that_says_nothing_is_unknown_but_no_error(tmp_path: Path) -> None:
    board = read_board(tmp_path)
    assert (board.model, board.cpu, board.os, board.kernel) == ("unknown",) * 4
    assert board.cores >= 1
    assert board.memory_mib == 0
    assert read_condition(tmp_path, str(tmp_path / "absent")) == Condition(None, None, None, None)
    assert read_processor_times(tmp_path) is None


def test_the_mainboard_names_a_machine_without_device_tree(tmp_path: Path) -> None:
    dmi = tmp_path / "sys/class/dmi/id"
    dmi.mkdir(parents=True)
    (dmi / "sys_vendor").write_text("LENOVO\n")
    (dmi / "product_name").write_text("20XW\n")
    assert read_board(tmp_path).model == "LENOVO 20XW"


@pytest.mark.parametrize(("online", "cores"), [("0\n", 1), ("0-3\n", 4), ("0-1,4,6-7\n", 5)])
def test_processors_that_are_off_do_not_count(tmp_path: Path, online: str, cores: int) -> None:
    (tmp_path / "sys/devices/system/cpu").mkdir(parents=True)
    (tmp_path / "sys/devices/system/cpu/online").write_text(online)
    assert read_board(tmp_path).cores == cores


@pytest.mark.parametrize(
    "script", ["exit 1", "echo VCHI initialization failed", "echo throttled=", "kill -9 $$"]
)
def test_a_firmware_tool_that_refuses_says_nothing(tmp_path: Path, script: str) -> None:
    assert read_condition(tmp_path, vcgencmd(tmp_path, script)).throttled_bits is None


def test_processor_times_count_neither_idle_nor_waiting(pi_4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda _name: 100)
    assert read_processor_times(pi_4) == ProcessorTimes(busy_s=13.82, steal_s=0.5)


@settings(max_examples=30)
@given(st.binary(max_size=80))
def test_no_content_of_a_system_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name in PI_4:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert read_board(root).cores >= 1
    read_condition(root, "/absent")
    read_processor_times(root)


def test_throttling_in_words() -> None:
    assert throttling(0) == ()
    assert throttling(0x50005) == (
        "under-voltage",
        "throttled",
        "under-voltage since boot",
        "throttled since boot",
    )
