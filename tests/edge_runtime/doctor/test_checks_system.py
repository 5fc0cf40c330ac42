from pathlib import Path

import pytest

from edge_runtime.doctor import diagnose
from edge_runtime.doctor.checks.base import Verdict
from tests.edge_runtime.doctor.machines import UNIT, Change, Pain, both, build, put, remove, runs, unit

CGROUPS = "sys/fs/cgroup/cgroup.controllers"
HOT = both(lambda m: m.scripts.pop("vcgencmd"), put("sys/class/thermal/thermal_zone0/temp", "84500"))
NO_RIGHTS = runs("vcgencmd", "echo 'cannot open /dev/vcio' >&2; exit 255")


def says(bits: str) -> Change:
    return runs("vcgencmd", f"echo throttled={bits}")


def swap(line: str) -> Change:
    return put("proc/swaps", f"Filename Type Size Used Priority\n{line}\n")


def root_on(line: str) -> Change:
    return put("proc/mounts", f"{line} 0 0\n")


PAINS = [
    Pain("no watchdog", unit("WatchdogSec=0"), "watchdog", "problem", "WatchdogSec=30"),
    Pain("no restart", unit("Restart=no"), "watchdog", "problem", "Restart=on-failure"),
    Pain("no service", remove(UNIT), "watchdog", "not applicable", "not installed"),
    Pain("cgroup off", put(CGROUPS, "cpu io"), "memory-cgroup", "warning", "append cgroup_enable=memory"),
    Pain("cgroup v1", remove(CGROUPS), "memory-cgroup", "not applicable"),
    Pain("throttled", says("0x4"), "throttling", "problem", "throttled", "heat sink"),
    Pain("under-voltage", says("0x50005"), "throttling", "problem", "under-voltage", "power supply"),
    Pain("throttled before", says("0xe0000"), "throttling", "warning", "throttled since boot"),
    Pain("not in group video", NO_RIGHTS, "throttling", "warning", "usermod -aG video"),
    Pain("vcgencmd hangs", runs("vcgencmd", "sleep 60"), "throttling", "warning", "no answer (48 °C)"),
    Pain("hot", HOT, "throttling", "warning", "84 °C", "fan"),
    Pain("swap on the card", swap("/var/swap file 524272 9000 -2"), "sd-card", "warning", "zram"),
    Pain("swap partition", swap("/dev/mmcblk0p3 partition 5242 9 -2"), "sd-card", "warning", "zram"),
    Pain("swap unused", swap("/var/swap file 524272 0 -2"), "sd-card", "ok"),
    Pain("zram", swap("/dev/zram0 partition 524272 900 5"), "sd-card", "ok"),
    Pain("read-only", root_on("/dev/mmcblk0p2 / ext4 ro,noatime"), "sd-card", "problem", "replace"),
    Pain("overlay", root_on("overlay / overlay rw"), "sd-card", "ok", "overlay"),
    Pain("SSD", root_on("/dev/sda2 / ext4 rw"), "sd-card", "not applicable"),
    Pain("disk full", lambda m: m.set(free_mib=20.0), "disk-space", "problem", "20 MiB"),
    Pain("disk tight", lambda m: m.set(free_mib=400.0), "disk-space", "warning", "400 MiB"),
    Pain("disk unknown", lambda m: m.set(free_mib=None), "disk-space", "not applicable"),
]


@pytest.mark.parametrize("pain", PAINS, ids=str)
def test_what_is_wrong_with_the_system_is_found(tmp_path: Path, pain: Pain) -> None:
    pain.assert_found(tmp_path)


def test_memory_limits_that_the_service_relies_on_make_a_problem(tmp_path: Path) -> None:
    fake = build(tmp_path).put(CGROUPS, "cpuset cpu\n")
    unit("MemoryMax=400M")(fake)
    fake.put("proc/cmdline", "cgroup_disable=memory console=tty1 cgroup_enable=memory\n")
    finding = diagnose.examine(fake.machine())["memory-cgroup"]
    assert finding.verdict is Verdict.PROBLEM
    assert "kernel ignores" in finding.remedy
