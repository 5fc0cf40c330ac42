"""Checks of the camera and of the hardware behind it."""

import re

from edge_runtime.doctor.checks.base import Finding, not_applicable, ok, problem, warning
from edge_runtime.doctor.checks.machine import Machine
from edge_runtime.machine.cameras import camera_holders, find_cameras

LEAST_CMA_MIB = 16  # one raw picture of a 12-megapixel sensor
SAFE_CMA_MIB = 40  # our four buffers of a few megabytes at most, and a raw picture beside them
NO_CONNECTOR = "no camera on the camera connector"


def camera(machine: Machine) -> Finding:
    """Check that there is a camera, on the connector or by USB; other sources work without."""
    cameras = find_cameras(machine.root)
    names = [*(f"{sensor} on the camera connector" for sensor in cameras.sensors), *cameras.usb]
    # A receiver without a known sensor still counts: drivers of other makers name theirs as they like.
    if names or cameras.receives:
        return ok(", ".join(names) or "a camera on the camera connector")
    if not machine.is_pi:
        return not_applicable("no camera, and not a Raspberry Pi: other sources work")
    if "camera_auto_detect=0" in machine.boot_settings:
        return warning(
            "no camera found, and the firmware is told not to look for one",
            "set camera_auto_detect=1 in /boot/firmware/config.txt and reboot",
        )
    return warning(
        "no camera found; other sources work",
        "switch off, seat the ribbon cable at both ends, switch on, and try 'rpicam-hello --list-cameras'",
    )


def camera_free(machine: Machine) -> Finding:
    """Check that no other process holds the camera: it serves one (picamera2 issues 399 and 1048)."""
    cameras = find_cameras(machine.root)
    holders = camera_holders(machine.root)
    # A process is called after the script that started it: this is how ours is known.
    others = [holder for holder in holders if holder.name != "pi-infer"]
    if others:
        held = others[0]
        return problem(
            f"{held.device} is held by {held.name} (process {held.pid})",
            f"end it: 'kill {held.pid}', or stop the service it belongs to",
        )
    if holders:
        return ok(f"in use by pi-infer (process {holders[0].pid})")
    return ok("free") if cameras.on_connector or cameras.usb else not_applicable("no camera")


def scaler(machine: Machine) -> Finding:
    """Check that the ISP can scale: else copying frames halves the rate (picamera2 issues 914 and 950)."""
    cameras = find_cameras(machine.root)
    if machine.is_pi and "start_x=1" in machine.boot_settings:
        return problem(
            "the old camera stack is switched on (start_x=1), with which picamera2 finds no camera",
            "remove start_x=1 from /boot/firmware/config.txt and reboot",
        )
    if not cameras.on_connector:
        return not_applicable(NO_CONNECTOR)
    if not cameras.scales:
        remedy = "sudo apt update && sudo apt full-upgrade, then reboot"
        return problem("a camera is there, but no image signal processor to scale its frames", remedy)
    return ok("the image signal processor scales frames to the network's size")


def contiguous_memory(machine: Machine) -> Finding:
    """Check for free CMA, of which camera buffers are made, or none are (picamera2 issues 887 and 958)."""
    sizes = dict(
        re.findall(r"^(CmaTotal|CmaFree):\s+(\d{1,12}) kB", machine.text("proc/meminfo"), re.MULTILINE)
    )
    if not find_cameras(machine.root).on_connector:
        return not_applicable(NO_CONNECTOR)
    if "CmaFree" not in sizes or "CmaTotal" not in sizes:
        return not_applicable("the kernel does not tell CmaFree")
    free, total = (int(sizes[key]) / 1024 for key in ("CmaFree", "CmaTotal"))
    detail = f"{free:.0f} of {total:.0f} MiB of CMA are free for camera buffers"
    remedy = (
        "end programs that use the camera or the screen, or set dtoverlay=vc4-kms-v3d,cma-128 (cma-256 "
        "from 1 GB of memory on) in /boot/firmware/config.txt and reboot"
    )
    if free < LEAST_CMA_MIB:
        return problem(detail, remedy)
    return warning(detail, remedy) if free < SAFE_CMA_MIB else ok(detail)
