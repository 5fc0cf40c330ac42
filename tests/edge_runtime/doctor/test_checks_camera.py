import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.doctor import diagnose
from edge_runtime.doctor.checks.base import Finding, Verdict
from tests.edge_runtime.doctor.machines import Pain, both, build, put, remove

VIDEO = "sys/class/video4linux"
CONFIG = "boot/firmware/config.txt"
UNPLUG = remove(f"{VIDEO}/video0/name", f"{VIDEO}/v4l-subdev0/name")
NO_DETECTION = put(CONFIG, " camera_auto_detect = 0 # for the display")
OLD_PLACE = both(remove(CONFIG), put("boot/config.txt", "start_x=1"))


def cma(free_kib: int) -> str:
    return f"CmaTotal: 65536 kB\nCmaFree: {free_kib} kB\n"


PAINS = [
    Pain("no camera", UNPLUG, "camera", "warning", "ribbon", "rpicam-hello"),
    Pain("no detection", both(UNPLUG, NO_DETECTION), "camera", "warning", "camera_auto_detect=1"),
    Pain("USB camera", both(UNPLUG, lambda m: m.connect_usb()), "camera", "ok", "/dev/video8"),
    Pain("no ISP", remove(f"{VIDEO}/video13/name"), "camera-scaler", "problem", "signal processor"),
    Pain("legacy", put(CONFIG, "start_x=1"), "camera-scaler", "problem", "remove start_x=1"),
    Pain("legacy in the old place", OLD_PLACE, "camera-scaler", "problem", "remove start_x=1"),
    Pain("CMA used up", put("proc/meminfo", cma(9_000)), "camera-memory", "problem", "9 of 64", "cma-128"),
    Pain("CMA short", put("proc/meminfo", cma(30_000)), "camera-memory", "warning", "29 of 64"),
    Pain("CMA untold", put("proc/meminfo", ""), "camera-memory", "not applicable", "CmaFree"),
    Pain("nothing to hold", UNPLUG, "camera-free", "not applicable"),
]


@pytest.mark.parametrize("pain", PAINS, ids=str)
def test_what_is_wrong_with_the_camera_is_found(tmp_path: Path, pain: Pain) -> None:
    pain.assert_found(tmp_path)


def test_the_process_that_streams_from_the_camera_is_named(tmp_path: Path) -> None:
    fake = build(tmp_path).process(812, "rpicam-vid").lock(812, "dev/media1")
    finding = diagnose.examine(fake.machine())["camera-free"]
    assert finding.verdict is Verdict.PROBLEM
    assert "/dev/media1 is held by rpicam-vid (process 812)" in finding.detail
    assert "kill 812" in finding.remedy


def test_our_own_service_may_hold_the_camera(tmp_path: Path) -> None:
    fake = build(tmp_path).process(812, "pi-infer").lock(812, "dev/media1")
    finding = diagnose.examine(fake.machine())["camera-free"]
    assert finding == Finding(Verdict.OK, "in use by pi-infer (process 812)")


def test_who_has_a_usb_camera_open_is_named(tmp_path: Path) -> None:
    fake = build(tmp_path).connect_usb().process(9, "cheese", "/dev/video8").process(10, "sh")
    assert "held by cheese (process 9)" in diagnose.examine(fake.machine())["camera-free"].detail


def test_a_program_that_only_lists_cameras_does_not_hold_one(tmp_path: Path) -> None:
    fake = build(tmp_path).process(11, "wireplumber", "/dev/media1").process(12, "x", "/dev/video0")
    assert diagnose.examine(fake.machine())["camera-free"].verdict is Verdict.OK


def test_a_real_lock_is_found_by_the_real_proc(tmp_path: Path) -> None:
    machine = build(tmp_path).machine()
    (tmp_path / "proc").rename(tmp_path / "proc.fake")
    (tmp_path / "proc").symlink_to("/proc")
    with (tmp_path / "dev/media1").open("r+") as device:
        fcntl.lockf(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finding = diagnose.examine(replace(machine, answers={}))["camera-free"]
    assert f"(process {os.getpid()})" in finding.detail


def test_hostile_names_are_made_harmless(tmp_path: Path) -> None:
    fake = build(tmp_path).process(5, "\x1b[2Jevil\nok").lock(5, "dev/media1")
    finding = diagnose.examine(fake.machine())["camera-free"]
    assert finding.detail.isprintable()
