"""Checks of the running system: power and heat, memory limits, the service, the card."""

import re

from edge_runtime.doctor.checks.base import Finding, not_applicable, ok, problem, warning
from edge_runtime.doctor.checks.machine import Machine
from edge_runtime.machine.board import read_condition, throttling as throttling_words

NOW = 0xF  # the bits of get_throttled for this moment; those from 16 on are for "since boot"
HOT_C = 80.0  # where the firmware of a Raspberry Pi begins to slow the processor
FULL_MIB, TIGHT_MIB = 100, 500  # below, a new model may not fit; or an upgrade of the system
NO_TEMPERATURE = "the machine does not tell its temperature"


def memory_cgroup(machine: Machine) -> Finding:
    """Check for the memory cgroup, off by default on Pi OS: without it ``MemoryMax=`` does nothing."""
    controllers = machine.text("sys/fs/cgroup/cgroup.controllers").split()
    if "memory" in controllers:
        return ok("MemoryMax= takes effect")
    if not controllers:
        return not_applicable("no unified cgroup hierarchy is mounted here")
    if re.search(r"\bcgroup_enable=memory\b", machine.text("proc/cmdline")):
        remedy = (
            "the kernel ignores cgroup_enable=memory: sudo apt update && sudo apt full-upgrade, then reboot"
        )
    else:
        remedy = "append cgroup_enable=memory to the one line of /boot/firmware/cmdline.txt and reboot"
    detail = "the memory cgroup is off, so MemoryMax= does nothing"
    limited = machine.unit is not None and "MemoryMax" in machine.unit
    return problem(f"{detail}, and the service relies on it", remedy) if limited else warning(detail, remedy)


def throttling(machine: Machine) -> Finding:
    """Check that heat or a weak supply does not slow the processor, which spoils every measurement."""
    answer = machine.answers.get("vcgencmd")
    digits = re.search(r"^throttled=0x([0-9a-fA-F]{1,8})$", answer.output if answer else "", re.MULTILINE)
    if digits is None:
        return _heat(machine, "" if answer is None else answer.errors, machine.is_pi)
    bits = int(digits.group(1), 16)
    words = ", ".join(throttling_words(bits))
    if bits & NOW:
        return problem(words, _slow_remedy(bits))
    return (
        warning(words, _slow_remedy(bits)) if words else ok("neither throttled nor short of power since boot")
    )


def _slow_remedy(bits: int) -> str:
    if bits & 0x10001:  # under-voltage, now or since boot: everything else follows from it
        return "use the board's own power supply and a short cable"
    return "fit a heat sink or a fan, and let air to the board"


def _heat(machine: Machine, complaint: str, is_pi: bool) -> Finding:  # noqa: FBT001
    """Judge by the temperature, where the firmware does not say whether it slows the processor."""
    temperature_c = read_condition(machine.root, vcgencmd="").temperature_c
    if temperature_c is not None and temperature_c >= HOT_C:
        return warning(f"{temperature_c:.0f} °C: the processor is, or will be, slowed", _slow_remedy(0))
    if is_pi and "vcio" in complaint:
        return warning("vcgencmd may not ask the firmware", "sudo usermod -aG video $USER, then log in again")
    told = NO_TEMPERATURE if temperature_c is None else f"{temperature_c:.0f} °C"
    if is_pi:
        return warning(f"vcgencmd gives no answer ({told})", "sudo apt install -y raspi-utils")
    return not_applicable(told) if temperature_c is None else ok(told)


def watchdog(machine: Machine) -> Finding:
    """Check that systemd restarts the service when a capture hangs for ever in a driver."""
    unit = machine.unit
    if unit is None:
        return not_applicable("the service is not installed")
    # Of a setting that drop-ins repeat, the last counts.
    restart, limit = (unit.get(key, "").rpartition("\n")[2] for key in ("Restart", "WatchdogSec"))
    if limit in ("", "0", "infinity") or restart not in (
        "always",
        "on-failure",
        "on-watchdog",
        "on-abnormal",
    ):
        return problem(
            "systemd would not restart the service when a capture hangs",
            "set WatchdogSec=30 and Restart=on-failure with 'sudo systemctl edit pi-infer'",
        )
    return ok(
        f"systemd restarts the service when no result comes within {limit} (s unless it says otherwise)"
    )


def sd_card(machine: Machine) -> Finding:
    """Check that nothing wears the SD card out by writing to it all the time, as swap does."""
    # The last line for "/": what is mounted later lies on top.
    mounts = re.findall(r"^(\S+) / (\S+) (\S+) ", machine.text("proc/mounts"), re.MULTILINE)
    device, kind, options = mounts[-1] if mounts else ("", "", "")
    if kind == "overlay":
        return ok("the root file system is an overlay: nothing is written to the card")
    if "mmcblk" not in device:
        return not_applicable("the root file system is not on an SD card")
    if "ro" in options.split(","):
        return problem(
            f"the card ({device}) is mounted read-only, as after errors",
            "copy what matters, and replace the card",
        )
    if _swaps_to_card(machine):
        return warning(
            "memory is swapped to the card, which wears it out and stalls inference",
            "swap to memory: sudo apt install -y zram-tools && sudo systemctl disable --now dphys-swapfile",
        )
    return ok("nothing swaps to the card")


def _swaps_to_card(machine: Machine) -> bool:
    """Whether a swap file or partition on the card holds anything."""
    lines = re.findall(
        r"^(\S+)\s+(file|partition)\s+\d+\s+(\d{1,15})\b", machine.text("proc/swaps"), re.MULTILINE
    )
    return any(int(used) and (kind == "file" or "mmcblk" in name) for name, kind, used in lines)


def disk_space(machine: Machine) -> Finding:
    """Check for room on the disk: for models, upgrades, and the system's own logs."""
    if machine.free_mib is None:
        return not_applicable("the disk does not tell its free space")
    detail = f"{machine.free_mib:.0f} MiB are free"
    remedy = "sudo apt clean, sudo journalctl --vacuum-size=50M, and remove what is not needed"
    if machine.free_mib < FULL_MIB:
        return problem(f"only {detail}", remedy)
    return warning(f"only {detail}", remedy) if machine.free_mib < TIGHT_MIB else ok(detail)
